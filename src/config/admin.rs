//! Whether the admin file counts. Only root may have written it, or any part of its path: root of the host, and not one that a
//! user becomes in a user namespace of their own.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use crate::error::{Error, Result};

/// What user_namespaces(7) calls the map of the initial namespace: every id is itself.
const INITIAL_MAP: [&str; 3] = ["0", "0", "4294967295"];

/// Opens the admin file; `None` where there is none.
///
/// # Errors
/// It is there, and somebody else could have written it, or it cannot be read.
pub(super) fn believed(path: &Path) -> Result<Option<File>> {
    open(path, Path::new("/"), 0, Path::new("/proc/self/uid_map"))
}

/// The same, where everything from `top` down is to be `owner`'s, and `map` tells the namespace.
pub(super) fn open(path: &Path, top: &Path, owner: u32, map: &Path) -> Result<Option<File>> {
    let Some(directory) = path.parent() else { return Ok(None) };
    match fs::symlink_metadata(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(cannot_read(path, error)),
        Ok(_) => {}
    }
    refuse_other_namespaces(path, map)?;
    // From the top: once only root may change what a directory holds, what it holds cannot be exchanged.
    let above: Vec<&Path> = directory.ancestors().take_while(|above| above.starts_with(top)).collect();
    for directory in above.into_iter().rev() {
        judge(path, directory, owner, fs::FileType::is_dir, "a directory")?;
    }
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(cannot_read(path, error)),
        Ok(_) => judge(path, path, owner, fs::FileType::is_file, "a regular file")?,
    }
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path);
    file.map(Some).map_err(|error| cannot_read(path, error))
}

/// In another user namespace root may be anybody, and files of others may seem to be root's.
fn refuse_other_namespaces(path: &Path, map: &Path) -> Result<()> {
    let refused = |why: String| {
        Err(Error::new(format!("the admin file {} cannot be believed here: {why}", path.display()))
            .hint("run sentinel outside of that namespace"))
    };
    match fs::read_to_string(map) {
        Err(error) => refused(format!("{} cannot be read: {error}", map.display())),
        Ok(text) if text.split_ascii_whitespace().eq(INITIAL_MAP) => Ok(()),
        Ok(_) => refused("this is a user namespace, where root may be anybody".to_owned()),
    }
}

/// A part of the path has to be `owner`'s, and nobody else's to write. An access control list shows in the group's bits.
fn judge(path: &Path, part: &Path, owner: u32, is: impl Fn(&fs::FileType) -> bool, what: &str) -> Result<()> {
    let found = fs::symlink_metadata(part).map_err(|error| cannot_read(path, error))?;
    let refused = |why: String, hint: String| {
        let whose = if part == path { String::new() } else { format!(", which {} is in,", path.display()) };
        Err(Error::new(format!("the admin file does not count: {}{whose} {why}", part.display())).hint(hint))
    };
    let name = part.display();
    if !is(&found.file_type()) {
        let found = if found.file_type().is_symlink() { "a symbolic link" } else { "something else" };
        return refused(format!("is {found}, not {what}"), format!("make {name} {what} of root's"));
    }
    if found.uid() != owner {
        return refused(format!("belongs to uid {}, not to root", found.uid()), format!("chown root {name}"));
    }
    if found.mode() & 0o022 != 0 {
        let mode = found.mode() & 0o7777;
        return refused(
            format!("may be written by its group or others (mode {mode:04o})"),
            format!("chmod go-w {name}"),
        );
    }
    Ok(())
}

fn cannot_read(path: &Path, error: io::Error) -> Error {
    Error::new(format!("cannot read the admin file {}", path.display()))
        .because(error)
        .hint("it has to be readable by everybody who runs sentinel, or not be there")
}

#[cfg(test)]
mod tests {
    use std::fs::{DirBuilder, Permissions};
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::sys::user::effective_uid;

    /// A directory that stands for `/`, with `etc/sentinel/config.json` in it, all of this user's.
    struct Root(PathBuf);

    impl Root {
        fn new() -> Self {
            static NEXT: AtomicU32 = AtomicU32::new(0);
            let name = format!("sn-admin-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
            let root = Self(std::env::temp_dir().join(name));
            DirBuilder::new().recursive(true).mode(0o755).create(root.path("etc/sentinel")).expect("a directory");
            fs::write(root.path("etc/sentinel/config.json"), "{}").expect("a file");
            root.chmod("etc/sentinel/config.json", 0o644);
            fs::write(root.path("map"), "         0          0 4294967295\n").expect("a file");
            root
        }

        fn path(&self, below: &str) -> PathBuf {
            self.0.join(below)
        }

        fn chmod(&self, below: &str, mode: u32) {
            fs::set_permissions(self.path(below), Permissions::from_mode(mode)).expect("chmod");
        }

        fn open_as(&self, owner: u32) -> Result<Option<File>> {
            open(&self.path("etc/sentinel/config.json"), &self.0, owner, &self.path("map"))
        }

        fn open(&self) -> Result<Option<File>> {
            self.open_as(effective_uid().0)
        }

        /// The refusal, with this directory as `/`.
        fn refusal(&self) -> String {
            let error = self.open().expect_err("a refusal");
            assert_eq!(error.kind(), crate::error::Kind::Failed);
            error
                .to_string()
                .replace(&format!("{}/", self.0.display()), "/")
                .replace(self.0.to_str().expect("UTF-8"), "/")
        }
    }

