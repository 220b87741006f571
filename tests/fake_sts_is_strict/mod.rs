//! The fake STS accepts what an independent client signs, and refuses what AWS refuses in AWS's words.

mod client;

use serde_json::{Value, json};

use crate::fake_sts::{ACCOUNT, Fault, Keys, Sts};
use crate::harness::process;

use client::{Client, assert_refused, assert_xml_refusal, keys};

#[test]
fn an_independent_client_is_served() {
    let sts = Sts::start();
    let Some(mut client) = Client::of(&sts, "an_independent_client_is_served") else { return };
    let alice = sts.user("alice");
    let role = sts.role("deploy").trusts(&alice.arn).allows_source_identity().external_id("x/y:1").arn();

    let identity = client.api(&alice, "get_caller_identity", json!({}));
    assert_eq!(identity["Arn"], json!(format!("arn:aws:iam::{ACCOUNT}:user/alice")));
    assert_eq!(identity["Account"], json!(ACCOUNT));
    assert!(identity["UserId"].as_str().expect("an id").starts_with("AIDA"));
    assert_eq!(identity["request_id"].as_str().map(str::len), Some(36));

    let policy = r#"{"Version":"2012-10-17","Statement":[]}"#;
    let more =
        json!({"ExternalId": "x/y:1", "SourceIdentity": "sentinel-alice", "DurationSeconds": 900, "Policy": policy});
    let assumed = client.assume(&alice, &role, more);
    assert_eq!(assumed["AssumedRoleUser"]["Arn"], json!(format!("arn:aws:sts::{ACCOUNT}:assumed-role/deploy/session")));
    let id = assumed["AssumedRoleUser"]["AssumedRoleId"].as_str().expect("an id").to_owned();
    assert!(id.starts_with("AROA") && id.ends_with(":session"), "{id}");
    assert_eq!(assumed["SourceIdentity"], json!("sentinel-alice"));

    let session = keys(&assumed);
    let identity = client.api(&session, "get_caller_identity", json!({}));
    assert_eq!((&identity["Arn"], &identity["UserId"]), (&assumed["AssumedRoleUser"]["Arn"], &json!(id)));

    let temporary = keys(&client.api(&alice, "get_session_token", json!({"DurationSeconds": 900})));
    assert!(temporary.access_key_id.starts_with("ASIA"));
    let identity = client.api(&temporary, "get_caller_identity", json!({}));
    assert_eq!(identity["Arn"], json!(alice.arn));

    let issued = sts.issued(&session.access_key_id).expect("issued");
    assert_eq!((issued.secret_access_key, issued.session_token), (session.secret_access_key, session.session_token));
    let calls: Vec<(String, Option<String>)> = sts.calls().into_iter().map(|call| (call.action, call.answer)).collect();
    let ok = |action: &str| (action.to_owned(), Some("ok".to_owned()));
    let identity = || ok("GetCallerIdentity");
    assert_eq!(calls, [identity(), ok("AssumeRole"), identity(), ok("GetSessionToken"), identity()]);
    let call = &sts.calls_of("AssumeRole")[0];
    assert_eq!((call.access_key.as_str(), call.region.as_str()), (alice.access_key_id.as_str(), "us-east-1"));
    assert_eq!(call.parameters["Policy"], policy);
    assert!(call.at.as_second() > 1_700_000_000);
}

