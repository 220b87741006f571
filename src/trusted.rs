//! Files whose content is obeyed: regular, of this user or root, and nobody else's to write. And directories that are this
//! user's alone (T21).

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use crate::error::{Error, Result};
use crate::sys::user::{Uid, effective_uid};

/// Who may write to such a file, beside its owner: mode bits that must not be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writers {
    /// Nobody.
    Owner,
    /// Its group: files that a distribution or pip installs may be 0664.
    Group,
}

/// Opens a file that is to be obeyed. `what` is what people call it: `the policy`.
///
/// # Errors
/// When it cannot be opened, is not a regular file, or somebody else may have written it.
pub fn open(what: &str, path: &Path, writers: Writers) -> Result<(File, Metadata)> {
    let cannot = |error: std::io::Error| Error::new(format!("cannot read {what} {}", path.display())).because(error);
    // O_NONBLOCK: opening a FIFO must not wait for a writer.
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(cannot)?;
    let found = file.metadata().map_err(cannot)?;
    if !found.is_file() {
        return Err(Error::new(format!("{what} {} is not a regular file", path.display())));
    }
    judge(what, path, writers, Uid(found.uid()), found.mode(), effective_uid())?;
    Ok((file, found))
}

/// Opens a directory of durable state, made where it is missing: this user's, 0700, no symbolic link. Whoever may write to
/// it could put files of theirs in place of ours. `what` is what people call it: `the state directory`.
///
/// # Errors
/// When it cannot be made or opened, or is anything else.
pub fn private_directory(what: &str, path: &Path) -> Result<File> {
    let name = path.display();
    let cannot = |error: std::io::Error| Error::new(format!("cannot use {what} {name}")).because(error);
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(cannot)?;
    // First as it is named, because nobody may open what is another's; then what is held, because names may change hands.
    judge_private(what, path, &fs::symlink_metadata(path).map_err(cannot)?)?;
    let flags = libc::O_DIRECTORY | libc::O_NOFOLLOW;
    let directory = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(cannot)?;
    judge_private(what, path, &directory.metadata().map_err(cannot)?)?;
    Ok(directory)
}

fn judge_private(what: &str, path: &Path, found: &Metadata) -> Result<()> {
    let (name, us, mode) = (path.display(), effective_uid(), found.mode() & 0o7777);
    let refused =
        |why: String| Err(Error::new(format!("{what} {name} {why}")).hint("name another one with --state-dir"));
    if found.is_symlink() {
        return refused("is a symbolic link".to_owned());
    }
    if found.uid() != us.0 {
        return refused(format!("belongs to uid {}, not to uid {us}", found.uid()));
    }
    if mode & 0o077 != 0 {
        return Err(Error::new(format!("{what} {name} is open to its group or others (mode {mode:04o})"))
            .hint(format!("name another one with --state-dir, or chmod 700 {name} if sentinel alone uses it")));
    }
    Ok(())
}

fn judge(what: &str, path: &Path, writers: Writers, owner: Uid, mode: u32, us: Uid) -> Result<()> {
    let path = path.display();
    if owner != us && owner != Uid(0) {
        return Err(Error::new(format!("{what} {path} belongs to uid {owner}, not to uid {us} or root"))
            .hint("chown it to root, or to the user that runs sentinel"));
    }
    let (forbidden, who, change) = match writers {
        Writers::Owner => (0o022, "its group or others", "go-w"),
        Writers::Group => (0o002, "everybody", "o-w"),
    };
    if mode & forbidden != 0 {
        let mode = mode & 0o7777;
        return Err(Error::new(format!("{what} {path} may be written by {who} (mode {mode:04o})"))
            .hint(format!("chmod {change} {path}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(writers: Writers, owner: u32, mode: u32) -> Option<String> {
        let judged = judge("the policy", Path::new("/p"), writers, Uid(owner), 0o100_000 | mode, Uid(1000));
        judged.err().map(|error| error.to_string())
    }

    #[test]
    fn a_file_of_this_user_or_root_that_nobody_else_writes_is_obeyed() {
        for (writers, owner, mode) in
            [(Writers::Owner, 1000, 0o600), (Writers::Owner, 0, 0o644), (Writers::Group, 1000, 0o664)]
        {
            assert_eq!(refusal(writers, owner, mode), None);
        }
    }

    #[test]
    fn another_users_file_is_not_obeyed() {
        assert_eq!(
            refusal(Writers::Group, 1001, 0o600).as_deref(),
            Some(
                "the policy /p belongs to uid 1001, not to uid 1000 or root\n  chown it to root, or to the user that runs \
                 sentinel"
            )
        );
    }

    #[test]
    fn a_file_that_others_may_write_is_not_obeyed() {
        for mode in [0o620, 0o602, 0o666] {
            let expected =
                format!("the policy /p may be written by its group or others (mode {mode:04o})\n  chmod go-w /p");
            assert_eq!(refusal(Writers::Owner, 1000, mode), Some(expected));
        }
        assert_eq!(
            refusal(Writers::Group, 0, 0o666).as_deref(),
            Some("the policy /p may be written by everybody (mode 0666)\n  chmod o-w /p")
        );
    }
}
