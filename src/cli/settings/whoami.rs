//! The settings of `whoami`.

use super::given::Given;
use super::places::{PolicySource, Stores};
use crate::cli::flags::Id;
use crate::error::Result;

/// The settings of `whoami`.
#[derive(Debug, PartialEq, Eq)]
pub struct Whoami {
    /// The profile; `None` leaves it to AWS's own default.
    pub profile: Option<String>,
    /// The region, in place of the profile's.
    pub region: Option<String>,
    /// The policy that would decide.
    pub policy: PolicySource,
    /// Where sessions, requests and events would be.
    pub stores: Stores,
    /// Print JSON.
    pub json: bool,
}

impl Whoami {
    /// The settings of `whoami`.
    ///
    /// # Errors
    /// Of kind usage, naming the flag or variable and its value.
    pub fn of(given: &Given<'_>) -> Result<Self> {
        Ok(Self {
            profile: given.profile()?,
            region: given.region()?,
            policy: PolicySource::of(given)?,
            stores: Stores::of(given)?,
            json: given.switch(Id::Json)?,
        })
    }
}
