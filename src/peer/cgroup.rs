//! Directories of the cgroup v2 hierarchy: root puts processes into one, and who is in it cannot choose to be.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::program::mounts;
use super::text::{cgroup_mount, file_system};
use crate::error::{Error, Result};

/// What decides who is in a directory, beside the directory itself.
const MEMBERS: [&str; 2] = ["cgroup.procs", "cgroup.threads"];

/// A directory by its path. A service that starts again gets a new one there, so that its inode is asked for each time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cgroup(PathBuf);

impl Cgroup {
    /// The directory at this path: in the file system, or as /proc/PID/cgroup has it. It need not exist yet.
    ///
    /// # Errors
    /// There is no cgroup v2 hierarchy here, the path is none in it, or others than root could put a process there.
    pub fn at(path: &str) -> Result<Self> {
        let mounts = mounts().map_err(|error| Error::new("cannot read the list of mounts").because(error))?;
        let root = cgroup_mount(&mounts).ok_or_else(|| {
            Error::new(format!("the cgroup {path} cannot be named: no cgroup v2 hierarchy is mounted here"))
        })?;
        let parts = Path::new(path).components();
        if !path.starts_with('/') || parts.into_iter().any(|part| part == std::path::Component::ParentDir) {
            return Err(Error::new(format!("{path} is not the path of a cgroup"))
                .hint("write it as /proc/PID/cgroup has it: /system.slice/app.service"));
        }
        let below = Path::new(path).strip_prefix(root).unwrap_or_else(|_| Path::new(path.trim_start_matches('/')));
        let cgroup = Self(Path::new(root).join(below));
        match cgroup.look(&mounts) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(cgroup),
            Err(error) => Err(Error::new(format!("the cgroup {} attests nothing", cgroup.0.display())).because(error)),
            Ok(_) => Ok(cgroup),
        }
    }

    /// The directory's inode now; `None` where there is none, or others than root could put a process there.
    pub fn id(&self) -> Option<u64> {
        self.look(&mounts().ok()?).ok()
    }

    /// One that is not there.
    #[cfg(test)]
    pub fn nowhere() -> Self {
        Self(PathBuf::from("/nonexistent/cgroup"))
    }

    fn look(&self, mounts: &str) -> io::Result<u64> {
        let found = fs::symlink_metadata(&self.0)?;
        if !found.is_dir() || file_system(mounts, found.dev()) != Some("cgroup2") {
            return Err(io::Error::other("it is no directory of the cgroup v2 hierarchy"));
        }
        of_root_alone(&found)?;
        for name in MEMBERS {
            of_root_alone(&fs::symlink_metadata(self.0.join(name))?)?;
        }
        Ok(found.ino())
    }
}

/// The inode of the directory with this path in the hierarchy.
pub(super) fn id_of(path: &str) -> Option<u64> {
    let mounts = mounts().ok()?;
    let directory = Path::new(cgroup_mount(&mounts)?).join(path.trim_start_matches('/'));
    fs::symlink_metadata(directory).ok().map(|found| found.ino())
}

fn of_root_alone(found: &Metadata) -> io::Result<()> {
    if found.uid() == 0 && found.mode() & 0o022 == 0 {
        return Ok(());
    }
    let (owner, mode) = (found.uid(), found.mode() & 0o7777);
    Err(io::Error::other(format!("others than root can put processes there (owner {owner}, mode {mode:04o})")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::{Kernel, Process};
    use crate::sys::process::own_pid;

    #[test]
    fn what_is_no_path_in_the_hierarchy_is_refused() {
        for path in ["", "x", "/../x", "/a/../../b"] {
            assert!(Cgroup::at(path).is_err(), "{path}");
        }
    }

    #[test]
    fn both_ways_of_asking_for_a_process_s_cgroup_agree() {
        let kernel = Kernel::probe().expect("a tier");
        let own = Process::open(&kernel, own_pid().expect("a pid")).expect("open");
        let text = fs::read_to_string("/proc/self/cgroup").expect("/proc");
        let Some(by_path) = super::super::text::unified_cgroup(&text).and_then(id_of) else { return };
        assert_eq!(own.cgroup(&kernel), Ok(by_path));
    }
}
