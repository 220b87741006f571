//! One connection: requests in, answers out, a bound on every head and every write. Who rests in between is closed by the server.

use std::io::{self, ErrorKind, IoSlice};
use std::os::fd::AsFd;
use std::time::Duration;

use zeroize::{Zeroize, Zeroizing};

use super::route::{Answer, Endpoint, Exchange};
use super::slots::Slot;
use super::{Service, imds};
use crate::auth::Visitor;
use crate::http::refusal::Refusal;
use crate::http::request::{HEAD_LIMIT_BYTES, Method, Parser, Progress};
use crate::http::response::{ErrorAnswer, HEAD_BYTES, Success, success_head};
use crate::stream::{Stream, Writer};
use crate::sys::poll::wait_readable;

/// A whole head must have come this long after the connection, or after the head's first byte.
const HEAD_LIMIT: Duration = Duration::from_secs(5);
/// An answer of under 8 KiB fits the socket's buffer: who does not read it within this time is not going to.
const WRITE_LIMIT: Duration = Duration::from_secs(5);

/// Room for a request as SDKs send it.
const USUAL_HEAD_BYTES: usize = 1024;

/// Serves until the peer, a bound, a refusal or the server ends it. A peer that was not attested before is attested first.
pub(super) fn serve(stream: &Stream, slot: &Slot, service: &Service, visitor: Option<Visitor>) {
    let visitor = visitor.unwrap_or_else(|| service.authenticator.visitor(stream));
    slot.attested(visitor.is_inside());
    let mut connection = Connection {
        stream,
        slot,
        service,
        visitor,
        buffer: Buffer::default(),
        filled: 0,
        writers_agree: true,
        has_time_limit: false,
    };
    if let Err(error) = connection.run() {
        service.operator.debug(&format!("a connection ended: {error}"));
    }
}

/// Whether a request is there to be read, as a whole, as far as a glance can tell.
pub(super) fn has_request(stream: &Stream) -> bool {
    let readable = wait_readable([stream.as_fd()], 0).is_ok_and(|readable| readable == [true]);
    let Some(tcp) = stream.tcp().filter(|_| readable) else { return false };
    let mut head = Zeroizing::new([0; HEAD_LIMIT_BYTES]);
    let come = tcp.peek(head.as_mut_slice()).unwrap_or(0);
    head.get(..come).is_some_and(|head| head.windows(4).any(|bytes| bytes == b"\r\n\r\n"))
}

struct Connection<'a> {
    stream: &'a Stream,
    slot: &'a Slot,
    service: &'a Service,
    visitor: Visitor,
    buffer: Buffer,
    filled: usize,
    /// Whether every byte so far was written by the process that connected. Never true again once it was not.
    writers_agree: bool,
    /// Whether a read ends after some time.
    has_time_limit: bool,
}

/// What comes is read into this. It holds tokens.
struct Buffer {
    /// Not from the allocator: with musl that asks the kernel for a page, and gives it back, for each connection.
    usual: Zeroizing<[u8; USUAL_HEAD_BYTES]>,
    /// The whole limit's room, once more comes: on the stacks of a thousand connections that rest it would be 8 MiB. The allocator
    /// wipes what is given back.
    whole: Vec<u8>,
}

impl Default for Buffer {
    fn default() -> Self {
        Self { usual: Zeroizing::new([0; USUAL_HEAD_BYTES]), whole: Vec::new() }
    }
}

impl Buffer {
    fn bytes(&self) -> &[u8] {
        if self.whole.is_empty() { self.usual.as_slice() } else { &self.whole }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        if self.whole.is_empty() { self.usual.as_mut_slice() } else { &mut self.whole }
    }

    /// Makes it as long as a head may be.
    fn grow(&mut self) {
        if self.whole.is_empty() {
            self.whole.reserve_exact(HEAD_LIMIT_BYTES);
            self.whole.extend_from_slice(self.usual.as_slice());
            self.usual.zeroize();
        }
        self.whole.resize(HEAD_LIMIT_BYTES, 0);
    }
}

/// What one attempt to read brought.
enum Read {
    Bytes,
    Nothing,
    End,
}

