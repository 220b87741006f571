//! Binding a Unix socket: private from its first instant (T1), replacing only a dead socket of ours, under a lock (T2),
//! and gone when this ends (T3).

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt, lchown};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::peer::unix::credentials;
use crate::sys;
use crate::sys::socket::{PATH_LIMIT_BYTES, bind_private, set_backlog};
use crate::sys::user::{Gid, effective_uid};

/// Connections that may wait for accept. The kernel cuts it to net.core.somaxconn.
pub(super) const BACKLOG: i32 = 1024;
/// How often a lock file that was removed between opening and locking is opened again.
const LOCK_TRIES: usize = 16;

/// Who may connect to a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketAccess {
    /// The socket's mode.
    pub mode: u32,
    /// Its group, if not that of whoever makes it.
    pub group: Option<Gid>,
}

/// A bound socket and the files that belong to it.
#[derive(Debug)]
pub struct Listening {
    listener: UnixListener,
    path: PathBuf,
    /// What is ours at the path; nothing of a socket that was handed over.
    own: Option<Own>,
}

/// What is removed at the end.
#[derive(Debug)]
struct Own {
    /// Device and inode of the socket's file, so that only our own is removed.
    identity: (u64, u64),
    _lock: Lock,
}

impl Listening {
    /// Binds `path`, whose directory must be ours alone to write to, and to enter as well where nobody else may connect.
    ///
    /// # Errors
    /// A path that is too long, a directory that is open to others, and whatever is at the path that is not a dead socket
    /// of ours.
    pub fn bind(path: &Path, access: &SocketAccess) -> Result<Self> {
        check_place(path, access)?;
        let lock = Lock::take(path)?;
        if !is_free(path)? {
            fs::remove_file(path).map_err(|error| {
                Error::new(format!("cannot remove the dead socket {}", path.display())).because(error)
            })?;
        }
        let open = || {
            // What is bound and not served is nobody's.
            open_up(path, access).inspect_err(|_| drop(fs::remove_file(path)))
        };
        let listener = bind_private(path, BACKLOG, open)
            .map_err(|error| Error::new(format!("cannot bind {}", path.display())).because(error))?;
        let file = fs::symlink_metadata(path).map_err(|error| {
            Error::new(format!("cannot find {} just after binding it", path.display())).because(error)
        })?;
        let own = Own { identity: (file.dev(), file.ino()), _lock: lock };
        Ok(Self { listener, path: path.to_owned(), own: Some(own) })
    }

    /// Serves on a socket that somebody else made, judged by [`super::activation`], and leaves its file to them.
    pub(super) fn handed_over(listener: UnixListener, path: PathBuf) -> Result<Self> {
        set_backlog(listener.as_fd(), BACKLOG)
            .and_then(|()| sys::socket::name_writers(listener.as_fd()))
            .map_err(|error| Error::new(format!("cannot serve on {}", path.display())).because(error))?;
        Ok(Self { listener, path, own: None })
    }

    /// Whether a socket may be at `path` at all: so that a mistake is told before anything else is done.
    ///
    /// # Errors
    /// As for [`Listening::bind`].
    pub fn check(path: &Path, access: &SocketAccess) -> Result<()> {
        check_place(path, access)?;
        is_free(path).map(drop)
    }

    /// Where it listens.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The socket.
    pub fn listener(&self) -> &UnixListener {
        &self.listener
    }
}

impl SocketAccess {
    /// Whoever makes the socket, and nobody else.
    pub const PRIVATE: Self = Self { mode: 0o600, group: None };

    fn is_private(&self) -> bool {
        self.mode & 0o066 == 0
    }
}

/// Lets in who may connect, before anybody can: what does not listen refuses them all. The group comes first, so that no other
/// group has what is meant for this one.
fn open_up(path: &Path, access: &SocketAccess) -> io::Result<()> {
    if let Some(group) = access.group {
        lchown(path, None, Some(group.0))
            .map_err(|error| io::Error::other(format!("it cannot be given to the group {group}: {error}")))?;
    }
    if access.is_private() {
        return Ok(());
    }
    // Nobody else may write to the directory, so that this is the socket.
    fs::set_permissions(path, fs::Permissions::from_mode(access.mode))
}

impl Drop for Listening {
    fn drop(&mut self) {
        let Some(own) = &self.own else { return };
        if fs::symlink_metadata(&self.path).is_ok_and(|file| (file.dev(), file.ino()) == own.identity) {
            // Whoever removed it already did what is wanted here.
            let _gone = fs::remove_file(&self.path);
        }
    }
}

