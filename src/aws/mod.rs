//! AWS: where it is, how requests are signed and carried, and what its answers mean.
//!
//! | file | job |
//! |---|---|
//! | [`endpoint`] | region or override to URL, https only |
//! | [`partition`] | which DNS suffixes a region's endpoints have |
//! | [`sign`] | the only user of `aws-sigv4` |
//! | [`client`] | the only user of `ureq`: one attempt, capped and with a deadline |
//! | [`network`] | which certificates to trust, which proxy to take |
//! | [`retry`] | three attempts, jittered, up to a deadline |
//! | [`answer`] | XML to fields, errors to [`failure::Failure`] |
//! | [`sts`] | AssumeRole, GetSessionToken, GetCallerIdentity |
//! | [`json`] | the JSON protocol: what DynamoDB and SSM speak |
//! | [`ssm`] | parameters, for policies |
//! | [`dynamodb`] | items of a table, written on conditions |
//! | [`identity`] | who AWS says the caller is |
//! | [`source_identity`] | the name that AWS records for what a role does |

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

pub mod answer;
pub mod client;
pub mod dynamodb;
pub mod endpoint;
pub mod failure;
pub mod identity;
pub mod json;
pub mod keys;
pub mod network;
pub mod partition;
pub mod retry;
pub mod sign;
pub mod source_identity;
pub mod ssm;
pub mod sts;
