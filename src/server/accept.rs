//! One thread that accepts, and hands each connection to a thread of its own.

use std::cell::Cell;
use std::collections::HashMap;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::connection;
use super::crew::Crew;
use super::slots::{Admission, Slot, Slots, Who};
use super::{Listener, Service};
use crate::auth::{Authenticator, Visitor};
use crate::error::{Error, Result};
use crate::peer::FarEnd;
use crate::stream::Stream;
use crate::sys::poll::wait_readable;
use crate::sys::socket::PeerCredentials;
use crate::sys::user::Uid;

/// Attesting reads small files of /proc and looks at links. Pages that are not touched cost nothing.
const STACK_BYTES: usize = 512 * 1024;
/// How many times as many TCP connections are taken together as may be held: a look through the tree serves them all. Each is a
/// descriptor.
pub const TOGETHER: usize = 3;
/// How long the end waits for answers that are being written.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);
/// How long accept rests when descriptors or threads have run out.
const REST: Duration = Duration::from_millis(20);
/// How long a connection waits for a slot before it is dropped.
const ADMISSION_LIMIT: Duration = Duration::from_secs(1);

/// A kept-alive connection may rest this long between requests, and until the next look at those that rest.
const REST_LIMIT: Duration = Duration::from_secs(60);
/// How often they are looked at. A timer of each would cost every request something.
const SWEEP_EVERY: Duration = Duration::from_secs(5);

/// A running server. Dropping it ends it: every connection is closed and the socket is gone.
pub struct Server {
    slots: Arc<Slots>,
    stop: UnixStream,
    thread: Option<JoinHandle<()>>,
}

/// Closes a server's connections, from another thread.
pub struct Closer {
    slots: Arc<Slots>,
    profile: Option<Arc<str>>,
}

impl Server {
    /// Serves on a bound socket.
    ///
    /// # Errors
    /// No thread could be started.
    pub fn start(listening: Listener, service: Arc<Service>) -> Result<Self> {
        let cannot = |error: io::Error| Error::new("cannot start the server's thread").because(error);
        let (stop, stopped) = UnixStream::pair().map_err(cannot)?;
        // The peer of a connection that is gone before it is accepted must not make accept wait for the next one.
        listening.set_nonblocking().map_err(cannot)?;
        let slots = Slots::new(service.max_connections);
        let crew = Arc::default();
        let now = service.clock.boot();
        let (next_sign, next_sweep) = (Cell::new(now), Cell::new(now));
        let acceptor = Acceptor { listening, stopped, slots: Arc::clone(&slots), crew, service, next_sign, next_sweep };
        let thread = thread::Builder::new()
            .name("sentinel-accept".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || acceptor.run())
            .map_err(cannot)?;
        Ok(Self { slots, stop, thread: Some(thread) })
    }

    /// A handle that closes connections: those that were served from this profile, or all.
    pub fn closer(&self, profile: Option<Arc<str>>) -> Closer {
        Closer { slots: Arc::clone(&self.slots), profile }
    }
}

impl Closer {
    /// Closes its connections of now. New ones are accepted, and judged.
    pub fn hang_up(&self) {
        self.slots.hang_up(self.profile.as_ref());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // First, or many that were taken together would wait for a slot one after the other.
        self.slots.admit_no_more();
        // Wakes the accepting thread, which drops the listener and so removes the socket.
        let _gone = self.stop.shutdown(std::net::Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            // It cannot have panicked: a panic aborts the process.
            let _ended = thread.join();
        }
        self.slots.close(CLOSE_LIMIT);
    }
}

/// Whether descriptors or memory have run out.
fn is_exhaustion(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}

/// As poll(2) takes it, not less than the wait; -1 is for ever.
fn milliseconds(wait: Option<Duration>) -> i32 {
    wait.map_or(-1, |wait| i32::try_from(wait.as_millis()).unwrap_or(i32::MAX).saturating_add(1))
}

/// Whose slot the connection of an attested visitor takes.
fn who(visitor: &Visitor, authenticator: &Authenticator) -> Who {
    match (visitor.pid(), visitor.uid()) {
        _ if !visitor.is_inside() => Who::Stranger,
        (Some(0), Some(uid)) if authenticator.looks_for_processes_of(uid) => Who::Searched(uid),
        (Some(0), Some(uid)) => Who::Uid(uid),
        (Some(pid), _) => Who::Inside(pid),
        (None, _) => Who::Stranger,
    }
}

struct Acceptor {
    listening: Listener,
    stopped: UnixStream,
    slots: Arc<Slots>,
    crew: Arc<Crew>,
    service: Arc<Service>,
    /// Boot time at which the service manager is to hear of this thread.
    next_sign: Cell<Duration>,
    /// Boot time at which connections that rest are looked at.
    next_sweep: Cell<Duration>,
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        self.crew.close();
    }
}

impl Acceptor {
    fn run(self) {
        loop {
            let wait = [self.give_sign(), self.sweep()].into_iter().flatten().min();
            match wait_readable([self.listening.as_fd(), self.stopped.as_fd()], milliseconds(wait)) {
                Ok([_, true]) => return,
                Ok([true, false]) => self.accept(),
                Ok([false, false]) => {}
                Err(error) => {
                    self.service.operator.log("accept", &format!("cannot wait for connections: {error}"));
                    self.slots.wait(REST);
                }
            }
        }
    }

    /// Tells the service manager that this thread turns, where it wants to know and it is time. This is the thread that does
    /// it: any other would go on when this one hangs. Returns for how long it may wait.
    fn give_sign(&self) -> Option<Duration> {
        let interval = self.service.manager.watchdog_interval()?;
        Some(self.every(interval, &self.next_sign, |_| self.service.manager.alive()))
    }

