//! Files that the tree trusts because sentinel made them: its AWS config file and the link that SDKs run.
//!
//! Every process of the same user may write where sentinel writes. One that replaces such a file has its own program run
//! inside the tree. So what was made is remembered, and who connects once it has changed is not served: an owner can put
//! a file back, but not its change time (inode(7)).

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A file or directory as it was when it was made.
#[derive(Debug)]
pub struct Watched {
    path: PathBuf,
    made: State,
}

/// Device, inode, and time of the last change of content, name, owner or mode.
#[derive(Debug, PartialEq, Eq)]
struct State {
    device: u64,
    inode: u64,
    changed_s: i64,
    changed_ns: i64,
}

impl Watched {
    /// Remembers what is at `path` now; of a link, the link.
    ///
    /// # Errors
    /// When nothing is there.
    pub fn at(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), made: State::of(path)? })
    }

    /// Whether it is still what it was.
    pub(super) fn is_unchanged(&self) -> bool {
        State::of(&self.path).is_ok_and(|now| now == self.made)
    }
}

impl State {
    fn of(path: &Path) -> io::Result<Self> {
        let found = fs::symlink_metadata(path)?;
        Ok(Self { device: found.dev(), inode: found.ino(), changed_s: found.ctime(), changed_ns: found.ctime_nsec() })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_link_that_is_replaced_is_seen_also_when_it_is_put_back() {
        let directory = std::env::temp_dir().join(format!("sentinel-watch-{}", std::process::id()));
        fs::create_dir(&directory).expect("a directory");
        let (link, aside) = (directory.join("link"), directory.join("aside"));
        symlink("/bin/true", &link).expect("a link");
        let watched = Watched::at(&link).expect("a link");
        assert!(watched.is_unchanged());
        fs::rename(&link, &aside).expect("moved");
        symlink("/bin/false", &link).expect("a link");
        assert!(!watched.is_unchanged());
        fs::rename(&aside, &link).expect("moved");
        let seen = watched.is_unchanged();
        fs::remove_dir_all(&directory).expect("removed");
        assert!(!seen, "renaming changes the inode's change time");
    }
}
