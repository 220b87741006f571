//! STS's answers in the Query protocol: XML to fields, strictly; errors to [`Failure`].
//!
//! Reading is total: any bytes give fields or a failure. DTDs are refused, an element that is promised once is there
//! once, and text is one run of characters without comments or children in it.

use roxmltree::{Document, Node, ParsingOptions};

use super::client::Answer;
use super::failure::{Failure, FailureKind};

/// The most nodes taken: an answer has about thirty.
const NODES_MAX: u32 = 1_000;

/// Reads the result of `operation` with `read`, which gets the element `<operation>Result`.
///
/// # Errors
/// What AWS said, or [`FailureKind::Malformed`].
pub fn read<T>(
    answer: &Answer,
    operation: &str,
    read: impl FnOnce(Element<'_, '_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let document = parse(&answer.body);
    if answer.status != 200 {
        let (code, message) = document.as_ref().map(error_fields).unwrap_or_default();
        if (200..300).contains(&answer.status) {
            return Err(malformed(&format!("its status is {}", answer.status)));
        }
        return Err(Failure::answered(answer.status, code, message));
    }
    let document = document.ok_or_else(|| malformed("it is not XML"))?;
    let root = Element(document.root_element());
    if root.name() != format!("{operation}Response") {
        return Err(malformed("it answers another call"));
    }
    read(root.child(&format!("{operation}Result"))?)
}

/// An element of an answer.
#[derive(Clone, Copy)]
pub struct Element<'a, 'input>(Node<'a, 'input>);

impl<'a, 'input> Element<'a, 'input> {
    /// The name, without its namespace.
    fn name(self) -> &'a str {
        self.0.tag_name().name()
    }

    /// The only child element of that name.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub fn child(self, name: &str) -> Result<Self, Failure> {
        self.optional(name)?.ok_or_else(|| malformed(&format!("it has no {name}")))
    }

    /// The only child element of that name, or none.
    ///
    /// # Errors
    /// When there is more than one.
    pub fn optional(self, name: &str) -> Result<Option<Self>, Failure> {
        let mut found = self.0.children().filter(|child| child.is_element()).map(Element).filter(|e| e.name() == name);
        let first = found.next();
        if found.next().is_some() {
            return Err(malformed(&format!("it has more than one {name}")));
        }
        Ok(first)
    }

    /// The text of the only child of that name: visible ASCII, not empty.
    ///
    /// # Errors
    /// When there is no such child, or it holds anything else.
    pub fn text(self, name: &str) -> Result<&'a str, Failure> {
        let text = self.child(name)?.own_text().unwrap_or_default();
        if text.is_empty() {
            return Err(malformed(&format!("its {name} is empty")));
        }
        if !super::keys::is_visible(text.as_bytes()) {
            return Err(malformed(&format!("its {name} holds spaces or control characters")));
        }
        Ok(text)
    }

    /// The text, if that is all there is.
    fn own_text(self) -> Option<&'a str> {
        let mut children = self.0.children();
        let text = children.next().filter(|child| child.is_text())?.text()?;
        children.next().is_none().then_some(text)
    }
}

/// An answer that breaks its promise. `why` must hold nothing of the answer.
pub fn malformed(why: &str) -> Failure {
    Failure::new(FailureKind::Malformed, why)
}

/// The document, if these bytes are one.
fn parse(body: &[u8]) -> Option<Document<'_>> {
    let text = std::str::from_utf8(body).ok()?.trim_start();
    if text.contains("<!DOCTYPE") {
        return None;
    }
    let options = ParsingOptions { allow_dtd: false, nodes_limit: NODES_MAX, ..ParsingOptions::default() };
    Document::parse_with_options(text, options).ok()
}

