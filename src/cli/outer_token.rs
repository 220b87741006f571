//! The token of the sentinel around a helper, or of the service that it asks: in a variable, or in a file that is replaced from
//! time to time.

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::env::Env;
use crate::error::{Error, Result};
use crate::secret::Secret;

/// A token has 43 characters; a byte more shows that it is none.
const TOKEN_BYTES: usize = 43;

/// What SENTINEL_AUTH_TOKEN_FILE names, else SENTINEL_AUTH_TOKEN. `None` where there is neither.
///
/// # Errors
/// A file that cannot be read or holds no token.
pub(super) fn read(env: &Env) -> Result<Option<Secret>> {
    let cannot = |error| Error::new("cannot keep a token").because(error);
    if let Some(path) = env.os("SENTINEL_AUTH_TOKEN_FILE") {
        return from_file(Path::new(path)).map(Some);
    }
    let token = env.text("SENTINEL_AUTH_TOKEN")?;
    token.map(|token| Secret::take(token.as_bytes().to_vec()).map_err(cannot)).transpose()
}

fn from_file(path: &Path) -> Result<Secret> {
    let name = path.display();
    let cannot = |error: std::io::Error| {
        Error::new(format!("cannot read the token file {name}")).because(error).hint(
            "SENTINEL_AUTH_TOKEN_FILE names the file that the server's --token-file writes; --token-group lets a group read it",
        )
    };
    // O_NONBLOCK: opening a FIFO must not wait for a writer.
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(cannot)?;
    let mut text = Vec::with_capacity(TOKEN_BYTES + 1);
    file.take(TOKEN_BYTES as u64 + 1).read_to_end(&mut text).map_err(cannot)?;
    let token = Secret::take(text).map_err(cannot)?;
    // It becomes part of a request's head.
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
    if token.expose().len() == TOKEN_BYTES && token.expose().iter().all(is_token) {
        return Ok(token);
    }
    Err(Error::new(format!("the token file {name} holds no token"))
        .hint("SENTINEL_AUTH_TOKEN_FILE names the file that the server's --token-file writes"))
}
