use std::os::unix::ffi::OsStringExt;

use super::*;

fn words(line: &[&str]) -> Vec<OsString> {
    line.iter().map(OsString::from).collect()
}

fn refusal(line: &[&str]) -> String {
    parse(&words(line)).err().map_or_else(|| "accepted".to_owned(), |error| error.to_string())
}

#[test]
fn the_profile_and_the_child_are_told_apart() {
    type Case = (&'static [&'static str], Option<&'static str>, Option<&'static str>, &'static [&'static str]);
    // The line after `sentinel exec`, the profile as a word, the profile as a flag, the child.
    let cases: &[Case] = &[
        (&["prod", "--", "aws", "s3", "ls"], Some("prod"), None, &["aws", "s3", "ls"]),
        (&["--profile", "prod", "--", "aws"], None, Some("prod"), &["aws"]),
        (&["--profile=prod", "--", "aws"], None, Some("prod"), &["aws"]),
        (&["prod", "aws", "s3", "ls"], Some("prod"), None, &["aws", "s3", "ls"]),
        (&["--profile", "prod", "aws", "s3", "ls"], None, Some("prod"), &["aws", "s3", "ls"]),
        (&["--", "env"], None, None, &["env"]),
        (&["prod"], Some("prod"), None, &[]),
        (&["prod", "--"], Some("prod"), None, &[]),
        (&[], None, None, &[]),
        // The child's options are its own, also those that exec knows.
        (&["prod", "aws", "--debug", "--profile", "x"], Some("prod"), None, &["aws", "--debug", "--profile", "x"]),
        (&["prod", "-d", "2h", "aws", "-h"], Some("prod"), None, &["aws", "-h"]),
        (&["--profile", "prod", "env", "--", "x"], None, Some("prod"), &["env", "--", "x"]),
        (&["prod", "--", "--", "x"], Some("prod"), None, &["--", "x"]),
        (&["prod", "--", "-h"], Some("prod"), None, &["-h"]),
    ];
    for (line, word, flag, child) in cases {
        let line = [&["exec"], *line].concat();
        let parsed = parse(&words(&line)).expect("a right command line");
        assert_eq!(parsed.command, Some(CommandName::Exec), "{line:?}");
        assert_eq!(parsed.profile.as_deref(), word.map(OsStr::new), "{line:?}");
        assert_eq!(parsed.value(Id::Profile), flag.map(OsStr::new), "{line:?}");
        assert_eq!(parsed.child, words(child), "{line:?}");
    }
}

#[test]
fn letters_combine_and_take_attached_values() {
    for line in [&["exec", "-nd2h", "p"][..], &["exec", "-n", "-d=2h", "p"], &["exec", "--duration=2h", "-n", "p"]] {
        let parsed = parse(&words(line)).expect("a right command line");
        assert!(parsed.has(Id::NoSession), "{line:?}");
        assert_eq!(parsed.value(Id::Duration), Some(OsStr::new("2h")), "{line:?}");
    }
}

#[test]
fn help_wins_over_what_follows_it() {
    let parsed = parse(&words(&["exec", "prod", "--help", "--no-such-thing"])).expect("help");
    assert_eq!(parsed.help, Some(HelpLength::Long));
    assert_eq!(parse(&words(&["-h"])).expect("help").help, Some(HelpLength::Short));
    let topic = |line: &[&str]| parse(&words(line)).expect("help").topic;
    assert_eq!(topic(&["help", "exec"]), Some(Topic::Command(CommandName::Exec)));
    assert_eq!(topic(&["help", "policy"]), Family::of("policy").map(Topic::Family));
    assert_eq!(topic(&["help", "policy", "test"]), Some(Topic::Command(CommandName::PolicyTest)));
    let family = parse(&words(&["policy", "-h"])).expect("help");
    assert_eq!((family.command, family.help), (None, Some(HelpLength::Short)));
    assert_eq!(family.topic, Family::of("policy").map(Topic::Family));
}

#[test]
fn two_words_name_a_command_and_further_words_are_kept() {
    let parsed = parse(&words(&["policy", "validate", "a.json", "--strict", "-", "b.json"])).expect("a right line");
    assert_eq!(parsed.command, Some(CommandName::PolicyValidate));
    assert_eq!(parsed.words, words(&["a.json", "-", "b.json"]));
    assert!(parsed.has(Id::Strict) && parsed.profile.is_none());
    let parsed = parse(&words(&["session", "revoke", "--reason", "lost", "0123456789abcdef"])).expect("a right line");
    assert_eq!((parsed.command, parsed.words), (Some(CommandName::SessionRevoke), words(&["0123456789abcdef"])));
}

#[test]
fn a_name_that_two_flags_share_is_the_commands_own() {
    let value = |line: &[&str], id| parse(&words(line)).expect("a right line").value(id).map(OsStr::to_owned);
    assert_eq!(value(&["request", "create", "--duration", "2h"], Id::Window), Some("2h".into()));
    assert_eq!(value(&["exec", "--duration", "2h"], Id::Duration), Some("2h".into()));
    assert_eq!(value(&["request", "list", "--profile", "p"], Id::OfProfile), Some("p".into()));
    assert_eq!(value(&["policy", "test", "--profile", "p"], Id::AskedProfile), Some("p".into()));
    assert_eq!(value(&["whoami", "--profile", "p"], Id::Profile), Some("p".into()));
}

#[test]
fn the_child_may_be_any_bytes() {
    let odd = OsString::from_vec(vec![b'a', 0xff]);
    let mut line = words(&["exec", "prod", "--"]);
    line.push(odd.clone());
    assert_eq!(parse(&line).expect("a right command line").child, [odd]);
}

