//! The ways in which the fake fails on request.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use jiff::Timestamp;

use super::actions::Outcome;
use super::answers::{self, Element, Refusal};
use super::wire::{Answer, Response};

/// After this a hanging request is answered even if nobody opens its gate.
const HANG_LIMIT: Duration = Duration::from_secs(600);

/// What happens to one request.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// 400 Throttling.
    Throttle,
    /// 503 ServiceUnavailable, in AWS's format.
    Unavailable,
    /// Any error of AWS's.
    Refuse { status: u16, code: &'static str, message: &'static str },
    /// 500 with a page for people, as load balancers answer.
    Html,
    /// A TCP reset.
    Reset,
    /// A redirect to this address.
    Redirect(String),
    /// The right answer, cut in the middle.
    Half,
    /// The right answer, padded to at least this many bytes.
    Huge(usize),
    /// 200 with this body.
    Body(&'static str),
    /// The right answer under a Date header that is off by these seconds.
    DateOff(i64),
    /// Credentials whose Expiration has passed.
    AlreadyExpired,
    /// Credentials with an empty SecretAccessKey.
    EmptySecret,
    /// The right answer, once the gate opens.
    Hang(Gate),
}

impl Fault {
    /// Whether the request is looked at before it fails.
    pub(super) fn needs_an_outcome(&self) -> bool {
        matches!(
            self,
            Self::Half | Self::Huge(_) | Self::DateOff(_) | Self::AlreadyExpired | Self::EmptySecret | Self::Hang(_)
        )
    }

    /// What [`super::Call::answer`] says.
    pub(super) fn label(&self) -> String {
        match self {
            Self::Throttle => "Throttling",
            Self::Unavailable => "ServiceUnavailable",
            Self::Refuse { code, .. } => code,
            Self::Html => "html",
            Self::Reset => "reset",
            Self::Redirect(_) => "redirect",
            Self::Half => "half",
            Self::Huge(_) => "huge",
            Self::Body(_) => "body",
            Self::DateOff(_) => "date off",
            Self::AlreadyExpired => "already expired",
            Self::EmptySecret => "empty secret",
            Self::Hang(_) => "hang",
        }
        .to_owned()
    }

    /// The answer of a fault that does not look at the request.
    pub(super) fn answer(&self, request_id: &str) -> Answer {
        let refuse =
            |status, code, message: &str| Answer::Whole(Refusal::new(status, code, message).response(request_id));
        let page = |status, type_: &str, body: &str| Response {
            status,
            headers: vec![("Content-Type".to_owned(), type_.to_owned())],
            body: body.as_bytes().to_vec(),
        };
        match self {
            Self::Throttle => refuse(400, "Throttling", "Rate exceeded"),
            Self::Unavailable => {
                refuse(503, "ServiceUnavailable", "The service is unable to process your request at this time")
            }
            Self::Refuse { status, code, message } => refuse(*status, code, message),
            Self::Html => {
                Answer::Whole(page(500, "text/html", "<html><body><h1>500 Internal Server Error</h1></body></html>"))
            }
            Self::Body(body) => Answer::Whole(page(200, "text/xml", body)),
            Self::Redirect(target) => {
                let mut response = page(307, "text/plain", "");
                response.headers.push(("Location".to_owned(), target.clone()));
                Answer::Whole(response)
            }
            // The others need an outcome.
            _ => Answer::Reset,
        }
    }
}

/// Turns what the action answered into what is sent.
pub(super) fn finish(fault: Option<&Fault>, action: &str, mut outcome: Outcome, request_id: &str) -> Answer {
    match (fault, &outcome.issued) {
        (Some(Fault::AlreadyExpired), Some((keys, _))) => {
            let past = Timestamp::from_second(1_600_000_000).expect("a time");
            replace(&mut outcome.elements, super::actions::credentials(keys, past));
        }
        (Some(Fault::EmptySecret), Some((keys, expires))) => {
            let mut keys = keys.clone();
            keys.secret_access_key.clear();
            replace(&mut outcome.elements, super::actions::credentials(&keys, *expires));
        }
        _ => {}
    }
    let mut response = answers::success(action, &outcome.elements, request_id);
    match fault {
        Some(Fault::Half) => return Answer::Half(response),
        // White space after the document is still well-formed XML.
        Some(Fault::Huge(bytes)) => response.body.resize(response.body.len().max(*bytes), b' '),
        Some(Fault::DateOff(seconds)) => {
            let now = sentinel::clock::Clock::wall(&sentinel::clock::SystemClock).as_second();
            let off = Timestamp::from_second(now + seconds).expect("a time near now");
            response.headers.push(("Date".to_owned(), answers::http_date(off)));
        }
        _ => {}
    }
    Answer::Whole(response)
}

fn replace(elements: &mut [Element], credentials: Element) {
    for element in elements {
        if matches!(element, Element::Nest("Credentials", _)) {
            *element = credentials;
            return;
        }
    }
}

/// Holds one request back. Opens when the test says so, or drops it.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    shared: Arc<(Mutex<bool>, Condvar)>,
    is_handle: bool,
}

impl Gate {
    /// Lets the request go on.
    pub(crate) fn open(&self) {
        *self.shared.0.lock().expect("lock") = true;
        self.shared.1.notify_all();
    }

    /// Another hand on the same gate, whose drop does not open it.
    pub(super) fn handle(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), is_handle: true }
    }

    /// Waits until it is open.
    pub(super) fn wait(&self) {
        let closed = self.shared.0.lock().expect("lock");
        drop(self.shared.1.wait_timeout_while(closed, HANG_LIMIT, |open| !*open).expect("lock"));
    }
}

impl Clone for Gate {
    fn clone(&self) -> Self {
        self.handle()
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        if !self.is_handle {
            self.open();
        }
    }
}