impl Connection<'_> {
    fn run(&mut self) -> io::Result<()> {
        self.stream.set_write_timeout(WRITE_LIMIT)?;
        // A new connection has to speak at once; later ones may rest first, until the server closes those that rest.
        let mut is_new = true;
        while self.request(is_new)? {
            is_new = false;
        }
        Ok(())
    }

    /// Reads one request and answers it. Returns whether there may be another.
    fn request(&mut self, is_new: bool) -> io::Result<bool> {
        let mut began = self.service.clock.boot();
        let mut now = began;
        let mut deadline = (is_new || self.filled > 0).then(|| began.saturating_add(HEAD_LIMIT));
        // Since its answer was written a connection waits already.
        let mut waits = !is_new;
        let mut parser = Parser::default();
        loop {
            let bytes = self.buffer.bytes().get(..self.filled).unwrap_or_default();
            match parser.parse(bytes, &self.service.hosts) {
                Ok(Progress::Incomplete) => {}
                Ok(Progress::Complete { request, head_bytes }) => {
                    self.slot.answering();
                    let (visitor, writers_agree, service) = (&self.visitor, self.writers_agree, self.service);
                    let exchange =
                        Exchange { request: &request, visitor, slot: self.slot, writers_agree, service, began: now };
                    let answer = exchange.answer();
                    let keep = request.keep_alive && self.visitor.may_ask_again();
                    // Who does not read the answer may have to make room.
                    self.slot.waiting(self.service.clock.boot());
                    let keep = write(self.stream, &answer, request.method, keep)?;
                    self.buffer.bytes_mut().copy_within(head_bytes..self.filled, 0);
                    self.filled = self.filled.saturating_sub(head_bytes);
                    return Ok(keep);
                }
                Err(refusal) => {
                    self.service.operator.log("request", &format!("refused a request: {}", refusal.detail()));
                    let answer = match (refusal, self.service.endpoint) {
                        (Refusal::Method, Endpoint::Ec2(_)) => ErrorAnswer::MethodNotAllowed(imds::allowed(bytes)),
                        (refusal, _) => ErrorAnswer::from(refusal),
                    };
                    return write(self.stream, &Answer::Error(answer), Method::Get, false);
                }
            }
            // What has come already is looked at before this connection may have to make room. A head that comes in pieces
            // waits from its beginning.
            if !waits && wait_readable([self.stream.as_fd()], 0)? == [false] {
                self.slot.waiting(began);
                waits = true;
            }
            let outcome = self.read(deadline.map(|deadline| deadline.saturating_sub(now)))?;
            now = self.service.clock.boot();
            match outcome {
                Read::End => return Ok(false),
                Read::Bytes if deadline.is_none() => {
                    (began, waits) = (now, false);
                    deadline = Some(began.saturating_add(HEAD_LIMIT));
                }
                Read::Bytes | Read::Nothing => {}
            }
            if deadline.is_some_and(|deadline| now >= deadline) {
                // Who has sent nothing is not owed an answer.
                return if self.filled == 0 {
                    Ok(false)
                } else {
                    write(self.stream, &Answer::Error(ErrorAnswer::RequestTimeout), Method::Get, false)
                };
            }
        }
    }

    /// Reads what comes within this time: a head that comes in pieces may take what is left of its time, and not more.
    fn read(&mut self, within: Option<Duration>) -> io::Result<Read> {
        if within.is_some() || self.has_time_limit {
            self.stream.set_read_timeout(within.map(|within| within.max(Duration::from_millis(1))))?;
            self.has_time_limit = within.is_some();
        }
        if self.filled == self.buffer.bytes().len() {
            self.buffer.grow();
        }
        let room = self.buffer.bytes_mut().get_mut(self.filled..).unwrap_or_default();
        match self.stream.read(room) {
            Ok((0, _)) => Ok(Read::End),
            Ok((read, writer)) => {
                self.filled = self.filled.saturating_add(read);
                self.writers_agree &= match writer {
                    Writer::Named(writer) => self.visitor.wrote(writer),
                    // Who holds the connection is looked at instead, at every request.
                    Writer::NeverNamed => true,
                };
                Ok(Read::Bytes)
            }
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) =>
            {
                Ok(Read::Nothing)
            }
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => Ok(Read::End),
            Err(error) => Err(error),
        }
    }
}

/// Writes an answer in one call where the kernel takes it in one. Returns whether the connection goes on.
fn write(stream: &Stream, answer: &Answer, method: Method, keep_alive: bool) -> io::Result<bool> {
    match answer {
        Answer::Error(error) => {
            let keep_alive = keep_alive && !error.closes();
            write_all(stream, &error.bytes(method, keep_alive), &[])?;
            Ok(keep_alive)
        }
        // The body goes from its locked pages to the kernel, without a copy in between.
        Answer::Credentials(body) => write_success(stream, (Success::Json, body.expose()), method, keep_alive),
        Answer::SessionToken(token, ttl) => {
            write_success(stream, (Success::SessionToken(ttl.seconds()), token.expose()), method, keep_alive)
        }
        Answer::Metadata(success, text) => write_success(stream, (*success, text.as_bytes()), method, keep_alive),
    }
}

fn write_success(
    stream: &Stream,
    (success, body): (Success, &[u8]),
    method: Method,
    keep_alive: bool,
) -> io::Result<bool> {
    let mut buffer = [0; HEAD_BYTES];
    let head = success_head(&mut buffer, success, body.len(), keep_alive)?;
    write_all(stream, head, if method == Method::Head { &[] } else { body })?;
    Ok(keep_alive)
}

fn write_all(stream: &Stream, head: &[u8], body: &[u8]) -> io::Result<()> {
    let mut parts = [IoSlice::new(head), IoSlice::new(body)];
    let mut parts: &mut [IoSlice<'_>] = &mut parts;
    IoSlice::advance_slices(&mut parts, 0);
    while !parts.is_empty() {
        match stream.write_vectored(parts) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut parts, written),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
