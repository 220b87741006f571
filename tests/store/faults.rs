//! Tables where DynamoDB does not do what it should: it throttles, hangs, lies, or takes a write and does not say so.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use sentinel::clock::{Clock, SystemClock};
use sentinel::store::record::Record;
use sentinel::store::{DynamoDb, Engine, Failed, Kind, Session, Tables};
use serde_json::{Value, json};

use super::tables::{Fixed, Place, clock};
use super::{error, session};
use crate::fake_sts::wire::{Answer, Response, Server};
use crate::harness::one_of_three;

/// What was asked, in order: the operation and its body.
type Asked = Arc<Mutex<Vec<(String, Value)>>>;

fn response(status: u16, body: &[u8]) -> Response {
    Response { status, headers: Vec::new(), body: body.to_vec() }
}

fn answer(status: u16, body: &Value) -> Answer {
    Answer::Whole(response(status, body.to_string().as_bytes()))
}

fn refusal(code: &str) -> Answer {
    answer(400, &json!({"__type": format!("com.amazonaws.dynamodb.v20120810#{code}"), "message": "no"}))
}

/// A DynamoDB that gives these answers one after the other, and the engine of the table `sessions` there.
fn scripted(answers: impl IntoIterator<Item = Answer>) -> (Server, DynamoDb, Asked) {
    let answers = Mutex::new(answers.into_iter().collect::<VecDeque<_>>());
    let asked = Asked::default();
    let noted = Arc::clone(&asked);
    let server = Server::start(move |request| {
        let operation = request.header("x-amz-target").unwrap_or_default().rsplit('.').next().unwrap_or_default();
        let body = serde_json::from_slice(&request.body).unwrap_or_default();
        noted.lock().expect("a lock").push((operation.to_owned(), body));
        answers.lock().expect("a lock").pop_front().unwrap_or_else(|| refusal("NobodyExpectedThisCall"))
    });
    let engine = engine(&server);
    (server, engine, asked)
}

fn engine(server: &Server) -> DynamoDb {
    let place =
        Place { url: server.url(), keys: Fixed::new("AKIAIOSFODNN7EXAMPLE", "very-secret", Some("token-secret")) };
    let tables = Tables { sessions: Some("sessions".to_owned()), ..Tables::default() };
    DynamoDb::new(place.api(clock()).with_pause(Arc::new(|_| {})), tables, clock()).expect("names of tables")
}

fn operations(asked: &Asked) -> Vec<String> {
    asked.lock().expect("a lock").iter().map(|(operation, _)| operation.clone()).collect()
}

fn attributes(session: &Session) -> Value {
    let attribute = |value| match value {
        sentinel::store::record::Value::Text(text) => json!({"S": text}),
        sentinel::store::record::Value::Number(number) => json!({"N": number.to_string()}),
    };
    session.to_item().0.into_iter().map(|(name, value)| (name, attribute(value))).collect()
}

#[test]
fn throttling_is_waited_out() {
    for code in ["ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded"] {
        let (_server, engine, asked) = scripted([refusal(code), refusal(code), answer(200, &json!({}))]);
        engine.insert(Kind::Session, &session().to_item()).unwrap_or_else(|failed| panic!("{code}: {failed:?}"));
        assert_eq!(operations(&asked), ["PutItem"; 3]);
    }
}

#[test]
fn throttling_without_end_is_a_sentence() {
    let code = "ProvisionedThroughputExceededException";
    let (server, engine, asked) = scripted((0..9).map(|_| refusal(code)));
    let said = error(engine.get(Kind::Session, &session().id)).to_string();
    let host = server.url().replace("http://", "");
    assert_eq!(
        said,
        format!(
            "the DynamoDB table `sessions`: AWS is throttling GetItem at {host} ({code})\n  wait a minute: the limit is \
             shared by the whole account"
        )
    );
    assert_eq!(operations(&asked).len(), 3);
}

