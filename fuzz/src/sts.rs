//! STS's answers: credentials come whole and unexpired or not at all (T18), a cut answer never says something else than the
//! whole one, and a failure holds no control character.
//!
//! The first byte chooses call and status, the second the answer's date; the rest is the body.

use jiff::{SignedDuration, Timestamp};
use sentinel::aws::client::Answer;
use sentinel::aws::failure::Failure;
use sentinel::aws::keys::Issued;
use sentinel::aws::sts;
use zeroize::Zeroizing;

use super::choices::Choices;

const NOW_S: i64 = 1_800_000_000;
type Call = fn(&Answer, Timestamp) -> Result<Issued, Failure>;
const CALLS: [Call; 2] = [sts::assumed_role, sts::session_token];

/// See the module.
pub fn check(bytes: &[u8]) {
    let mut choices = Choices(bytes);
    let call = choices.below(6);
    let status = choices.pick(&[200, 200, 200, 200, 204, 302, 400, 403, 500, 503]);
    let now = Timestamp::from_second(NOW_S).expect("a time");
    let date = match choices.byte() {
        0 => None,
        byte => Some(now + SignedDuration::from_secs(60 * (i64::from(byte) - 128))),
    };
    let body = choices.0;
    let answer = |body: &[u8]| Answer { status, date, body: Zeroizing::new(body.to_vec()) };
    let Some(read) = CALLS.get(call) else {
        match sts::caller_identity(&answer(body)) {
            Ok(identity) => {
                assert_eq!(status, 200);
                assert!(identity.account.len() == 12 && identity.account.bytes().all(|byte| byte.is_ascii_digit()));
                assert!(identity.arn.contains(&identity.account) && !identity.user().is_empty());
            }
            Err(failure) => said(failure),
        }
        return;
    };
    match read(&answer(body), now) {
        Ok(issued) => {
            whole(&issued, now);
            assert_eq!(status, 200);
            for cut in [body.len() / 3, body.len() / 2, body.len() * 9 / 10, body.len().saturating_sub(1)] {
                if let Ok(cut) = read(&answer(&body[..cut]), now) {
                    assert!(parts(&cut) == parts(&issued), "a cut answer says something else");
                }
            }
        }
        Err(failure) => said(failure),
    }
}

fn whole(issued: &Issued, now: Timestamp) {
    assert!(issued.expiration > now);
    for part in parts(issued) {
        assert!(!part.is_empty() && part.bytes().all(|byte| byte.is_ascii_graphic()));
    }
    for part in [&issued.assumed_role_arn, &issued.source_identity].into_iter().flatten() {
        assert!(!part.is_empty() && part.bytes().all(|byte| byte.is_ascii_graphic()));
    }
}

fn parts(issued: &Issued) -> [&str; 3] {
    let token = issued.keys.session_token.as_ref().expect("a session token");
    [&issued.keys.access_key_id, issued.keys.secret_access_key.expose_str(), token.expose_str()]
}

fn said(failure: Failure) {
    let said = sentinel::error::Error::from(failure).to_string();
    assert!(said.len() < 4096 && !said.replacen('\n', "", 1).chars().any(char::is_control), "{said:?}");
}
