//! Which paths are taken. Checked after unescaping too, so that no later reader can see another path than we did.

use std::borrow::Cow;

use super::refusal::Refusal;

/// Refuses whatever is not an absolute path in plain characters, with neither query nor dot segments.
pub(super) fn check(target: &str) -> Result<(), Refusal> {
    if !target.starts_with('/') {
        return Err(Refusal::NotOriginForm);
    }
    for byte in target.bytes() {
        match byte {
            b'?' => return Err(Refusal::Query),
            b'#' => return Err(Refusal::Fragment),
            _ if is_plain(byte) || byte == b'%' => {}
            _ => return Err(Refusal::PathCharacter),
        }
    }
    let path = decode(target).ok_or(Refusal::PathCharacter)?;
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        if matches!(segment, "." | "..") || (segment.is_empty() && !is_last) {
            return Err(Refusal::PathSegment);
        }
    }
    Ok(())
}

/// Unescapes once. `None` for an escape that is cut short, or that stands for something that is never taken: a control
/// byte, a space, non-ASCII, `%` (a second unescaping), `.`, `\`, `?` or `#`. Some clients write an ARN's `:` and `/`
/// as escapes, so those are taken.
pub(super) fn decode(path: &str) -> Option<Cow<'_, str>> {
    if !path.contains('%') {
        return Some(Cow::Borrowed(path));
    }
    let mut decoded = String::with_capacity(path.len());
    let mut characters = path.chars();
    while let Some(character) = characters.next() {
        if character != '%' {
            decoded.push(character);
            continue;
        }
        let high = characters.next()?.to_digit(16)?;
        let low = characters.next()?.to_digit(16)?;
        let byte = u8::try_from(high.checked_mul(16)?.checked_add(low)?).ok()?;
        if !byte.is_ascii_graphic() || b"%.\\?#".contains(&byte) {
            return None;
        }
        decoded.push(char::from(byte));
    }
    Some(Cow::Owned(decoded))
}

/// What stands for itself: RFC 3986's unreserved characters, and those of role ARNs (IAM names are `[A-Za-z0-9+=,.@_-]`).
pub(super) fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"/-._~:@+=,".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_is_taken_plain_and_escaped() {
        for path in [
            "/role-arn/arn:aws:iam::123456789012:role/team/deploy+x=y,z.@_-",
            "/role-arn/arn%3Aaws%3Aiam%3A%3A123456789012%3Arole/team/deploy%2Bx=y,z.@_-",
            "/role-arn/arn%3aaws%3aiam%3a%3a123456789012%3arole%2fteam%2fdeploy+x%3Dy%2Cz.%40_-",
        ] {
            assert_eq!(check(path), Ok(()), "{path}");
            assert_eq!(
                decode(path).as_deref(),
                Some("/role-arn/arn:aws:iam::123456789012:role/team/deploy+x=y,z.@_-"),
                "{path}"
            );
        }
    }

    #[test]
    fn a_trailing_slash_and_dots_inside_names_are_taken() {
        for path in ["/", "/latest/meta-data/", "/a..b", "/...", "/.well-known", "/a."] {
            assert_eq!(check(path), Ok(()), "{path}");
        }
    }

    #[test]
    fn another_path_in_disguise_is_refused() {
        for path in ["//", "//a", "/a//b", "/a//", "/.", "/..", "/a/../b", "/a/.", "/%2F", "/a%2f/b", "/a%2F..%2Fb"] {
            assert_eq!(check(path), Err(Refusal::PathSegment), "{path}");
        }
        for path in [
            "/%00",
            "/a%0d%0ab",
            "/%20",
            "/%7f",
            "/%80",
            "/%C3%A9",
            "/%2e%2E",
            "/%252e",
            "/%5c",
            "/%3F",
            "/%23",
            "/%",
            "/%4",
            "/%zz",
            "/%+4",
            "/a\\b",
            "/a;b",
            "/a*",
            "/a\"b",
            "/{a}",
            "/a|b",
            "/a'b",
            "/$a",
        ] {
            assert_eq!(check(path), Err(Refusal::PathCharacter), "{path}");
        }
    }

    #[test]
    fn other_forms_queries_and_fragments_are_refused() {
        for target in ["", "*", "a", "http://127.0.0.1:4321/", "127.0.0.1:4321", "?a"] {
            assert_eq!(check(target), Err(Refusal::NotOriginForm), "{target}");
        }
        assert_eq!(check("/?"), Err(Refusal::Query));
        assert_eq!(check("/a?b=c"), Err(Refusal::Query));
        assert_eq!(check("/#a"), Err(Refusal::Fragment));
    }
}