    impl Drop for Root {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).expect("the directory goes");
        }
    }

    #[test]
    fn a_file_that_root_alone_could_have_written_counts() {
        let root = Root::new();
        assert!(root.open().expect("it counts").is_some());
        root.chmod("etc/sentinel/config.json", 0o400);
        assert!(root.open().expect("it counts").is_some());
    }

    #[test]
    fn no_file_is_fine_and_so_is_no_directory() {
        let root = Root::new();
        fs::remove_file(root.path("etc/sentinel/config.json")).expect("removed");
        assert!(root.open().expect("nothing").is_none());
        fs::remove_dir(root.path("etc/sentinel")).expect("removed");
        fs::remove_file(root.path("map")).expect("removed");
        assert!(root.open().expect("nothing").is_none());
    }

    #[test]
    fn what_others_could_have_written_is_refused() {
        for (part, mode) in [("etc/sentinel/config.json", 0o664), ("etc/sentinel", 0o775), ("etc", 0o1777), ("", 0o757)]
        {
            let root = Root::new();
            root.chmod(part, mode);
            let place = format!("/{part}");
            let within = if part.ends_with("json") { "" } else { ", which /etc/sentinel/config.json is in," };
            assert_eq!(
                root.refusal(),
                format!(
                    "the admin file does not count: {place}{within} may be written by its group or others (mode {mode:04o})\n  \
                     chmod go-w {place}"
                )
            );
        }
    }

    #[test]
    fn a_directory_of_others_is_refused_also_where_it_is_empty() {
        let root = Root::new();
        fs::remove_file(root.path("etc/sentinel/config.json")).expect("removed");
        root.chmod("etc/sentinel", 0o777);
        assert!(root.refusal().contains("/etc/sentinel, which /etc/sentinel/config.json is in, may be written"));
    }

    #[test]
    fn another_owners_is_refused() {
        let root = Root::new();
        let (us, other) = (effective_uid().0, effective_uid().0.wrapping_add(1));
        let error = root.open_as(other).expect_err("a refusal").to_string();
        let top = root.0.display();
        assert!(error.starts_with(&format!("the admin file does not count: {top}, which ")), "{error}");
        assert!(error.ends_with(&format!("belongs to uid {us}, not to root\n  chown root {top}")), "{error}");
    }

    #[test]
    fn a_symbolic_link_is_refused_wherever_it_is() {
        let root = Root::new();
        fs::rename(root.path("etc/sentinel/config.json"), root.path("etc/real.json")).expect("renamed");
        symlink(root.path("etc/real.json"), root.path("etc/sentinel/config.json")).expect("a link");
        assert_eq!(
            root.refusal(),
            "the admin file does not count: /etc/sentinel/config.json is a symbolic link, not a regular file\n  \
             make /etc/sentinel/config.json a regular file of root's"
        );
        // One that leads nowhere is not absent.
        fs::remove_file(root.path("etc/real.json")).expect("removed");
        assert!(root.refusal().contains("is a symbolic link"));

        let root = Root::new();
        fs::rename(root.path("etc/sentinel"), root.path("etc/real")).expect("renamed");
        symlink("real", root.path("etc/sentinel")).expect("a link");
        assert_eq!(
            root.refusal(),
            "the admin file does not count: /etc/sentinel, which /etc/sentinel/config.json is in, is a symbolic link, not a \
             directory\n  make /etc/sentinel a directory of root's"
        );
    }

    #[test]
    fn what_is_neither_file_nor_directory_is_refused() {
        let root = Root::new();
        fs::remove_file(root.path("etc/sentinel/config.json")).expect("removed");
        fs::create_dir(root.path("etc/sentinel/config.json")).expect("a directory");
        assert!(root.refusal().contains("config.json is something else, not a regular file"));

        let root = Root::new();
        fs::remove_dir_all(root.path("etc/sentinel")).expect("removed");
        fs::write(root.path("etc/sentinel"), "").expect("a file");
        assert!(root.refusal().contains("/etc/sentinel, which /etc/sentinel/config.json is in, is something else"));
    }

    #[test]
    fn in_another_user_namespace_it_is_refused() {
        for map in ["0 1000 1\n", "0 0 4294967294\n", "0 0 1\n1 1 4294967294\n", ""] {
            let root = Root::new();
            fs::write(root.path("map"), map).expect("a file");
            assert_eq!(
                root.refusal(),
                "the admin file /etc/sentinel/config.json cannot be believed here: this is a user namespace, where root may \
                 be anybody\n  run sentinel outside of that namespace"
            );
        }
        let root = Root::new();
        fs::remove_file(root.path("map")).expect("removed");
        assert!(root.refusal().contains("/map cannot be read: No such file or directory"));
    }

    #[test]
    fn one_that_cannot_be_read_is_refused() {
        let root = Root::new();
        root.chmod("etc/sentinel/config.json", 0o000);
        if effective_uid().0 != 0 {
            assert!(root.refusal().contains("cannot read the admin file /etc/sentinel/config.json: Permission denied"));
        }
        // A component that is no directory is not absence either.
        let error = open(&root.path("map/sentinel/config.json"), &root.0, effective_uid().0, &root.path("map"));
        assert!(error.expect_err("a refusal").to_string().contains("Not a directory"));
    }
}
