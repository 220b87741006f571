//! Files by their name in a directory that is held open: what a path leads to may change between two calls, this cannot.

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use super::cerr;

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// To be read. Not if it is a symbolic link, and without waiting if it is a FIFO.
    Read,
    /// To be read and locked; made where it is missing, for its owner alone.
    Lock,
    /// To be written, for its owner alone. Nothing may be there.
    Create,
}

/// Opens the file of this name (openat(2)), closed on exec.
///
/// # Errors
/// The kernel's: ELOOP where it is a symbolic link.
pub fn open_at(directory: impl AsFd, name: &CStr, how: How) -> io::Result<File> {
    let flags = match how {
        How::Read => libc::O_RDONLY,
        How::Lock => libc::O_RDWR | libc::O_CREAT,
        How::Create => libc::O_RDWR | libc::O_CREAT | libc::O_EXCL,
    };
    let flags = flags | libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC;
    let mode: libc::c_uint = 0o600;
    let directory = directory.as_fd().as_raw_fd();
    // SAFETY: the name ends in a NUL, and the directory stays open because it is borrowed; openat keeps neither.
    let opened = cerr(unsafe { libc::openat(directory, name.as_ptr(), flags, mode) })?;
    // SAFETY: the descriptor is new, open, and nobody else's.
    Ok(File::from(unsafe { OwnedFd::from_raw_fd(opened) }))
}

/// Gives a file of this directory another name in it, in place of what has that name (renameat(2)).
///
/// # Errors
/// The kernel's.
pub fn rename_at(directory: impl AsFd, from: &CStr, to: &CStr) -> io::Result<()> {
    let directory = directory.as_fd().as_raw_fd();
    // SAFETY: both names end in a NUL, and the directory stays open because it is borrowed; renameat keeps none of them.
    cerr(unsafe { libc::renameat(directory, from.as_ptr(), directory, to.as_ptr()) }).map(drop)
}

/// Removes the file of this name (unlinkat(2)).
///
/// # Errors
/// The kernel's.
pub fn unlink_at(directory: impl AsFd, name: &CStr) -> io::Result<()> {
    let directory = directory.as_fd().as_raw_fd();
    // SAFETY: the name ends in a NUL, and the directory stays open because it is borrowed; unlinkat keeps neither.
    cerr(unsafe { libc::unlinkat(directory, name.as_ptr(), 0) }).map(drop)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{Read, Write};
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;

    #[test]
    fn files_are_made_renamed_read_and_removed_in_a_directory_that_moved() {
        let path = std::env::temp_dir().join(format!("sentinel-sys-directory-{}", std::process::id()));
        fs::create_dir(&path).expect("a directory");
        let held = File::open(&path).expect("it is held");
        let moved = path.with_extension("moved");
        fs::rename(&path, &moved).expect("it is moved");

        let mut made = open_at(&held, c"a", How::Create).expect("a file");
        made.write_all(b"text").expect("written");
        assert_eq!(made.metadata().expect("metadata").mode() & 0o777, 0o600);
        let again = open_at(&held, c"a", How::Create).expect_err("it is there");
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
        rename_at(&held, c"a", c"b").expect("renamed");
        let mut text = String::new();
        open_at(&held, c"b", How::Read).expect("opened").read_to_string(&mut text).expect("read");
        assert_eq!(text, "text");
        assert!(moved.join("b").is_file() && !moved.join("a").exists());

        symlink("b", moved.join("link")).expect("a link");
        for how in [How::Read, How::Lock] {
            let refused = open_at(&held, c"link", how).expect_err("a link");
            assert_eq!(refused.raw_os_error(), Some(libc::ELOOP));
        }
        unlink_at(&held, c"b").expect("removed");
        assert_eq!(unlink_at(&held, c"b").expect_err("gone").kind(), io::ErrorKind::NotFound);
        fs::remove_dir_all(&moved).expect("clean");
    }
}
