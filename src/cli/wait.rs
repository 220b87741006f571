//! `exec --wait`: waits for the approval that the policy wants.
//!
//! The request's record is read every two seconds; AWS is asked for nothing else. Whether an approval counts is for the broker to
//! say, which is asked again once the record says that there is one.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use jiff::Timestamp;

use super::prepare::{Opening, ask_as_invoker, explain, vend_to_invoker};
use super::records::show::escaped;
use crate::clock::{Clock, rfc3339_s};
use crate::duration;
use crate::error::{Error, Kind, Result};
use crate::store::record::RequestStatus;
use crate::store::{Engine, Failed, Index, Record, Request};
use crate::vending::{Refused, Vended, Vendor};

/// Between two looks at the record.
const EVERY: Duration = Duration::from_secs(2);
/// What the broker believes may be this old, or a little older, when an approval is given.
const SETTLES_WITHIN: Duration = Duration::from_secs(15);
/// Requests of a user that are looked at.
const REQUESTS: usize = 200;

/// Vends to this process's own user; with `wait`, once somebody has approved where the policy wants that.
///
/// # Errors
/// Why not.
pub(super) fn vend(vendor: &Vendor, wait: bool, stores: Option<&Opening>, clock: &dyn Clock) -> Result<Vended> {
    let Some(open) = stores.filter(|_| wait) else { return vend_to_invoker(vendor) };
    let engine = open()?;
    let waiter = Waiter { engine: engine.as_ref(), profile: vendor.profile(), clock, pause: &std::thread::sleep };
    waiter.run(&|| vendor.known_user(), &mut Progress::stderr(), || match ask_as_invoker(vendor) {
        Ok(vended) => Outcome::Vended(vended),
        Err(Refused::Unapproved(verdict)) => Outcome::Unapproved(verdict.reason.to_string()),
        // The last window is nearly over, and the next one may have been asked for already.
        Err(Refused::Failed(error)) if error.kind() == Kind::WindowEnds => Outcome::Unapproved(error.summary()),
        Err(refused) => Outcome::Failed(explain(vendor, refused)),
    })
}

/// What came of asking for credentials.
enum Outcome<T> {
    /// They are there.
    Vended(T),
    /// The policy wants an approval, and there is none that counts, for this reason.
    Unapproved(String),
    /// Anything else.
    Failed(Error),
}

/// What is waited with.
struct Waiter<'a> {
    /// Where requests are.
    engine: &'a dyn Engine,
    /// Whose credentials.
    profile: &'a str,
    /// Time.
    clock: &'a dyn Clock,
    /// Lets time pass.
    pause: &'a dyn Fn(Duration),
}

/// What the request's record says.
enum State {
    Pending,
    Approved,
}

