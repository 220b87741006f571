//! AWS's shared config and credentials files: which keys come first, and which roles are assumed with them.
//!
//! Follows botocore where AWS's tools agree, and refuses with a sentence where they would read another identity than
//! ours, or where a key that decides the identity is not supported.

mod chain;
mod check;
mod endpoint;
mod files;
mod header;
pub mod ini;
mod keys;
mod mfa;
mod profiles;
mod resolve;
mod settings;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

pub use endpoint::EndpointUrl;
pub use resolve::resolve;
pub use settings::{Rank, SETTINGS, Setting, Treatment, leads_to_credentials, variable_of};

use crate::secret::Secret;

/// What the caller asks for. The environment comes in an [`Env`](crate::env::Env) of its own.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// The profile named on the command line or by AWS_PROFILE. Environment keys are ignored when there is one.
    pub profile: Option<&'a str>,
    /// The region named on the command line.
    pub region: Option<&'a str>,
}

/// Where credentials come from, step by step, and the settings that go with them.
pub struct Resolved {
    /// The profile asked for; `environment` when no profile was named and the environment has keys.
    pub name: String,
    /// Where the first credentials come from.
    pub base: Base,
    /// The roles to assume, in this order, the first with the base's credentials.
    pub roles: Vec<Role>,
    /// The second factor that the profile asks for, where it has no role: a role has its own.
    pub mfa: Option<Mfa>,
    /// The region: checked to be `[a-z0-9-]+`, because it becomes part of a host name.
    pub region: Option<String>,
    /// The endpoint of STS, if not AWS's own: https, or http to this host.
    pub sts_endpoint_url: Option<String>,
    /// The endpoint of DynamoDB, if one was named.
    pub dynamodb_endpoint_url: Option<EndpointUrl>,
    /// The endpoint of SSM, if one was named.
    pub ssm_endpoint_url: Option<EndpointUrl>,
    /// Which of the region's endpoints, where it is AWS's own.
    pub variant: Variant,
    /// The certificates that the profile trusts.
    pub ca_bundle: Option<CaBundle>,
    /// The profile's keys that are not about credentials, in file order. `key = value` is a line of a config file again:
    /// the further lines of a nested value are indented.
    pub settings: Vec<(String, String)>,
    /// The `[services NAME]` section that the profile names: its name and its keys, as in `settings`.
    pub services: Option<(String, Vec<(String, String)>)>,
    /// The file that has the profile: the config file if both have it; none when there is no such profile.
    pub source_file: Option<PathBuf>,
}

/// Which of a region's endpoints.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Variant {
    /// `use_fips_endpoint`.
    pub fips: bool,
    /// `use_dualstack_endpoint`.
    pub dual_stack: bool,
    /// `sts_regional_endpoints = legacy`.
    pub legacy_sts: bool,
}

/// A file of certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaBundle {
    /// As written.
    pub path: PathBuf,
    /// The key that names it: `/h/.aws/config:3: ca_bundle of profile ...`.
    pub named_by: String,
}

/// Where the first credentials come from.
pub enum Base {
    /// AWS_ACCESS_KEY_ID and its companions.
    Environment(StaticKeys),
    /// Keys in one of the files.
    Keys {
        /// The profile that has them.
        profile: String,
        /// The file that has them.
        file: PathBuf,
        /// The keys.
        keys: StaticKeys,
    },
    /// A program that prints credentials.
    Process {
        /// The profile that names it.
        profile: String,
        /// The command line, as written: split it without a shell.
        command: String,
    },
}

/// Credentials that are written down. No `Debug` and no `Clone`, as for [`Secret`].
pub struct StaticKeys {
    /// Public: it appears in every signed request and in AWS's logs.
    pub access_key_id: String,
    /// What requests are signed with.
    pub secret_access_key: Secret,
    /// Present for temporary credentials.
    pub session_token: Option<Secret>,
    /// When they end, where it is written down.
    pub expiration: Option<Timestamp>,
}

/// A role to assume. Its fields keep to what STS accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// The profile that names it.
    pub profile: String,
    /// `arn:PARTITION:iam::ACCOUNT:role/...`.
    pub role_arn: String,
    /// What the role's owner asked for, if anything.
    pub external_id: Option<String>,
    /// The session's name, if the profile chooses one.
    pub session_name: Option<String>,
    /// How long to ask for, 900 to 43200 s. In a chain AWS allows at most 3600 s.
    pub duration: Option<Duration>,
    /// The second factor that its profile asks for.
    pub mfa: Option<Mfa>,
}

/// A second factor that a profile asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mfa {
    /// The profile that names the device.
    pub profile: String,
    /// The device's ARN, or a hardware device's serial number: what STS accepts.
    pub serial: String,
    /// A program that prints the code, as written: split it without a shell.
    pub process: Option<String>,
}
