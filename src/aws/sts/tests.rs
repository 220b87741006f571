//! Against an HTTP server on loopback that plays STS.

mod codes;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Mutex;
use std::thread::JoinHandle;

use tiny_http::{Header, Response, Server};

use super::super::endpoint::{self, Variant};
use super::super::retry::tests::HandClock;
use super::*;

const NOW: &str = "2026-01-31T09:30:00Z";
const DATE: &str = "Sat, 31 Jan 2026 09:30:00 GMT";
const ROLE: &str = "arn:aws:iam::123456789012:role/deploy";

/// A server's one answer: status, `Date`, body.
type Reply = (u16, &'static str, String);

/// What the server was sent.
struct Seen {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: String,
}

/// Plays STS: gives one reply a request, in order, and then stops.
struct Fake {
    url: String,
    server: Arc<Server>,
    seen: Arc<Mutex<Vec<Seen>>>,
    thread: Option<JoinHandle<()>>,
}

impl Fake {
    fn new(replies: Vec<Reply>) -> Self {
        let server = Arc::new(Server::http("127.0.0.1:0").expect("a port"));
        let url = format!("http://{}", server.server_addr());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (serving, log) = (Arc::clone(&server), Arc::clone(&seen));
        let run = move || {
            let mut replies = replies.into_iter();
            // unblock() in drop ends the loop.
            while let Ok(mut request) = serving.recv() {
                let mut body = String::new();
                request.as_reader().read_to_string(&mut body).expect("a body");
                let headers = request.headers().iter();
                log.lock().expect("a lock").push(Seen {
                    method: request.method().to_string(),
                    url: request.url().to_owned(),
                    headers: headers.map(|h| (h.field.to_string().to_ascii_lowercase(), h.value.to_string())).collect(),
                    body,
                });
                let (status, date, body) = replies.next().unwrap_or((599, DATE, "not expected".to_owned()));
                let mut response = Response::from_string(body).with_status_code(status);
                response.add_header(Header::from_bytes("Date", date).expect("a header"));
                if (300..400).contains(&status) {
                    response.add_header(Header::from_bytes("Location", "/elsewhere").expect("a header"));
                }
                // The client may have gone: a body that is too large is not read to its end.
                drop(request.respond(response));
            }
        };
        let thread = std::thread::Builder::new().spawn(run).expect("a thread");
        Self { url, server, seen, thread: Some(thread) }
    }

    fn sts(&self) -> Sts {
        sts_at(&self.url)
    }

    fn requests(&self) -> usize {
        self.seen.lock().expect("a lock").len()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.server.unblock();
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn sts_at(url: &str) -> Sts {
    let clock = HandClock::at(NOW);
    let pause = clock.pause();
    let endpoint = endpoint::sts("eu-west-1", Some(url), Variant::default()).expect("an endpoint");
    Sts::new(endpoint, clock, &Network::default()).expect("a client").with_pause(pause)
}

fn keys() -> Keys {
    let secret = |text: &str| Secret::take_string(text.to_owned()).expect("memory");
    Keys {
        access_key_id: "ASIASOURCE".to_owned(),
        secret_access_key: secret("source-secret"),
        session_token: Some(secret("source-token==")),
    }
}

const DEADLINE: Duration = Duration::from_secs(1_060);

fn assume(sts: &Sts) -> Result<Issued, Failure> {
    assume_with(sts, None)
}

/// A second factor, and a code that is in no account number.
const MFA: Mfa<'static> = Mfa { serial: "arn:aws:iam::123456789012:mfa/alice", code: "090807" };

fn assume_with(sts: &Sts, mfa: Option<Mfa<'_>>) -> Result<Issued, Failure> {
    let policy_arns = ["arn:aws:iam::aws:policy/A".to_owned(), "arn:aws:iam::aws:policy/B".to_owned()];
    let ask = AssumeRole {
        role_arn: ROLE,
        session_name: "sentinel-alice-direct-01234567",
        external_id: Some("x:y z"),
        duration: Duration::from_secs(900),
        source_identity: Some("sentinel-alice-direct-01234567"),
        policy: Some("{}"),
        policy_arns: &policy_arns,
        mfa,
    };
    sts.assume_role(&keys(), &ask, DEADLINE)
}

fn credentials(expiration: &str) -> String {
    format!(
        "<Credentials><AccessKeyId>ASIANEW</AccessKeyId><SecretAccessKey>new/secret+</SecretAccessKey>\
         <SessionToken>new-token==</SessionToken><Expiration>{expiration}</Expiration></Credentials>"
    )
}

fn assumed(credentials: &str) -> String {
    format!(
        "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>{credentials}\
         <AssumedRoleUser><AssumedRoleId>AROA:s</AssumedRoleId>\
         <Arn>arn:aws:sts::123456789012:assumed-role/deploy/s</Arn></AssumedRoleUser>\
         <SourceIdentity>sentinel-alice-direct-01234567</SourceIdentity></AssumeRoleResult>\
         <ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></AssumeRoleResponse>"
    )
}

fn whole() -> Reply {
    (200, DATE, assumed(&credentials("2026-01-31T09:45:00Z")))
}

fn refused(status: u16, code: &str, message: &str) -> Reply {
    let body = format!(
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
         <Code>{code}</Code><Message>{message}</Message></Error><RequestId>r</RequestId></ErrorResponse>"
    );
    (status, DATE, body)
}

fn kind(result: Result<Issued, Failure>) -> FailureKind {
    result.err().expect("a failure").kind()
}

fn sentence(result: Result<Issued, Failure>) -> String {
    error::Error::from(result.err().expect("a failure")).to_string()
}

#[test]
fn a_role_is_assumed_with_a_signed_form() {
    let fake = Fake::new(vec![whole()]);
    let issued = assume_with(&fake.sts(), Some(MFA)).expect("credentials");
    assert_eq!(issued.keys.access_key_id, "ASIANEW");
    assert!(issued.keys.secret_access_key.equals(b"new/secret+"));
    assert!(issued.keys.session_token.expect("a token").equals(b"new-token=="));
    assert_eq!(clock::rfc3339_s(issued.expiration), "2026-01-31T09:45:00Z");
    assert_eq!(issued.assumed_role_arn.as_deref(), Some("arn:aws:sts::123456789012:assumed-role/deploy/s"));
    assert_eq!(issued.source_identity.as_deref(), Some("sentinel-alice-direct-01234567"));

    let seen = fake.seen.lock().expect("a lock");
    let [request] = &seen[..] else { panic!("one request, not {}", seen.len()) };
    assert_eq!((&*request.method, &*request.url), ("POST", "/"));
    assert_eq!(
        request.body,
        "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fdeploy\
         &RoleSessionName=sentinel-alice-direct-01234567&DurationSeconds=900&ExternalId=x%3Ay%20z\
         &SourceIdentity=sentinel-alice-direct-01234567&Policy=%7B%7D\
         &PolicyArns.member.1.arn=arn%3Aaws%3Aiam%3A%3Aaws%3Apolicy%2FA\
         &PolicyArns.member.2.arn=arn%3Aaws%3Aiam%3A%3Aaws%3Apolicy%2FB\
         &SerialNumber=arn%3Aaws%3Aiam%3A%3A123456789012%3Amfa%2Falice&TokenCode=090807"
    );
    let header = |name: &str| {
        let mut values = request.headers.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str());
        (values.next().unwrap_or_default().to_owned(), values.count())
    };
    assert_eq!(header("user-agent"), (format!("sentinel/{}", env!("CARGO_PKG_VERSION")), 0));
    assert_eq!(header("host"), (fake.url.trim_start_matches("http://").to_owned(), 0));
    assert_eq!(header("x-amz-security-token"), ("source-token==".to_owned(), 0));
    assert_eq!(header("x-amz-date"), ("20260131T093000Z".to_owned(), 0));
    assert_eq!(header("content-length"), (request.body.len().to_string(), 0));
    assert_eq!(header("transfer-encoding"), (String::new(), 0));
    let (authorization, _) = header("authorization");
    let expected = "AWS4-HMAC-SHA256 Credential=ASIASOURCE/20260131/eu-west-1/sts/aws4_request, \
                    SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, Signature=";
    assert!(authorization.starts_with(expected), "{authorization}");
}

#[test]
fn a_session_token_and_an_identity_are_read() {
    let session = format!(
        "<GetSessionTokenResponse><GetSessionTokenResult>{}</GetSessionTokenResult></GetSessionTokenResponse>",
        credentials("2026-01-31T21:30:00Z")
    );
    let caller = |account: &str| {
        format!(
            "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/a/alice</Arn>\
             <UserId>AIDAALICE</UserId><Account>{account}</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
        )
    };
    let fake =
        Fake::new(vec![(200, DATE, session), (200, DATE, caller("123456789012")), (200, DATE, caller("210987654321"))]);
    let sts = fake.sts();
    let issued = sts.get_session_token(&keys(), Duration::from_secs(43_200), None, DEADLINE).expect("credentials");
    assert_eq!(issued.keys.access_key_id, "ASIANEW");
    assert_eq!((issued.assumed_role_arn, issued.source_identity), (None, None));
    let identity = sts.get_caller_identity(&keys(), DEADLINE).expect("an identity");
    assert_eq!((&*identity.account, &*identity.user_id, &*identity.user()), ("123456789012", "AIDAALICE", "alice"));
    let failure = sts.get_caller_identity(&keys(), DEADLINE).expect_err("another account");
    assert_eq!(failure.kind(), FailureKind::Malformed);
    let seen = fake.seen.lock().expect("a lock");
    assert_eq!(seen[0].body, "Action=GetSessionToken&Version=2011-06-15&DurationSeconds=43200");
    assert_eq!(seen[1].body, "Action=GetCallerIdentity&Version=2011-06-15");
}

#[test]
fn a_throttled_call_is_made_three_times_and_a_denied_one_once() {
    let throttled = || refused(400, "Throttling", "Rate exceeded");
    let fake = Fake::new(vec![throttled(), throttled(), whole()]);
    assert!(assume(&fake.sts()).is_ok());
    assert_eq!(fake.requests(), 3);

    let fake = Fake::new(vec![throttled(), throttled(), throttled(), whole()]);
    assert_eq!(kind(assume(&fake.sts())), FailureKind::Throttled);
    assert_eq!(fake.requests(), 3);

    let fake = Fake::new(vec![refused(403, "AccessDenied", "no"), whole()]);
    assert_eq!(kind(assume(&fake.sts())), FailureKind::Denied);
    assert_eq!(fake.requests(), 1);

    let html = || (500, DATE, "<html>Internal Server Error</html>".to_owned());
    let fake = Fake::new(vec![html(), (503, DATE, String::new()), html(), whole()]);
    assert_eq!(kind(assume(&fake.sts())), FailureKind::Server);
    assert_eq!(fake.requests(), 3);
}

#[test]
fn a_refusal_becomes_a_sentence() {
    let message = "User: arn:aws:iam::1:user/a is not authorized to perform: sts:AssumeRole on resource: r";
    let fake = Fake::new(vec![refused(403, "AccessDenied", message)]);
    assert_eq!(
        sentence(assume(&fake.sts())),
        format!(
            "arn:aws:iam::1:user/a may not perform sts:AssumeRole on {ROLE}\n  \
             the role's trust policy and the caller's policies must both allow it; check the ARN, external ID and MFA"
        )
    );
}

#[test]
fn half_made_or_expired_credentials_are_an_error() {
    let good = credentials("2026-01-31T09:45:00Z");
    let cut = assumed(&good).split_at(200).0.to_owned();
    for (body, why) in [
        (cut, "it is not XML"),
        (String::new(), "it is not XML"),
        (assumed(""), "it has no Credentials"),
        (assumed(&good.replace("<SessionToken>new-token==</SessionToken>", "")), "it has no SessionToken"),
        (assumed(&good.replace("new-token==", "")), "its SessionToken is empty"),
        (assumed(&good.replace("ASIANEW", "")), "its AccessKeyId is empty"),
        (assumed(&good.replace("new/secret+", " ")), "its SecretAccessKey holds spaces or control characters"),
        (assumed(&good.replace("new/secret+", "&#10;")), "its SecretAccessKey holds spaces or control characters"),
        (assumed(&credentials("soon")), "its Expiration is not a time"),
        (assumed(&credentials(NOW)), "its credentials expired at 2026-01-31T09:30:00Z, and it is 2026-01-31T09:30:00Z"),
    ] {
        let fake = Fake::new(vec![(200, DATE, body), whole()]);
        assert_eq!(
            sentence(assume(&fake.sts())),
            format!(
                "cannot use the answer of {} to AssumeRole: {why}\n  check the endpoint, and any proxy on the way",
                fake.server.server_addr()
            )
        );
        assert_eq!(fake.requests(), 1);
    }
}

#[test]
fn a_wrong_clock_is_recognised_by_the_answers_date() {
    const CLOCK: &str = "this host's clock is 20m ahead of AWS's\n  set this host's clock, for example with NTP";
    let early = "Sat, 31 Jan 2026 09:10:00 GMT";
    let (status, _, body) = refused(403, "SignatureDoesNotMatch", "Signature not yet current: 20260131T093000Z");
    let fake = Fake::new(vec![(status, early, body)]);
    assert_eq!(sentence(assume(&fake.sts())), CLOCK);
    let fake = Fake::new(vec![(200, early, assumed(&credentials("2026-01-31T09:25:00Z")))]);
    assert_eq!(sentence(assume(&fake.sts())), CLOCK);
}

#[test]
fn an_error_that_repeats_our_secrets_is_told_without_them() {
    let echo = "you sent source-token== and source-secret, source-secret";
    let fake = Fake::new(vec![refused(400, "ValidationError", echo)]);
    let told = sentence(assume(&fake.sts()));
    assert!(told.contains("(ValidationError): you sent ************** and *************, *************\n"), "{told}");
}

#[test]
fn an_answer_beyond_its_cap_is_refused() {
    let fake = Fake::new(vec![(200, DATE, "x".repeat(2 << 20)), whole()]);
    assert_eq!(kind(assume(&fake.sts())), FailureKind::TooLarge);
    assert_eq!(fake.requests(), 1);
    // Exactly the cap is read, and then found wanting.
    let fake = Fake::new(vec![(200, DATE, "x".repeat(1 << 20))]);
    assert_eq!(kind(assume(&fake.sts())), FailureKind::Malformed);
}

#[test]
fn a_redirect_is_not_followed() {
    for status in [301, 302, 303, 307, 308] {
        let fake = Fake::new(vec![(status, DATE, "moved".to_owned()), whole()]);
        assert_eq!(kind(assume(&fake.sts())), FailureKind::Redirected);
        assert_eq!(fake.requests(), 1);
    }
}

/// A server that answers each of three connections with `bytes`, and closes it.
fn raw(bytes: &'static [u8]) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let serve = move || {
        for stream in listener.incoming().take(3) {
            let mut stream = stream.expect("a connection");
            let mut request = [0; 4096];
            assert!(stream.read(&mut request).expect("a request") > 0);
            stream.write_all(bytes).expect("a client");
            stream.shutdown(std::net::Shutdown::Write).expect("a client");
            // Until the client closes: a reset would overtake the answer.
            while stream.read(&mut request).is_ok_and(|read| read > 0) {}
        }
    };
    (url, std::thread::Builder::new().spawn(serve).expect("a thread"))
}

#[test]
fn a_broken_connection_is_tried_again() {
    let (url, server) = raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n<AssumeRoleResponse>");
    assert_eq!(kind(assume(&sts_at(&url))), FailureKind::Unreachable);
    server.join().expect("three connections");
}

#[test]
fn an_endless_head_is_refused() {
    const HEAD: &[u8] = &{
        let mut head = [b'a'; 20_000];
        let start = *b"HTTP/1.1 200 OK\r\nX: ";
        let mut at = 0;
        while at < start.len() {
            head[at] = start[at];
            at += 1;
        }
        head
    };
    let (url, _server) = raw(HEAD);
    assert_eq!(kind(assume(&sts_at(&url))), FailureKind::TooLarge);
}

#[test]
fn a_port_that_nobody_serves_is_unreachable() {
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.local_addr().expect("an address").port()
    };
    let failure = assume(&sts_at(&format!("http://127.0.0.1:{port}"))).err().expect("a failure");
    assert_eq!(failure.kind(), FailureKind::Unreachable);
    assert_eq!(
        error::Error::from(failure).to_string(),
        format!(
            "cannot reach 127.0.0.1:{port}: Connection refused (os error 111)\n  check the network, the region and HTTPS_PROXY"
        )
    );
}