/// `<path>.lock`, locked: held by whoever binds or serves `<path>`, and removed with this, on an error as well.
#[derive(Debug)]
struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    fn take(socket: &Path) -> Result<Self> {
        let mut path = socket.as_os_str().to_owned();
        path.push(".lock");
        let path = PathBuf::from(path);
        let cannot = |error: io::Error| Error::new(format!("cannot lock {}", path.display())).because(error);
        for _ in 0..LOCK_TRIES {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
                .open(&path)
                .map_err(cannot)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(taken(socket, "another sentinel serves on it")),
                Err(TryLockError::Error(error)) => return Err(cannot(error)),
            }
            // Its last holder may have removed it between our open and our lock: then another may hold its successor.
            let opened = file.metadata().map_err(cannot)?;
            let current = fs::symlink_metadata(&path);
            if current.is_ok_and(|current| (current.dev(), current.ino()) == (opened.dev(), opened.ino())) {
                return Ok(Self { path, _file: file });
            }
        }
        Err(cannot(io::Error::other("it kept being replaced")))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // While it is still locked: the file is closed after this.
        let _gone = fs::remove_file(&self.path);
    }
}

/// Refuses a path that is too long, and a directory that is not ours alone.
fn check_place(path: &Path, access: &SocketAccess) -> Result<()> {
    let bytes = path.as_os_str().as_bytes().len();
    if bytes > PATH_LIMIT_BYTES {
        return Err(Error::new(format!(
            "the socket path {} is {bytes} bytes long; the kernel takes {PATH_LIMIT_BYTES}",
            path.display()
        ))
        .hint("give a shorter path: --unix-socket-path of exec, --socket of serve"));
    }
    check_directory(path, access)
}

/// The directory must belong to us, and nobody else may enter it: a socket's own mode is not all that keeps others out. Where
/// others may connect they may enter, and never write.
fn check_directory(path: &Path, access: &SocketAccess) -> Result<()> {
    let directory = match path.parent() {
        None => return Err(Error::new(format!("{} is not a path for a socket", path.display()))),
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
    };
    let found = fs::metadata(directory).map_err(|error| {
        Error::new(format!("cannot use the directory {}", directory.display()))
            .because(error)
            .hint(format!("make it: mkdir -m 700 {}", directory.display()))
    })?;
    if !found.is_dir() {
        return Err(Error::new(format!("{} is not a directory", directory.display())));
    }
    if found.uid() != effective_uid().0 {
        return Err(Error::new(format!("the directory {} belongs to uid {}", directory.display(), found.uid()))
            .hint("put the socket into a directory of your own"));
    }
    if !access.is_private() {
        if found.mode() & 0o022 != 0 {
            let (name, mode) = (directory.display(), found.mode() & 0o7777);
            return Err(Error::new(format!("the directory {name} may be written by others (mode {mode:04o})")).hint(
                format!("chmod go-w {name}, or put the socket into a directory of your own (mkdir -m 755 DIR)"),
            ));
        }
        return Ok(());
    }
    if found.mode() & 0o077 != 0 {
        let (name, mode) = (directory.display(), found.mode() & 0o7777);
        return Err(Error::new(format!("the directory {name} is open to others (mode {mode:04o})"))
            .hint("put the socket into a directory of your own (mkdir -m 700 DIR); exec makes one where --unix-socket-path is left out"));
    }
    Ok(())
}

/// Whether nothing is at `path`. What may be removed is a socket of ours that nobody listens on; all else is an error.
fn is_free(path: &Path) -> Result<bool> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(Error::new(format!("cannot look at {}", path.display())).because(error)),
        Ok(found) => found,
    };
    let kind = found.file_type();
    if !kind.is_socket() {
        let kind = if kind.is_symlink() {
            "a symbolic link"
        } else if kind.is_dir() {
            "a directory"
        } else {
            "a file"
        };
        return Err(taken(path, &format!("it is {kind}")));
    }
    if found.uid() != effective_uid().0 {
        return Err(taken(path, &format!("it is a socket of uid {}", found.uid())));
    }
    match sys::socket::connect_at_once(path) {
        Ok(stream) => {
            let who = credentials(&stream).map_or(String::new(), |peer| format!(" (pid {})", peer.pid));
            Err(taken(path, &format!("a server{who} listens on it")))
        }
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(false),
        Err(error) => Err(taken(path, "it is a socket that does not answer").because(error)),
    }
}

fn taken(path: &Path, why: &str) -> Error {
    Error::new(format!("the socket path {} is taken: {why}", path.display()))
        .hint("give another path with --unix-socket-path (exec) or --socket (serve)")
}

#[cfg(test)]
mod tests;
