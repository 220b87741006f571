use super::*;

#[test]
fn ids_letters_and_variables_are_unique_and_no_command_takes_a_name_twice() {
    for (index, flag) in FLAGS.iter().enumerate() {
        for other in &FLAGS[index + 1..] {
            assert_ne!(flag.id, other.id);
            let shared: Vec<&str> =
                flag.commands.iter().filter(|name| other.commands.contains(name)).map(|name| name.name()).collect();
            assert!(flag.name != other.name || shared.is_empty(), "{} {shared:?}", flag.name);
            assert!(flag.short.is_none() || flag.short != other.short, "{}", flag.name);
            assert!(flag.variable.is_none() || flag.variable != other.variable, "{}", flag.name);
        }
    }
}

#[test]
fn flags_that_share_a_name_both_have_a_value_or_none() {
    for flag in FLAGS {
        for other in FLAGS.iter().filter(|other| other.name == flag.name) {
            assert_eq!(flag.value.is_some(), other.value.is_some(), "{}", flag.name);
        }
    }
}

#[test]
fn names_are_lower_case_words_joined_by_hyphens() {
    for flag in FLAGS {
        assert!(
            flag.name
                .split('-')
                .all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()))
        );
    }
}

#[test]
fn every_variable_is_derived_from_the_name_and_is_for_every_run() {
    for flag in FLAGS {
        let derived = format!("SENTINEL_{}", flag.name.to_ascii_uppercase().replace('-', "_"));
        let of_one_run = matches!(flag.group, Group::Question | Group::Signing | Group::Selection | Group::Record)
            || matches!(
                flag.id,
                Id::UnixSocket
                    | Id::ServiceBind
                    | Id::RoleArn
                    | Id::ExpectVersion
                    | Id::Strict
                    | Id::Head
                    | Id::Syslog
                    | Id::Json
                    | Id::Nested
                    | Id::Help
                    | Id::Version
            );
        assert_eq!(flag.variable, (!of_one_run).then_some(derived.as_str()), "{}", flag.name);
    }
}

#[test]
fn no_variable_is_one_that_a_child_is_given() {
    for flag in FLAGS {
        assert!(!matches!(flag.variable, Some("SENTINEL_UNIX_SOCKET" | "SENTINEL_AUTH_TOKEN")), "{}", flag.name);
    }
}

#[test]
fn flags_are_listed_group_by_group() {
    let order: Vec<usize> =
        FLAGS.iter().map(|flag| Group::ALL.iter().position(|group| *group == flag.group).expect("a group")).collect();
    assert!(order.is_sorted(), "{order:?}");
}

#[test]
fn every_flag_is_documented_and_belongs_somewhere() {
    for flag in FLAGS {
        assert!(!flag.help.is_empty() && !flag.help.ends_with('.'), "{}", flag.name);
        assert!(flag.more.is_empty() || flag.more.ends_with('.'), "{}", flag.name);
        assert!(!flag.commands.is_empty() || flag.belongs_to(None), "{}", flag.name);
        for choice in flag.choices {
            assert!([flag.help, flag.more].concat().contains(choice), "{} does not name {choice}", flag.name);
        }
    }
}

#[test]
fn the_flags_that_need_a_server_are_these() {
    let names: Vec<&str> = FLAGS.iter().filter(|flag| flag.needs_server()).map(|flag| flag.name).collect();
    assert_eq!(
        names,
        [
            "server-port",
            "unix-socket-path",
            "imds-v1",
            "imds-address",
            "hop-limit",
            "server-duration",
            "bind",
            "allow-fallback",
            "lazy",
            "wait-tree",
            "token-file",
            "token-rotation",
            "token-group",
            "max-connections"
        ]
    );
}