#[test]
fn a_tampered_request_is_refused() {
    let sts = Sts::start();
    let Some(mut client) = Client::of(&sts, "a_tampered_request_is_refused") else { return };
    let alice = sts.user("alice");
    let role = sts.role("deploy").trusts(&alice.arn).arn();
    let session = keys(&client.assume(&alice, &role, json!({})));
    let calculated = "The request signature we calculated does not match";

    let untouched = client.tampered(&session, "sts", "us-east-1", 0, json!({}));
    assert_eq!(untouched["status"], json!(200), "{untouched}");

    let mismatches = [
        (json!({"body": ["GetCallerIdentity", "GetSessionToken"]}), calculated),
        (json!({"Content-Type": ["utf-8", "UTF-8"]}), calculated),
        (json!({"Authorization": ["host;", ""]}), "'Host' or ':authority' must be a 'SignedHeader'"),
        (json!({"Authorization": [";x-amz-date", ""]}), "'x-amz-date' must be a 'SignedHeader'"),
        (json!({"Authorization": [";x-amz-security-token", ""]}), "'x-amz-security-token' must be a 'SignedHeader'"),
        (json!({"Authorization": ["content-type;host", "host;content-type"]}), "must be sorted"),
        (json!({"X-Amz-Extra": [null, "1"]}), "'x-amz-extra' must be a 'SignedHeader'"),
    ];
    for (change, message) in mismatches {
        let answer = client.tampered(&session, "sts", "us-east-1", 0, change);
        assert_xml_refusal(&answer, 403, "SignatureDoesNotMatch", message);
    }
    let wrong = Keys { secret_access_key: "x".repeat(40), ..alice.clone() };
    assert_xml_refusal(
        &client.tampered(&wrong, "sts", "us-east-1", 0, json!({})),
        403,
        "SignatureDoesNotMatch",
        calculated,
    );
    let answer = client.tampered(&alice, "sts", "eu-west-1", 0, json!({}));
    let message = "Credential should be scoped to a valid region, not 'eu-west-1'";
    assert_xml_refusal(&answer, 403, "SignatureDoesNotMatch", message);
    let answer = client.tampered(&alice, "iam", "us-east-1", 0, json!({}));
    assert_xml_refusal(&answer, 403, "SignatureDoesNotMatch", "Credential should be scoped to correct service: 'sts'");
    let answer = client.tampered(&alice, "sts", "us-east-1", 0, json!({"Authorization": ["x", null]}));
    assert_xml_refusal(&answer, 403, "MissingAuthenticationToken", "Request is missing Authentication Token");
    let answer = client.tampered(&alice, "sts", "us-east-1", 0, json!({"Authorization": ["Signature=", "Sig="]}));
    assert_xml_refusal(&answer, 400, "IncompleteSignature", "Authorization header requires");
    let answer = client.tampered(&alice, "sts", "us-east-1", 0, json!({"Content-Type": [null, "application/json"]}));
    assert_xml_refusal(&answer, 400, "MalformedInput", "application/json");

    sts.region("eu-west-1");
    let answer = client.tampered(&alice, "sts", "eu-west-1", 0, json!({}));
    assert_eq!(answer["status"], json!(200), "{answer}");
}

#[test]
fn a_wrong_clock_is_refused() {
    let sts = Sts::start();
    let Some(mut client) = Client::of(&sts, "a_wrong_clock_is_refused") else { return };
    let alice = sts.user("alice");
    for shift_s in [-240, 240] {
        let answer = client.tampered(&alice, "sts", "us-east-1", shift_s, json!({}));
        assert_eq!(answer["status"], json!(200), "{answer}");
    }
    let answer = client.tampered(&alice, "sts", "us-east-1", -400, json!({}));
    assert_xml_refusal(&answer, 403, "SignatureDoesNotMatch", "Signature expired: 2");
    assert_xml_refusal(&answer, 403, "SignatureDoesNotMatch", " - 5 min.)");
    let answer = client.tampered(&alice, "sts", "us-east-1", 400, json!({}));
    assert_xml_refusal(&answer, 403, "SignatureDoesNotMatch", "Signature not yet current: 2");

    sts.shift_clock_s(3600);
    let answer = client.tampered(&alice, "sts", "us-east-1", 0, json!({}));
    assert_xml_refusal(&answer, 403, "SignatureDoesNotMatch", "is now earlier than");
    sts.shift_clock_s(-3600);
    let answer = client.tampered(&alice, "sts", "us-east-1", 0, json!({}));
    assert_xml_refusal(&answer, 403, "SignatureDoesNotMatch", "is still later than");
    assert_eq!(sts.calls().last().and_then(|call| call.answer.clone()).as_deref(), Some("SignatureDoesNotMatch"));
}

