//! What AWS accepts as a role, a session name, an external id, a region; and which URLs credentials may be sent to.
//!
//! Sources: the STS API reference (AssumeRole) and the IAM user guide (ARNs).

use std::net::{Ipv4Addr, Ipv6Addr};

/// `[\w+=,.@-]`, 2 to 64 characters.
pub(super) fn is_role_session_name(text: &str) -> bool {
    (2..=64).contains(&text.len()) && text.bytes().all(|b| is_word(b) || b"+=,.@-".contains(&b))
}

/// `[\w+=,.@:/-]`, 2 to 1224 characters.
pub(super) fn is_external_id(text: &str) -> bool {
    (2..=1224).contains(&text.len()) && text.bytes().all(|b| is_word(b) || b"+=,.@:/-".contains(&b))
}

/// `[\w+=/:,.@-]`, 9 to 256 characters (AssumeRole, SerialNumber).
pub(super) fn is_mfa_serial(text: &str) -> bool {
    (9..=256).contains(&text.len()) && text.bytes().all(|b| is_word(b) || b"+=/:,.@-".contains(&b))
}

/// `arn:PARTITION:iam::ACCOUNT:role/[PATH/]NAME`, 20 to 2048 characters.
pub(super) fn is_role_arn(text: &str) -> bool {
    let mut parts = text.splitn(6, ':');
    let mut next = || parts.next().unwrap_or_default();
    (20..=2048).contains(&text.len())
        && next() == "arn"
        && is_partition(next())
        && next() == "iam"
        && next().is_empty()
        && is_account(next())
        && next().strip_prefix("role/").is_some_and(is_role_path)
}

