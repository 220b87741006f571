use super::super::Shell;
use super::super::tests::Shop;
use super::*;
use crate::cli::flags::FLAGS;

/// Stand-ins that print what zsh's own functions are given, one call a line.
const STUBS: &str = "compdef() { }\n_describe() { print -r -- describe ${(P)4} }\n_arguments() { print -r -- arguments $words : $* }\n\
    _normal() { print -r -- normal $CURRENT \"${(@)words}\" }\n_wanted() { print -rl -- ${(P)${@[-1]}} }\n";

/// What zsh's functions are asked to complete for a line whose last word is being typed; `None` without zsh.
fn asked(words: &[&str], variables: &[(&str, &str)]) -> Option<Vec<String>> {
    let shop = Shop::new();
    let file = shop.script(Shell::Zsh);
    let script = format!("{STUBS}source \"$1\"; shift; words=(\"$@\"); CURRENT=$#; _sentinel");
    shop.run(Shell::Zsh, &[&["-f", "-c", &script, "zsh", &file][..], words].concat(), variables)
}

#[test]
fn zsh_finds_no_fault_with_the_script() {
    let shop = Shop::new();
    let file = shop.script(Shell::Zsh);
    let Some(said) = shop.run(Shell::Zsh, &["-f", "-n", &file], &[]) else { return };
    assert_eq!(said, [""; 0]);
    // Autoloaded, as from $fpath, by the real completion system.
    let load = "fpath=($PWD $fpath); autoload -Uz compinit; compinit -D -u; print -r -- ${_comps[sentinel]}; autoload +X _sentinel";
    assert_eq!(shop.run(Shell::Zsh, &["-f", "-c", load], &[]).expect("zsh"), ["_sentinel"]);
}

#[test]
fn every_command_is_given_each_of_its_flags() {
    for info in COMMANDS {
        let text = case(info);
        for flag in FLAGS {
            assert_eq!(text.contains(&specification(flag)), flag.belongs_to(Some(info.command)), "{}", flag.name);
        }
        let line: Vec<&str> = ["sentinel"].into_iter().chain(info.name.split(' ')).chain(["-"]).collect();
        let Some(calls) = asked(&line, &[]) else { return };
        assert!(calls[0].starts_with(&format!("arguments {} - : -s -S : ", info.name)), "{calls:?}");
        for flag in flags_of(Some(info.command)) {
            assert!(calls[0].contains(&format!("--{}", flag.name)) && calls[0].contains(flag.help), "{}", flag.name);
        }
    }
}

#[test]
fn second_words_and_what_follows_them_are_offered() {
    let Some(calls) = asked(&["sentinel", "log", ""], &[]) else { return };
    let seconds = "describe verify:find lines that were cut, changed, moved or removed show:print decisions for people";
    assert_eq!(calls[0], seconds);
    assert!(calls[1].starts_with("arguments log : : "), "{calls:?}");
    let topics = |words: &str, current: usize| {
        let shop = Shop::new();
        let file = shop.script(Shell::Zsh);
        let script = format!("{STUBS}source \"$1\"; words=({words}); CURRENT={current}; _sentinel_topics; true");
        shop.run(Shell::Zsh, &["-f", "-c", &script, "zsh", &file], &[]).expect("zsh")
    };
    assert_eq!(topics("help log", 3), ["verify", "show"]);
    assert_eq!(topics("help", 2).join(" "), top_words());
    assert_eq!(topics("help exec", 3), [""; 1]);
    let files = asked(&["sentinel", "policy", "validate", "x"], &[]).expect("zsh");
    assert!(files[0].ends_with(" *:file:_files"), "{files:?}");
}

#[test]
fn the_specification_of_an_option_looks_like_this() {
    let of = |id| specification(&Flag { help: "it's [so]", ..*Flag::of(id).expect("a flag") });
    assert_eq!(of(Id::Bind), r"'--bind=[it'\''s \[so\]]:SCOPE:(tree process uid)'");
    assert_eq!(of(Id::Duration), r"'(-d --duration)'{-d+,--duration=}'[it'\''s \[so\]]:TIME: '");
    assert_eq!(of(Id::Server), r"'(-s --server)'{-s,--server}'[it'\''s \[so\]]'");
    assert_eq!(of(Id::StateDir), r"'--state-dir=[it'\''s \[so\]]:DIR:_files -/'");
}

#[test]
fn the_command_that_exec_runs_is_completed_as_such() {
    let normal = |words: &[&str]| asked(words, &[]).map(|calls| calls.join("\n"));
    let Some(name) = normal(&["sentinel", "exec", "--profile", "prod", "--", "aw"]) else { return };
    assert_eq!(name, "normal 1 aw");
    assert_eq!(normal(&["sentinel", "exec", "prod", "aw"]).as_deref(), Some("normal 1 aw"));
    assert_eq!(normal(&["sentinel", "exec", "--profile=prod", "--lazy", "aw"]).as_deref(), Some("normal 1 aw"));
    assert_eq!(
        normal(&["sentinel", "exec", "prod", "-d", "1h", "git", "log", "--", ""]).as_deref(),
        Some("normal 4 git log -- ")
    );
    for words in
        [&["sentinel", "exec", ""][..], &["sentinel", "exec", "prod", "-d", ""], &["sentinel", "exec", "prod", "-"]]
    {
        let calls = normal(words).expect("zsh");
        assert!(calls.starts_with("arguments exec "), "{words:?}: {calls}");
    }
}

#[test]
fn profiles_come_from_the_aws_config_and_are_not_run() {
    let listed = |variables: &[(&str, &str)]| {
        let shop = Shop::new();
        let file = shop.script(Shell::Zsh);
        let script = format!("{STUBS}source \"$1\"; _sentinel_profiles; true");
        shop.run(Shell::Zsh, &["-f", "-c", &script, "zsh", &file], variables)
    };
    let Some(names) = listed(&[]) else { return };
    assert_eq!(names, ["default", "prod", "prod-eu", "two words", "$(touch ran)", "dev"]);
    assert_eq!(listed(&[("AWS_CONFIG_FILE", "other")]).expect("zsh"), ["elsewhere"]);
    assert_eq!(listed(&[("AWS_CONFIG_FILE", "missing")]).expect("zsh"), [""; 0]);
}