#[test]
fn unknown_and_expired_keys_are_refused() {
    let sts = Sts::start();
    let Some(mut client) = Client::of(&sts, "unknown_and_expired_keys_are_refused") else { return };
    let alice = sts.user("alice");
    let invalid = "The security token included in the request is invalid.";
    let unknown = Keys { access_key_id: "AKIAXXXXXXXXXXXXXXXX".to_owned(), ..alice.clone() };
    let answer = client.api(&unknown, "get_caller_identity", json!({}));
    assert_refused(&answer, 403, "InvalidClientTokenId", invalid);

    let session = keys(&client.api(&alice, "get_session_token", json!({})));
    for token in [None, Some("IQoJb3JpZ2luX2VjX".to_owned())] {
        let broken = Keys { session_token: token, ..session.clone() };
        let answer = client.api(&broken, "get_caller_identity", json!({}));
        assert_refused(&answer, 403, "InvalidClientTokenId", invalid);
    }
    sts.expire(&session.access_key_id);
    let expired = "The security token included in the request is expired";
    assert_refused(&client.api(&session, "get_caller_identity", json!({})), 403, "ExpiredToken", expired);

    sts.lifetime_s(0);
    let short = keys(&client.api(&alice, "get_session_token", json!({})));
    assert_refused(&client.api(&short, "get_caller_identity", json!({})), 403, "ExpiredToken", expired);
}

#[test]
fn trust_is_checked() {
    let sts = Sts::start();
    let Some(mut client) = Client::of(&sts, "trust_is_checked") else { return };
    let (alice, bob) = (sts.user("alice"), sts.user("bob"));
    let open = sts.role("open").trusts("*").arn();
    let first = sts.role("first").trusts(&alice.arn).external_id("right").arn();
    let second = sts.role("second").trusts(&first).arn();
    let denied = |arn: &str, action: &str, role: &str| {
        format!("User: {arn} is not authorized to perform: sts:{action} on resource: {role}")
    };
    assert_eq!(client.assume(&bob, &open, json!({}))["status"], json!(200));
    for (who, role, more) in [
        (&bob, &first, json!({"ExternalId": "right"})),
        (&alice, &first, json!({"ExternalId": "wrong"})),
        (&alice, &first, json!({})),
        (&alice, &second, json!({})),
        (&alice, &format!("arn:aws:iam::{ACCOUNT}:role/none"), json!({})),
    ] {
        let message = denied(&who.arn, "AssumeRole", role);
        assert_refused(&client.assume(who, role, more), 403, "AccessDenied", &message);
    }
    let session = keys(&client.assume(&alice, &first, json!({"ExternalId": "right"})));
    let chained = client.assume(&session, &second, json!({"DurationSeconds": 3600}));
    assert_eq!(chained["status"], json!(200), "{chained}");
    let answer = client.assume(&session, &second, json!({"DurationSeconds": 3601}));
    let message = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.";
    assert_refused(&answer, 400, "ValidationError", message);
    let answer = client.api(&session, "get_session_token", json!({}));
    assert_refused(&answer, 403, "AccessDenied", "Cannot call GetSessionToken with session credentials");
}

#[test]
fn source_identities_are_checked() {
    let sts = Sts::start();
    let Some(mut client) = Client::of(&sts, "source_identities_are_checked") else { return };
    let alice = sts.user("alice");
    let silent = sts.role("silent").trusts(&alice.arn).arn();
    let first = sts.role("first").trusts(&alice.arn).allows_source_identity().arn();
    let second = sts.role("second").trusts(&first).allows_source_identity().arn();
    let third = sts.role("third").trusts(&first).arn();
    let denied = |arn: &str, role: &str| {
        format!("User: {arn} is not authorized to perform: sts:SetSourceIdentity on resource: {role}")
    };
    let answer = client.assume(&alice, &silent, json!({"SourceIdentity": "alice"}));
    assert_refused(&answer, 403, "AccessDenied", &denied(&alice.arn, &silent));
    for value in ["sentinel:alice", "aws:alice", "a/b", "a b"] {
        let answer = client.assume(&alice, &first, json!({"SourceIdentity": value}));
        let message = format!(
            "1 validation error detected: Value '{value}' at 'sourceIdentity' failed to satisfy constraint: Member must \
             satisfy regular expression pattern: [\\w+=,.@-]*"
        );
        assert_refused(&answer, 400, "ValidationError", &message);
    }
    let session = keys(&client.assume(&alice, &first, json!({"SourceIdentity": "alice"})));
    let answer = client.assume(&session, &second, json!({}));
    assert_eq!(answer["SourceIdentity"], json!("alice"), "{answer}");
    let answer = client.assume(&session, &second, json!({"SourceIdentity": "bob"}));
    assert_refused(&answer, 403, "AccessDenied", &denied(&session.arn, &second));
    let answer = client.assume(&session, &third, json!({}));
    assert_refused(&answer, 403, "AccessDenied", &denied(&session.arn, &third));
}