#[test]
fn wrong_lines_are_refused_in_these_words() {
    let cases: &[(&[&str], &str)] = &[
        (&["exce"], "there is no command `exce`\n  did you mean `exec`?"),
        (&["doctr"], "there is no command `doctr`\n  `sentinel help` lists the commands"),
        (&["serve"], "serve needs a second word: ecs, ec2\n  `sentinel help serve` says what each does"),
        (&["help", "exce"], "there is no command `exce`\n  did you mean `exec`?"),
        (&["polcy"], "there is no command `polcy`\n  did you mean `policy`?"),
        (&["approve"], "there is no command `approve`\n  did you mean `request approve`?"),
        (&["policy validate"], "there is no command `policy validate`\n  did you mean `policy`?"),
        (
            &["policy"],
            "policy needs a second word: validate, test, explain, sign, keygen, pull, push, diff\n  \
             `sentinel help policy` says what each does",
        ),
        (&["log", "--json"], "log needs a second word: verify, show\n  `sentinel help log` says what each does"),
        (&["policy", "validat"], "policy has no command `validat`\n  did you mean `validate`?"),
        (&["policy", "zzz"], "policy has no command `zzz`\n  `sentinel help policy` lists them"),
        (&["help", "policy", "tset"], "policy has no command `tset`\n  did you mean `test`?"),
        (&["session", "show"], "session show needs ID\n  `sentinel session show ID [options]`"),
        (
            &["policy", "push"],
            "policy push needs FILE\n  `sentinel policy push FILE --policy-parameter NAME [--expect-version N] [options]`",
        ),
        (
            &["session", "show", "a", "b"],
            "session show takes no ID more, and was given `b`\n  `sentinel help session show` shows how it is written",
        ),
        (
            &["session", "list", "a"],
            "session list takes no argument `a` here\n  `sentinel help` shows what each command takes",
        ),
        (&["policy", "test", "--strict"], "policy test has no option --strict\n  --strict belongs to policy validate"),
        (&["log", "show", "--", "x"], "log show runs no command, so `--` has no place in it"),
        (
            &["help", "exec", "more"],
            "help takes no argument `more` here\n  `sentinel help` shows what each command takes",
        ),
        (&["version", "1"], "version takes no argument `1` here\n  `sentinel help` shows what each command takes"),
        (&["exec", "--regoin", "x"], "exec has no option --regoin\n  did you mean `--region`?"),
        (&["exec", "--zzz"], "exec has no option --zzz\n  `sentinel help exec` lists its options"),
        (&["exec", "-x"], "exec has no option -x\n  `sentinel help exec` lists its options"),
        (&["credentials", "--bind", "uid"], "credentials has no option --bind\n  --bind belongs to exec and serve ecs"),
        (&["version", "-d"], "version has no option -d\n  -d belongs to exec and credentials"),
        (&["exec", "--version"], "exec has no option --version\n  --version stands alone: `sentinel --version`"),
        (
            &["--debug", "exec"],
            "sentinel has no option --debug\n  --debug belongs to exec, credentials and others: write it after the command",
        ),
        (&["--zzz"], "sentinel has no option --zzz\n  `sentinel help` lists the commands; options follow them"),
        (&["exec", "--region"], "--region needs a value\n  `--region REGION`"),
        (&["exec", "--region", "--debug"], "--region needs a value\n  `--region REGION`"),
        (&["exec", "--profile", "--", "env"], "--profile needs a value\n  `--profile P`"),
        (&["exec", "--profile", "", "env"], "--profile has an empty value"),
        (&["exec", "--profile=", "env"], "--profile has an empty value"),
        (&["exec", "--debug=yes"], "--debug takes no value, and was given `yes`"),
        (&["exec", "-n=yes"], "-n takes no value, and was given `yes`"),
        (&["exec", "--debug", "--debug", "p"], "--debug is given twice"),
        (&["exec", "prod", "--profile", "dev"], "the profile is given twice: `prod` and `--profile dev`"),
        (&["exec", "prod", "--profile", "dev", "--", "env"], "the profile is given twice: `prod` and `--profile dev`"),
        (
            &["credentials", "prod"],
            "credentials takes no argument, and was given `prod`\n  a profile is named with `--profile prod`",
        ),
        (&["credentials", "--", "env"], "credentials runs no command, so `--` has no place in it"),
    ];
    for (line, text) in cases {
        assert_eq!(refusal(line), *text, "{line:?}");
    }
}

#[test]
fn every_refusal_is_of_kind_usage() {
    for line in [&["exce"][..], &["exec", "--zzz"], &["exec", "--region"], &["exec", "--debug=1"], &["version", "x"]] {
        let error = parse(&words(line)).err().expect("a refusal");
        assert_eq!(error.kind(), crate::error::Kind::Usage, "{line:?}");
    }
}

#[test]
fn every_flag_is_read_by_every_command_that_takes_it() {
    for flag in FLAGS {
        for command in flag.commands {
            let mut line: Vec<OsString> = command.name().split(' ').map(OsString::from).collect();
            line.push(flag.dashed().into());
            line.extend(flag.value.map(|_| OsString::from("x")));
            let (needed, _) = command.info().expect("a line").words.kept();
            line.extend((0..needed).map(|_| OsString::from("word")));
            let parsed = parse(&line).expect("a right command line");
            assert!(parsed.has(flag.id), "{line:?}");
            assert_eq!(parsed.value(flag.id), flag.value.map(|_| OsStr::new("x")), "{line:?}");
        }
    }
}