#[test]
fn a_command_takes_exactly_its_flags() {
    let of = |command| -> String {
        FLAGS.iter().filter(|flag| flag.belongs_to(command)).map(|flag| flag.name).collect::<Vec<_>>().join(" ")
    };
    let credentials =
        "profile region duration no-session source-identity mfa-token mfa-process session-policy policy-arn";
    let server = "server ecs-server server-port unix-socket unix-socket-path ec2-server imds-v1 imds-address hop-limit \
                  server-duration bind allow-fallback lazy wait-tree token-file token-rotation token-group max-connections";
    let given = "profile region source-identity session-policy policy-arn";
    let both = "server-duration max-connections";
    let tokens = "token-file token-rotation token-group";
    let imds = "imds-v1 imds-address hop-limit";
    let allow = "allow-uid allow-gid allow-exe allow-sha256 allow-cgroup map";
    let source = "policy policy-parameter policy-key policy-scope aws-profile";
    let tables = "session-table request-table breakglass-table";
    let log = "log-file log-stderr log-key log-fsync log-anchor log-syslog syslog-socket";
    let question = "profile user account mode time uid executable sha256 role-arn by-arn os expect";
    let cases = [
        (CommandName::Exec, format!("{credentials} {server} {source} state-dir {tables} wait {log} nested debug help")),
        (CommandName::Credentials, format!("{credentials} role-arn {source} state-dir {tables} {log} debug help")),
        (
            CommandName::ServeEcs,
            format!(
                "{given} server-duration {tokens} max-connections socket socket-mode socket-group address {allow} bind {source} state-dir {tables} {log} debug help"
            ),
        ),
        (CommandName::ServeEc2, format!("{given} {imds} {both} {allow} {source} state-dir {tables} {log} debug help")),
        (CommandName::Whoami, format!("profile region {source} state-dir {tables} json help")),
        (CommandName::PolicyValidate, format!("region {source} strict state-dir help")),
        (CommandName::PolicyTest, format!("region {question} {source} state-dir json help")),
        (CommandName::PolicyExplain, format!("region {question} {source} state-dir json help")),
        (CommandName::PolicySign, "key scope serial not-after out help".to_owned()),
        (CommandName::PolicyKeygen, "out help".to_owned()),
        (
            CommandName::PolicyPull,
            "region policy-parameter policy-key policy-scope aws-profile out state-dir help".to_owned(),
        ),
        (
            CommandName::PolicyPush,
            "region policy-parameter policy-key policy-scope aws-profile expect-version state-dir help".to_owned(),
        ),
        (
            CommandName::PolicyDiff,
            "region policy-parameter policy-key policy-scope aws-profile state-dir help".to_owned(),
        ),
        (
            CommandName::SessionList,
            "region aws-profile state-dir session-table user profile status limit json help".to_owned(),
        ),
        (CommandName::SessionShow, "region aws-profile state-dir session-table json help".to_owned()),
        (CommandName::SessionRevoke, "profile region aws-profile state-dir session-table reason help".to_owned()),
        (
            CommandName::RequestCreate,
            format!("profile region {source} state-dir request-table duration justification json help"),
        ),
        (
            CommandName::RequestList,
            "region aws-profile state-dir request-table user profile status limit json help".to_owned(),
        ),
        (CommandName::RequestShow, format!("region {source} state-dir request-table json help")),
        (CommandName::RequestApprove, format!("profile region {source} key state-dir request-table comment help")),
        (CommandName::RequestDeny, "profile region aws-profile state-dir request-table comment help".to_owned()),
        (CommandName::RequestCancel, "profile region aws-profile state-dir request-table help".to_owned()),
        (CommandName::RequestKeygen, "out help".to_owned()),
        (
            CommandName::BreakglassOpen,
            format!(
                "profile region {source} state-dir breakglass-table duration reason-code justification {log} json help"
            ),
        ),
        (
            CommandName::BreakglassList,
            "region aws-profile state-dir breakglass-table user profile status limit json help".to_owned(),
        ),
        (CommandName::BreakglassShow, "region aws-profile state-dir breakglass-table json help".to_owned()),
        (
            CommandName::BreakglassClose,
            format!("profile region aws-profile state-dir breakglass-table reason {log} help"),
        ),
        (CommandName::LogVerify, "state-dir log-file log-key head syslog json help".to_owned()),
        (CommandName::LogShow, "state-dir user profile effect since until log-file json help".to_owned()),
        (CommandName::Version, "help".to_owned()),
        (CommandName::Help, "help".to_owned()),
        (CommandName::Completions, "help".to_owned()),
        (CommandName::Man, "help".to_owned()),
    ];
    assert_eq!(cases.len(), EVERY.len());
    for (command, flags) in cases {
        assert_eq!(of(Some(command)), flags, "{}", command.name());
    }
    assert_eq!(of(None), "help version");
}
