//! T8: a request names the listener, and is neither a browser's nor a proxy's. All of these have a good token and come
//! from inside the tree.

use crate::wire::{Served, closing, get};

fn from_host(host: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost:{host}\r\nAuthorization: @TOKEN@\r\n\r\n")
}

#[test]
fn only_hosts_that_name_the_listener_are_served() {
    let served = Served::new();
    let mut talker = served.talker();
    for host in [" localhost", " LOCALHOST", " LocalHost", "localhost"] {
        let answer = talker.kept_alive(&[from_host(host).as_bytes()]);
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{host}: {answer}");
    }
    talker.refused("no Host", b"GET / HTTP/1.1\r\nAuthorization: @TOKEN@\r\n\r\n", 400);
    for host in [
        "",
        " ",
        " localhost:80",
        " localhost:",
        " localhost.",
        " localhost.localdomain",
        " xlocalhost",
        " local host",
        " user@localhost",
        " localhost, evil.example",
        " localhost/",
        " http://localhost",
        " 127.0.0.1",
        " 127.0.0.1:80",
        " [::1]",
        " 0.0.0.0",
        " 169.254.169.254",
        // A name of the attacker's that now resolves to loopback.
        " rebind.evil.example",
        " 7f000001.rbndr.us:80",
        " localhost.evil.example",
    ] {
        talker.refused(host, from_host(host).as_bytes(), 400);
    }
    talker.end();
}

#[test]
fn browsers_and_proxies_are_refused() {
    let served = Served::new();
    let mut talker = served.talker();
    for line in [
        "Origin: http://localhost",
        "Origin: null",
        "Origin:",
        "oRIGIN: https://evil.example",
        "Referer: http://localhost/",
        "Referer:",
        "Sec-Fetch-Site: none",
        "Sec-Fetch-Mode: cors",
        "Sec-Fetch-Dest: empty",
        "sec-fetch-user: ?1",
        "Sec-Fetch-Storage-Access: none",
        "X-Forwarded-For: 127.0.0.1",
        "x-forwarded-for:",
        "X-Forwarded-Host: localhost",
        "X-Forwarded-Proto: http",
        "X-Real-IP: 127.0.0.1",
        "Forwarded: for=127.0.0.1",
        "Via: 1.1 proxy",
    ] {
        talker.refused(line, get(&format!("{line}\r\n")).as_bytes(), 400);
    }
    // As a browser would send it all, without the token: the same answer.
    let page =
        "GET / HTTP/1.1\r\nHost: localhost\r\nOrigin: https://evil.example\r\nSec-Fetch-Site: cross-site\r\n\r\n";
    assert_eq!(talker.until_closed(&[page.as_bytes()]), closing(400));
    talker.end();
}
