//! The commands that give credentials, and those that tell about sentinel.

use super::{CommandInfo, CommandName, STATUSES, Words};

/// Commands that get credentials, or say whose they would be.
pub(super) const CREDENTIALS: &[CommandInfo] = &[
    CommandInfo {
        command: CommandName::Exec,
        name: "exec",
        summary: "run a command with credentials",
        words: Words::ProfileAndProgram,
        synopsis: &[
            "sentinel exec [--profile P | P] [options] -- CMD [ARGS...]",
            "sentinel exec P [options] CMD [ARGS...]",
            "sentinel exec --profile P [options] CMD [ARGS...]",
        ],
        description: &[
            "Gets short-lived credentials for the profile and runs CMD with them. CMD defaults to $SHELL, else /bin/sh.",
            "Without `--`, the first word is the profile, unless --profile is given before it; the next word is CMD. \
             Everything from CMD on belongs to CMD, options too.",
            "The profile falls back to SENTINEL_PROFILE, then to AWS_PROFILE or AWS_DEFAULT_PROFILE. Every other source of \
             AWS credentials is removed from the environment of CMD.",
            "Credentials reach CMD in one of four ways. Without a server, keys are in its environment and do not refresh. \
             With --server, the way to prefer, SDKs ask a port of 127.0.0.1, which finds out whose process is asking and \
             serves CMD's process tree alone. With --unix-socket, SDKs run `sentinel credentials`, which asks a socket; \
             your other processes can read the pipe between the two. With --ec2-server, tools that know of nothing else ask for \
             instance metadata. --ecs-server is for several roles: besides the profile's \
             own credentials it gives those of the role that a tool names in the URI, \
             http://127.0.0.1:PORT/role-arn/ARN.",
            "What is the same in every run may be in ~/.config/sentinel/config.json, under the options' names without \
             dashes; /etc/sentinel/config.json may lock it.",
        ],
        examples: &[
            ("sentinel exec --server prod -- terraform apply", "credentials that refresh, for this tree only"),
            ("sentinel exec --unix-socket prod -- terraform apply", "the same, and nothing listens on TCP"),
            ("sentinel exec --server prod", "a shell"),
            ("sentinel exec prod -- aws s3 ls", "keys in the environment, for short commands"),
            ("sentinel exec -- env", "the profile that AWS_PROFILE names"),
        ],
        statuses: &[
            ("N", "CMD's own status"),
            ("128+N", "signal N ended CMD"),
            ("125", "sentinel failed, refused, or was used wrongly"),
            ("126", "CMD cannot be executed"),
            ("127", "CMD was not found"),
        ],
    },
    CommandInfo {
        command: CommandName::Credentials,
        name: "credentials",
        summary: "print credentials as JSON, for credential_process",
        words: Words::None,
        synopsis: &["sentinel credentials [--profile P] [options]"],
        description: &[
            "Prints what AWS SDKs expect of a credential_process. Inside a tree that `sentinel exec --unix-socket` \
             started, it prints what that tree's socket serves; options that would change the credentials belong to \
             `sentinel exec` there, and are refused. With --role-arn it asks that `sentinel exec`, which has to be an \
             --ecs-server, or a service for another role.",
            "Where SENTINEL_UNIX_SOCKET names the socket of a `sentinel serve ecs`, it prints what that serves to this process. A \
             service with a token file wants SENTINEL_AUTH_TOKEN_FILE to name that.",
        ],
        examples: &[
            ("sentinel credentials --profile prod", "JSON on stdout"),
            ("sentinel credentials --role-arn arn:aws:iam::123456789012:role/deploy", "inside a tree: that role's"),
            ("credential_process = /usr/local/bin/sentinel credentials --profile prod", "in ~/.aws/config"),
        ],
        statuses: STATUSES,
    },
];

/// Who the person is.
pub(super) const WHOAMI: &[CommandInfo] = &[CommandInfo {
    command: CommandName::Whoami,
    name: "whoami",
    summary: "say who you are to AWS, and what the policy allows you",
    words: Words::None,
    synopsis: &["sentinel whoami [--profile P] [options]"],
    description: &[
        "Prints the user, ARN and account of the profile's keys, each step from those keys to the credentials, \
             the policy that applies and what it says now in each mode, and whether that binds you. It prints no secret.",
    ],
    examples: &[("sentinel whoami --profile prod", "who you are, and what you may do with the profile now")],
    statuses: STATUSES,
}];

/// Commands about sentinel itself.
pub(super) const ABOUT: &[CommandInfo] = &[
    CommandInfo {
        command: CommandName::Version,
        name: "version",
        summary: "print the version",
        words: Words::None,
        synopsis: &["sentinel version"],
        description: &[],
        examples: &[],
        statuses: STATUSES,
    },
    CommandInfo {
        command: CommandName::Help,
        name: "help",
        summary: "print help, in general or about a command",
        words: Words::Command,
        synopsis: &["sentinel help [COMMAND]"],
        description: &[],
        examples: &[("sentinel help exec", "everything about exec")],
        statuses: STATUSES,
    },
    CommandInfo {
        command: CommandName::Completions,
        name: "completions",
        summary: "print completions for bash, zsh or fish",
        words: Words::Shell,
        synopsis: &["sentinel completions bash|zsh|fish"],
        description: &[
            "Prints a script for the shell: it completes commands, options and their values, profiles out of the AWS \
             config file, and the command that exec runs. `make install` puts all three where shells look for them.",
        ],
        examples: &[
            ("source <(sentinel completions bash)", "in ~/.bashrc"),
            ("source <(sentinel completions zsh)", "in ~/.zshrc, after compinit"),
            ("sentinel completions fish | source", "in ~/.config/fish/config.fish"),
        ],
        statuses: STATUSES,
    },
    CommandInfo {
        command: CommandName::Man,
        name: "man",
        summary: "print the man page",
        words: Words::None,
        synopsis: &["sentinel man"],
        description: &["Prints sentinel(1) in roff, for man and groff."],
        examples: &[("sentinel man | man -l -", "the same as `man sentinel`, where it is installed")],
        statuses: STATUSES,
    },
];