#[test]
fn names_and_durations_are_bounded() {
    let sts = Sts::start();
    let Some(mut client) = Client::of(&sts, "names_and_durations_are_bounded") else { return };
    let alice = sts.user("alice");
    let role = sts.role("deploy").trusts(&alice.arn).max_duration_s(7200).arn();
    let of = |method: &str, parameters: Value| (method.to_owned(), parameters);
    let cases = [
        (of("AssumeRole", json!({"RoleSessionName": "a:b"})), "at 'roleSessionName'"),
        (of("AssumeRole", json!({"RoleSessionName": "a"})), "length greater than or equal to 2"),
        (of("AssumeRole", json!({"RoleSessionName": "a".repeat(65)})), "length less than or equal to 64"),
        (of("AssumeRole", json!({"DurationSeconds": "899"})), "Value '899' at 'durationSeconds'"),
        (of("AssumeRole", json!({"DurationSeconds": "43201"})), "less than or equal to 43200"),
        (of("AssumeRole", json!({"DurationSeconds": "7201"})), "exceeds the MaxSessionDuration set for this role"),
        (of("AssumeRole", json!({"ExternalId": "a"})), "at 'externalId'"),
        (of("AssumeRole", json!({"Policy": "x".repeat(2049)})), "at 'policy'"),
        (of("GetSessionToken", json!({"DurationSeconds": "899"})), "greater than or equal to 900"),
        (of("GetSessionToken", json!({"DurationSeconds": "129601"})), "less than or equal to 129600"),
    ];
    for ((action, more), message) in cases {
        let mut parameters = json!({"Action": action, "Version": "2011-06-15"});
        if action == "AssumeRole" {
            parameters["RoleArn"] = json!(role);
            parameters["RoleSessionName"] = json!("session");
        }
        for (name, value) in more.as_object().expect("an object") {
            parameters[name] = value.clone();
        }
        let ask =
            json!({"parameters": parameters, "service": "sts", "region": "us-east-1", "shift_s": 0, "change": {}});
        assert_xml_refusal(&client.ask(ask, &alice), 400, "ValidationError", message);
    }
    assert_eq!(client.assume(&alice, &role, json!({"DurationSeconds": 7200}))["status"], json!(200));
}

