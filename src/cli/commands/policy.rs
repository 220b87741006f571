//! The commands about policies.

use super::{CommandInfo, CommandName, STATUSES, Words};

/// What `policy test` ends with.
const TEST_STATUSES: &[(&str, &str)] = &[
    ("0", "allowed; with --expect, as expected"),
    ("1", "not allowed, or not as expected, or failed"),
    ("2", "wrong usage"),
];

/// What `policy diff` ends with.
const DIFF_STATUSES: &[(&str, &str)] =
    &[("0", "they are the same"), ("1", "they differ, or it failed"), ("2", "wrong usage")];

/// `sentinel policy ...`.
pub(super) const POLICY: &[CommandInfo] = &[
    CommandInfo {
        command: CommandName::PolicyValidate,
        name: "policy validate",
        summary: "check policies without using them",
        words: Words::Files(0, usize::MAX),
        synopsis: &["sentinel policy validate FILE... [--strict]", "sentinel policy validate [options]"],
        description: &[
            "Reads each policy as `sentinel exec` would, and says what is wrong with it or what is odd about it: rules that \
             can never match, names without accounts. Without FILE it reads the policy that --policy or --policy-parameter \
             names.",
        ],
        examples: &[("sentinel policy validate --strict policy.json", "for a pipeline: warnings count as errors")],
        statuses: STATUSES,
    },
    CommandInfo {
        command: CommandName::PolicyTest,
        name: "policy test",
        summary: "say what a policy would decide about a made-up request",
        words: Words::Files(0, 1),
        synopsis: &["sentinel policy test [FILE] --profile P [options]"],
        description: &[
            "Evaluates the policy for a request that is made up of options; nothing is asked of AWS. What no option says is \
             unknown, and what is unknown is denied where a rule turns on it (--user, --executable) or the policy names \
             `accounts` (--account); the time is now unless --time says otherwise, and the mode is server.",
        ],
        examples: &[
            ("sentinel policy test policy.json --profile prod --user alice --expect deny", "a test of a policy"),
            (
                "sentinel policy test policy.json --profile prod --user ci --time 2026-01-31T23:30:00Z",
                "what happens at night",
            ),
        ],
        statuses: TEST_STATUSES,
    },
    CommandInfo {
        command: CommandName::PolicyExplain,
        name: "policy explain",
        summary: "show what each rule says to a made-up request",
        words: Words::Files(0, 1),
        synopsis: &["sentinel policy explain [FILE] --profile P [options]"],
        description: &["As `policy test`, and shows of each rule why it matches or does not."],
        examples: &[("sentinel policy explain policy.json --profile prod --user alice", "rule by rule")],
        statuses: TEST_STATUSES,
    },
    CommandInfo {
        command: CommandName::PolicySign,
        name: "policy sign",
        summary: "sign a policy, so that it can be pinned to a key",
        words: Words::Files(1, 1),
        synopsis: &["sentinel policy sign FILE --key FILE --serial N --not-after TIME [options]"],
        description: &[
            "Prints the policy in a signed envelope. The serial grows with every version: a host that has seen one refuses \
             those before it. After --not-after no host takes it any more.",
        ],
        examples: &[(
            "sentinel policy sign policy.json --key policy.key --serial 8 --not-after 90d --out signed.json",
            "the eighth version, for 90 days",
        )],
        statuses: STATUSES,
    },
    CommandInfo {
        command: CommandName::PolicyKeygen,
        name: "policy keygen",
        summary: "make a key that signs policies",
        words: Words::None,
        synopsis: &["sentinel policy keygen --out FILE"],
        description: &[
            "Writes a new Ed25519 private key to FILE, mode 0600, and prints the public key, which hosts are given as \
             --policy-key. An existing file is not replaced.",
        ],
        examples: &[("sentinel policy keygen --out policy.key", "prints what --policy-key takes")],
        statuses: STATUSES,
    },
    CommandInfo {
        command: CommandName::PolicyPull,
        name: "policy pull",
        summary: "fetch the policy out of SSM Parameter Store",
        words: Words::None,
        synopsis: &["sentinel policy pull --policy-parameter NAME [--out FILE] [options]"],
        description: &["Prints the policy, or writes it to a file, once it was checked as `sentinel exec` checks it."],
        examples: &[("sentinel policy pull --policy-parameter /sentinel/policy --out policy.json", "to work on it")],
        statuses: STATUSES,
    },
    CommandInfo {
        command: CommandName::PolicyPush,
        name: "policy push",
        summary: "put a policy into SSM Parameter Store",
        words: Words::Files(1, 1),
        synopsis: &["sentinel policy push FILE --policy-parameter NAME [--expect-version N] [options]"],
        description: &[
            "Checks the policy first. With --expect-version it is refused if the parameter's version is another: somebody \
             else has pushed meanwhile.",
        ],
        examples: &[("sentinel policy push signed.json --policy-parameter /sentinel/policy", "publish it")],
        statuses: STATUSES,
    },
    CommandInfo {
        command: CommandName::PolicyDiff,
        name: "policy diff",
        summary: "show how two policies differ",
        words: Words::Files(1, 2),
        synopsis: &[
            "sentinel policy diff OLD-FILE FILE",
            "sentinel policy diff FILE --policy-parameter NAME [options]",
        ],
        description: &["Compares what they say, rule by rule, not how they are written."],
        examples: &[("sentinel policy diff policy.json --policy-parameter /sentinel/policy", "before a push")],
        statuses: DIFF_STATUSES,
    },
];