impl Waiter<'_> {
    /// Asks until there are credentials, and waits where an approval is missing. `user` is whom AWS named.
    ///
    /// # Errors
    /// There is nothing to wait for, or the answer is no.
    fn run<T>(
        &self,
        user: &dyn Fn() -> Option<String>,
        progress: &mut Progress<impl Write>,
        mut ask: impl FnMut() -> Outcome<T>,
    ) -> Result<T> {
        let unapproved = match ask() {
            Outcome::Vended(vended) => return Ok(vended),
            Outcome::Failed(error) => return Err(error),
            Outcome::Unapproved(why) => why,
        };
        let user = user().ok_or_else(|| Error::new(escaped(&unapproved)))?;
        let id = self.pending(&user, &unapproved)?;
        let began = self.clock.boot();
        let mut approved_at: Option<Duration> = None;
        loop {
            let waited = self.clock.boot().saturating_sub(began);
            match self.state(&id) {
                Ok(State::Pending) => progress.show(&id, self.profile, waited),
                Ok(State::Approved) => {
                    let settling_since = *approved_at.get_or_insert_with(|| self.clock.boot());
                    match ask() {
                        Outcome::Vended(vended) => {
                            progress.end(&format!("request {id} is approved"));
                            return Ok(vended);
                        }
                        Outcome::Failed(error) => return Err(progress.failed(error)),
                        Outcome::Unapproved(why)
                            if self.clock.boot().saturating_sub(settling_since) >= SETTLES_WITHIN =>
                        {
                            return Err(progress.failed(Error::new(format!(
                                "request {id} is approved, and the policy does not accept that: {}",
                                escaped(&why)
                            ))));
                        }
                        Outcome::Unapproved(_) => {}
                    }
                }
                Err(error) => return Err(progress.failed(error)),
            }
            (self.pause)(EVERY);
        }
    }

    /// The request that may still become an approval.
    fn pending(&self, user: &str, unapproved: &str) -> Result<String> {
        let index = Index { field: "requester", value: user };
        let listing = self.engine.list(Request::KIND, Some(index), REQUESTS).map_err(Failed::into_error)?;
        let requests = listing.items.iter().filter_map(|item| Request::of_item(item).ok());
        let now = self.clock.wall();
        let mut mine = requests.filter(|request| request.requester == user && request.profile == self.profile);
        mine.find(|request| is_pending(request, now)).map(|request| request.id).ok_or_else(|| {
            let profile = escaped(self.profile);
            Error::new(format!("policy denied profile `{profile}`: {}", escaped(unapproved))).hint(format!(
                "there is no request to wait for: `sentinel request create --profile {profile}` makes one"
            ))
        })
    }

    fn state(&self, id: &str) -> Result<State> {
        let place = || self.engine.place(Request::KIND);
        let item = self.engine.get(Request::KIND, id).map_err(Failed::into_error)?;
        let item = item.ok_or_else(|| Error::new(format!("request {id} is gone from {}", place())))?;
        let request = Request::of_item(&item)?;
        let said =
            |text: &Option<String>| text.as_deref().map(|text| format!(": {}", escaped(text))).unwrap_or_default();
        let why = match request.status {
            RequestStatus::Approved => return Ok(State::Approved),
            RequestStatus::Pending if is_pending(&request, self.clock.wall()) => return Ok(State::Pending),
            RequestStatus::Pending | RequestStatus::Expired => {
                format!("request {id} expired at {}: nobody approved it", rfc3339_s(request.expires_at))
            }
            RequestStatus::Denied => {
                let by = escaped(request.approver.as_deref().unwrap_or("somebody"));
                format!("request {id} was denied by {by}{}", said(&request.approver_comment))
            }
            RequestStatus::Cancelled => format!("request {id} was cancelled{}", said(&request.approver_comment)),
        };
        Err(Error::new(why).hint(format!("`sentinel request show {id}` shows all of it")))
    }
}

fn is_pending(request: &Request, now: Timestamp) -> bool {
    request.status == RequestStatus::Pending && request.expires_at > now
}

/// What the person sees meanwhile: on a terminal one line that is written anew, elsewhere one line at the beginning.
struct Progress<W> {
    out: W,
    is_terminal: bool,
    shown: bool,
}

impl Progress<io::Stderr> {
    /// On standard error.
    fn stderr() -> Self {
        let out = io::stderr();
        let is_terminal = out.is_terminal();
        Self { out, is_terminal, shown: false }
    }
}

impl<W: Write> Progress<W> {
    fn show(&mut self, id: &str, profile: &str, waited: Duration) {
        let profile = escaped(profile);
        let line = format!("sentinel: waiting for an approval of request {id} for profile `{profile}`");
        if self.is_terminal {
            self.write(&format!("\r{line} ({})", duration::text(waited)));
        } else if !self.shown {
            self.write(&format!("{line}\n"));
        }
        self.shown = true;
    }

    fn end(&mut self, line: &str) {
        self.leave_line();
        self.write(&format!("sentinel: {line}\n"));
    }

    fn failed(&mut self, error: Error) -> Error {
        self.leave_line();
        error
    }

    fn leave_line(&mut self) {
        if self.is_terminal && self.shown {
            self.write("\n");
        }
    }

    fn write(&mut self, text: &str) {
        // Nobody has to look.
        drop(self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush()));
    }
}

#[cfg(test)]
mod tests;