#[test]
fn a_second_factor_is_checked_and_a_code_is_used_up() {
    let sts = Sts::start();
    let Some(mut client) = Client::of(&sts, "a_second_factor_is_checked_and_a_code_is_used_up") else { return };
    let alice = sts.user("alice");
    let serial = sts.mfa_device(&alice, "123456");
    let role = sts.role("admin").trusts(&alice.arn).requires_mfa().max_duration_s(7200).arn();
    let closed = sts.role("closed").arn();
    assert_eq!(serial, format!("arn:aws:iam::{ACCOUNT}:mfa/alice"));
    assert_eq!(client.assume(&alice, &role, json!({}))["code"], json!("AccessDenied"));
    let wrong = "MultiFactorAuthentication failed with invalid MFA one time pass code. ";
    let unknown = "MultiFactorAuthentication failed, unable to validate MFA code.  Please verify your MFA serial number is \
                   valid and associated with this user.";
    let shown = |code: &str| json!({"SerialNumber": serial, "TokenCode": code});
    assert_refused(&client.assume(&alice, &role, shown("000000")), 403, "AccessDenied", wrong);
    let other = json!({"SerialNumber": format!("arn:aws:iam::{ACCOUNT}:mfa/bob"), "TokenCode": "123456"});
    assert_refused(&client.assume(&alice, &role, other), 403, "AccessDenied", unknown);
    let session = keys(&client.assume(&alice, &role, shown("123456")));
    assert_refused(&client.assume(&alice, &role, shown("123456")), 403, "AccessDenied", wrong);
    assert_refused(&client.api(&alice, "get_session_token", shown("123456")), 403, "AccessDenied", wrong);
    let pattern = "1 validation error detected: Value '1234567' at 'tokenCode' failed to satisfy constraint: Member must \
                   satisfy regular expression pattern: [\\d]{6}";
    let parameters =
        json!({"Action": "GetSessionToken", "Version": "2011-06-15", "SerialNumber": serial, "TokenCode": "1234567"});
    let ask = json!({"parameters": parameters, "service": "sts", "region": "us-east-1", "shift_s": 0, "change": {}});
    assert_xml_refusal(&client.ask(ask, &alice), 400, "ValidationError", pattern);

    // A call that is denied has used its code as well.
    sts.mfa_device(&alice, "222222");
    assert_eq!(client.assume(&alice, &closed, shown("222222"))["code"], json!("AccessDenied"));
    assert_refused(&client.assume(&alice, &role, shown("222222")), 403, "AccessDenied", wrong);
    // A role has no device, not even its user's.
    sts.mfa_device(&alice, "333333");
    assert_refused(&client.assume(&session, &role, shown("333333")), 403, "AccessDenied", unknown);

    let opened = keys(&client.api(&alice, "get_session_token", shown("333333")));
    assert_eq!(client.assume(&opened, &role, json!({}))["status"], json!(200));
    let message = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.";
    let longer = client.assume(&opened, &role, json!({"DurationSeconds": 3601}));
    assert_refused(&longer, 400, "ValidationError", message);
    sts.mfa_device(&alice, "444444");
    let long = json!({"SerialNumber": serial, "TokenCode": "444444", "DurationSeconds": 7200});
    assert_eq!(client.assume(&alice, &role, long)["status"], json!(200));
}