#[test]
fn a_write_whose_answer_was_lost_is_seen_to_be_ours() {
    let session = session();
    let condition = || refusal("ConditionalCheckFailedException");
    for lost in
        [Answer::Reset, Answer::Whole(response(500, b"")), Answer::Half(response(200, b"{\"ConsumedCapacity\":{}}"))]
    {
        let found = answer(200, &json!({"Item": attributes(&session)}));
        let (_server, engine, asked) = scripted([lost, condition(), found]);
        engine.insert(Kind::Session, &session.to_item()).expect("it was written");
        assert_eq!(operations(&asked), ["PutItem", "PutItem", "GetItem"]);
    }
    let other = Session { user: "mallory".to_owned(), ..session.clone() };
    let found = answer(200, &json!({"Item": attributes(&other)}));
    let (_server, engine, _) = scripted([Answer::Reset, condition(), found]);
    assert!(matches!(engine.insert(Kind::Session, &session.to_item()), Err(Failed::Conflict)));
    // Who was answered at once need not ask.
    let (_server, engine, asked) = scripted([refusal("ThrottlingException"), condition()]);
    assert!(matches!(engine.insert(Kind::Session, &session.to_item()), Err(Failed::Conflict)));
    assert_eq!(operations(&asked), ["PutItem", "PutItem"]);
    // The same of a replacement.
    let next = Session { version: 2, request_count: 1, revoked_by: None, ..session };
    let found = answer(200, &json!({"Item": attributes(&next)}));
    let (_server, engine, asked) = scripted([Answer::Reset, condition(), found]);
    engine.replace(Kind::Session, &next.to_item()).expect("it was written");
    assert_eq!(operations(&asked), ["UpdateItem", "UpdateItem", "GetItem"]);
}

#[test]
fn reads_are_consistent_and_writes_are_conditional() {
    let session = session();
    let (_server, engine, asked) = scripted((0..4).map(|_| answer(200, &json!({}))));
    assert_eq!(engine.get(Kind::Session, &session.id).expect("an answer"), None);
    engine.insert(Kind::Session, &session.to_item()).expect("inserted");
    for version in [1, 2] {
        engine.replace(Kind::Session, &Session { version, ..session.clone() }.to_item()).expect("replaced");
    }
    let asked = asked.lock().expect("a lock");
    assert_eq!(asked[0].1["ConsistentRead"], true);
    assert_eq!(asked[1].1["ConditionExpression"], "attribute_not_exists(#id)");
    let was = "attribute_exists(#id) AND attribute_not_exists(#version) AND #status IN (:was0)";
    assert_eq!(asked[2].1["ConditionExpression"], was);
    let was = "attribute_exists(#id) AND #version = :version AND #status IN (:was0)";
    assert_eq!(asked[3].1["ConditionExpression"], was);
    assert_eq!(asked[3].1["ExpressionAttributeValues"][":was0"], json!({"S": "active"}));
    assert_eq!(asked[3].1["ExpressionAttributeValues"][":version"], json!({"N": "1"}));
}

#[test]
fn an_answer_that_is_none_is_an_error_that_names_the_table() {
    let large = vec![b' '; (1 << 20) + 1];
    for (name, broken, why) in [
        ("garbage", Answer::Whole(response(200, b"\xff<html>")), "cannot use the answer of"),
        ("another kind", Answer::Whole(response(200, b"{\"Item\":[]}")), "its Item is no object"),
        ("too large", Answer::Whole(response(200, &large)), "is too large"),
        (
            "a redirect",
            Answer::Whole(Response {
                status: 302,
                headers: vec![("Location".to_owned(), "https://elsewhere.example/".to_owned())],
                body: Vec::new(),
            }),
            "with a redirect",
        ),
        ("a secret", refusal("SignatureDoesNotMatch"), "AWS refused the signature"),
    ] {
        let (_server, engine, asked) = scripted([broken]);
        let said = error(engine.get(Kind::Session, &session().id)).to_string();
        assert!(said.starts_with("the DynamoDB table `sessions`: ") && said.contains(why), "{name}: {said}");
        assert_eq!(operations(&asked), ["GetItem"], "{name}");
    }
}

