use super::*;

fn of(line: &[&str]) -> Result<Command> {
    let line: Vec<OsString> = line.iter().map(OsString::from).collect();
    read(&line, &Env::default())
}

fn family(name: &str) -> Option<Topic> {
    commands::Family::of(name).map(Topic::Family)
}

#[test]
fn lines_lead_to_their_commands() {
    let cases: &[(&[&str], Command)] = &[
        (&[], Command::Help(None, HelpLength::Short)),
        (&["help"], Command::Help(None, HelpLength::Long)),
        (&["-h"], Command::Help(None, HelpLength::Short)),
        (&["--help"], Command::Help(None, HelpLength::Long)),
        (&["help", "exec"], Command::Help(Some(Topic::Command(CommandName::Exec)), HelpLength::Long)),
        (&["exec", "-h"], Command::Help(Some(Topic::Command(CommandName::Exec)), HelpLength::Short)),
        (&["exec", "prod", "--help"], Command::Help(Some(Topic::Command(CommandName::Exec)), HelpLength::Long)),
        (&["credentials", "--help"], Command::Help(Some(Topic::Command(CommandName::Credentials)), HelpLength::Long)),
        (&["help", "policy"], Command::Help(family("policy"), HelpLength::Long)),
        (&["policy", "--help"], Command::Help(family("policy"), HelpLength::Long)),
        (&["policy", "-h"], Command::Help(family("policy"), HelpLength::Short)),
        (&["help", "log", "show"], Command::Help(Some(Topic::Command(CommandName::LogShow)), HelpLength::Long)),
        (&["log", "show", "--help"], Command::Help(Some(Topic::Command(CommandName::LogShow)), HelpLength::Long)),
        (&["version"], Command::Version),
        (&["--version"], Command::Version),
        (&["-V"], Command::Version),
        (&["man"], Command::Man),
        (&["completions", "zsh"], Command::Completions(completions::Shell::Zsh)),
        (&["completions", "--help"], Command::Help(Some(Topic::Command(CommandName::Completions)), HelpLength::Long)),
    ];
    for (line, command) in cases {
        assert_eq!(&of(line).expect("a command"), command, "{line:?}");
    }
    assert!(
        matches!(of(&["exec", "prod"]), Ok(Command::Exec(settings)) if settings.common.profile.as_deref() == Some("prod"))
    );
    let Ok(Command::Exec(settings)) = of(&["exec", "prod"]) else { panic!("not exec") };
    assert_eq!(settings.common.profile.as_deref(), Some("prod"));
    let Ok(Command::Credentials(settings)) = of(&["credentials"]) else { panic!("not credentials") };
    assert_eq!(settings.common.profile, None);
    let id = "0123456789abcdef";
    assert!(matches!(of(&["whoami"]), Ok(Command::Whoami(_))));
    assert!(
        matches!(of(&["policy", "validate", "f"]), Ok(Command::Policy(to)) if matches!(*to, PolicyCommand::Validate(_)))
    );
    assert!(matches!(of(&["session", "show", id]), Ok(Command::Session(to)) if matches!(*to, SessionCommand::Show(_))));
    assert!(matches!(of(&["request", "deny", id]), Ok(Command::Request(to)) if matches!(*to, RequestCommand::Deny(_))));
    assert!(
        matches!(of(&["breakglass", "close", id]), Ok(Command::Breakglass(to)) if matches!(*to, BreakglassCommand::Close(_)))
    );
    assert!(matches!(of(&["log", "verify"]), Ok(Command::Log(to)) if matches!(*to, LogCommand::Verify(_))));
}

#[test]
fn an_argument_of_the_child_that_asks_for_help_is_the_childs() {
    let Ok(Command::Exec(settings)) = of(&["exec", "prod", "aws", "--help"]) else { panic!("not exec") };
    assert_eq!((settings.program, settings.arguments), ("aws".into(), vec!["--help".into()]));
}

#[test]
fn exit_statuses_are_those_that_help_lists() {
    let status = |line: &[&str], kind| status_of(&line.iter().map(OsString::from).collect::<Vec<_>>(), kind);
    assert_eq!(status(&["exec", "p"], Kind::Usage), 125);
    assert_eq!(status(&["exec", "p"], Kind::Failed), 125);
    assert_eq!(status(&["exec", "p"], Kind::CannotExecute), 126);
    assert_eq!(status(&["exec", "p"], Kind::NotFound), 127);
    assert_eq!(status(&["credentials"], Kind::Failed), 1);
    assert_eq!(status(&["credentials"], Kind::Usage), 2);
    assert_eq!(status(&["exce"], Kind::Usage), 2);
    assert_eq!(status(&[], Kind::Usage), 2);
}

#[test]
fn a_shell_without_completions_is_a_wrong_usage() {
    let said = |line: &[&str]| {
        let error = of(line).expect_err("an error");
        assert_eq!(error.kind(), Kind::Usage);
        error.to_string()
    };
    assert_eq!(said(&["completions", "bsh"]), "there are no completions for `bsh`\n  did you mean `bash` or `zsh`?");
    assert_eq!(
        said(&["completions", "powershell"]),
        "there are no completions for `powershell`\n  the shells are bash, zsh and fish"
    );
    assert_eq!(
        said(&["completions"]),
        "completions needs the name of a shell\n  `sentinel completions bash`, zsh or fish"
    );
    assert_eq!(
        said(&["completions", "bash", "zsh"]),
        "completions takes no argument `zsh` here\n  `sentinel help` shows what each command takes"
    );
    assert_eq!(
        said(&["man", "exec"]),
        "man takes no argument `exec` here\n  `sentinel help` shows what each command takes"
    );
}
