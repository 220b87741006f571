//! The desks of a server: a vendor for each profile that is served.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::container::Bodies;
use crate::auth::Caller;
use crate::vending::Vendor;

/// One profile's vendor, with what was made of its credentials.
pub struct Desk {
    pub(super) vendor: Arc<Vendor>,
    /// The answers' bodies, made once for each set of credentials.
    pub(super) bodies: Bodies,
    /// What the metadata endpoint says about the place.
    pub(super) region: Option<String>,
}

impl Desk {
    /// A desk of this vendor's.
    pub fn new(vendor: Arc<Vendor>) -> Arc<Self> {
        Self::in_region(vendor, None)
    }

    /// The same, which says that it is in this region: the profile's, where it has one.
    pub fn in_region(vendor: Arc<Vendor>, region: Option<String>) -> Arc<Self> {
        Arc::new(Self { vendor, bodies: Bodies::default(), region })
    }
}

/// Whose desk is whose.
pub enum Desks {
    /// Everybody's: a run has one profile.
    One(Arc<Desk>),
    /// By the profile that a caller's selector leads to. Replaced when settings are read again.
    ByProfile(RwLock<HashMap<Arc<str>, Arc<Desk>>>),
}

impl Desks {
    /// A desk for each profile.
    pub fn by_profile(desks: HashMap<Arc<str>, Arc<Desk>>) -> Self {
        Self::ByProfile(RwLock::new(desks))
    }

    /// Adds desks, each in place of the one of its profile.
    pub fn add(&self, desks: HashMap<Arc<str>, Arc<Desk>>) {
        if let Self::ByProfile(all) = self {
            all.write().unwrap_or_else(PoisonError::into_inner).extend(desks);
        }
    }

    /// Removes the desks of all profiles but these.
    pub fn retain(&self, keeps: impl Fn(&str) -> bool) {
        if let Self::ByProfile(all) = self {
            all.write().unwrap_or_else(PoisonError::into_inner).retain(|profile, _| keeps(profile));
        }
    }

    /// This caller's desk. `None`: the profile that the caller was led to is not served any more.
    pub(super) fn of(&self, caller: &Caller) -> Option<Arc<Desk>> {
        match self {
            Self::One(desk) => Some(Arc::clone(desk)),
            Self::ByProfile(desks) => {
                // A panic aborts the process, so a poisoned lock is never seen.
                let desks = desks.read().unwrap_or_else(PoisonError::into_inner);
                caller.profile().and_then(|profile| desks.get(profile)).map(Arc::clone)
            }
        }
    }
}
