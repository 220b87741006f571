//! `session revoke`: ends a session for good.

use jiff::{SignedDuration, Timestamp};

use crate::cli::person::Person;
use crate::cli::records::{change, in_ms, show::escaped};
use crate::clock::rfc3339_s;
use crate::error::{Error, Result};
use crate::store::record::SessionStatus;
use crate::store::{Engine, Session};

/// How long a server may go on after its session was revoked (T16).
const LATEST: SignedDuration = SignedDuration::from_secs(10);

/// Revokes a session that has not ended. One that is only not heard of is revoked as well: its server may come back.
///
/// # Errors
/// When it has ended.
pub(super) fn revoke(
    engine: &dyn Engine,
    id: &str,
    by: &Person,
    reason: Option<&str>,
    now: Timestamp,
) -> Result<Session> {
    let now = in_ms(now);
    change(engine, id, |session: &Session| {
        let at = rfc3339_s(session.updated_at);
        match session.status {
            SessionStatus::Active => {}
            SessionStatus::Expired => return Err(Error::new(format!("session {id} ended at {at}"))),
            SessionStatus::Revoked => {
                let by = session.revoked_by.as_deref().map(|by| format!(" by {}", escaped(by))).unwrap_or_default();
                return Err(Error::new(format!("session {id} was revoked{by} at {at}")));
            }
        }
        Ok(Session {
            status: SessionStatus::Revoked,
            revoked_by: Some(by.user.clone()),
            revoked_reason: reason.map(str::to_owned),
            updated_at: now,
            ..session.clone()
        })
    })
}

/// What denies everything to credentials that were issued before the session's server has certainly stopped (IAM User Guide,
/// "Revoking IAM role temporary security credentials"). A policy as a whole: it can be attached as it is.
pub(super) fn denial_of_older_sessions(now: Timestamp) -> String {
    let before = rfc3339_s(now.checked_add(LATEST).unwrap_or(now));
    format!(
        r#"{{
  "Version": "2012-10-17",
  "Statement": [
    {{
      "Sid": "DenySessionsIssuedBefore",
      "Effect": "Deny",
      "Action": "*",
      "Resource": "*",
      "Condition": {{ "DateLessThan": {{ "aws:TokenIssueTime": "{before}" }} }}
    }}
  ]
}}
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::records::world::{Memory, at, person};
    use crate::store::Record;

    const ID: &str = "0123456789abcdef";

    fn session() -> Session {
        Session {
            id: ID.to_owned(),
            user: "alice".to_owned(),
            profile: "prod".to_owned(),
            server_instance_id: "i".to_owned(),
            status: SessionStatus::Active,
            started_at: at("10:00"),
            last_access_at: at("10:00"),
            expires_at: at("10:15"),
            request_count: 0,
            source_identity: None,
            device_id: None,
            created_at: at("10:00"),
            updated_at: at("10:00"),
            revoked_by: None,
            revoked_reason: None,
            version: 1,
        }
    }

    #[test]
    fn a_session_is_revoked_once_also_beside_its_servers_heartbeat() {
        let heartbeat = |store: &Memory| {
            let found: Session = store.read(ID);
            store.put(&Session { request_count: 7, version: found.version + 1, ..found }.to_item());
        };
        let store = Memory::with(&[&session()]).rival(heartbeat).rival(heartbeat);
        revoke(&store, ID, &person("bob"), Some("laptop stolen"), at("10:05")).expect("revoked");
        let found: Session = store.read(ID);
        assert_eq!(found.status, SessionStatus::Revoked);
        assert_eq!(
            (found.revoked_by.as_deref(), found.revoked_reason.as_deref()),
            (Some("bob"), Some("laptop stolen"))
        );
        assert_eq!((found.request_count, found.version, found.updated_at), (7, 4, at("10:05")));
        let error = revoke(&store, ID, &person("eve"), None, at("10:06")).expect_err("it was revoked");
        assert_eq!(error.to_string(), format!("session {ID} was revoked by bob at 2026-03-04T10:05:00Z"));
    }

    #[test]
    fn a_session_that_is_not_heard_of_is_revoked_and_one_that_has_ended_is_not() {
        let store = Memory::with(&[&session()]);
        revoke(&store, ID, &person("bob"), None, at("11:00")).expect("it may come back");
        let store = Memory::with(&[&Session { status: SessionStatus::Expired, ..session() }]);
        let error = revoke(&store, ID, &person("bob"), None, at("10:05")).expect_err("it has ended");
        assert_eq!(error.to_string(), format!("session {ID} ended at 2026-03-04T10:00:00Z"));
    }

    #[test]
    fn an_unknown_session_is_named_with_its_place() {
        let error = revoke(&Memory::default(), ID, &person("bob"), None, at("10:05")).expect_err("there is none");
        assert_eq!(
            error.to_string(),
            format!(
                "there is no session {ID} in memory\n  `sentinel session list` names those that are there; they are looked for \
                 where --session-table, or else --state-dir, says"
            )
        );
    }

    #[test]
    fn writers_who_are_always_faster_are_an_error_in_the_end() {
        let faster = |store: &Memory| {
            let found: Session = store.read(ID);
            store.put(&Session { version: found.version + 1, ..found }.to_item());
        };
        let store = (0..5).fold(Memory::with(&[&session()]), |store, _| store.rival(faster));
        let error = revoke(&store, ID, &person("bob"), None, at("10:05")).expect_err("it was not written");
        assert_eq!(
            error.to_string(),
            format!("others keep writing session {ID} in memory: it was not changed\n  try again")
        );
    }

    #[test]
    fn the_policy_denies_what_was_issued_before_the_server_has_stopped() {
        let policy: serde_json::Value = serde_json::from_str(&denial_of_older_sessions(at("10:05"))).expect("JSON");
        let statement = &policy["Statement"][0];
        assert_eq!(statement["Effect"], "Deny");
        assert_eq!(statement["Condition"]["DateLessThan"]["aws:TokenIssueTime"], "2026-03-04T10:05:10Z");
    }
}
