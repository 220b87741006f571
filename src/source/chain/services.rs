//! Where a chain's calls go.

use std::sync::{Arc, Mutex, PoisonError};

use crate::aws::endpoint::Endpoint;
use crate::aws::network::Network;
use crate::aws::sts::Sts;
use crate::clock::Clock;
use crate::error::Result;

/// Ways to STS, ready for calls.
#[derive(Clone)]
pub(super) struct Services {
    /// The profile's endpoint.
    pub(super) sts: Arc<Sts>,
    /// Who the caller is. Where a policy judges by it: AWS's own endpoint, whatever the profile says.
    pub(super) identity: Arc<Sts>,
}

/// [`Services`] that are made for the first call: to read a bundle of certificates takes longer than all else of a start that
/// needs no call. What keeps them from being made is looked at again at the next call.
pub(super) struct Lazy {
    sts: Endpoint,
    identity: Endpoint,
    network: Network,
    made: Mutex<Option<Services>>,
}

impl Lazy {
    /// For calls to these endpoints.
    pub(super) fn new(sts: Endpoint, identity: Endpoint, network: Network) -> Self {
        Self { sts, identity, network, made: Mutex::default() }
    }

    /// The services, made if they have not been.
    ///
    /// # Errors
    /// When the CA bundle or the proxy cannot be used.
    pub(super) fn services(&self, clock: &Arc<dyn Clock>) -> Result<Services> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(services) = made.as_ref() {
            return Ok(services.clone());
        }
        let to = |endpoint: &Endpoint| Sts::new(endpoint.clone(), Arc::clone(clock), &self.network).map(Arc::new);
        let sts = to(&self.sts)?;
        // Mostly they are one, whose certificates are then read once.
        let identity = if self.identity == self.sts { Arc::clone(&sts) } else { to(&self.identity)? };
        Ok(made.insert(Services { sts, identity }).clone())
    }
}