fn is_partition(text: &str) -> bool {
    text.starts_with("aws") && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

/// An optional path of printable characters, and a name of the characters that IAM allows in one.
fn is_role_path(text: &str) -> bool {
    let (path, name) = text.rsplit_once('/').unwrap_or(("", text));
    !name.is_empty()
        && name.bytes().all(|b| is_word(b) || b"+=,.@-".contains(&b))
        && path.bytes().all(|b| b.is_ascii_graphic())
}

/// `[a-z0-9-]`, at most one DNS label: it becomes part of a host name.
pub(super) fn is_region(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// Why signed requests may not go to `url`: what follows "it". `None` when they may.
pub(super) fn endpoint_problem(url: &str) -> Option<&'static str> {
    const NOT_A_URL: Option<&str> = Some("is not a URL of the form https://HOST[:PORT][/PATH]");
    let Some((scheme, rest)) = url.split_once("://") else { return NOT_A_URL };
    if !rest.bytes().all(|b| b.is_ascii_graphic() && !b"\\?#\"<>".contains(&b)) {
        return NOT_A_URL;
    }
    let authority = rest.split_once('/').map_or(rest, |(authority, _)| authority);
    if authority.contains('@') {
        return Some("has a user name or password");
    }
    let Some(is_loopback) = host_is_loopback(authority) else { return NOT_A_URL };
    match scheme {
        "https" => None,
        "http" if is_loopback => None,
        "http" => Some("is http to a host that is not this one"),
        _ => NOT_A_URL,
    }
}

/// Whether `HOST[:PORT]` is surely this host; `None` when it is not a host and a port.
fn host_is_loopback(authority: &str) -> Option<bool> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            (host.parse::<Ipv6Addr>().ok().map(|ip| ip.is_loopback())?, port)
        }
        None => {
            let end = authority.find(':').unwrap_or(authority.len());
            let (host, port) = authority.split_at_checked(end)?;
            let is_name = !host.is_empty() && host.bytes().all(|b| is_word(b) || b == b'.' || b == b'-');
            let is_loopback = host.parse::<Ipv4Addr>().map(|ip| ip.is_loopback()).unwrap_or(false);
            (is_name.then(|| is_loopback || host.eq_ignore_ascii_case("localhost"))?, port)
        }
    };
    let is_port = match port.strip_prefix(':') {
        None => port.is_empty(),
        Some(number) => number.bytes().all(|b| b.is_ascii_digit()) && number.parse::<u16>().is_ok_and(|n| n > 0),
    };
    is_port.then_some(host)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn role_arns_are_whole() {
        for good in [
            "arn:aws:iam::123456789012:role/deploy",
            "arn:aws-us-gov:iam::123456789012:role/a/b/deploy+=,.@-_",
            "arn:aws-cn:iam::123456789012:role/x",
        ] {
            assert!(is_role_arn(good), "{good}");
        }
        for bad in [
            "",
            "arn:aws:iam::12345678901:role/deploy",
            "arn:aws:iam::123456789012:user/deploy",
            "arn:aws:iam::123456789012:role/",
            "arn:aws:iam::123456789012:role/de:ploy",
            "arn:aws:iam:eu-west-1:123456789012:role/deploy",
            "arn:aws:sts::123456789012:assumed-role/deploy/x",
            "arn:gcp:iam::123456789012:role/deploy",
            "arn:aws:iam::123456789012:role/a b",
        ] {
            assert!(!is_role_arn(bad), "{bad}");
        }
        assert!(!is_role_arn(&format!("arn:aws:iam::123456789012:role/{}", "x".repeat(2048))));
    }

    #[test]
    fn names_keep_to_the_sts_patterns() {
        assert!(is_role_session_name("ci+job=1,a.b@c-d_e"));
        assert!(is_role_session_name(&"x".repeat(64)));
        for bad in ["x", "a:b", "a/b", "a b", "ä1", &"x".repeat(65)] {
            assert!(!is_role_session_name(bad), "{bad}");
        }
        assert!(is_mfa_serial("arn:aws:iam::123456789012:mfa/me@home") && is_mfa_serial("GAHT12345"));
        for bad in ["GAHT1234", "GAHT 12345", "GAHT12345\u{7}", &"x".repeat(257)] {
            assert!(!is_mfa_serial(bad), "{bad}");
        }
        assert!(is_external_id("a:b/c"));
        assert!(!is_external_id("a"));
        assert!(!is_external_id("a b"));
        assert!(!is_external_id(&"x".repeat(1225)));
    }

    #[test]
    fn regions_are_one_label() {
        for good in ["eu-west-1", "us-gov-west-1", "local"] {
            assert!(is_region(good), "{good}");
        }
        for bad in ["", "EU-WEST-1", "eu.west", "evil.com/", "eu-west-1\nx", "-a", "a-", "eu_west", &"a".repeat(64)] {
            assert!(!is_region(bad), "{bad}");
        }
    }

    #[test]
    fn endpoints_are_https_or_this_host() {
        for good in [
            "https://sts.example.com",
            "https://sts.example.com:8443/path",
            "http://127.0.0.1:4566",
            "http://127.9.9.9",
            "http://localhost:5000/",
            "http://[::1]:5000",
            "https://[2001:db8::1]",
        ] {
            assert_eq!(endpoint_problem(good), None, "{good}");
        }
        let not_here = Some("is http to a host that is not this one");
        for bad in [
            "http://sts.example.com",
            "http://127.0.0.1.example.com",
            "http://localhost.example.com",
            "http://169.254.169.254",
            "http://0.0.0.0",
            "http://127.1",
            "http://[::2]",
            "http://[::ffff:127.0.0.1]",
        ] {
            assert_eq!(endpoint_problem(bad), not_here, "{bad}");
        }
        for bad in ["https://a:b@example.com", "http://127.0.0.1@example.com", "http://localhost@evil"] {
            assert_eq!(endpoint_problem(bad), Some("has a user name or password"), "{bad}");
        }
        let not_a_url = Some("is not a URL of the form https://HOST[:PORT][/PATH]");
        for bad in [
            "",
            "sts.example.com",
            "https://",
            "https:///x",
            "https://:443",
            "ftp://localhost",
            "HTTPS//x",
            "https://a:0",
            "https://a:",
            "https://a:99999",
            "https://a:+1",
            "https://a b",
            "https://a/?x",
            "https://a#b",
            "https://a\\@b",
            "https://[::1",
            "https://[::1]x",
            "https://[x]",
            "https://é",
        ] {
            assert_eq!(endpoint_problem(bad), not_a_url, "{bad}");
        }
    }
}