#[test]
fn session_policies_are_checked() {
    let sts = Sts::start();
    let Some(mut client) = Client::of(&sts, "session_policies_are_checked") else { return };
    let alice = sts.user("alice");
    let role = sts.role("deploy").trusts(&alice.arn).arn();
    let policy = |length: usize| format!(r#"{{"Id":"{}"}}"#, "x".repeat(length - 9));
    let arns = |count: usize, arn: &str| json!({"PolicyArns": vec![json!({"arn": arn}); count]});
    let own = format!("arn:aws:iam::{ACCOUNT}:policy/narrow");
    for right in [json!({"Policy": policy(2048)}), arns(10, "arn:aws:iam::aws:policy/ReadOnlyAccess"), arns(1, &own)] {
        assert_eq!(client.assume(&alice, &role, right)["status"], json!(200));
    }
    for (wrong, code) in [
        (json!({"Policy": policy(2049)}), "ValidationError"),
        (json!({"Policy": "[]"}), "MalformedPolicyDocument"),
        (arns(11, &own), "ValidationError"),
        (arns(1, "arn:aws:iam::210987654321:policy/narrow"), "ValidationError"),
        (arns(1, "arn:aws-cn:iam::aws:policy/ReadOnlyAccess"), "ValidationError"),
        (arns(1, &format!("arn:aws:iam::{ACCOUNT}:role/narrow")), "ValidationError"),
    ] {
        let answer = client.assume(&alice, &role, wrong.clone());
        assert_eq!((&answer["status"], &answer["code"]), (&json!(400), &json!(code)), "{wrong}");
    }
}

#[test]
fn faults_come_in_order_and_end() {
    let sts = Sts::start();
    let Some(mut client) = Client::of(&sts, "faults_come_in_order_and_end") else { return };
    let alice = sts.user("alice");
    let whoami = |client: &mut Client| client.api(&alice, "get_caller_identity", json!({}));
    sts.inject("GetCallerIdentity", 2, Fault::Throttle);
    sts.inject("*", 1, Fault::Unavailable);
    sts.inject("*", 1, Fault::Refuse { status: 403, code: "RegionDisabledException", message: "no" });
    for (status, code) in
        [(400, "Throttling"), (400, "Throttling"), (503, "ServiceUnavailable"), (403, "RegionDisabledException")]
    {
        let answer = whoami(&mut client);
        assert_eq!((&answer["status"], &answer["code"]), (&json!(status), &json!(code)));
    }
    for (fault, failure) in [(Fault::Reset, "ConnectionResetError"), (Fault::Half, "IncompleteRead")] {
        sts.inject("GetCallerIdentity", 1, fault);
        let answer = client.tampered(&alice, "sts", "us-east-1", 0, json!({}));
        assert_eq!(answer["failure"], json!(failure), "{answer}");
    }
    sts.inject("*", 1, Fault::Html);
    assert_eq!(whoami(&mut client)["status"], json!(500));
    sts.inject("*", 1, Fault::Redirect("http://127.0.0.1:9/".to_owned()));
    assert_eq!(client.tampered(&alice, "sts", "us-east-1", 0, json!({}))["status"], json!(307));
    sts.inject("*", 1, Fault::Huge(3 << 20));
    let answer = client.tampered(&alice, "sts", "us-east-1", 0, json!({}));
    assert_eq!(answer["body"].as_str().map(str::len), Some(3 << 20));
    let right = whoami(&mut client);
    sts.inject("*", 1, Fault::DateOff(86_400));
    let off = whoami(&mut client);
    assert_eq!(off["Arn"], json!(alice.arn));
    assert!(off["date"].is_string() && off["date"] != right["date"], "{off}");
    sts.inject("*", 1, Fault::Body("<GetCallerIdentityResponse/>"));
    let answer = client.tampered(&alice, "sts", "us-east-1", 0, json!({}));
    assert_eq!(answer, json!({"status": 200, "body": "<GetCallerIdentityResponse/>"}));
    sts.inject("GetSessionToken", 1, Fault::AlreadyExpired);
    let answer = client.api(&alice, "get_session_token", json!({}));
    assert_eq!(answer["Credentials"]["Expiration"], json!("2020-09-13T12:26:40+00:00"));
    sts.inject("GetSessionToken", 1, Fault::EmptySecret);
    let answer = client.api(&alice, "get_session_token", json!({}));
    assert_eq!(answer["Credentials"]["SecretAccessKey"], json!(""));
    assert_eq!(whoami(&mut client)["Arn"], json!(alice.arn));
    let said: Vec<String> = sts.calls().into_iter().filter_map(|call| call.answer).collect();
    let expected = [
        "Throttling",
        "Throttling",
        "ServiceUnavailable",
        "RegionDisabledException",
        "reset",
        "half",
        "html",
        "redirect",
        "huge",
        "ok",
        "date off",
        "body",
        "already expired",
        "empty secret",
        "ok",
    ];
    assert_eq!(said, expected);
}

#[test]
fn a_hanging_request_waits_for_its_gate() {
    let sts = Sts::start();
    let Some(mut client) = Client::of(&sts, "a_hanging_request_waits_for_its_gate") else { return };
    let alice = sts.user("alice");
    let gate = sts.hang("GetCallerIdentity");
    std::thread::scope(|scope| {
        let asking = std::thread::Builder::new()
            .spawn_scoped(scope, || client.api(&alice, "get_caller_identity", json!({})))
            .expect("a thread");
        sts.wait_for_calls("GetCallerIdentity", 1);
        assert_eq!(sts.calls()[0].answer, None);
        gate.open();
        assert_eq!(asking.join().expect("the client")["Arn"], json!(alice.arn));
    });
    assert_eq!(sts.calls()[0].answer.as_deref(), Some("hang"));

    // Nobody opens this one: the end of the fake does.
    let _gate = sts.hang("*");
    client.running.send(
        &json!({"method": "get_caller_identity", "arguments": {}, "region": "us-east-1", "url": client.url,
                "key": alice.access_key_id, "secret": alice.secret_access_key, "token": null})
        .to_string(),
    );
    sts.wait_for_calls("GetCallerIdentity", 2);
    drop(sts);
    drop(client.running.line());
    assert!(process::state(client.running.pid()).is_some());
}
