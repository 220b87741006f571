use std::collections::BTreeSet;

use super::super::Shell;
use super::super::tests::Shop;
use super::*;

/// The words that fish offers at the end of this line, without their descriptions; `None` without fish.
fn offered_with(line: &str, variables: &[(&str, &str)]) -> Option<Vec<String>> {
    let shop = Shop::new();
    let file = shop.script(Shell::Fish);
    let script = format!("source {file}; complete -C {}", quoted(line));
    let lines = shop.run(Shell::Fish, &["--no-config", "-c", &script], variables)?;
    Some(lines.iter().map(|line| line.split('\t').next().unwrap_or_default().to_owned()).collect())
}

fn offered(line: &str) -> Option<Vec<String>> {
    offered_with(line, &[])
}

#[test]
fn fish_finds_no_fault_with_the_script() {
    let shop = Shop::new();
    let file = shop.script(Shell::Fish);
    let Some(said) = shop.run(Shell::Fish, &["--no-config", "-n", &file], &[]) else { return };
    assert_eq!(said, [""; 0]);
}

#[test]
fn every_command_is_offered_each_of_its_flags() {
    for info in COMMANDS {
        let Some(found) = offered(&format!("sentinel {} --", info.name)) else { return };
        let flags: BTreeSet<String> = flags_of(Some(info.command)).map(Flag::dashed).collect();
        assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), flags, "{}", info.name);
    }
    let commands: BTreeSet<String> = first_words().map(str::to_owned).collect();
    assert_eq!(offered("sentinel ").expect("fish").into_iter().collect::<BTreeSet<_>>(), commands);
    assert_eq!(offered("sentinel --").expect("fish"), ["--help", "--version"]);
}

#[test]
fn second_words_and_what_follows_them_are_offered() {
    let Some(seconds) = offered("sentinel log ") else { return };
    assert_eq!(seconds, ["show", "verify"]);
    let fish = |line| offered(line).expect("fish");
    assert_eq!(fish("sentinel policy pu"), ["pull", "push"]);
    assert_eq!(fish("sentinel policy --"), ["--help"]);
    assert_eq!(fish("sentinel help po"), ["policy"]);
    assert_eq!(fish("sentinel help log "), ["show", "verify"]);
    assert_eq!(fish("sentinel help exec "), [""; 0]);
    assert_eq!(fish("sentinel session list --status "), ["active", "expired", "revoked"]);
    assert_eq!(fish("sentinel breakglass list --status=c"), ["--status=closed"]);
    assert_eq!(fish("sentinel policy validate polic"), ["policies/", "policy.json"]);
    assert_eq!(fish("sentinel session show --j"), ["--json"]);
}

#[test]
fn shells_and_choices_are_offered() {
    let Some(shells) = offered("sentinel completions ") else { return };
    assert_eq!(shells, ["bash", "fish", "zsh"]);
    assert_eq!(offered("sentinel help cr").expect("fish"), ["credentials"]);
    assert_eq!(offered("sentinel exec --bind ").expect("fish"), ["process", "tree", "uid"]);
    assert_eq!(offered("sentinel exec --server --bind=u").expect("fish"), ["--bind=uid"]);
}

#[test]
fn profiles_come_from_the_aws_config_and_are_not_run() {
    let Some(names) = offered("sentinel exec --profile prod") else { return };
    assert_eq!(names, ["prod", "prod-eu"]);
    assert_eq!(offered("sentinel exec prod-").expect("fish"), ["prod-eu"]);
    assert_eq!(offered("sentinel exec --profile '$'").expect("fish"), ["$(touch ran)"]);
    assert_eq!(offered_with("sentinel exec ", &[("AWS_CONFIG_FILE", "other")]).expect("fish"), ["elsewhere"]);
    assert_eq!(offered_with("sentinel exec ", &[("AWS_CONFIG_FILE", "missing")]).expect("fish"), [""; 0]);
}

#[test]
fn files_and_directories_are_offered() {
    let Some(files) = offered("sentinel exec --policy polic") else { return };
    assert_eq!(files, ["policies/", "policy.json"]);
    assert_eq!(offered("sentinel exec --state-dir polic").expect("fish"), ["policies/"]);
}

#[test]
fn the_command_that_exec_runs_is_completed_as_such() {
    let Some(names) = offered("sentinel exec --profile prod -- printen") else { return };
    assert_eq!(names, ["printenv"]);
    assert_eq!(offered("sentinel exec prod printen").expect("fish"), ["printenv"]);
    assert_eq!(offered("sentinel exec --profile=prod --lazy printen").expect("fish"), ["printenv"]);
    assert_eq!(offered("sentinel exec prod -- cat polic").expect("fish"), ["policies/", "policy.json"]);
    let all = offered("sentinel exec -- cat --").expect("fish");
    assert!(!all.contains(&"--profile".to_owned()), "{all:?}");
}

#[test]
fn the_line_of_an_option_looks_like_this() {
    let of = |id| option("exec", &Flag { help: "it's", ..*Flag::of(id).expect("a flag") });
    let start = "complete -c sentinel -n '__sentinel_at exec' -l";
    assert_eq!(of(Id::Bind), format!("{start} bind -x -a 'tree process uid' -d 'it\\'s'\n"));
    assert_eq!(of(Id::Duration), format!("{start} duration -s d -x -d 'it\\'s'\n"));
    assert_eq!(of(Id::Policy), format!("{start} policy -r -F -d 'it\\'s'\n"));
    assert_eq!(of(Id::Server), format!("{start} server -s s -d 'it\\'s'\n"));
}
