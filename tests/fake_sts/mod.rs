//! An STS on 127.0.0.1 that is as strict as AWS documents: it recomputes signatures from the specification, refuses
//! skewed clocks and expired sessions, and knows users, roles and trust. It records what it was asked, and fails on
//! request in the ways in which networks and services fail.
//!
//! ```ignore
//! let sts = Sts::start();
//! let alice = sts.user("alice");
//! let deploy = sts.role("deploy").trusts(&alice.arn).allows_source_identity().arn();
//! sts.inject("AssumeRole", 2, Fault::Throttle);
//! ```

mod actions;
mod answers;
mod fault;
mod role;
mod sigv4;
pub(crate) mod wire;
mod world;

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use sentinel::clock::{Clock, SystemClock};

use actions::{Ask, Parameters};
use answers::Refusal;
use sigv4::Authorization;
use wire::{Answer, Request, Response, Server};
use world::{Device, Principal, World};

pub(crate) use fault::{Fault, Gate};
pub(crate) use role::RoleBuilder;
pub(crate) use world::{ACCOUNT, Keys};

/// What any single wait may take before the test fails. It only catches what hangs, so it is far beyond what the slowest busy
/// machine needs. Where a promise is about time, the test measures that. The scripts in Python wait for 120 s, so that theirs
/// is the sentence that is shown.
pub(crate) const DEADLINE: Duration = Duration::from_secs(180);

/// The fake service. Dropping it opens every gate and ends every connection and thread.
pub(crate) struct Sts {
    // Dropped by hand, after the gates are open.
    server: Option<Server>,
    shared: Arc<Shared>,
}

/// One request, as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) action: String,
    pub(crate) parameters: Parameters,
    /// Empty when the request was not signed.
    pub(crate) access_key: String,
    pub(crate) region: String,
    /// The `Host` header and the path: where the client believed itself to be.
    pub(crate) place: String,
    /// By the fake's clock.
    pub(crate) at: Timestamp,
    /// `ok`, AWS's error code, or the fault's name; None while it is being answered.
    pub(crate) answer: Option<String>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Told whenever a call arrives.
    arrived: Condvar,
}

#[derive(Default)]
struct State {
    world: World,
    calls: Vec<Call>,
    faults: Vec<(String, Fault)>,
    gates: Vec<Gate>,
    region: String,
    clock_shift_s: i64,
    lifetime_s: Option<i64>,
}

impl Sts {
    /// Starts a service for us-east-1 on a free port.
    pub(crate) fn start() -> Self {
        let shared = Arc::new(Shared::default());
        shared.state.lock().expect("lock").region = "us-east-1".to_owned();
        let handler = Arc::clone(&shared);
        Self { server: Some(Server::start(move |request| handler.answer(request))), shared }
    }

    /// `http://127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> String {
        self.server.as_ref().expect("the server runs until drop").url()
    }

    /// The region that requests must be signed for; `*` is any.
    pub(crate) fn region(&self, region: &str) {
        self.state().region = region.to_owned();
    }

    /// Creates an IAM user with an access key.
    pub(crate) fn user(&self, name: &str) -> Keys {
        let arn = format!("arn:aws:iam::{ACCOUNT}:user/{name}");
        let principal = Principal {
            trust_arn: arn.clone(),
            arn,
            user_id: world::unique_id("AIDA"),
            mfa: false,
            source_identity: None,
        };
        self.state().world.issue(principal, None)
    }

    /// A session of the user's, as GetSessionToken gives it, for an hour.
    pub(crate) fn session(&self, user: &Keys) -> Keys {
        let mut state = self.state();
        let principal = state.world.keys.get(&user.access_key_id).expect("a user of this fake").principal.clone();
        let expires = Timestamp::from_second(state.now().as_second() + 3600).expect("a time near now");
        state.world.issue(principal, Some(expires))
    }

    /// Gives the user a device that shows `code`, which is good for one use, or lets it show another. Returns its serial
    /// number.
    pub(crate) fn mfa_device(&self, user: &Keys, code: &str) -> String {
        let serial = user.arn.replace(":user/", ":mfa/");
        let device = Device { serial: serial.clone(), code: Some(code.to_owned()) };
        self.state().world.mfa.insert(user.arn.clone(), device);
        serial
    }

    /// Begins a role that trusts nobody, refuses source identities, and lasts an hour at most. [`RoleBuilder::arn`]
    /// creates it.
    pub(crate) fn role(&self, name: &str) -> RoleBuilder<'_> {
        RoleBuilder::new(self, name)
    }

    /// The next `times` requests for `action` (`*`: any) meet `fault`. Faults queue up, first come first served.
    pub(crate) fn inject(&self, action: &str, times: usize, fault: Fault) {
        self.state().faults.extend(std::iter::repeat_n((action.to_owned(), fault), times));
    }

    /// Forgets the faults that nobody has met yet.
    pub(crate) fn mend(&self) {
        self.state().faults.clear();
    }

    /// The next request for `action` gets no answer until the gate is opened or dropped.
    pub(crate) fn hang(&self, action: &str) -> Gate {
        let gate = Gate::default();
        self.state().gates.push(gate.handle());
        self.inject(action, 1, Fault::Hang(gate.handle()));
        gate
    }

    /// From now on credentials are issued for this long, whatever was asked for.
    pub(crate) fn lifetime_s(&self, seconds: i64) {
        self.state().lifetime_s = Some(seconds);
    }

    /// Moves the fake's clock away from the system's; it decides on skew, expiry and the Date header.
    pub(crate) fn shift_clock_s(&self, seconds: i64) {
        self.state().clock_shift_s = seconds;
    }

    /// Ends a session now: further requests with it get ExpiredToken.
    pub(crate) fn expire(&self, access_key: &str) {
        let mut state = self.state();
        let now = state.now();
        state.world.keys.get_mut(access_key).expect("a key that was issued").expires = Some(now);
    }

    /// Every request so far, in the order of arrival.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    /// The requests for one action.
    pub(crate) fn calls_of(&self, action: &str) -> Vec<Call> {
        self.calls().into_iter().filter(|call| call.action == action).collect()
    }

    /// Waits until `count` requests for `action` have arrived, answered or not.
    pub(crate) fn wait_for_calls(&self, action: &str, count: usize) {
        let few = |state: &mut State| state.calls.iter().filter(|call| call.action == action).count() < count;
        let (state, result) = self.shared.arrived.wait_timeout_while(self.state(), DEADLINE, few).expect("lock");
        assert!(!result.timed_out(), "waited {DEADLINE:?} for {count} {action} calls; there were {:?}", state.calls);
    }

    /// The issued credentials of an access key: what a client must never print.
    pub(crate) fn issued(&self, access_key: &str) -> Option<Keys> {
        let state = self.state();
        let issued = state.world.keys.get(access_key)?;
        Some(Keys {
            access_key_id: access_key.to_owned(),
            secret_access_key: issued.secret.clone(),
            session_token: issued.token.clone(),
            arn: issued.principal.arn.clone(),
        })
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.shared.state.lock().expect("lock")
    }
}

