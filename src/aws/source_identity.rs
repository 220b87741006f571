//! The name under which AWS records what a role does: who, by which approval, for which request.
//!
//! `sentinel-<user>-<direct | approval, 8 hex>-<request, 8 hex>`, 2 to 64 characters of `[\w+=,.@-]`, as SourceIdentity
//! and RoleSessionName must be (AWS STS API reference). It is read from the right, because a user may hold `-`.

use ring::digest;

/// The longest user part: 64 less `sentinel-`, two dashes and twice 8 hex.
const USER_MAX_BYTES: usize = 37;
/// What is kept of a user that does not fit: the longest part less `+` and 8 hex.
const USER_CUT_BYTES: usize = 28;
/// Hex digits of an approval, a request and a cut user's digest.
const ID_HEX: usize = 8;
/// What stands for the approval when none was needed.
const DIRECT: &str = "direct";

/// The parts of a name that [`source_identity`] made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts<'a> {
    /// The user, as far as it fitted.
    pub user: &'a str,
    /// The approval's first 8 hex digits.
    pub approval: Option<&'a str>,
    /// The request's first 8 hex digits.
    pub request: &'a str,
}

/// The name for `user`, who acts by `approval` (an id) or directly, in the request `request_id`.
///
/// A character that AWS refuses becomes `.`. A user that was changed, or is too long, is cut and gets a digest, so
/// that two users do not share a name.
pub fn source_identity(user: &str, approval: Option<&str>, request_id: &str) -> String {
    let fitted: String = user.chars().map(|c| if is_allowed(c) { c } else { '.' }).collect();
    let user = if fitted == user && user.len() <= USER_MAX_BYTES {
        fitted
    } else {
        let cut: String = fitted.chars().take(USER_CUT_BYTES).collect();
        format!("{cut}+{}", digest_hex(user))
    };
    let approval = approval.map_or_else(|| DIRECT.to_owned(), short_id);
    format!("sentinel-{user}-{approval}-{}", short_id(request_id))
}

/// The parts of such a name; `None` for a name of another shape.
pub fn parse(name: &str) -> Option<Parts<'_>> {
    let (rest, request) = name.strip_prefix("sentinel-")?.rsplit_once('-')?;
    let (user, approval) = rest.rsplit_once('-')?;
    let is_id = |id: &str| id.len() == ID_HEX && id.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let user_ok = user.len() <= USER_MAX_BYTES && user.chars().all(is_allowed);
    let approval_ok = approval == DIRECT || is_id(approval);
    (user_ok && approval_ok && is_id(request)).then_some(Parts {
        user,
        approval: Some(approval).filter(|approval| *approval != DIRECT),
        request,
    })
}

/// AWS's set, `[\w+=,.@-]`.
fn is_allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_+=,.@-".contains(c)
}

/// An id's first 8 hex digits, in lower case; an id that does not begin with 8 hex digits is digested.
fn short_id(id: &str) -> String {
    match id.split_at_checked(ID_HEX) {
        Some((head, _)) if head.bytes().all(|b| b.is_ascii_hexdigit()) => head.to_ascii_lowercase(),
        _ => digest_hex(id),
    }
}

/// The first 8 hex digits of the SHA-256.
fn digest_hex(text: &str) -> String {
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    digest.as_ref().iter().take(ID_HEX / 2).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_that_fits_is_kept() {
        assert_eq!(source_identity("alice", None, "0123456789abcdef"), "sentinel-alice-direct-01234567");
        assert_eq!(
            source_identity("bob@example.com", Some("DEADBEEF01234567"), "0123456789abcdef"),
            "sentinel-bob@example.com-deadbeef-01234567"
        );
        let longest = "a".repeat(37);
        let name = source_identity(&longest, Some("deadbeef"), "01234567");
        assert_eq!(name, format!("sentinel-{longest}-deadbeef-01234567"));
        assert_eq!(name.len(), 64);
    }

    #[test]
    fn a_user_that_was_changed_or_is_too_long_gets_a_digest() {
        // printf %s role:deploy | sha256sum
        assert_eq!(source_identity("role:deploy", None, "01234567"), "sentinel-role.deploy+9a752a9a-direct-01234567");
        let name = source_identity(&"a".repeat(38), Some("deadbeef"), "01234567");
        // printf 'a%.0s' {1..38} | sha256sum
        assert_eq!(name, format!("sentinel-{}+365a9c3e-deadbeef-01234567", "a".repeat(28)));
        assert_eq!(name.len(), 64);
        assert_ne!(source_identity("é", None, "01234567"), source_identity("è", None, "01234567"));
    }

    #[test]
    fn it_is_read_from_the_right() {
        let name = source_identity("ann-marie-direct-x", None, "0123456789abcdef");
        assert_eq!(parse(&name), Some(Parts { user: "ann-marie-direct-x", approval: None, request: "01234567" }));
        let name = source_identity("alice", Some("deadbeef99"), "0123456789abcdef");
        assert_eq!(parse(&name), Some(Parts { user: "alice", approval: Some("deadbeef"), request: "01234567" }));
        for other in [
            "",
            "sentinel-",
            "sentinel-alice",
            "sentinel-alice-direct",
            "sentinel-alice-direct-0123456",
            "sentinel-alice-direct-0123456G",
            "sentinel-alice-Direct-01234567",
            "sentinel-al:ice-direct-01234567",
            "alice-direct-01234567",
        ] {
            assert_eq!(parse(other), None, "{other}");
        }
    }

    #[test]
    fn whatever_comes_in_aws_accepts_what_goes_out() {
        let long = "x".repeat(500);
        let odd = ["", "a", "a b", "\0\n\u{202e}", "日本語のユーザー", "-", "+", "a:b/c", "aws:root", &long];
        for user in odd {
            for approval in [None, Some(""), Some("zz"), Some("日本語日本語"), Some(&*long)] {
                for request in odd {
                    let name = source_identity(user, approval, request);
                    assert!((2..=64).contains(&name.len()), "{name}");
                    assert!(name.chars().all(is_allowed), "{name}");
                    assert!(!name.starts_with("aws:"));
                    let parts = parse(&name).expect("what was made is read");
                    assert_eq!(parts.approval.is_some(), approval.is_some());
                }
            }
        }
    }
}