    /// Closes what has rested for too long, where there is anything to look at. Returns for how long it may wait.
    fn sweep(&self) -> Option<Duration> {
        let close = |now: Duration| self.slots.close_rested(now.saturating_sub(REST_LIMIT));
        (!self.slots.is_empty()).then(|| self.every(SWEEP_EVERY, &self.next_sweep, close))
    }

    /// Does this when it is time. Returns how long it is until the next time.
    fn every(&self, interval: Duration, next: &Cell<Duration>, act: impl FnOnce(Duration)) -> Duration {
        let now = self.service.clock.boot();
        if now >= next.get() {
            act(now);
            next.set(now.saturating_add(interval));
        }
        next.get().saturating_sub(now)
    }

    fn accept(&self) {
        match &self.listening {
            Listener::Unix(_) => self.accept_one(),
            Listener::Tcp(_) => self.accept_together(),
        }
    }

    fn accept_one(&self) {
        let Some(Stream::Unix(stream)) = self.next() else { return };
        let Ok(noted) = self.service.authenticator.who(&stream) else { return };
        if self.may_serve(noted.uid, Some(&noted)) {
            // Who is in another pid namespace has no number here.
            let who = if noted.pid == 0 { Who::Uid(noted.uid) } else { Who::Pid(noted.pid) };
            self.take((Stream::Unix(stream), who), None);
        }
    }

    /// Takes all that wait, so that one look through the process tree tells them apart: a flood of strangers costs those
    /// of the tree little more than one stranger would.
    fn accept_together(&self) {
        let together = self.service.max_connections.saturating_mul(TOGETHER);
        let arrived = std::iter::from_fn(|| self.next()).take(together);
        let (arrived, ends): (Vec<Stream>, Vec<FarEnd>) = arrived.filter_map(|stream| self.of_our_uid(stream)).unzip();
        let visitors = self.service.authenticator.visitors(ends);
        let seen: Vec<Option<i32>> = (0..arrived.len()).map(|number| visitors.seen(number)).collect();
        let mut slow = HashMap::new();
        for (number, (stream, pid)) in arrived.into_iter().zip(&seen).enumerate() {
            // Of those who come in a crowd and do not say what they want, no more than the share get a look and a thread.
            let crowd = seen.iter().filter(|other| *other == pid).count();
            if visitors.are_told_apart() && crowd > self.slots.share() && !connection::has_request(&stream) {
                let slow: &mut usize = slow.entry(pid).or_default();
                *slow += 1;
                if *slow > self.slots.share() {
                    continue;
                }
            }
            let visitor = visitors.visitor(number);
            self.take((stream, who(&visitor, &self.service.authenticator)), Some(visitor));
        }
    }

    /// The next connection, if there is one.
    fn next(&self) -> Option<Stream> {
        match self.listening.accept() {
            Ok(stream) => return Some(stream),
            // The peer is gone, or a signal came.
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(error) => {
                self.service.operator.log("accept", &format!("cannot accept a connection: {error}"));
                // Whoever has waited longest gives theirs. Other errors are of that one connection.
                if is_exhaustion(&error) {
                    self.slots.evict_one();
                }
                // What fails again at once is not tried without a rest.
                self.slots.wait(REST);
            }
        }
        None
    }

    fn of_our_uid(&self, stream: Stream) -> Option<(Stream, FarEnd)> {
        let end = self.service.authenticator.far_end(stream.tcp()?).ok()?;
        self.may_serve(end.uid(), None).then_some((stream, end))
    }

    /// The connection of a uid that is not served costs an accept and a question to the kernel, and never a slot.
    fn may_serve(&self, uid: Uid, noted: Option<&PeerCredentials>) -> bool {
        let may = self.service.authenticator.may_serve(uid, noted.map(|noted| noted.gid));
        if !may {
            let number = noted.map(|noted| format!(" (pid {})", noted.pid)).unwrap_or_default();
            self.service.operator.log("foreign uid", &format!("dropped a connection of uid {uid}{number}"));
        }
        may
    }

    fn take(&self, (stream, who): (Stream, Who), visitor: Option<Visitor>) {
        // Of many that came together each may wait for a slot.
        self.give_sign();
        let stream = Arc::new(stream);
        let Some(slot) = self.slot(&stream, who) else { return };
        let service = Arc::clone(&self.service);
        let started = self.crew.start(move || connection::serve(&stream, &slot, &service, visitor));
        if let Err(error) = started {
            self.service.operator.log("thread", &format!("cannot start a thread for a connection: {error}"));
            self.slots.wait(REST);
        }
    }

    fn slot(&self, stream: &Arc<Stream>, who: Who) -> Option<Slot> {
        let began = self.service.clock.boot();
        loop {
            let now = self.service.clock.boot();
            match self.slots.admit(stream, who, now) {
                Admission::Admitted(slot) => return Some(slot),
                Admission::Later(pause) if now.saturating_sub(began) < ADMISSION_LIMIT => {
                    self.slots.wait(pause);
                    // All that time this thread turns, and a watchdog may not be as patient.
                    self.give_sign();
                }
                Admission::Closed => return None,
                Admission::Enough => {
                    self.service
                        .operator
                        .log("strangers", "dropped a connection of a stranger or a user who has too many");
                    return None;
                }
                Admission::Later(_) => {
                    self.service.operator.log("full", "dropped a connection: every slot is busy");
                    return None;
                }
            }
        }
    }
}
