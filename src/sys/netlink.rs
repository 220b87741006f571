//! unix_diag: which socket is on the other end of a Unix connection (sock_diag(7)).

use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use super::cerr;

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const UDIAG_SHOW_PEER: u32 = 4;
const UNIX_DIAG_PEER: u16 = 2;
/// Length of nlmsghdr, and of unix_diag_msg behind it.
const HEADER_BYTES: usize = 16;
const MESSAGE_BYTES: usize = 16;

/// nlmsghdr and unix_diag_req, as sock_diag(7) lays them out.
#[repr(C)]
struct Request {
    length: u32,
    kind: u16,
    flags: u16,
    sequence: u32,
    port: u32,
    family: u8,
    protocol: u8,
    pad: u16,
    states: u32,
    inode: u32,
    show: u32,
    cookie: [u32; 2],
}

/// The inode of the socket that is connected to the Unix socket with inode `own`; `None` when there is none any more.
///
/// # Errors
/// No sock_diag or unix_diag in this kernel (EPROTONOSUPPORT, ENOENT), or an answer that cannot be read.
pub fn unix_peer_inode(own: u64) -> io::Result<Option<u64>> {
    // SAFETY: socket takes three integers.
    let raw =
        cerr(unsafe { libc::socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, libc::NETLINK_SOCK_DIAG) })?;
    // SAFETY: `raw` is a descriptor that socket(2) has just made and that nobody else owns.
    let socket = unsafe { OwnedFd::from_raw_fd(raw) };
    let request = Request {
        length: u32::try_from(size_of::<Request>()).map_err(io::Error::other)?,
        kind: SOCK_DIAG_BY_FAMILY,
        flags: u16::try_from(libc::NLM_F_REQUEST).map_err(io::Error::other)?,
        sequence: 1,
        port: 0,
        family: u8::try_from(libc::AF_UNIX).map_err(io::Error::other)?,
        protocol: 0,
        pad: 0,
        states: u32::MAX,
        inode: u32::try_from(own).map_err(io::Error::other)?,
        show: UDIAG_SHOW_PEER,
        cookie: [u32::MAX; 2],
    };
    // SAFETY: the kernel reads size_of::<Request>() bytes from a live Request, which has no padding (40 bytes of fields).
    cerr(unsafe { libc::send(socket.as_raw_fd(), (&raw const request).cast(), size_of::<Request>(), 0) })?;
    let mut answer = [0u8; 512];
    // SAFETY: the kernel writes at most `answer.len()` bytes to the live, exclusively borrowed array.
    let read =
        cerr(unsafe { libc::recv(socket.as_raw_fd(), answer.as_mut_ptr().cast(), answer.len(), libc::MSG_DONTWAIT) })?;
    let read = usize::try_from(read).map_err(io::Error::other)?;
    peer_in(answer.get(..read).unwrap_or_default())
}

const _: () = assert!(size_of::<Request>() == 40);

/// Reads the peer's inode from one sock_diag answer.
fn peer_in(answer: &[u8]) -> io::Result<Option<u64>> {
    let malformed = || io::Error::other("sock_diag gave an answer that cannot be read");
    let kind = u16_at(answer, 4).ok_or_else(malformed)?;
    if i32::from(kind) == libc::NLMSG_ERROR {
        let code = u32_at(answer, HEADER_BYTES).ok_or_else(malformed)?.cast_signed();
        return match code.wrapping_neg() {
            libc::ENOENT => Ok(None),
            errno => Err(io::Error::from_raw_os_error(errno)),
        };
    }
    if kind != SOCK_DIAG_BY_FAMILY {
        return Err(malformed());
    }
    let length = usize::try_from(u32_at(answer, 0).ok_or_else(malformed)?).map_err(io::Error::other)?;
    let answer = answer.get(..length).ok_or_else(malformed)?;
    let mut at = HEADER_BYTES + MESSAGE_BYTES;
    while let (Some(length), Some(kind)) = (u16_at(answer, at), u16_at(answer, at + 2)) {
        if kind == UNIX_DIAG_PEER {
            return Ok(u32_at(answer, at + 4).map(u64::from).filter(|inode| *inode != 0));
        }
        // Attributes are padded to four bytes; one shorter than its own head would never end.
        at += usize::from(length.max(4)).next_multiple_of(4);
    }
    Ok(None)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|chunk| u16::from_ne_bytes(*chunk))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|chunk| u32::from_ne_bytes(*chunk))
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::MetadataExt;
    use std::os::unix::net::UnixStream;

    use super::*;

    fn inode(stream: &UnixStream) -> u64 {
        std::fs::metadata(format!("/proc/self/fd/{}", stream.as_raw_fd())).expect("stat").ino()
    }

    #[test]
    fn finds_the_other_end() {
        let (left, right) = UnixStream::pair().expect("socketpair");
        assert_eq!(unix_peer_inode(inode(&left)).expect("unix_diag"), Some(inode(&right)));
    }

    #[test]
    fn a_dead_end_has_no_peer() {
        let (left, right) = UnixStream::pair().expect("socketpair");
        drop(right);
        assert_eq!(unix_peer_inode(inode(&left)).expect("unix_diag"), None);
    }

    #[test]
    fn an_answer_that_is_cut_is_an_error_or_nothing() {
        for length in 0..HEADER_BYTES {
            assert!(peer_in(&vec![0; length]).is_err());
        }
    }
}
