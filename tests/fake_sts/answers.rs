//! Answers in AWS's Query format.

use jiff::Timestamp;

use super::wire::Response;

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// An error as AWS words it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), message: message.into() }
    }

    pub(crate) fn access_denied(message: impl Into<String>) -> Self {
        Self::new(403, "AccessDenied", message)
    }

    /// A parameter outside its constraint.
    pub(crate) fn validation(value: &str, parameter: &str, constraint: &str) -> Self {
        Self::new(
            400,
            "ValidationError",
            format!(
                "1 validation error detected: Value '{value}' at '{parameter}' failed to satisfy constraint: Member must \
                 {constraint}"
            ),
        )
    }

    pub(crate) fn response(&self, request_id: &str) -> Response {
        let kind = if self.status < 500 { "Sender" } else { "Receiver" };
        let (code, message) = (escape(&self.code), escape(&self.message));
        let body = format!(
            "<ErrorResponse xmlns=\"{NAMESPACE}\">\n  <Error>\n    <Type>{kind}</Type>\n    <Code>{code}</Code>\n    \
             <Message>{message}</Message>\n  </Error>\n  <RequestId>{request_id}</RequestId>\n</ErrorResponse>\n"
        );
        xml(self.status, body, request_id)
    }
}

/// `<ActionResponse><ActionResult>...`, with the elements given as text or as a nest.
pub(crate) fn success(action: &str, elements: &[Element], request_id: &str) -> Response {
    let mut body = format!("<{action}Response xmlns=\"{NAMESPACE}\">\n  <{action}Result>\n");
    for element in elements {
        element.write(&mut body);
    }
    body.push_str(&format!(
        "  </{action}Result>\n  <ResponseMetadata>\n    <RequestId>{request_id}</RequestId>\n  </ResponseMetadata>\n\
         </{action}Response>\n"
    ));
    xml(200, body, request_id)
}

/// One element of a result.
#[derive(Debug, Clone)]
pub(crate) enum Element {
    Text(&'static str, String),
    Nest(&'static str, Vec<Element>),
}

impl Element {
    fn write(&self, out: &mut String) {
        match self {
            Self::Text(name, text) => out.push_str(&format!("    <{name}>{}</{name}>\n", escape(text))),
            Self::Nest(name, inner) => {
                out.push_str(&format!("    <{name}>\n"));
                for element in inner {
                    element.write(out);
                }
                out.push_str(&format!("    </{name}>\n"));
            }
        }
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`.
pub(crate) fn http_date(time: Timestamp) -> String {
    time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

fn xml(status: u16, body: String, request_id: &str) -> Response {
    let headers = vec![
        ("x-amzn-RequestId".to_owned(), request_id.to_owned()),
        ("Content-Type".to_owned(), "text/xml".to_owned()),
    ];
    Response { status, headers, body: body.into_bytes() }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
