use super::*;

const EVERY_ERROR: [ErrorAnswer; 15] = [
    ErrorAnswer::BadRequest,
    ErrorAnswer::Unauthorized,
    ErrorAnswer::Forbidden,
    ErrorAnswer::PolicyDenied,
    ErrorAnswer::SessionRevoked,
    ErrorAnswer::NotFound,
    ErrorAnswer::MethodNotAllowed(Allowed::GetHead),
    ErrorAnswer::MethodNotAllowed(Allowed::Put),
    ErrorAnswer::RequestTimeout,
    ErrorAnswer::BodyTooLarge,
    ErrorAnswer::HeadTooLarge,
    ErrorAnswer::RateLimited { retry_after_s: u32::MAX },
    ErrorAnswer::CredentialsFailed,
    ErrorAnswer::PolicyFailed,
    ErrorAnswer::CredentialsPending,
];

fn text(answer: ErrorAnswer, method: Method, keep_alive: bool) -> String {
    String::from_utf8(answer.bytes(method, keep_alive)).expect("ASCII")
}

#[test]
fn a_refused_caller_gets_these_bytes() {
    assert_eq!(
        text(ErrorAnswer::Forbidden, Method::Get, true),
        "HTTP/1.1 403 Forbidden\r\n\
         Content-Type: application/json\r\n\
         Content-Length: 119\r\n\
         Cache-Control: no-store\r\n\
         Connection: close\r\n\
         \r\n\
         {\"code\":\"Forbidden\",\"message\":\"invalid Authorization token\",\
         \"Code\":\"Forbidden\",\"Message\":\"invalid Authorization token\"}"
    );
}

#[test]
fn a_waiting_caller_may_keep_the_connection() {
    assert_eq!(
        text(ErrorAnswer::CredentialsPending, Method::Head, true),
        "HTTP/1.1 503 Service Unavailable\r\n\
         Content-Type: application/json\r\n\
         Content-Length: 163\r\n\
         Cache-Control: no-store\r\n\
         Retry-After: 1\r\n\
         \r\n"
    );
}

#[test]
fn each_error_has_its_status_and_code() {
    let table: Vec<(u16, &str, &str, bool)> =
        EVERY_ERROR.iter().map(|error| (error.status(), error.code(), error.message(), error.closes())).collect();
    assert_eq!(
        table,
        [
            (400, "BadRequest", "Bad request", true),
            (401, "Unauthorized", "No live session token", false),
            (403, "Forbidden", "invalid Authorization token", true),
            (403, "PolicyDenied", "Policy denied access", false),
            (403, "SessionRevoked", "Session revoked", false),
            (404, "NotFound", "Not found", false),
            (405, "MethodNotAllowed", "Method not allowed", true),
            (405, "MethodNotAllowed", "Method not allowed", true),
            (408, "RequestTimeout", "Request timed out", true),
            (413, "BodyTooLarge", "Request body too large", true),
            (431, "HeadTooLarge", "Request head too large", true),
            (429, "RateLimited", "Rate limit exceeded", false),
            (500, "CredentialsFailed", "Failed to retrieve credentials", false),
            (500, "PolicyFailed", "Failed to load policy", false),
            (503, "CredentialsPending", "Credentials are being fetched, try again", false),
        ]
    );
}

#[test]
fn every_error_is_json_under_both_spellings_with_its_exact_length() {
    for error in EVERY_ERROR {
        let answer = text(error, Method::Get, true);
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let json: serde_json::Value = serde_json::from_str(body).expect("JSON");
        let expected = serde_json::json!({
            "code": error.code(), "message": error.message(), "Code": error.code(), "Message": error.message(),
        });
        assert_eq!(json, expected);
        assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{head}");
        assert_eq!(head.contains("\r\nConnection: close"), error.closes(), "{head}");
    }
}