#[test]
fn a_server_that_does_not_answer_is_left_at_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let deadline = Duration::from_millis(1_000_050);
    let result = sts_at(&url).get_session_token(&keys(), Duration::from_secs(900), None, deadline);
    assert_eq!(kind(result), FailureKind::Timeout);
}

#[test]
fn https_goes_through_the_proxy_which_gets_no_more_than_the_name() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let proxy = format!("http://me:hunter2@{}", listener.local_addr().expect("an address"));
    let serve = move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut request = Vec::new();
        let mut byte = [0; 1];
        while !request.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).expect("a whole head");
            request.extend(byte);
        }
        stream.write_all(b"HTTP/1.1 407 Denied\r\nContent-Length: 0\r\n\r\n").expect("a client");
        String::from_utf8(request).expect("text")
    };
    let server = std::thread::Builder::new().spawn(serve).expect("a thread");
    let network = Network { proxy: Some(proxy), ..Network::default() };
    let clock = HandClock::at(NOW);
    let pause = clock.pause();
    let endpoint = endpoint::sts("eu-west-1", Some("https://sts.invalid"), Variant::default()).expect("an endpoint");
    let sts = Sts::new(endpoint, clock, &network).expect("a client").with_pause(pause);
    let failure = sts.get_caller_identity(&keys(), DEADLINE).expect_err("a refusal");
    assert_eq!(failure.kind(), FailureKind::Unreachable);
    assert!(failure.to_string().starts_with("cannot reach sts.invalid through the proxy: "), "{failure}");
    assert!(!failure.to_string().contains("hunter2"), "{failure}");
    let request = server.join().expect("a request");
    assert!(request.starts_with("CONNECT sts.invalid:443 HTTP/1.1\r\n"), "{request}");
    assert!(!request.contains("source-token") && !request.contains("Action="), "{request}");
}

#[test]
fn nothing_is_sent_after_the_deadline() {
    let fake = Fake::new(vec![whole()]);
    let result = fake.sts().get_session_token(&keys(), Duration::from_secs(900), None, Duration::from_secs(999));
    assert_eq!(kind(result), FailureKind::Timeout);
    assert_eq!(fake.requests(), 0);
}

/// Compiles only if flights on several threads can share one [`Sts`].
const _: fn() = || {
    fn is_shared<T: Send + Sync>() {}
    is_shared::<Sts>();
};
