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
             that the end is still there, and that it was not all written anew. Without FILE it reads the log of this user. \
             Older files of a log that was rotated come first.",
            "Prints what it found, each with its file and line, then notes on what may be as it should, and last the head of \
             each stream: keep those where whoever writes the log cannot change them, for the next time.",
        ],
        examples: &[
            ("sentinel log verify", "the chain of hashes"),
            ("sentinel log verify --log-key log.key /var/log/sentinel/decisions.jsonl", "and who wrote it"),
            ("sentinel log verify --syslog /var/log/auth.log", "and that nothing is gone that syslog has seen"),
        ],
        statuses: &[
            ("0", "the log is whole"),
            ("1", "something was found, or a file cannot be read"),
            ("2", "wrong usage"),
        ],
    },
    CommandInfo {
        command: CommandName::LogShow,
        name: "log show",
        summary: "print decisions for people",
        words: Words::Files(0, usize::MAX),
        synopsis: &["sentinel log show [FILE...] [options]"],
        description: &["Prints one line a decision, oldest first. Without FILE it reads the log of this user."],
        examples: &[("sentinel log show --effect deny --since 1d", "what was denied within a day")],
        statuses: STATUSES,
    },
];
