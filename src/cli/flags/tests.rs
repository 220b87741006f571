use super::*;

#[test]
fn names_letters_ids_and_variables_are_unique() {
    for (index, flag) in FLAGS.iter().enumerate() {
        for other in &FLAGS[index + 1..] {
            assert_ne!(flag.id, other.id);
            assert_ne!(flag.name, other.name);
            assert!(flag.short.is_none() || flag.short != other.short, "{}", flag.name);
            assert!(flag.variable.is_none() || flag.variable != other.variable, "{}", flag.name);
        }
    }
}

#[test]
fn names_are_lower_case_words_joined_by_hyphens() {
    for flag in FLAGS {
        assert!(flag.name.split('-').all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase())));
    }
}

#[test]
fn every_variable_is_derived_from_the_name() {
    for flag in FLAGS {
        let derived = format!("SENTINEL_{}", flag.name.to_ascii_uppercase().replace('-', "_"));
        let expected = match flag.id {
            Id::UnixSocket | Id::Nested | Id::Help | Id::Version => None,
            _ => Some(derived.as_str()),
        };
        assert_eq!(flag.variable, expected, "{}", flag.name);
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
            assert!(flag.help.contains(choice), "{} does not name {choice}", flag.name);
        }
    }
}

#[test]
fn the_flags_that_need_a_server_are_these() {
    let names: Vec<&str> = FLAGS.iter().filter(|flag| flag.needs_server()).map(|flag| flag.name).collect();
    assert_eq!(
        names,
        ["server-port", "unix-socket-path", "server-duration", "bind", "allow-fallback", "lazy", "wait-tree"]
    );
}

#[test]
fn a_command_takes_exactly_its_flags() {
    let of =
        |command| -> Vec<&str> { FLAGS.iter().filter(|flag| flag.belongs_to(command)).map(|flag| flag.name).collect() };
    assert_eq!(of(Some(CommandName::Exec)).len(), FLAGS.len() - 1);
    assert_eq!(
        of(Some(CommandName::Credentials)),
        [
            "profile",
            "region",
            "duration",
            "no-session",
            "source-identity",
            "mfa-token",
            "mfa-process",
            "session-policy",
            "policy-arn",
            "policy",
            "state-dir",
            "log-file",
            "log-stderr",
            "debug",
            "help"
        ]
    );
    assert_eq!(of(Some(CommandName::Version)), ["help"]);
    assert_eq!(of(None), ["help", "version"]);
}
