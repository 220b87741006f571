//! What broker and warden say to each other. Both are one program, so there is no version; every length is checked.
//!
//! A message is one byte for its kind and four for a number, in native order. `Start` is followed by a [`Program`], `Signal` by the
//! nanoseconds since boot in eight bytes.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use zeroize::Zeroize;

use crate::env::Env;

/// Longest program description: the kernel takes no more than this for arguments and environment (execve(2), 6 MiB).
const PROGRAM_LIMIT_BYTES: usize = 8 << 20;

/// The child: its arguments, the first of which is the program, and its whole environment.
pub struct Program {
    /// Program and arguments; never empty.
    pub arguments: Vec<OsString>,
    /// The environment.
    pub environment: Env,
    /// Whether to go on until the last descendant is gone.
    pub wait_for_tree: bool,
}

/// From the broker to the warden.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Start the child.
    Start,
    /// Send the child this signal, which came at this time since boot.
    Signal(i32, Duration),
}

/// From the warden to the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Report {
    /// The child runs.
    Started,
    /// The child could not be started: errno.
    CannotStart(i32),
    /// The child called exit with this status.
    Exited(i32),
    /// This signal ended the child.
    Killed(i32),
    /// The last descendant is gone.
    TreeEnded,
}

impl Report {
    fn encode(self) -> (u8, i32) {
        match self {
            Self::Started => (1, 0),
            Self::CannotStart(errno) => (2, errno),
            Self::Exited(status) => (3, status),
            Self::Killed(signal) => (4, signal),
            Self::TreeEnded => (5, 0),
        }
    }

    fn decode(kind: u8, number: i32) -> Option<Self> {
        match kind {
            1 => Some(Self::Started),
            2 => Some(Self::CannotStart(number)),
            3 => Some(Self::Exited(number)),
            4 => Some(Self::Killed(number)),
            5 => Some(Self::TreeEnded),
            _ => None,
        }
    }
}

pub(super) fn send_order(pipe: &UnixStream, order: &Order, program: Option<&Program>) -> io::Result<()> {
    let mut message = match *order {
        Order::Start => head((1, 0)),
        Order::Signal(number, at) => {
            let mut message = head((2, number));
            message.extend(u64::try_from(at.as_nanos()).map_err(io::Error::other)?.to_ne_bytes());
            message
        }
    };
    if let Some(program) = program {
        message.extend(encode_program(program)?);
    }
    // The environment holds the child's token. The buffer is wiped when it is freed; this does not wait for that.
    let sent = write(pipe, &message);
    message.zeroize();
    sent
}

pub(super) fn receive_order(mut pipe: &UnixStream) -> io::Result<Option<Order>> {
    match receive_head(pipe)? {
        None => Ok(None),
        Some((1, _)) => Ok(Some(Order::Start)),
        Some((2, number)) => {
            let mut at = [0; 8];
            pipe.read_exact(&mut at)?;
            Ok(Some(Order::Signal(number, Duration::from_nanos(u64::from_ne_bytes(at)))))
        }
        Some(_) => Err(malformed()),
    }
}

pub(super) fn send_report(pipe: &UnixStream, report: Report) -> io::Result<()> {
    write(pipe, &head(report.encode()))
}

pub(super) fn receive_report(pipe: &UnixStream) -> io::Result<Option<Report>> {
    let Some((kind, number)) = receive_head(pipe)? else { return Ok(None) };
    Report::decode(kind, number).map(Some).ok_or_else(malformed)
}

/// Reads the program that follows [`Order::Start`].
pub(super) fn receive_program(mut pipe: &UnixStream) -> io::Result<Program> {
    let length = read_number(&mut pipe)?;
    if length > PROGRAM_LIMIT_BYTES {
        return Err(malformed());
    }
    let mut bytes = vec![0; length];
    pipe.read_exact(&mut bytes)?;
    let program = decode_program(&mut bytes.as_slice());
    bytes.zeroize();
    program
}

fn head((kind, number): (u8, i32)) -> Vec<u8> {
    let mut message = vec![kind];
    message.extend(number.to_ne_bytes());
    message
}

fn receive_head(mut pipe: &UnixStream) -> io::Result<Option<(u8, i32)>> {
    let mut message = [0; 5];
    match pipe.read_exact(&mut message) {
        Ok(()) => {
            let [kind, number @ ..] = message;
            Ok(Some((kind, i32::from_ne_bytes(number))))
        }
        // The other side has ended, whether or not it had read all that was sent to it.
        Err(error) if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) => Ok(None),
        Err(error) => Err(error),
    }
}

