//! From selectors as they are written to what callers are held against. Names of users and groups are those of /etc/passwd and
//! /etc/group: a static program has no other way to ask (NSS loads libraries).

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use super::settings::{Demand, DemandKind, WantedEntry};
use crate::auth::Selector;
use crate::error::{Error, Result};
use crate::interpreter::is_interpreter;
use crate::peer::Cgroup;
use crate::sys::user::{Gid, Uid};

/// Largest file of users or groups that is read: a hundred thousand lines.
const NAMES_LIMIT_BYTES: u64 = 8 * 1024 * 1024;

/// The users and groups of this host.
pub(super) struct Names {
    passwd: Lines,
    group: Lines,
}

/// What a file of names says, or why it could not be read.
struct Lines {
    path: &'static str,
    /// What it names.
    noun: &'static str,
    bytes: io::Result<Vec<u8>>,
}

/// An entry, and whose profile it leads to: `None` is that of `--profile`.
pub(super) struct Resolved {
    pub(super) selector: Selector,
    pub(super) profile: Option<Arc<str>>,
}

impl Names {
    /// Reads both files. One that cannot be read matters where a name is looked up in it.
    pub(super) fn read() -> Self {
        Self { passwd: Lines::read("/etc/passwd", "user"), group: Lines::read("/etc/group", "group") }
    }

    fn user(&self, name: &str, said: &str) -> Result<Uid> {
        self.passwd.id(name, said).map(Uid)
    }

    /// The group of this name or number.
    ///
    /// # Errors
    /// /etc/group does not have it, or cannot be read. `said` is how it was written.
    pub(super) fn group(&self, name: &str, said: &str) -> Result<Gid> {
        self.group.id(name, said).map(Gid)
    }
}

impl Lines {
    fn read(path: &'static str, noun: &'static str) -> Self {
        let mut bytes = Vec::new();
        let read = File::open(path).and_then(|file| file.take(NAMES_LIMIT_BYTES).read_to_end(&mut bytes));
        let bytes = match read.map(u64::try_from) {
            Err(error) => Err(error),
            // A line that is cut could name another number.
            Ok(read) if read.is_ok_and(|read| read < NAMES_LIMIT_BYTES) => Ok(bytes),
            Ok(_) => Err(io::Error::other("it has 8 MiB or more")),
        };
        Self { path, noun, bytes }
    }

    /// The third field of the line with this name, or the number itself. 4294967295 is no id: the kernel takes it for "none".
    fn id(&self, name: &str, said: &str) -> Result<u32> {
        const NUMBERS_DO: &str = "give the number: names from elsewhere (LDAP, SSSD) are not looked up";
        let Self { path, noun, .. } = self;
        let id = match (number(name.as_bytes()), &self.bytes) {
            (Some(id), _) => Some(id),
            (None, Ok(bytes)) => named(name.as_bytes(), bytes),
            (None, Err(error)) => {
                return Err(Error::new(format!("{said}: cannot read {path}: {error}")).hint(NUMBERS_DO));
            }
        };
        id.filter(|id| *id != u32::MAX)
            .ok_or_else(|| Error::new(format!("{said}: there is no such {noun} in {path}")).hint(NUMBERS_DO))
    }
}

/// The names of others may be in any encoding.
fn named(name: &[u8], file: &[u8]) -> Option<u32> {
    let mut lines = file.split(|byte| *byte == b'\n').map(|line| line.split(|byte| *byte == b':'));
    lines.find_map(|mut fields| (fields.next() == Some(name)).then(|| number(fields.nth(1)?))).flatten()
}

