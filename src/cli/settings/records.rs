//! The settings of `session ...`, `request ...` and `breakglass ...`.

use std::path::PathBuf;
use std::time::Duration;

use super::given::Given;
use super::places::{Log, PolicySource, Stores};
use super::policy::Keygen;
use crate::cli::flags::Id;
use crate::error::Result;
use crate::policy::ReasonCode;
use crate::policy::document::{LONGEST_APPROVAL, LONGEST_BREAK_GLASS};
use crate::store::record::{EventStatus, RequestStatus, SessionStatus};

/// What is to be done with sessions.
#[derive(Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is its command's second word; COMMANDS says what it does")]
pub enum SessionCommand {
    List(ListRecords<SessionStatus>),
    Show(ShowRecord),
    Revoke(EndRecord),
}

/// What is to be done with requests.
#[derive(Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is its command's second word; COMMANDS says what it does")]
pub enum RequestCommand {
    Create(CreateRequest),
    List(ListRecords<RequestStatus>),
    Show(ShowRecord),
    Approve(DecideRequest),
    Deny(DenyRequest),
    Cancel(EndRecord),
    Keygen(Keygen),
}

/// What is to be done with break-glass events.
#[derive(Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is its command's second word; COMMANDS says what it does")]
pub enum BreakglassCommand {
    Open(OpenEvent),
    List(ListRecords<EventStatus>),
    Show(ShowRecord),
    Close(CloseEvent),
}

/// Which records are listed.
#[derive(Debug, PartialEq, Eq)]
pub struct ListRecords<S> {
    /// Where they are.
    pub stores: Stores,
    /// Those of this user.
    pub user: Option<String>,
    /// Those for this profile.
    pub profile: Option<String>,
    /// Those with this status.
    pub status: Option<S>,
    /// At most so many.
    pub limit: usize,
    /// Print JSON.
    pub json: bool,
}

/// Which record is shown.
#[derive(Debug, PartialEq, Eq)]
pub struct ShowRecord {
    /// Where it is.
    pub stores: Stores,
    /// The policy that says whether an approval counts (request).
    pub policy: PolicySource,
    /// Which one.
    pub id: String,
    /// Print JSON.
    pub json: bool,
}

/// Which record is ended.
#[derive(Debug, PartialEq, Eq)]
pub struct EndRecord {
    /// Where it is.
    pub stores: Stores,
    /// Which one.
    pub id: String,
    /// Why.
    pub reason: Option<String>,
}

/// The settings of `request create`.
#[derive(Debug, PartialEq, Eq)]
pub struct CreateRequest {
    /// Where requests are.
    pub stores: Stores,
    /// The policy that requires the approval.
    pub policy: PolicySource,
    /// Whose credentials.
    pub profile: String,
    /// Why.
    pub justification: String,
    /// How long the window is.
    pub duration: Duration,
    /// Print JSON.
    pub json: bool,
}

/// The settings of `request approve`.
#[derive(Debug, PartialEq, Eq)]
pub struct DecideRequest {
    /// Where requests are.
    pub stores: Stores,
    /// The policy that names the approvers.
    pub policy: PolicySource,
    /// Which one.
    pub id: String,
    /// The approver's private key.
    pub key: Option<PathBuf>,
    /// What the requester is told.
    pub comment: Option<String>,
}

/// The settings of `request deny`.
#[derive(Debug, PartialEq, Eq)]
pub struct DenyRequest {
    /// Where requests are.
    pub stores: Stores,
    /// Which one.
    pub id: String,
    /// What the requester is told.
    pub comment: Option<String>,
}

/// The settings of `breakglass open`.
#[derive(Debug, PartialEq, Eq)]
pub struct OpenEvent {
    /// Where events are.
    pub stores: Stores,
    /// Where it is put on record.
    pub log: Log,
    /// The policy that says who may.
    pub policy: PolicySource,
    /// Whose credentials.
    pub profile: String,
    /// Why, in one word.
    pub reason_code: ReasonCode,
    /// Why.
    pub justification: String,
    /// How long the window is.
    pub duration: Duration,
    /// Print JSON.
    pub json: bool,
}

/// The settings of `breakglass close`.
#[derive(Debug, PartialEq, Eq)]
pub struct CloseEvent {
    /// Which one, and why.
    pub end: EndRecord,
    /// Where it is put on record.
    pub log: Log,
}

impl SessionCommand {
    /// The settings of `session list`.
    ///
    /// # Errors
    /// Of kind usage, here and below, naming the flag or variable and its value.
    pub fn list(given: &Given<'_>) -> Result<Self> {
        ListRecords::of(given, Id::SessionStatus, &SessionStatus::ALL).map(Self::List)
    }

    /// The settings of `session show`.
    pub fn show(given: &Given<'_>) -> Result<Self> {
        ShowRecord::of(given).map(Self::Show)
    }

