//! The flags themselves, group by group, and the commands that share them.

mod credentials;
mod log;
mod other;
mod policy;
mod question;
mod records;
mod server;
mod service;
mod signing;

use super::Flag;
use crate::cli::commands::CommandName::{self, *};
use crate::cli::joined::{joined, length};

const PARTS: &[&[Flag]] = &[
    credentials::CREDENTIALS,
    server::SERVER,
    service::SERVICE,
    question::QUESTION,
    policy::POLICY,
    signing::SIGNING,
    records::STORES,
    records::SELECTION,
    records::RECORD,
    log::LOG,
    other::OTHER,
];

/// Every flag, in the order in which help lists them: group by group.
pub static FLAGS: &[Flag] = &joined::<Flag, { length(PARTS) }>(PARTS);

const EXEC: &[CommandName] = &[Exec];
const BOTH: &[CommandName] = &[Exec, Credentials];
/// Commands that ask a sentinel around them.
const ASKING: &[CommandName] = &[Credentials];

/// Commands that serve whoever their selectors name.
const SERVICES: &[CommandName] = &[ServeEcs, ServeEc2];

/// The one that serves the container credentials endpoint.
const ECS: &[CommandName] = &[ServeEcs];

/// Commands that may serve the EC2 metadata endpoint.
const METADATA: &[CommandName] = &[Exec, ServeEc2];

/// Commands that serve.
const SERVING: &[CommandName] = &[Exec, ServeEcs, ServeEc2];

/// Commands whose server may have a token in a file.
const WITH_TOKENS: &[CommandName] = &[Exec, ServeEcs];

/// Commands that get credentials.
const GIVING: &[CommandName] = &[Exec, Credentials, ServeEcs, ServeEc2];

/// Commands that are about a profile of the AWS config file.
const NAMED: &[CommandName] = &[
    Exec,
    Credentials,
    ServeEcs,
    ServeEc2,
    Whoami,
    SessionRevoke,
    RequestCreate,
    RequestApprove,
    RequestDeny,
    RequestCancel,
    BreakglassOpen,
    BreakglassClose,
];

/// Commands that judge a made-up request.
const JUDGING: &[CommandName] = &[PolicyTest, PolicyExplain];

/// Commands that ask a policy which may be a file.
const DECIDING: &[CommandName] = &[
    Exec,
    Credentials,
    ServeEcs,
    ServeEc2,
    Whoami,
    PolicyValidate,
    PolicyTest,
    PolicyExplain,
    RequestCreate,
    RequestShow,
    RequestApprove,
    BreakglassOpen,
];

/// Commands that read a policy which may be a parameter, and signed.
const PUBLISHED: &[CommandName] = &[
    Exec,
    Credentials,
    ServeEcs,
    ServeEc2,
    Whoami,
    PolicyValidate,
    PolicyTest,
    PolicyExplain,
    PolicyPull,
    PolicyPush,
    PolicyDiff,
    RequestCreate,
    RequestShow,
    RequestApprove,
    BreakglassOpen,
];

/// Commands that may ask AWS for a policy or a record.
const AWS: &[CommandName] = &[
    Exec,
    Credentials,
    ServeEcs,
    ServeEc2,
    Whoami,
    PolicyValidate,
    PolicyTest,
    PolicyExplain,
    PolicyPull,
    PolicyPush,
    PolicyDiff,
    SessionList,
    SessionShow,
    SessionRevoke,
    RequestCreate,
    RequestList,
    RequestShow,
    RequestApprove,
    RequestDeny,
    RequestCancel,
    BreakglassOpen,
    BreakglassList,
    BreakglassShow,
    BreakglassClose,
];

/// Commands that keep or read something in the state directory.
const STATE: &[CommandName] = &[
    Exec,
    Credentials,
    ServeEcs,
    ServeEc2,
    Whoami,
    PolicyValidate,
    PolicyTest,
    PolicyExplain,
    PolicyPull,
    PolicyPush,
    PolicyDiff,
    SessionList,
    SessionShow,
    SessionRevoke,
    RequestCreate,
    RequestList,
    RequestShow,
    RequestApprove,
    RequestDeny,
    RequestCancel,
    BreakglassOpen,
    BreakglassList,
    BreakglassShow,
    BreakglassClose,
    LogVerify,
    LogShow,
];

const WITH_SESSIONS: &[CommandName] =
    &[Exec, Credentials, ServeEcs, ServeEc2, Whoami, SessionList, SessionShow, SessionRevoke];
const WITH_REQUESTS: &[CommandName] = &[
    Exec,
    Credentials,
    ServeEcs,
    ServeEc2,
    Whoami,
    RequestCreate,
    RequestList,
    RequestShow,
    RequestApprove,
    RequestDeny,
    RequestCancel,
];
const WITH_EVENTS: &[CommandName] =
    &[Exec, Credentials, ServeEcs, ServeEc2, Whoami, BreakglassOpen, BreakglassList, BreakglassShow, BreakglassClose];

/// Commands that print some of many.
const LISTING: &[CommandName] = &[SessionList, RequestList, BreakglassList, LogShow];

/// Commands that write the decision log or read it.
const LOGS: &[CommandName] =
    &[Exec, Credentials, ServeEcs, ServeEc2, BreakglassOpen, BreakglassClose, LogVerify, LogShow];

/// Commands that write it.
const RECORDING: &[CommandName] = &[Exec, Credentials, ServeEcs, ServeEc2, BreakglassOpen, BreakglassClose];

/// Commands that print what programs may want to read.
const PRINTING: &[CommandName] = &[
    Whoami,
    PolicyTest,
    PolicyExplain,
    SessionList,
    SessionShow,
    RequestCreate,
    RequestList,
    RequestShow,
    BreakglassOpen,
    BreakglassList,
    BreakglassShow,
    LogVerify,
    LogShow,
];

/// Every command: all have `--help`.
pub(in crate::cli) const EVERY: &[CommandName] = &[
    Exec,
    Credentials,
    ServeEcs,
    ServeEc2,
    Whoami,
    PolicyValidate,
    PolicyTest,
    PolicyExplain,
    PolicySign,
    PolicyKeygen,
    PolicyPull,
    PolicyPush,
    PolicyDiff,
    SessionList,
    SessionShow,
    SessionRevoke,
    RequestCreate,
    RequestList,
    RequestShow,
    RequestApprove,
    RequestDeny,
    RequestCancel,
    RequestKeygen,
    BreakglassOpen,
    BreakglassList,
    BreakglassShow,
    BreakglassClose,
    LogVerify,
    LogShow,
    Version,
    Help,
    Completions,
    Man,
];
