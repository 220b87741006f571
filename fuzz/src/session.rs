//! The metadata endpoint's own readers (T10): no token but the one that was given is live, for its subject and its time alone, a
//! time is 1 to 21600 seconds, and every path leads where a plain reading of it does.
//!
//! The input is edits of a real token, and bytes of any kind.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use sentinel::auth::{Sessions, Ttl};
use sentinel::clock::{Clock, SystemClock};
use sentinel::server::imds::Resource;

use super::choices::Choices;

/// Stands still, a minute after the boot.
struct Still;

impl Clock for Still {
    fn wall(&self) -> jiff::Timestamp {
        SystemClock.wall()
    }

    fn boot(&self) -> Duration {
        Duration::from_secs(60)
    }
}

static SESSIONS: LazyLock<(Sessions, Vec<u8>)> = LazyLock::new(|| {
    let sessions = Sessions::new(Arc::new(Still)).expect("a key");
    let token = sessions.token(b"tree", Ttl::parse(b"60").expect("a time")).expect("memory");
    (sessions, token.expose().to_vec())
});

/// See the module.
pub fn check(bytes: &[u8]) {
    let (sessions, real) = &*SESSIONS;
    let mut choices = Choices(bytes);
    let mut presented = real.clone();
    for _ in 0..choices.below(4) {
        let at = choices.below(presented.len() + 1);
        match choices.below(4) {
            0 => presented.insert(at, choices.byte()),
            1 => presented.truncate(at),
            2 => presented.extend_from_within(at..),
            _ => {
                let byte = choices.byte();
                presented.iter_mut().skip(at).take(1).for_each(|place| *place ^= byte);
            }
        }
    }
    for some in [presented.as_slice(), choices.0] {
        assert_eq!(sessions.is_live(b"tree", some), some == real);
        assert!(!sessions.is_live(b"other", some));
    }
    ttl(choices.0);
    if let Ok(path) = std::str::from_utf8(choices.0) {
        route(path);
        route(&format!("/latest/meta-data/{path}"));
    }
}

fn ttl(bytes: &[u8]) {
    let plain: Option<u32> = std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok());
    let expected = plain.filter(|seconds| (1..=21_600).contains(seconds) && seconds.to_string().as_bytes() == bytes);
    assert_eq!(Ttl::parse(bytes).map(Ttl::seconds), expected);
}

/// What is there is below `latest`, in lower case, and a slash at the end changes nothing but for the token.
fn route(path: &str) {
    let Some(resource) = Resource::of(path) else { return };
    assert!(path == "/" || path.is_empty() || path.starts_with("/latest"), "{path}");
    match resource {
        Resource::Token => assert_eq!(path, "/latest/api/token"),
        Resource::Credentials(role) => {
            let below = path.strip_prefix("/latest/meta-data/iam/security-credentials/").expect("below the roles");
            assert_eq!(role, below.strip_suffix('/').unwrap_or(below));
            assert!(!role.is_empty() && !role.contains('/'));
        }
        other if !path.ends_with('/') => assert_eq!(Resource::of(&format!("{path}/")), Some(other)),
        _ => {}
    }
}
