//! From settings to the policy that decides: a file, or a parameter of SSM, signed or not.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::keys;
use super::reach::{Overrides, Reach};
use super::settings::{self, PolicyPlace};
use crate::aws::endpoint::Service;
use crate::aws::ssm::{By, Parameter, Refused, Ssm};
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::policy::PolicySource;
use crate::policy::envelope::{Pin, Scope};
use crate::policy::source::{Fetch, Trust, Unfetched};

/// All attempts of one call together: SSM answers within a second, and a policy that is older than 30 s is waited for.
const CALL_LIMIT: Duration = Duration::from_secs(10);

/// A parameter, and the way to it.
pub(super) struct Remote {
    ssm: Ssm,
    parameter: String,
    clock: Arc<dyn Clock>,
}

/// The policy that the settings name, if they name one. `reach` is asked for where it is a parameter, and the state directory
/// where it is signed.
///
/// # Errors
/// The key cannot be read, or there is no way to AWS. The policy itself is not read yet.
pub(super) fn of(
    settings: &settings::PolicySource,
    reach: impl FnOnce() -> Result<Reach>,
    state_directory: impl FnOnce() -> Result<PathBuf>,
    clock: &Arc<dyn Clock>,
) -> Result<Option<PolicySource>> {
    let pin = pin(settings)?;
    let Some(place) = &settings.place else {
        return match pin {
            // Whoever pins a key does not mean that everything is allowed.
            Some(_) => {
                Err(Error::usage("--policy-key is given, and no policy").hint("add --policy or --policy-parameter"))
            }
            None => Ok(None),
        };
    };
    let is_pinned = pin.is_some();
    let state_directory = if is_pinned { state_directory()? } else { PathBuf::new() };
    let trust = pin.map(|pin| Trust { pin, state_directory: &state_directory });
    Ok(Some(match place {
        PolicyPlace::File(path) => PolicySource::file(path.clone(), trust, Arc::clone(clock)),
        PolicyPlace::Parameter(name) => {
            let remote = Remote::new(name, &reach()?, is_pinned, clock)?;
            PolicySource::parameter(remote.name(), Arc::new(remote), trust, Arc::clone(clock))
        }
    }))
}

/// Whose signature is wanted.
///
/// # Errors
/// The key is none.
pub(super) fn pin(settings: &settings::PolicySource) -> Result<Option<Pin>> {
    let Some(key) = &settings.key else { return Ok(None) };
    Ok(Some(Pin { key: keys::public("the policy key", key)?, scope: Scope::parse(&settings.scope)? }))
}

impl Remote {
    /// A parameter. One that need not be signed is AWS's word, which is AWS's own endpoint's.
    ///
    /// # Errors
    /// No region is known, or the endpoint, the certificates or the proxy cannot be used.
    pub(super) fn new(parameter: &str, reach: &Reach, is_pinned: bool, clock: &Arc<dyn Clock>) -> Result<Self> {
        let overrides = if is_pinned { Overrides::Taken } else { Overrides::OnLoopback };
        let endpoint = reach.endpoint(Service::Ssm, overrides)?;
        let ssm = Ssm::new(endpoint, reach.keys(), Arc::clone(clock), reach.network())?;
        Ok(Self { ssm, parameter: parameter.to_owned(), clock: Arc::clone(clock) })
    }

    /// What people call it.
    pub(super) fn name(&self) -> String {
        format!("ssm:{}", self.parameter)
    }

    /// What it holds.
    ///
    /// # Errors
    /// AWS refuses or does not answer.
    pub(super) fn get(&self) -> std::result::Result<Parameter, Refused> {
        self.ssm.get_parameter(&self.parameter, self.deadline())
    }

    /// Replaces what it holds. Returns the new version.
    ///
    /// # Errors
    /// AWS refuses or does not answer.
    pub(super) fn put(&self, value: &str, kind: &str) -> std::result::Result<u64, Refused> {
        self.ssm.put_parameter(&self.parameter, value, kind, self.deadline())
    }

    fn deadline(&self) -> Duration {
        self.clock.boot().saturating_add(CALL_LIMIT)
    }
}

impl Fetch for Remote {
    fn fetch(&self) -> std::result::Result<Vec<u8>, Unfetched> {
        match self.get() {
            Ok(parameter) => Ok(parameter.value.into_bytes()),
            Err(Refused { by: By::Nobody, error }) => Err(Unfetched::Down(error)),
            Err(Refused { by: By::Absence | By::Aws, error }) => Err(Unfetched::Refused(error)),
        }
    }
}
