//! The ids of requests: 8 random hex digits, by which a record, AWS's own and a person's question meet. No secrets.

use std::sync::{Mutex, PoisonError};

use crate::error::{Error, Result};

/// Random bytes that are fetched at once: a call to the kernel for 64 requests and not for each.
const POOL_BYTES: usize = 256;

/// One request's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestId([u8; 8]);

/// Where ids come from.
pub(super) struct RequestIds(Mutex<Pool>);

struct Pool {
    bytes: [u8; POOL_BYTES],
    used: usize,
}

impl RequestId {
    /// 8 hex digits.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl Default for RequestIds {
    fn default() -> Self {
        Self(Mutex::new(Pool { bytes: [0; POOL_BYTES], used: POOL_BYTES }))
    }
}

impl RequestIds {
    /// The next one.
    pub(super) fn next(&self) -> Result<RequestId> {
        let mut pool = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Pool { bytes, used } = &mut *pool;
        if *used >= POOL_BYTES {
            getrandom::getrandom(bytes)
                .map_err(|error| Error::new("the kernel gave no random bytes").because(error.to_string()))?;
            *used = 0;
        }
        let random = bytes.get(*used..).and_then(|rest| rest.first_chunk::<4>()).copied().unwrap_or_default();
        *used = used.saturating_add(random.len());
        let digit = |place: u32| char::from_digit(u32::from_ne_bytes(random) >> (4 * place) & 0xf, 16);
        Ok(RequestId([7, 6, 5, 4, 3, 2, 1, 0].map(|place| digit(place).map_or(b'0', |digit| digit as u8))))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_are_eight_hex_digits_and_differ_also_across_pools() {
        let ids = RequestIds::default();
        let drawn: Vec<String> = (0..200).map(|_| ids.next().expect("random bytes").as_str().to_owned()).collect();
        assert!(
            drawn
                .iter()
                .all(|id| id.len() == 8 && id.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)))
        );
        // 200 of 2^32: two alike once in 200 000 runs.
        assert!(drawn.iter().collect::<BTreeSet<_>>().len() >= 199);
    }
}
