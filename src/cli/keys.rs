//! Signing keys on the command line: a public key as text or file, a private one as a file of this user's alone.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use zeroize::Zeroizing;

use crate::ed25519::{PrivateKey, PublicKey};
use crate::error::{Error, Result};
use crate::trusted::{self, Writers};

/// A key in PEM has about 120 bytes.
const MAX_FILE_BYTES: u64 = 4096;

/// The public key that `--policy-key` gives: base64, or the path of a PEM file. `what` is what people call it.
///
/// # Errors
/// When it is neither; when others may write the file.
pub(super) fn public(what: &str, given: &OsStr) -> Result<PublicKey> {
    if let Some(key) = given.to_str().and_then(|text| PublicKey::parse(text).ok()) {
        return Ok(key);
    }
    let path = Path::new(given);
    if !path.exists() {
        return Err(Error::usage(format!("{} is neither an Ed25519 public key nor a file with one", path.display()))
            .hint("`sentinel policy keygen` prints the key that belongs here: 44 characters"));
    }
    let (file, _) = trusted::open(what, path, Writers::Owner)?;
    PublicKey::parse(&text(what, path, file)?).map_err(|error| error.within(&path.display().to_string()))
}

/// The private key in this file.
///
/// # Errors
/// When it is none, or the file is not this user's alone.
pub(super) fn private(path: &Path) -> Result<PrivateKey> {
    const WHAT: &str = "the signing key";
    let (file, found) = trusted::open(WHAT, path, Writers::Owner)?;
    let name = path.display();
    if found.mode() & 0o077 != 0 {
        let mode = found.mode() & 0o7777;
        return Err(Error::new(format!("{WHAT} {name} is open to its group or others (mode {mode:04o})"))
            .hint(format!("chmod 600 {name}, and think of who has read it")));
    }
    PrivateKey::parse(&text(WHAT, path, file)?).map_err(|error| error.within(&name.to_string()))
}

/// Makes a key, and puts it into a new file, 0600.
///
/// # Errors
/// When something is there already, or it cannot be written.
pub(super) fn make(path: &Path) -> Result<PublicKey> {
    let cannot = |error: io::Error| Error::new(format!("cannot write the key {}", path.display())).because(error);
    let key = PrivateKey::random()?;
    let flags = libc::O_NOFOLLOW | libc::O_NOCTTY;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).custom_flags(flags).open(path).map_err(
        |error| match error.kind() {
            io::ErrorKind::AlreadyExists => Error::new(format!("{} is there already", path.display()))
                .hint("keys are not replaced: name a new file"),
            _ => cannot(error),
        },
    )?;
    file.write_all(key.to_pem().as_bytes()).and_then(|()| file.sync_all()).map_err(cannot)?;
    Ok(key.public())
}

fn text(what: &str, path: &Path, file: File) -> Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::with_capacity(usize::try_from(MAX_FILE_BYTES).unwrap_or(0)));
    file.take(MAX_FILE_BYTES)
        .read_to_string(&mut text)
        .map_err(|error| Error::new(format!("cannot read {what} {}", path.display())).because(error))?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    use super::*;

    struct Directory(PathBuf);

    impl Directory {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("sentinel-keys-{name}-{}", std::process::id()));
            fs::create_dir(&path).expect("a directory");
            Self(path)
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.0));
        }
    }

    #[test]
    fn a_key_that_was_made_is_private_and_read_back() {
        let directory = Directory::new("made");
        let path = directory.0.join("key");
        let public_key = make(&path).expect("a key");
        assert_eq!(fs::metadata(&path).expect("a file").mode() & 0o7777, 0o600);
        assert_eq!(private(&path).expect("the key").public(), public_key);
        let error = make(&path).expect_err("it is there").to_string();
        let expected = format!("{} is there already\n  keys are not replaced: name a new file", path.display());
        assert_eq!(error, expected);
    }

    #[test]
    fn a_private_key_that_others_can_read_is_refused() {
        let directory = Directory::new("open");
        let path = directory.0.join("key");
        make(&path).expect("a key");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("chmod");
        let error = private(&path).err().expect("a refusal").summary();
        let expected = format!("the signing key {} is open to its group or others (mode 0640)", path.display());
        assert_eq!(error, expected);
    }

    #[test]
    fn a_public_key_is_text_or_a_file() {
        let directory = Directory::new("public");
        let key = PrivateKey::random().expect("a key").public();
        assert_eq!(public("the key", OsStr::new(&key.to_string())).expect("a key"), key);
        let path = directory.0.join("key.pub");
        fs::write(&path, key.to_string()).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("chmod");
        assert_eq!(public("the key", path.as_os_str()).expect("a key"), key);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o664)).expect("chmod");
        let error = public("the key", path.as_os_str()).expect_err("a refusal").summary();
        assert_eq!(error, format!("the key {} may be written by its group or others (mode 0664)", path.display()));
        let error = public("the key", OsStr::new("AAAA")).expect_err("a refusal").summary();
        assert_eq!(error, "AAAA is neither an Ed25519 public key nor a file with one");
    }
}