#[test]
fn another_item_than_was_asked_for_is_no_answer() {
    let (asked_for, other) = (session(), session());
    let (_server, engine, _) = scripted([answer(200, &json!({"Item": attributes(&other)}))]);
    let said = error(engine.get(Kind::Session, &asked_for.id)).summary();
    assert_eq!(said, format!("the DynamoDB table `sessions` gave another item than {}", asked_for.id));
}

#[test]
fn keys_that_may_not_are_told_what_they_lack() {
    let user = "arn:aws:iam::123456789012:user/alice";
    let message = format!(
        "User: {user} is not authorized to perform: dynamodb:GetItem on resource: \
         arn:aws:dynamodb:us-east-1:123456789012:table/sessions because no identity-based policy allows the \
         dynamodb:GetItem action"
    );
    let body = json!({"__type": "com.amazon.coral.service#AccessDeniedException", "Message": message});
    let (_server, engine, _) = scripted([answer(400, &body)]);
    assert_eq!(
        error(engine.get(Kind::Session, &session().id)).to_string(),
        format!(
            "the DynamoDB table `sessions`: {user} may not perform dynamodb:GetItem because no identity-based policy \
             allows the dynamodb:GetItem action\n  check the policies of the source credentials"
        )
    );
}

#[test]
fn what_aws_repeats_of_the_keys_is_not_shown() {
    let body = json!({"__type": "ValidationException", "message": "string-to-sign: very-secret token-secret"});
    let (_server, engine, _) = scripted([answer(400, &body)]);
    let said = error(engine.get(Kind::Session, &session().id)).to_string();
    assert!(said.contains("string-to-sign: *********** ************"), "{said}");
}

#[test]
fn an_item_that_is_no_record_is_a_flaw_of_the_listing() {
    let good = session();
    let mut bad = attributes(&good);
    bad["id"] = json!({"S": "../../x"});
    let page = json!({"Items": [bad, attributes(&good)]});
    let (_server, engine, _) = scripted([answer(200, &page)]);
    let listing = engine.list(Kind::Session, None, 10).expect("a listing");
    assert_eq!(listing.items, [good.to_item()]);
    let flaws: Vec<String> = listing.flaws.iter().map(ToString::to_string).collect();
    assert_eq!(flaws, ["the DynamoDB table `sessions`: `../../x` is not an id of 16 hex digits"]);
}

/// No call takes longer than 5 s, whatever it waits for.
#[test]
fn a_dynamodb_that_hangs_is_not_waited_for() {
    let (release, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let server = Server::start(move |_| {
        // Until the test is over.
        let _ended = held.lock().expect("a lock").recv();
        Answer::Reset
    });
    let engine = engine(&server);
    let said = one_of_three(|| {
        let began = SystemClock.boot();
        let said = error(engine.get(Kind::Session, &session().id)).to_string();
        let took = SystemClock.boot() - began;
        assert!(took >= Duration::from_secs(4), "{took:?}");
        if took < Duration::from_secs(7) { Ok(said) } else { Err(format!("{took:?}")) }
    });
    drop(release);
    assert!(said.contains("did not answer GetItem in time"), "{said}");
}

/// Pages without end, as a table that is written faster than it is read would give.
#[test]
fn a_listing_without_end_ends() {
    let page = json!({"Items": [], "LastEvaluatedKey": {"id": {"S": "0123456789abcdef"}}});
    let server = Server::start(move |_| answer(200, &page));
    let said = one_of_three(|| {
        let began = SystemClock.boot();
        let said = error(engine(&server).list(Kind::Session, None, 10)).to_string();
        let took = SystemClock.boot() - began;
        if took < Duration::from_secs(7) { Ok(said) } else { Err(format!("{took:?}")) }
    });
    assert_eq!(
        said,
        "the DynamoDB table `sessions` has more records than are read in 5 s\n  ask for fewer: those of a user, a profile \
         or a status"
    );
}