/// Code and message of `<ErrorResponse><Error>`, or of `<Errors><Error>` in it, as other services of the Query protocol
/// and emulators write it; empty where absent.
fn error_fields<'a>(document: &'a Document<'_>) -> (&'a str, &'a str) {
    let root = Element(document.root_element());
    if root.name() != "ErrorResponse" {
        return ("", "");
    }
    let Ok(error) = root.child("Error").or_else(|_| root.child("Errors")?.child("Error")) else { return ("", "") };
    let text = |name: &str| error.child(name).ok().and_then(Element::own_text).unwrap_or_default().trim();
    (text("Code"), text("Message"))
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    const GOOD: &str = "<?xml version=\"1.0\"?><XResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><XResult>\
                        <A>one</A></XResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></XResponse>";

    fn a(status: u16, body: &[u8]) -> Result<String, Failure> {
        let answer = Answer { status, date: None, body: Zeroizing::new(body.to_vec()) };
        read(&answer, "X", |result| result.text("A").map(str::to_owned))
    }

    fn nested(depth: usize) -> String {
        format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth))
    }

    #[test]
    fn a_whole_answer_is_read() {
        assert_eq!(a(200, GOOD.as_bytes()), Ok("one".to_owned()));
        assert_eq!(a(200, b"<XResponse><XResult><A>&lt;&#65;</A></XResult></XResponse>"), Ok("<A".to_owned()));
        assert_eq!(a(200, b"<XResponse><XResult><A><![CDATA[a]]></A></XResult></XResponse>"), Ok("a".to_owned()));
    }

    #[test]
    fn anything_less_says_what_is_wrong() {
        let deep = nested(100_000);
        for (body, why) in [
            ("", "it is not XML"),
            ("<html><body>hello", "it is not XML"),
            ("<!DOCTYPE x [<!ENTITY e \"x\">]><XResponse/>", "it is not XML"),
            ("<!DOCTYPE XResponse><XResponse><XResult><A>a</A></XResult></XResponse>", "it is not XML"),
            ("<YResponse/>", "it answers another call"),
            ("<XResponse/>", "it has no XResult"),
            ("<XResponse><XResult/></XResponse>", "it has no A"),
            ("<XResponse><XResult><A/></XResult></XResponse>", "its A is empty"),
            ("<XResponse><XResult><A>a<!-- -->b</A></XResult></XResponse>", "its A is empty"),
            ("<XResponse><XResult><A>a<b/></A></XResult></XResponse>", "its A is empty"),
            ("<XResponse><XResult><A>a b</A></XResult></XResponse>", "its A holds spaces or control characters"),
            ("<XResponse><XResult><A>a</A><A>b</A></XResult></XResponse>", "it has more than one A"),
            (&deep, "it is not XML"),
        ] {
            assert_eq!(a(200, body.as_bytes()), Err(malformed(why)), "{}", body.get(..60).unwrap_or(body));
        }
        assert_eq!(a(200, b"\xff\xfe"), Err(malformed("it is not XML")));
        assert_eq!(a(204, GOOD.as_bytes()), Err(malformed("its status is 204")));
    }

    #[test]
    fn an_error_is_read_from_xml_or_from_the_status() {
        let error = |code: &str| {
            format!(
                "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>m\n</Message></Error><RequestId>r</RequestId></ErrorResponse>"
            )
        };
        for (status, body, expected) in [
            (400, error("Throttling"), Failure::answered(400, "Throttling", "m")),
            (403, error("AccessDenied"), Failure::answered(403, "AccessDenied", "m")),
            (
                403,
                error("AccessDenied").replace("<Error>", "<Errors><Error>").replace("</Error>", "</Error></Errors>"),
                Failure::answered(403, "AccessDenied", "m"),
            ),
            (400, format!("\n {}", error("Throttling")), Failure::answered(400, "Throttling", "m")),
            (500, "<!DOCTYPE html><h1>oops</h1>".to_owned(), Failure::answered(500, "", "")),
            (500, String::new(), Failure::answered(500, "", "")),
            (403, "<ErrorResponse/>".to_owned(), Failure::answered(403, "", "")),
            (302, "<html/>".to_owned(), Failure::answered(302, "", "")),
        ] {
            assert_eq!(a(status, body.as_bytes()), Err(expected));
        }
    }

    // A xorshift generator with a fixed seed: the same inputs in every run.
    #[test]
    fn no_bytes_make_it_panic() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = move |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state >> 33).expect("31 bits") % below
        };
        let pieces: [&[u8]; 12] =
            [b"<", b">", b"</A>", b"<A>", b"&#0;", b"&lt;", b"<![CDATA[", b"]]>", b"<!--", b"\0", b"\xff", b"<?x?>"];
        let mut read = 0;
        for _ in 0..20_000 {
            let mut body = GOOD.as_bytes().to_vec();
            for _ in 0..=random(3) {
                let at = random(body.len());
                match random(3) {
                    0 => body.truncate(at.max(1)),
                    1 => body[at] ^= 1 << random(8),
                    _ => drop(body.splice(at..at, pieces[random(pieces.len())].iter().copied())),
                }
            }
            read += usize::from(a(200, &body).is_ok());
            assert!(a(500, &body).is_err());
        }
        assert!(read > 0 && read < 20_000, "{read}");
    }
}
