//! Which device this is, for records: a name that stays the same and does not give the machine-id away.
//!
//! machine-id(5) asks programs not to show it to others as it is, and to derive an id of their own from it, keyed.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use ring::hmac::{HMAC_SHA256, Key, sign};

use crate::digest::hex;

/// What makes the id sentinel's own. Changing it changes the name of every device.
const SALT: &[u8] = b"sentinel device id v1";

/// Where the machine-id is, and where D-Bus has it on systems without systemd.
const PLACES: [&str; 2] = ["/etc/machine-id", "/var/lib/dbus/machine-id"];

/// This device's id: 32 hex digits; `None` where the system has no machine-id.
pub fn device_id() -> Option<String> {
    PLACES.iter().find_map(|path| machine_id(Path::new(path))).map(|id| derived(&id))
}

/// The first 16 bytes of the HMAC.
fn derived(machine_id: &str) -> String {
    let mac = sign(&Key::new(HMAC_SHA256, SALT), machine_id.as_bytes());
    hex(mac.as_ref().first_chunk::<16>().map_or(&[], |half| half.as_slice()))
}

/// 32 lower-case hex digits, not all zero. `uninitialized`, as systemd writes during the first boot, is none.
fn machine_id(path: &Path) -> Option<String> {
    let mut text = String::new();
    File::open(path).ok()?.take(64).read_to_string(&mut text).ok()?;
    let id = text.trim_ascii_end();
    let is_id = id.len() == 32 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    (is_id && id.bytes().any(|byte| byte != b'0')).then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn the_id_is_the_hmac_and_never_the_machine_id() {
        // printf %s 0123456789abcdef0123456789abcdef | openssl dgst -sha256 -hmac 'sentinel device id v1'
        assert_eq!(derived(ID), "87f9baa9cefb90b13aeb658ccb29ad55");
        assert_ne!(derived(ID), derived("0123456789abcdef0123456789abcdee"));
    }

    #[test]
    fn only_a_whole_machine_id_counts() {
        let path = std::env::temp_dir().join(format!("sn-device-{}", std::process::id()));
        let read = |text: &str| {
            std::fs::write(&path, text).expect("a file");
            machine_id(&path)
        };
        assert_eq!(read(&format!("{ID}\n")).as_deref(), Some(ID));
        assert_eq!(read(ID).as_deref(), Some(ID));
        for text in
            ["", "uninitialized\n", "0123", &"0".repeat(32), &ID.to_uppercase(), &format!("{ID}0"), &format!("\n{ID}")]
        {
            assert_eq!(read(text), None, "{text:?}");
        }
        std::fs::remove_file(&path).expect("removed");
        assert_eq!(machine_id(&path), None);
    }
}
