//! Calls that have an MFA code in them.

use super::*;

#[test]
fn a_call_with_a_code_is_made_once_and_its_refusal_does_not_repeat_the_code() {
    for reply in [refused(400, "Throttling", "slow"), (503, DATE, String::new()), refused(400, "X", "TokenCode 090807")]
    {
        let fake = Fake::new(vec![reply, whole(), whole()]);
        let failed = sentence(assume_with(&fake.sts(), Some(MFA)));
        assert!(!failed.contains("090807"), "{failed}");
        assert_eq!(fake.requests(), 1, "{failed}");
    }
    let fake = Fake::new(vec![refused(400, "X", "TokenCode 090807")]);
    let failed = sentence(assume_with(&fake.sts(), Some(MFA)));
    assert_eq!(failed.lines().next(), Some("AWS refused AssumeRole (X): TokenCode ******"));
    let fake = Fake::new(vec![refused(503, "ServiceUnavailable", ""), whole()]);
    let issued = fake.sts().get_session_token(&keys(), Duration::from_secs(900), Some(MFA), DEADLINE);
    assert_eq!((kind(issued), fake.requests()), (FailureKind::Server, 1));
}