#[test]
fn head_gets_the_same_head_and_no_body() {
    for error in EVERY_ERROR {
        let get = text(error, Method::Get, true);
        let (head, _) = get.split_once("\r\n\r\n").expect("a head");
        assert_eq!(text(error, Method::Head, true), format!("{head}\r\n\r\n"));
    }
}

#[test]
fn a_client_that_closes_is_told_so() {
    for error in EVERY_ERROR {
        assert!(text(error, Method::Get, false).contains("\r\nConnection: close\r\n"), "{error:?}");
    }
}

#[test]
fn allow_and_retry_after_are_there_where_they_mean_something() {
    for (error, header) in [
        (ErrorAnswer::MethodNotAllowed(Allowed::GetHead), "\r\nAllow: GET, HEAD\r\n"),
        (ErrorAnswer::MethodNotAllowed(Allowed::Put), "\r\nAllow: PUT\r\n"),
        (ErrorAnswer::RateLimited { retry_after_s: 17 }, "\r\nRetry-After: 17\r\n"),
        (ErrorAnswer::CredentialsPending, "\r\nRetry-After: 1\r\n"),
    ] {
        assert!(text(error, Method::Get, true).contains(header), "{error:?}");
    }
}

#[test]
fn what_broke_a_rule_of_the_edge_ends_the_connection() {
    for (refusal, answer) in [
        (Refusal::ForeignHost, ErrorAnswer::BadRequest),
        (Refusal::Browser, ErrorAnswer::BadRequest),
        (Refusal::TransferEncoding, ErrorAnswer::BadRequest),
        (Refusal::Version, ErrorAnswer::BadRequest),
        (Refusal::Method, ErrorAnswer::MethodNotAllowed(Allowed::GetHead)),
        (Refusal::BodyTooLarge, ErrorAnswer::BodyTooLarge),
        (Refusal::HeadTooLarge, ErrorAnswer::HeadTooLarge),
        (Refusal::TooManyHeaders, ErrorAnswer::HeadTooLarge),
    ] {
        assert_eq!(ErrorAnswer::from(refusal), answer, "{}", refusal.detail());
        assert!(answer.closes(), "{answer:?}");
    }
}

#[test]
fn the_credentials_head_is_these_bytes() {
    let mut buffer = [0; HEAD_BYTES];
    assert_eq!(
        success_head(&mut buffer, Success::Json, 1234, true).expect("it fits").escape_ascii().to_string(),
        "HTTP/1.1 200 OK\\r\\nContent-Type: application/json\\r\\nContent-Length: 1234\\r\\n\
         Cache-Control: no-store\\r\\n\\r\\n"
    );
}

#[test]
fn a_session_token_is_text_and_says_for_how_long_it_is_good() {
    let mut buffer = [0; HEAD_BYTES];
    assert_eq!(
        success_head(&mut buffer, Success::SessionToken(60), 59, true).expect("it fits").escape_ascii().to_string(),
        "HTTP/1.1 200 OK\\r\\nContent-Type: text/plain\\r\\nContent-Length: 59\\r\\n\
         Cache-Control: no-store\\r\\nX-Aws-Ec2-Metadata-Token-Ttl-Seconds: 60\\r\\n\\r\\n"
    );
    let text = success_head(&mut buffer, Success::Text, 9, false).expect("it fits").escape_ascii().to_string();
    assert_eq!(
        text,
        "HTTP/1.1 200 OK\\r\\nContent-Type: text/plain\\r\\nContent-Length: 9\\r\\n\
         Cache-Control: no-store\\r\\nConnection: close\\r\\n\\r\\n"
    );
}

#[test]
fn the_longest_heads_fit() {
    let mut buffer = [0; HEAD_BYTES];
    for success in [Success::Json, Success::Text, Success::SessionToken(u32::MAX)] {
        let head = success_head(&mut buffer, success, usize::MAX, false).expect("it fits");
        assert!(head.ends_with(b"\r\n\r\n") && head.len() < HEAD_BYTES, "{}", head.escape_ascii());
    }
}
