//! SHA-256, and bytes as people read them: lower-case hex.

use std::io::{self, ErrorKind, Read};

use ring::digest::{Context, SHA256, digest};

/// The SHA-256 of these bytes.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest(&SHA256, bytes).as_ref().first_chunk().copied().unwrap_or_default()
}

/// How much is read at a time.
const CHUNK_BYTES: usize = 64 * 1024;

/// The SHA-256 of all that a reader gives.
///
/// # Errors
/// As the reader's.
pub fn sha256_of(mut reader: impl Read) -> io::Result<[u8; 32]> {
    let mut context = Context::new(&SHA256);
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        match reader.read(&mut chunk) {
            Ok(0) => return Ok(context.finish().as_ref().first_chunk().copied().unwrap_or_default()),
            Ok(read) => context.update(chunk.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Two lower-case digits a byte.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).map_or('0', |digit| char::from(*digit));
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect()
}

/// What [`hex`] wrote, in either case; `None` for anything else.
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let bytes = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect();
    if rest.is_empty() { bytes } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_the_standards() {
        // FIPS 180-4's example.
        assert_eq!(hex(&sha256(b"abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn what_is_read_in_pieces_has_the_same_digest() {
        let bytes: Vec<u8> = (0..=255).cycle().take(CHUNK_BYTES * 2 + 7).collect();
        assert_eq!(sha256_of(bytes.as_slice()).expect("bytes"), sha256(&bytes));
        assert_eq!(sha256_of(io::empty()).expect("nothing"), sha256(b""));
    }

    #[test]
    fn hex_is_read_back_and_nothing_else() {
        assert_eq!(from_hex("00ffA0").as_deref(), Some(&[0, 255, 160][..]));
        assert_eq!(from_hex("").as_deref(), Some(&[][..]));
        for other in ["0", "0g", "+1", " 1", "é"] {
            assert_eq!(from_hex(other), None, "{other}");
        }
    }
}
