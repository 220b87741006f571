//! The commands about the decision log.

use super::{CommandInfo, CommandName, STATUSES, Words};

/// `sentinel log ...`.
pub(super) const LOG: &[CommandInfo] = &[
    CommandInfo {
        command: CommandName::LogVerify,
        name: "log verify",
        summary: "find lines that were cut, changed, moved or removed",
        words: Words::Files(0, usize::MAX),
        synopsis: &["sentinel log verify [FILE...] [options]"],
        description: &[
            "Checks the chain of hashes of each stream, with --log-key also who wrote the lines, and with --head or --syslog \
             that the end is still there. Without FILE it reads the log of this user. Older files of a log that was rotated \
             come first.",
        ],
        examples: &[
            ("sentinel log verify", "the chain of hashes"),
            ("sentinel log verify --log-key log.key /var/log/sentinel/decisions.jsonl", "and who wrote it"),
        ],
        statuses: STATUSES,
    },
    CommandInfo {
        command: CommandName::LogShow,
        name: "log show",
        summary: "print decisions for people",
        words: Words::Files(0, usize::MAX),
        synopsis: &["sentinel log show [FILE...] [options]"],
        description: &["Prints one line a decision, oldest first. Without FILE it reads the log of this user."],
        examples: &[("sentinel log show --effect deny --since 2026-01-31T00:00:00Z", "what was denied since")],
        statuses: STATUSES,
    },
];