fn write(mut pipe: &UnixStream, message: &[u8]) -> io::Result<()> {
    pipe.write_all(message)
}

fn encode_program(program: &Program) -> io::Result<Vec<u8>> {
    let mut body = vec![u8::from(program.wait_for_tree)];
    append_number(&mut body, program.arguments.len())?;
    for argument in &program.arguments {
        append(&mut body, argument.as_bytes())?;
    }
    append_number(&mut body, program.environment.iter().count())?;
    for (name, value) in program.environment.iter() {
        append(&mut body, name.as_bytes())?;
        append(&mut body, value.as_bytes())?;
    }
    let mut message = Vec::with_capacity(body.len() + 4);
    append(&mut message, &body)?;
    body.zeroize();
    if message.len() > PROGRAM_LIMIT_BYTES {
        return Err(io::Error::from_raw_os_error(libc::E2BIG));
    }
    Ok(message)
}

fn decode_program(bytes: &mut &[u8]) -> io::Result<Program> {
    let mut flag = [0; 1];
    bytes.read_exact(&mut flag)?;
    let arguments = (0..read_number(bytes)?).map(|_| read_text(bytes)).collect::<io::Result<Vec<_>>>()?;
    let count = read_number(bytes)?;
    let environment = (0..count).map(|_| Ok((read_text(bytes)?, read_text(bytes)?))).collect::<io::Result<Env>>()?;
    Ok(Program { arguments, environment, wait_for_tree: flag == [1] })
}

fn append(to: &mut Vec<u8>, bytes: &[u8]) -> io::Result<()> {
    append_number(to, bytes.len())?;
    to.extend_from_slice(bytes);
    Ok(())
}

fn append_number(to: &mut Vec<u8>, number: usize) -> io::Result<()> {
    to.extend(u32::try_from(number).map_err(io::Error::other)?.to_ne_bytes());
    Ok(())
}

fn read_number(from: &mut impl Read) -> io::Result<usize> {
    let mut bytes = [0; 4];
    from.read_exact(&mut bytes)?;
    usize::try_from(u32::from_ne_bytes(bytes)).map_err(io::Error::other)
}

fn read_text(from: &mut &[u8]) -> io::Result<OsString> {
    let length = read_number(from)?;
    let (text, rest) = from.split_at_checked(length).ok_or_else(malformed)?;
    *from = rest;
    Ok(OsString::from_vec(text.to_vec()))
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "broker and warden do not understand each other")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_arrives_as_it_was_sent() {
        let (left, right) = UnixStream::pair().expect("socketpair");
        let program = Program {
            arguments: vec!["sh".into(), OsString::from_vec(vec![0xff, b'x']), "".into()],
            environment: Env::from_iter([("A", "1"), ("EMPTY", "")]),
            wait_for_tree: true,
        };
        send_order(&left, &Order::Start, Some(&program)).expect("sent");
        assert_eq!(receive_order(&right).expect("received"), Some(Order::Start));
        let received = receive_program(&right).expect("received");
        assert_eq!(received.arguments, program.arguments);
        assert!(received.environment.iter().eq(program.environment.iter()));
        assert!(received.wait_for_tree);
    }

    #[test]
    fn every_order_and_report_arrives() {
        let (left, right) = UnixStream::pair().expect("socketpair");
        let order = Order::Signal(15, Duration::new(7, 8));
        send_order(&left, &order, None).expect("sent");
        assert_eq!(receive_order(&right).expect("received"), Some(order));
        for report in [Report::Started, Report::CannotStart(2), Report::Exited(3), Report::Killed(9), Report::TreeEnded]
        {
            send_report(&right, report).expect("sent");
            assert_eq!(receive_report(&left).expect("received"), Some(report));
        }
        drop(right);
        assert_eq!(receive_report(&left).expect("an end"), None);
    }

    #[test]
    fn a_cut_program_is_an_error() {
        let program = Program { arguments: vec!["x".into()], environment: Env::default(), wait_for_tree: false };
        let whole = encode_program(&program).expect("encoded");
        let body = whole.get(4..).expect("a body");
        for length in 0..body.len() {
            assert!(decode_program(&mut body.get(..length).expect("a part")).is_err(), "{length}");
        }
    }
}
