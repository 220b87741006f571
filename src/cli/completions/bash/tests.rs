use std::collections::BTreeSet;

use super::super::Shell;
use super::super::tests::Shop;
use super::*;
use crate::cli::commands::first_words;

/// What bash offers for a command line whose last word is being typed. Words are as readline splits them.
fn offered_with(setup: &str, words: &[&str], variables: &[(&str, &str)]) -> Vec<String> {
    let shop = Shop::new();
    let script = format!(
        "source \"$1\"; shift; {setup}\nCOMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); COMP_LINE=\"$*\"; COMP_POINT=${{#COMP_LINE}}\n\
         _sentinel sentinel \"${{!#}}\" \"${{@: -2:1}}\"; ((${{#COMPREPLY[@]}})) && printf '%s\\n' \"${{COMPREPLY[@]}}\" || true"
    );
    let file = shop.script(Shell::Bash);
    let arguments = [&["--noprofile", "--norc", "-u", "-c", &script, "bash", &file][..], words].concat();
    shop.run(Shell::Bash, &arguments, variables).expect("bash")
}

fn offered(words: &[&str]) -> Vec<String> {
    offered_with("", words, &[])
}

/// In order and each once, as readline shows them.
fn shown(words: &[&str]) -> Vec<String> {
    offered(words).into_iter().collect::<BTreeSet<_>>().into_iter().collect()
}

#[test]
fn every_command_is_offered_each_of_its_flags() {
    for info in COMMANDS {
        let line: Vec<&str> = ["sentinel"].into_iter().chain(info.name.split(' ')).chain(["-"]).collect();
        let found: BTreeSet<String> = offered(&line).into_iter().collect();
        assert_eq!(found, flags_of(Some(info.command)).flat_map(spellings).collect(), "{}", info.name);
    }
    let own = offered(&["sentinel", ""]);
    let commands: Vec<&str> = first_words().collect();
    assert_eq!(own[..commands.len()], commands);
    assert_eq!(own[commands.len()..], ["-h", "--help", "-V", "--version"]);
}

#[test]
fn second_words_and_what_follows_them_are_offered() {
    assert_eq!(offered(&["sentinel", "log", ""]), ["verify", "show", "-h", "--help"]);
    assert_eq!(offered(&["sentinel", "policy", "pu"]), ["pull", "push"]);
    assert_eq!(offered(&["sentinel", "help", "po"]), ["policy"]);
    assert_eq!(offered(&["sentinel", "help", "log", ""]), ["verify", "show"]);
    assert_eq!(offered(&["sentinel", "help", "exec", ""]), [""; 0]);
    assert_eq!(offered(&["sentinel", "session", "list", "--status", ""]), ["active", "revoked", "expired"]);
    assert_eq!(offered(&["sentinel", "breakglass", "list", "--status", "=", "c"]), ["closed"]);
    assert_eq!(offered(&["sentinel", "request", "list", "--profile", "prod-"]), ["prod-eu"]);
    assert_eq!(shown(&["sentinel", "policy", "validate", "polic"]), ["policies", "policy.json"]);
    assert_eq!(shown(&["sentinel", "policy", "sign", "policy.json", "--key", "polic"]), ["policies", "policy.json"]);
    assert_eq!(offered(&["sentinel", "session", "show", "--j"]), ["--json"]);
}

#[test]
fn commands_shells_and_choices_are_offered() {
    assert_eq!(offered(&["sentinel", "ex"]), ["exec"]);
    assert_eq!(offered(&["sentinel", "help", "cr"]), ["credentials"]);
    assert_eq!(offered(&["sentinel", "completions", ""]), ["bash", "zsh", "fish"]);
    assert_eq!(offered(&["sentinel", "exec", "--bind", ""]), ["tree", "process", "uid"]);
    assert_eq!(offered(&["sentinel", "exec", "--bind", "="]), ["tree", "process", "uid"]);
    assert_eq!(offered(&["sentinel", "exec", "--bind", "=", "p"]), ["process"]);
    assert_eq!(offered(&["sentinel", "exec", "--server", "--bind", "u"]), ["uid"]);
    assert_eq!(offered(&["sentinel", "exec", "-d", "1"]), [""; 0]);
}

#[test]
fn profiles_come_from_the_aws_config_and_are_not_run() {
    assert_eq!(offered(&["sentinel", "exec", "--profile", "prod"]), ["prod", "prod-eu"]);
    assert_eq!(offered(&["sentinel", "exec", "prod-"]), ["prod-eu"]);
    assert_eq!(
        offered(&["sentinel", "credentials", "--profile", ""]),
        ["default", "prod", "prod-eu", "two\\ words", "\\$\\(touch\\ ran\\)", "dev"]
    );
    let elsewhere = [("AWS_CONFIG_FILE", "other")];
    assert_eq!(offered_with("", &["sentinel", "exec", "--profile", ""], &elsewhere), ["elsewhere"]);
    let missing = [("AWS_CONFIG_FILE", "missing")];
    assert_eq!(offered_with("", &["sentinel", "exec", "--profile", ""], &missing), [""; 0]);
}

#[test]
fn files_and_directories_are_offered() {
    assert_eq!(shown(&["sentinel", "exec", "--policy", "polic"]), ["policies", "policy.json"]);
    assert_eq!(shown(&["sentinel", "exec", "--state-dir", "polic"]), ["policies"]);
}

#[test]
fn the_command_that_exec_runs_is_completed_as_such() {
    let name = ["sentinel", "exec", "--profile", "prod", "--", "printen"];
    assert_eq!(shown(&name), ["printenv"]);
    assert_eq!(shown(&["sentinel", "exec", "prod", "printen"]), ["printenv"]);
    assert_eq!(shown(&["sentinel", "exec", "--profile", "=", "prod", "--lazy", "printen"]), ["printenv"]);
    assert_eq!(shown(&["sentinel", "exec", "prod", "--", "cat", "polic"]), ["policies", "policy.json"]);
    assert_eq!(shown(&["sentinel", "exec", "--", "cat", "--", "polic"]), ["policies", "policy.json"]);
}

#[test]
fn where_bash_completion_is_loaded_it_completes_the_command_that_exec_runs() {
    let setup = "_command_offset() { COMPREPLY=(\"from $1: ${COMP_WORDS[$1]}\"); }";
    let at = |words: &[&str]| offered_with(setup, words, &[]);
    assert_eq!(at(&["sentinel", "exec", "--", "aws", "s3", ""]), ["from 3: aws"]);
    assert_eq!(at(&["sentinel", "exec", "--bind", "=", "tree", "prod", "aws", "-"]), ["from 6: aws"]);
    assert_eq!(at(&["sentinel", "credentials", "--", ""]), [""; 0]);
}

#[test]
fn the_arm_of_an_option_looks_like_this() {
    let of = |id| value(Flag::of(id).expect("a flag"));
    assert_eq!(of(Id::Bind).as_deref(), Some("        'exec --bind') echo 'tree process uid' ;;\n"));
    assert_eq!(of(Id::SourceIdentity).as_deref(), Some("        *' --source-identity') echo 'auto require off' ;;\n"));
    assert_eq!(of(Id::Duration).as_deref(), Some("        *' -d' | *' --duration') echo '@nothing' ;;\n"));
    assert_eq!(
        of(Id::SessionStatus).as_deref(),
        Some("        'session list --status') echo 'active revoked expired' ;;\n")
    );
    assert_eq!(of(Id::Server), None);
}
