//! The desks of a server: a vendor for each profile that is served.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::auth::Caller;
use crate::vending::Vendor;

/// One profile's vendor.
pub struct Desk {
    pub(super) vendor: Arc<Vendor>,
    /// What the metadata endpoint says about the place.
    pub(super) region: Option<String>,
    /// Requests that are answered at this moment.
    answering: AtomicUsize,
}

/// A request at its desk, until it is dropped.
pub(super) struct Turn<'a> {
    /// Where it is counted; `None` where there is one desk.
    counted: Option<&'a AtomicUsize>,
    /// Whether it may wait for AWS.
    pub(super) may_wait: bool,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some(answering) = self.counted {
            answering.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

impl Desk {
    /// A desk of this vendor's.
    pub fn new(vendor: Arc<Vendor>) -> Arc<Self> {
        Self::in_region(vendor, None)
    }

    /// The same, which says that it is in this region: the profile's, where it has one.
    pub fn in_region(vendor: Arc<Vendor>, region: Option<String>) -> Arc<Self> {
        Arc::new(Self { vendor, region, answering: AtomicUsize::new(0) })
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

    /// Takes a turn at a desk. While AWS does not answer one profile's questions, the connections that wait for it are no more than
    /// are left for other profiles, of the `room` that there is for all: who asks for what is at hand is not kept out.
    pub(super) fn turn<'a>(&self, desk: &'a Desk, room: usize) -> Turn<'a> {
        match self {
            Self::One(_) => Turn { counted: None, may_wait: true },
            Self::ByProfile(desks) => {
                let before = desk.answering.fetch_add(1, Ordering::SeqCst);
                let desks = desks.read().unwrap_or_else(PoisonError::into_inner);
                let all: usize = desks.values().map(|desk| desk.answering.load(Ordering::SeqCst)).sum();
                let may_wait = before < room.max(1).saturating_sub(all.saturating_sub(1));
                Turn { counted: Some(&desk.answering), may_wait }
            }
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
