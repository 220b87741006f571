//! The key of a stream, which goes forward with every line: who takes the key of now cannot make lines of before.

use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use ring::hmac;
use zeroize::Zeroizing;

use super::chain::{Digest, StreamId};
use crate::digest::from_hex;
use crate::error::{Error, Result};
use crate::sys::memory::LockedPages;
use crate::trusted::{self, Writers};

/// The shortest key: as long as what it makes.
const LEAST_KEY_BYTES: usize = 32;
/// The longest file that is taken for a key.
const KEY_LIMIT_BYTES: u64 = 4096;

/// The key of one stream's next line.
pub(super) struct Ratchet(LockedPages);

impl Ratchet {
    /// The key of the stream's first line, made from the key that verifiers have.
    pub(super) fn of(key: &[u8], stream: StreamId) -> Result<Self> {
        let pages = LockedPages::map(size_of::<Digest>());
        let mut pages = pages.map_err(|error| Error::new("there is no memory for the log's key").because(error))?;
        fill(pages.as_mut_slice(), &first_key(key, stream));
        Ok(Self(pages))
    }

    /// The MAC of a line.
    pub(super) fn mac(&self, line: &[u8]) -> Digest {
        mac(self.0.as_slice(), line)
    }

    /// Goes on to the next line's key, and forgets this one.
    pub(super) fn step(&mut self) {
        let next = next_key(self.0.as_slice());
        fill(self.0.as_mut_slice(), &next);
    }
}

fn fill(pages: &mut [u8], key: &Digest) {
    for (to, from) in pages.iter_mut().zip(key) {
        *to = *from;
    }
}

/// The key of a stream's first line.
pub(super) fn first_key(key: &[u8], stream: StreamId) -> Zeroizing<Digest> {
    Zeroizing::new(mac(key, format!("sentinel log v1 {stream}").as_bytes()))
}

/// The key of the line after the one whose key this is.
pub(super) fn next_key(key: &[u8]) -> Zeroizing<Digest> {
    Zeroizing::new(mac(key, b"next"))
}

/// HMAC-SHA256.
pub(super) fn mac(key: &[u8], bytes: &[u8]) -> Digest {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), bytes);
    tag.as_ref().first_chunk().copied().unwrap_or_default()
}

/// Reads a key: 64 hex digits, or at least 32 bytes of any kind.
///
/// # Errors
/// When the file is not this user's or root's alone, or holds neither.
pub fn read_key(path: &Path) -> Result<Zeroizing<Vec<u8>>> {
    let (file, found) = trusted::open("the log's key", path, Writers::Owner)?;
    let (mode, name) = (found.mode() & 0o7777, path.display());
    if mode & 0o077 != 0 {
        return Err(Error::new(format!("the log's key {name} is open to its group or others (mode {mode:04o})"))
            .hint(format!("chmod 600 {name}")));
    }
    let capacity = usize::try_from(KEY_LIMIT_BYTES.saturating_add(2)).unwrap_or(0);
    // Never grown, so that no copy is left behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(capacity));
    file.take(KEY_LIMIT_BYTES.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| Error::new(format!("cannot read the log's key {name}")).because(error))?;
    let text = std::str::from_utf8(&bytes).map(str::trim_ascii).unwrap_or_default();
    if text.len() == 64
        && let Some(key) = from_hex(text)
    {
        return Ok(Zeroizing::new(key));
    }
    if bytes.len() < LEAST_KEY_BYTES || u64::try_from(bytes.len()).is_ok_and(|length| length > KEY_LIMIT_BYTES) {
        return Err(Error::new(format!("the log's key {name} is neither 64 hex digits nor 32 to 4096 bytes"))
            .hint("make one with: head -c 32 /dev/urandom"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::digest::hex;

    fn stream() -> StreamId {
        StreamId::parse("0123456789abcdef").expect("an id")
    }

    #[test]
    fn the_mac_is_the_standards() {
        // RFC 4231, test case 2.
        assert_eq!(
            hex(&mac(b"Jefe", b"what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn a_key_is_the_streams_and_goes_forward() {
        let first = first_key(b"k", stream());
        assert_eq!(*first, mac(b"k", b"sentinel log v1 0123456789abcdef"));
        let mut ratchet = Ratchet::of(b"k", stream()).expect("memory");
        assert_eq!(ratchet.mac(b"line"), mac(first.as_slice(), b"line"));
        ratchet.step();
        let second = mac(first.as_slice(), b"next");
        assert_eq!(ratchet.mac(b"line"), mac(&second, b"line"));
        assert_eq!(ratchet.0.as_slice(), second);
    }

    #[test]
    fn a_key_file_is_read_strictly() {
        let path = std::env::temp_dir().join(format!("sentinel-log-key-{}", std::process::id()));
        let with = |content: &[u8], mode: u32| {
            std::fs::write(&path, content).expect("a file");
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).expect("chmod");
            read_key(&path).map(|key| key.to_vec()).map_err(|error| error.to_string())
        };
        let name = path.display().to_string();
        assert_eq!(with(format!("{}\n", "0a".repeat(32)).as_bytes(), 0o600), Ok(vec![10; 32]));
        assert_eq!(with(&[0xff; 33], 0o400), Ok(vec![0xff; 33]));
        assert_eq!(with(&[b'x'; 64], 0o600), Ok(vec![b'x'; 64]));
        let neither = format!(
            "the log's key {name} is neither 64 hex digits nor 32 to 4096 bytes\n  make one with: head -c 32 /dev/urandom"
        );
        assert_eq!(with(&[0xff; 31], 0o600), Err(neither.clone()));
        assert_eq!(with(&[0xff; 4097], 0o600), Err(neither));
        let open =
            |mode| format!("the log's key {name} is open to its group or others (mode {mode})\n  chmod 600 {name}");
        assert_eq!(with(&[0xff; 32], 0o640), Err(open("0640")));
        assert_eq!(with(&[0xff; 32], 0o604), Err(open("0604")));
        std::fs::remove_file(&path).expect("removed");
    }
}
