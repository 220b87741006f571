//! The commands that serve without a command of their own.

use super::{CommandInfo, CommandName, STATUSES, Words};

/// What is so of both.
const WHOM: &str = "Whom it serves is said by selectors. Each request is matched anew against the entries in their order: those of \
     --map, then that of --profile, which all --allow options make together. The first that matches counts; nobody else is served.";
const WORTH: &str = "Give it a user of its own: what a program is worth as a selector, and a policy at all, depends on the served user \
     not being the one that serves. The line that it writes at its start says which is so.";

const MANAGED: &str = "On SIGHUP it reads settings files, selectors, policies and the AWS config again; connections stay, and what cannot be read \
     changes nothing. A service manager may hand it its socket (LISTEN_FDS), is told what it does (NOTIFY_SOCKET), and hears from the thread that \
     accepts (WATCHDOG_USEC).";

/// `sentinel serve ...`.
pub(super) const SERVE: &[CommandInfo] = &[
    CommandInfo {
        command: CommandName::ServeEcs,
        name: "serve ecs",
        summary: "serve the container credentials endpoint",
        words: Words::None,
        synopsis: &[
            "sentinel serve ecs [--socket PATH | --address ADDRESS --token-file PATH] [--profile P] --allow-uid USER... [options]",
        ],
        description: &[
            "Serves until SIGTERM or SIGINT, in the foreground. Its clients set SENTINEL_UNIX_SOCKET to the socket's path, and \
             `credential_process = sentinel credentials` in their AWS config file; with a token file, SENTINEL_AUTH_TOKEN_FILE to \
             its path, too. Further roles are at /role-arn/ARN, as with `exec --ecs-server`: where there is a policy, a rule's \
             `role_arns` names them.",
            WHOM,
            WORTH,
            MANAGED,
        ],
        examples: &[
            (
                "sentinel serve ecs --socket /run/sentinel/s.sock --socket-mode 0666 --profile web --allow-uid www-data",
                "one service, by its user",
            ),
            (
                "sentinel serve ecs --socket /run/sentinel/s.sock --socket-mode 0666 --map uid:web=web --map uid:db=backup",
                "two services, each with a role of its own",
            ),
        ],
        statuses: STATUSES,
    },
    CommandInfo {
        command: CommandName::ServeEc2,
        name: "serve ec2",
        summary: "serve the EC2 instance metadata endpoint",
        words: Words::None,
        synopsis: &["sentinel serve ec2 --imds-address ADDRESS [--profile P] --allow-uid USER... [options]"],
        description: &[
            "Serves until SIGTERM or SIGINT, in the foreground. Clients get a session token first (IMDSv2), which is good for their \
             uid and its profile.",
            WHOM,
            WORTH,
            MANAGED,
        ],
        examples: &[(
            "sentinel serve ec2 --imds-address 169.254.169.254 --map uid:web=web --map uid:db=backup",
            "tools that ask for instance metadata, each service with a role of its own",
        )],
        statuses: STATUSES,
    },
];
