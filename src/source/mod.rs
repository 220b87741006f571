//! Credentials, in exchange for a grant.
//!
//! | file | job |
//! |---|---|
//! | [`credentials`] | what leaves this room |
//! | [`vault`] | exchanges a grant for credentials: the only way to them |
//! | `flight` | one fetch at a time, waited for with a bound, tried again with backoff |
//! | [`chain`] | a resolved profile, walked: base keys, then role after role |
//! | `base` | the keys that a chain starts with |
//! | [`own`] | keys for sentinel's own calls, which nobody is handed |
//! | [`plan`] | what to ask for |
//! | [`process`] | base keys from a `credential_process` |
//! | [`code`] | codes of MFA devices |
//! | `helper` | runs what profiles name as programs |

mod base;
pub mod chain;
pub mod code;
pub mod credentials;
mod flight;
pub mod helper;
pub mod own;
pub mod plan;
pub mod process;
pub mod vault;

pub use chain::Chain;
pub use code::Code;
pub use credentials::Credentials;
pub use flight::Unavailable;
pub use own::OwnKeys;
pub use vault::{Receipt, Vault};

use std::sync::Arc;

use crate::aws::identity::Identity;
use crate::broker::Lease;
use crate::error::Result;

/// Where credentials come from. Calls may take long and are made on threads of their own.
pub trait Source: Send + Sync {
    /// Fetches new credentials.
    ///
    /// # Errors
    /// A sentence for people.
    fn fetch(&self, lease: &Lease) -> Result<Credentials>;

    /// Who the base credentials belong to: asked of AWS once.
    ///
    /// # Errors
    /// A sentence for people.
    fn identity(&self) -> Result<Arc<Identity>>;

    /// Who they belong to, if AWS has been asked already. Does not wait.
    fn known_identity(&self) -> Option<Arc<Identity>>;
}
