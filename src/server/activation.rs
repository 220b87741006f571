//! A socket that a service manager made and handed over (sd_listen_fds(3)). It is served only if it meets the rules that our
//! own sockets meet (T31), and never unlinked: it is the manager's.

use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::net::{SocketAddr, SocketAddrV4, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixListener;
use std::path::Path;

use super::listener::require_loopback;
use super::{Listener, Listening};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::sys::process::own_pid;
use crate::sys::socket::{inherited, is_listening_stream, shares_its_port};
use crate::sys::user::{Gid, Uid, effective_gid, effective_uid};

/// What a service manager says about the sockets that it hands over: for this process, and for nobody that it starts.
const VARIABLES: [&str; 4] = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID"];

/// What was handed over.
#[derive(Debug)]
pub enum Handed {
    /// Nothing.
    Nothing,
    /// Something, to the process with this number, which is another one.
    To(String),
    /// One descriptor.
    Descriptor(OwnedFd),
}

/// What a Unix socket's file may be, and an address.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// The widest mode of its file.
    pub mode: u32,
    /// Whose group may connect, where the mode lets one.
    pub group: Option<Gid>,
    /// The metadata endpoint's address and hop limit, where that is what it is for.
    pub metadata: Option<(SocketAddrV4, u8)>,
}

/// Takes what was handed to this process, and removes the variables that say so. To be called before this process opens
/// anything.
///
/// # Errors
/// More than one descriptor, or one that is not there.
pub fn take(env: &mut Env) -> Result<Handed> {
    let said = |name: &str| env.os(name).map(|value| value.display().to_string());
    let (count, pid) = (said("LISTEN_FDS"), said("LISTEN_PID").unwrap_or_default());
    for name in VARIABLES {
        env.unset(name);
    }
    let Some(count) = count else { return Ok(Handed::Nothing) };
    if own_pid().is_none_or(|own| own.to_string() != pid) {
        return Ok(Handed::To(pid));
    }
    if count != "1" {
        return Err(Error::new(format!(
            "the service manager hands over {count} sockets (LISTEN_FDS), and one is served"
        ))
        .hint("give each socket a service of its own"));
    }
    inherited().map(Handed::Descriptor).map_err(|error| {
        Error::new(
            "the service manager says that it hands over a socket, and descriptor 3 is none that was handed over",
        )
        .because(error)
    })
}

/// Makes a listener of a descriptor that was handed over.
///
/// # Errors
/// What about it is not as it would be if sentinel had made it.
pub fn listener(descriptor: OwnedFd, terms: &Terms) -> Result<Listener> {
    let cannot = |error: std::io::Error| refused("cannot be looked at").because(error);
    if !is_listening_stream(descriptor.as_fd()).map_err(cannot)? {
        return Err(
            refused("is not a stream socket that listens").hint("`ListenStream=` in the socket's unit makes one")
        );
    }
    let unix = UnixListener::from(descriptor);
    if let Ok(address) = unix.local_addr() {
        if terms.metadata.is_some() {
            return Err(
                refused("is a Unix socket, and the metadata endpoint is on a port").hint("ListenStream=127.0.0.1:PORT")
            );
        }
        let Some(path) = address.as_pathname() else {
            return Err(refused("has no path, so that no file says who may connect").hint("ListenStream=/run/..."));
        };
        judge_file(path, terms)?;
        return Listening::handed_over(unix, path.to_owned()).map(Listener::Unix);
    }
    let tcp = TcpListener::from(OwnedFd::from(unix));
    let Ok(address) = tcp.local_addr() else { return Err(refused("is neither a Unix socket nor a TCP port")) };
    match terms.metadata {
        Some((wanted, _)) => judge_metadata(address, wanted)?,
        None => judge_address(address)?,
    }
    if shares_its_port(tcp.as_fd()).map_err(cannot)? {
        return Err(refused(&format!("lets other processes listen on {address} beside it"))
            .hint("leave `ReusePort=` out of the socket's unit"));
    }
    Listener::handed_over(tcp, address, terms.metadata.map(|(_, hops)| hops))
}

fn refused(why: &str) -> Error {
    Error::new(format!("the socket that the service manager hands over {why}"))
}

fn judge_metadata(address: SocketAddr, wanted: SocketAddrV4) -> Result<()> {
    if address != SocketAddr::V4(wanted) {
        return Err(refused(&format!("listens on {address}, and --imds-address is {wanted}"))
            .hint("name one address in ListenStream= and in --imds-address"));
    }
    require_loopback(*wanted.ip())
}

fn judge_address(address: SocketAddr) -> Result<()> {
    if address.ip().is_loopback() {
        return Ok(());
    }
    Err(refused(&format!("listens on {address}, which is not loopback")).hint("ListenStream=127.0.0.1:PORT"))
}

/// Its file is ours or root's and no wider than asked for, in a directory where nobody else can put another in its place.
fn judge_file(path: &Path, terms: &Terms) -> Result<()> {
    let name = path.display();
    let look = |path: &Path| {
        fs::symlink_metadata(path).map_err(|error| {
            let why = if error.kind() == ErrorKind::NotFound { "is not there" } else { "cannot be looked at" };
            refused(&format!("is at {name}, and {} {why}", path.display())).because(error)
        })
    };
    if !path.is_absolute() {
        return Err(refused(&format!("has the path {name}, which does not begin with /")));
    }
    let file = look(path)?;
    if !file.file_type().is_socket() {
        return Err(refused(&format!("was at {name}, where something else is now")));
    }
    let directory = path.parent().unwrap_or(Path::new("/"));
    let of_directory = look(directory)?;
    judge_owner(path, &file)?;
    judge_mode(path, &file, terms)?;
    if !of_directory.is_dir() {
        return Err(refused(&format!("is in {}, which is a symbolic link", directory.display())));
    }
    judge_owner(directory, &of_directory)?;
    match of_directory.mode() & 0o7777 {
        mode if mode & 0o022 == 0 => Ok(()),
        mode => Err(refused(&format!("is in {}, where others may write (mode {mode:04o})", directory.display()))
            .hint("DirectoryMode=0755, and a directory of its own")),
    }
}

fn judge_owner(path: &Path, found: &Metadata) -> Result<()> {
    let (owner, us) = (Uid(found.uid()), effective_uid());
    if owner == us || owner == Uid(0) {
        return Ok(());
    }
    let path = path.display();
    Err(refused(&format!("is not ours: {path} belongs to uid {owner}, not to uid {us} or root"))
        .hint("`SocketUser=` in the socket's unit names the user"))
}

fn judge_mode(path: &Path, file: &Metadata, terms: &Terms) -> Result<()> {
    let (path, mode, widest) = (path.display(), file.mode() & 0o777, terms.mode);
    if mode & !widest != 0 {
        return Err(refused(&format!("is open to others: {path} has mode {mode:04o}, and {widest:04o} is the widest"))
            .hint(format!("SocketMode={widest:04o} in the socket's unit, or give --socket-mode")));
    }
    let group = Gid(file.gid());
    // As our own would be without a group that is named.
    let is_meant = terms.group.map_or(group == Gid(0) || group == effective_gid(), |meant| group == meant);
    // What everybody may, its group may without being named.
    if (mode >> 3) & !mode & 0o7 != 0 && !is_meant {
        return Err(refused(&format!("is open to gid {group}: {path} has mode {mode:04o}"))
            .hint("`SocketGroup=` in the socket's unit and --socket-group name the same group"));
    }
    Ok(())
}