impl Drop for Sts {
    fn drop(&mut self) {
        for gate in self.state().gates.drain(..) {
            gate.open();
        }
        drop(self.server.take());
    }
}

impl State {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(SystemClock.wall().as_second() + self.clock_shift_s).expect("a time near now")
    }
}

impl Shared {
    fn answer(&self, request: &Request) -> Answer {
        let parameters = form(&request.body);
        let action = parameters.get("Action").cloned().unwrap_or_default();
        let authorization = Authorization::read(request);
        let (index, fault) = {
            let mut state = self.state.lock().expect("lock");
            let (access_key, region) = match &authorization {
                Ok(parts) => (parts.access_key.clone(), parts.region.clone()),
                Err(_) => Default::default(),
            };
            let at = state.now();
            state.calls.push(Call {
                action: action.clone(),
                parameters: parameters.clone(),
                access_key,
                region,
                place: format!("{}{}", request.header("host").unwrap_or_default(), request.target),
                at,
                answer: None,
            });
            let position = state.faults.iter().position(|(wanted, _)| wanted == "*" || *wanted == action);
            (state.calls.len() - 1, position.map(|position| state.faults.remove(position).1))
        };
        self.arrived.notify_all();
        if let Some(Fault::Hang(gate)) = &fault {
            gate.wait();
        }

        let request_id = world::request_id();
        let (label, answer) = match fault {
            Some(fault) if !fault.needs_an_outcome() => (fault.label(), fault.answer(&request_id)),
            fault => {
                let outcome = authorization.and_then(|parts| self.perform(request, &parts, &action, &parameters));
                let label = match (&outcome, &fault) {
                    (Err(refusal), _) => refusal.code.clone(),
                    (Ok(_), Some(fault)) => fault.label(),
                    (Ok(_), None) => "ok".to_owned(),
                };
                let answer = match outcome {
                    Err(refusal) => Answer::Whole(refusal.response(&request_id)),
                    Ok(outcome) => fault::finish(fault.as_ref(), &action, outcome, &request_id),
                };
                (label, answer)
            }
        };
        let mut state = self.state.lock().expect("lock");
        if let Some(call) = state.calls.get_mut(index) {
            call.answer = Some(label);
        }
        dated(answer, state.now())
    }

    /// Everything that AWS checks, in its order: the request's shape, the key, the signature, the action.
    fn perform(
        &self,
        request: &Request,
        authorization: &Authorization,
        action: &str,
        parameters: &Parameters,
    ) -> Result<actions::Outcome, Refusal> {
        let type_ = request.header("content-type").unwrap_or_default();
        if request.method != "POST" || !type_.starts_with("application/x-www-form-urlencoded") {
            return Err(Refusal::new(
                400,
                "MalformedInput",
                format!("{} with {type_} is not a Query request", request.method),
            ));
        }
        let mut state = self.state.lock().expect("lock");
        let (now, lifetime_s) = (state.now(), state.lifetime_s);
        let region = if state.region == "*" { authorization.region.clone() } else { state.region.clone() };
        let token = request.header("x-amz-security-token");
        let caller = state.world.lookup(&authorization.access_key, token, now)?.clone();
        authorization.verify(request, &caller.secret, &region, now)?;
        Ask { caller, parameters, now, lifetime_s }.run(action, &mut state.world)
    }
}

/// Adds the Date header, unless a fault has set one.
fn dated(mut answer: Answer, now: Timestamp) -> Answer {
    if let Answer::Whole(Response { headers, .. }) | Answer::Half(Response { headers, .. }) = &mut answer
        && !headers.iter().any(|(name, _)| name == "Date")
    {
        headers.push(("Date".to_owned(), answers::http_date(now)));
    }
    answer
}

/// Decodes application/x-www-form-urlencoded.
fn form(body: &[u8]) -> Parameters {
    let decode = |text: &str| {
        let mut bytes = Vec::new();
        let mut rest = text.bytes();
        while let Some(byte) = rest.next() {
            bytes.push(match byte {
                b'+' => b' ',
                b'%' => {
                    let digits: String = rest.by_ref().take(2).map(char::from).collect();
                    u8::from_str_radix(&digits, 16).unwrap_or(b'?')
                }
                byte => byte,
            });
        }
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let text = String::from_utf8_lossy(body);
    text.split('&').filter_map(|pair| pair.split_once('=')).map(|(name, value)| (decode(name), decode(value))).collect()
}