fn number(text: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(text).ok()?;
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// Resolves entries, in their order.
///
/// # Errors
/// A value that names nobody, or attests nothing.
pub(super) fn resolve(entries: &[WantedEntry], names: &Names) -> Result<Vec<Resolved>> {
    let resolve = |entry: &WantedEntry| {
        let mut selector = Selector::default();
        for demand in &entry.demands {
            add(&mut selector, demand, names)?;
        }
        Ok(Resolved { selector, profile: entry.profile.as_deref().map(Arc::from) })
    };
    entries.iter().map(resolve).collect()
}

fn add(selector: &mut Selector, demand: &Demand, names: &Names) -> Result<()> {
    let Demand { kind, value, said } = demand;
    match kind {
        DemandKind::Uid => selector.uids.push(names.user(value, said)?),
        DemandKind::Gid => selector.gids.push(names.group(value, said)?),
        DemandKind::Exe => selector.executables.push(program(value, said)?),
        DemandKind::Sha256 => selector.sha256.push(digest(value, said)?),
        DemandKind::Cgroup => selector.cgroups.push(Cgroup::at(value).map_err(|error| error.within(said))?),
    }
    Ok(())
}

/// A path as the kernel gives it for a process that runs this file, and the file attests something.
fn program(path: &str, said: &str) -> Result<String> {
    if !path.starts_with('/') {
        return Err(Error::new(format!("{said}: a program's path begins with /")));
    }
    let name = path.rsplit('/').next().unwrap_or_default();
    if is_interpreter(name) {
        return Err(Error::new(format!("{said}: {name} runs what it is given, so that it attests nothing"))
            .hint("select the user that the script runs as, or its cgroup"));
    }
    if name == "sentinel" {
        return Err(own(said));
    }
    // It may be installed later.
    let Ok(real) = fs::canonicalize(path) else { return Ok(path.to_owned()) };
    if real != Path::new(path) {
        return Err(Error::new(format!("{said}: that is a symbolic link, and processes run {}", real.display()))
            .hint("name the file itself"));
    }
    if std::env::current_exe().is_ok_and(|own| own == real) {
        return Err(own(said));
    }
    Ok(path.to_owned())
}

fn own(said: &str) -> Error {
    Error::new(format!("{said}: sentinel speaks for whoever runs it, so that it attests nothing"))
        .hint("select the user, or the cgroup")
}

fn digest(text: &str, said: &str) -> Result<String> {
    if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(text.to_ascii_lowercase());
    }
    Err(Error::new(format!("{said} is not a SHA-256")).hint("it has 64 hex digits: `sha256sum FILE`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        let users = b"root:x:0:0:root:/root:/bin/sh\nd\xf6ner:x:7:7:D\xf6ner:/:\nweb:x:1001:1001::/:\n77:x:1:1::/:\nbad:x:-1:\n\
                      none:x:4294967295:\ncut\n";
        let lines = |path, noun, bytes: &[u8]| Lines { path, noun, bytes: Ok(bytes.to_vec()) };
        Names {
            passwd: lines("/etc/passwd", "user", users),
            group: lines("/etc/group", "group", b"root:x:0:\napp:x:2001:web,db\n"),
        }
    }

    fn resolved(kind: DemandKind, value: &str) -> std::result::Result<Selector, String> {
        let demand = Demand { kind, value: value.to_owned(), said: format!("--allow {value}") };
        let entry = WantedEntry { demands: vec![demand], profile: None };
        let resolved = resolve(&[entry], &names()).map_err(|error| error.to_string())?;
        Ok(resolved.into_iter().next().expect("an entry").selector)
    }

    #[test]
    fn users_and_groups_are_names_or_numbers() {
        let uids = |value| resolved(DemandKind::Uid, value).map(|selector| selector.uids);
        assert_eq!(uids("web"), Ok(vec![Uid(1001)]));
        assert_eq!(uids("77"), Ok(vec![Uid(77)]), "a number is a number");
        let nobody = "there is no such user in /etc/passwd\n  give the number: names from elsewhere (LDAP, SSSD) are not looked up";
        for value in ["app", "bad", "none", "cut", "", "-1", "+1", "4294967295", "4294967296"] {
            assert_eq!(uids(value), Err(format!("--allow {value}: {nobody}")));
        }
        assert_eq!(resolved(DemandKind::Gid, "app").map(|selector| selector.gids), Ok(vec![Gid(2001)]));
        assert!(resolved(DemandKind::Gid, "web").is_err());
    }

    #[test]
    fn a_file_that_cannot_be_read_is_no_file_without_the_name() {
        let missing = Lines::read("/nonexistent/passwd", "user");
        assert_eq!(missing.id("1001", "--allow-uid 1001").ok(), Some(1001), "a number needs no file");
        let error = missing.id("web", "--allow-uid web").expect_err("nothing to look in");
        assert_eq!(
            error.summary(),
            "--allow-uid web: cannot read /nonexistent/passwd: No such file or directory (os error 2)"
        );
        let directory = Lines::read("/", "user").id("web", "--allow-uid web").expect_err("no file");
        assert!(directory.summary().starts_with("--allow-uid web: cannot read /: "), "{directory}");
        let endless = Lines::read("/dev/zero", "user").id("web", "--allow-uid web").expect_err("no end");
        assert_eq!(endless.summary(), "--allow-uid web: cannot read /dev/zero: it has 8 MiB or more");
    }

    #[test]
    fn a_program_that_attests_nothing_is_refused() {
        let why = |value: &str| resolved(DemandKind::Exe, value).expect_err(value);
        assert!(why("/usr/bin/python3.11").contains("python3.11 runs what it is given, so that it attests nothing"));
        assert!(why("/lib64/ld-linux-x86-64.so.2").contains("attests nothing"));
        assert!(why("app").contains("begins with /"));
        assert!(why("/proc/self/exe").contains("is a symbolic link, and processes run "));
        let own = std::env::current_exe().expect("a path");
        assert!(why(own.to_str().expect("UTF-8")).contains("sentinel speaks for whoever runs it"));
        let later = resolved(DemandKind::Exe, "/nonexistent/app").expect("installed later");
        assert_eq!(later.executables, ["/nonexistent/app"]);
    }

    #[test]
    fn a_digest_has_64_hex_digits() {
        let digests = |value: &str| resolved(DemandKind::Sha256, value).map(|selector| selector.sha256);
        assert_eq!(digests(&"AB".repeat(32)), Ok(vec!["ab".repeat(32)]));
        for value in ["", "ab", &"zz".repeat(32), &"ab".repeat(33)] {
            assert!(digests(value).expect_err("no digest").contains("is not a SHA-256"));
        }
    }
}