    /// The settings of `session revoke`.
    pub fn revoke(given: &Given<'_>) -> Result<Self> {
        EndRecord::of(given).map(Self::Revoke)
    }
}

impl RequestCommand {
    /// The settings of `request create`.
    ///
    /// # Errors
    /// Of kind usage, here and below, naming the flag or variable and its value.
    pub fn create(given: &Given<'_>) -> Result<Self> {
        Ok(Self::Create(CreateRequest {
            stores: Stores::of(given)?,
            policy: PolicySource::of(given)?,
            profile: given.required(Id::Profile, given.profile()?)?,
            justification: given.required(Id::Justification, given.sentence(Id::Justification, 10, 500)?)?,
            duration: given.window(LONGEST_APPROVAL)?,
            json: given.switch(Id::Json)?,
        }))
    }

    /// The settings of `request list`.
    pub fn list(given: &Given<'_>) -> Result<Self> {
        ListRecords::of(given, Id::RequestStatus, &RequestStatus::ALL).map(Self::List)
    }

    /// The settings of `request show`.
    pub fn show(given: &Given<'_>) -> Result<Self> {
        ShowRecord::of(given).map(Self::Show)
    }

    /// The settings of `request approve`.
    pub fn approve(given: &Given<'_>) -> Result<Self> {
        DecideRequest::of(given).map(Self::Approve)
    }

    /// The settings of `request deny`.
    pub fn deny(given: &Given<'_>) -> Result<Self> {
        Ok(Self::Deny(DenyRequest {
            stores: Stores::of(given)?,
            id: given.record_id()?,
            comment: given.sentence(Id::Comment, 1, 500)?,
        }))
    }

    /// The settings of `request cancel`.
    pub fn cancel(given: &Given<'_>) -> Result<Self> {
        EndRecord::of(given).map(Self::Cancel)
    }

    /// The settings of `request keygen`.
    pub fn keygen(given: &Given<'_>) -> Result<Self> {
        Keygen::of(given).map(Self::Keygen)
    }
}

impl BreakglassCommand {
    /// The settings of `breakglass open`.
    ///
    /// # Errors
    /// Of kind usage, here and below, naming the flag or variable and its value.
    pub fn open(given: &Given<'_>) -> Result<Self> {
        Ok(Self::Open(OpenEvent {
            stores: Stores::of(given)?,
            log: Log::of(given)?,
            policy: PolicySource::of(given)?,
            profile: given.required(Id::Profile, given.profile()?)?,
            reason_code: given.required(Id::ReasonCode, given.choice(Id::ReasonCode, &ReasonCode::ALL)?)?,
            justification: given.required(Id::Justification, given.sentence(Id::Justification, 20, 1000)?)?,
            duration: given.window(LONGEST_BREAK_GLASS)?,
            json: given.switch(Id::Json)?,
        }))
    }

    /// The settings of `breakglass list`.
    pub fn list(given: &Given<'_>) -> Result<Self> {
        ListRecords::of(given, Id::EventStatus, &EventStatus::ALL).map(Self::List)
    }

    /// The settings of `breakglass show`.
    pub fn show(given: &Given<'_>) -> Result<Self> {
        ShowRecord::of(given).map(Self::Show)
    }

    /// The settings of `breakglass close`.
    pub fn close(given: &Given<'_>) -> Result<Self> {
        Ok(Self::Close(CloseEvent { end: EndRecord::of(given)?, log: Log::of(given)? }))
    }
}

/// How many records a list has at most, unless the person says.
const DEFAULT_LIMIT: usize = 100;

impl<S: Copy> ListRecords<S> {
    fn of(given: &Given<'_>, status: Id, kinds: &[S]) -> Result<Self> {
        let limit = given.number(Id::Limit, 1)?.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(Self {
            stores: Stores::of(given)?,
            user: given.text(Id::OfUser)?,
            profile: given.text(Id::OfProfile)?,
            status: given.choice(status, kinds)?,
            limit: limit.unwrap_or(DEFAULT_LIMIT),
            json: given.switch(Id::Json)?,
        })
    }
}

impl ShowRecord {
    fn of(given: &Given<'_>) -> Result<Self> {
        let (stores, policy) = (Stores::of(given)?, PolicySource::of(given)?);
        Ok(Self { stores, policy, id: given.record_id()?, json: given.switch(Id::Json)? })
    }
}

impl EndRecord {
    fn of(given: &Given<'_>) -> Result<Self> {
        Ok(Self { stores: Stores::of(given)?, id: given.record_id()?, reason: given.sentence(Id::Reason, 1, 500)? })
    }
}

impl DecideRequest {
    fn of(given: &Given<'_>) -> Result<Self> {
        Ok(Self {
            stores: Stores::of(given)?,
            policy: PolicySource::of(given)?,
            id: given.record_id()?,
            key: given.path(Id::Key),
            comment: given.sentence(Id::Comment, 1, 500)?,
        })
    }
}
