//! T8: a request names the listener, and is neither a browser's nor a proxy's; a port is where a page in a browser can
//! connect at all. All of these have a good token and come from inside the tree, or from whom a service serves.

use crate::wire::{Served, Transport, closing, get};

fn from_host(host: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost:{host}\r\nAuthorization: @TOKEN@\r\n\r\n")
}

/// Hosts that do not name a socket.
const OTHERS_THAN_THE_SOCKET: &[&str] = &[
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
];

/// Hosts that do not name a port.
const OTHERS_THAN_THE_PORT: &[&str] = &[
    "",
    " ",
    " localhost",
    " 127.0.0.1",
    " :@PORT@",
    " 127.0.0.1:",
    " 127.0.0.1:80",
    " 127.0.0.1:0@PORT@",
    " 127.0.0.1:@PORT@0",
    " 127.0.0.1:@PORT@/",
    " 127.0.0.1.:@PORT@",
    " 127.1:@PORT@",
    " 127.0.0.2:@PORT@",
    " 2130706433:@PORT@",
    " 0x7f000001:@PORT@",
    " 0177.0.0.1:@PORT@",
    " 0.0.0.0:@PORT@",
    " [::1]:@PORT@",
    " [::ffff:127.0.0.1]:@PORT@",
    " localhost.:@PORT@",
    " localhost.localdomain:@PORT@",
    " user@127.0.0.1:@PORT@",
    " 127.0.0.1:@PORT@, evil.example",
    " 169.254.169.254",
    // Names of the attacker's that now resolve to loopback: what a rebound page sends.
    " rebind.evil.example:@PORT@",
    " 7f000001.c0a80001.rbndr.us:@PORT@",
    " 127.0.0.1.nip.io:@PORT@",
    " localhost.evil.example:@PORT@",
];

#[test]
fn only_hosts_that_name_the_listener_are_served() {
    Served::over_every(|served| {
        let (ours, others) = if served.transport.is_port() {
            let ours = [" 127.0.0.1:@PORT@", " localhost:@PORT@", " LOCALHOST:@PORT@", "localhost:@PORT@"];
            (ours, OTHERS_THAN_THE_PORT)
        } else {
            ([" localhost", " LOCALHOST", " LocalHost", "localhost"], OTHERS_THAN_THE_SOCKET)
        };
        let mut talker = served.talker();
        for host in ours {
            let answer = talker.kept_alive(&[from_host(host).as_bytes()]);
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{host}: {answer}");
        }
        talker.refused("no Host", b"GET / HTTP/1.1\r\nAuthorization: @TOKEN@\r\n\r\n", 400);
        for host in others {
            talker.refused(host, from_host(host).as_bytes(), 400);
        }
        talker.end();
    });
}

#[test]
fn browsers_and_proxies_are_refused() {
    Served::over_every(|served| {
        let mut talker = served.talker();
        for line in [
            "Origin: http://localhost",
            "Origin: http://@HOST@",
            "Origin: null",
            "Origin:",
            "oRIGIN: https://evil.example",
            "Referer: http://localhost/",
            "Referer: http://localhost:@PORT@/",
            "Referer:",
            "Sec-Fetch-Site: none",
            "Sec-Fetch-Mode: cors",
            "Sec-Fetch-Mode: no-cors",
            "Sec-Fetch-Dest: empty",
            "sec-fetch-dest: empty",
            "sec-fetch-user: ?1",
            "Sec-Fetch-Storage-Access: none",
            "X-Forwarded-For: 127.0.0.1",
            "x-forwarded-for:",
            "X-Forwarded-Host: localhost",
            "X-Forwarded-Host: @HOST@",
            "X-Forwarded-Proto: http",
            "X-Real-IP: 127.0.0.1",
            "Forwarded: for=127.0.0.1",
            "Via: 1.1 proxy",
        ] {
            talker.refused(line, get(&format!("{line}\r\n")).as_bytes(), 400);
        }
        for (name, request, status) in [
            (
                "a rebound page",
                "GET / HTTP/1.1\r\nHost: evil.example:@PORT@\r\nOrigin: http://evil.example\r\n\r\n",
                400,
            ),
            ("a form", "POST / HTTP/1.1\r\nHost: @HOST@\r\nOrigin: null\r\nContent-Length: 0\r\n\r\n", 405),
            ("a preflight", "OPTIONS / HTTP/1.1\r\nHost: @HOST@\r\nAccess-Control-Request-Method: GET\r\n\r\n", 405),
            // As a client sends to a proxy: the proxy is not us.
            ("a proxy's client", "GET http://@HOST@/ HTTP/1.1\r\nHost: @HOST@\r\nAuthorization: @TOKEN@\r\n\r\n", 400),
            ("a tunnel", "CONNECT @HOST@ HTTP/1.1\r\nHost: @HOST@\r\nAuthorization: @TOKEN@\r\n\r\n", 405),
        ] {
            talker.refused(name, request.as_bytes(), status);
        }
        // As a browser would send it all, without the token: the same answer.
        let page =
            "GET / HTTP/1.1\r\nHost: @HOST@\r\nOrigin: https://evil.example\r\nSec-Fetch-Site: cross-site\r\n\r\n";
        assert_eq!(talker.until_closed(&[page.as_bytes()]), closing(400));
        // What an <img> without any of these headers sends has no token. Who is inside is told what the metadata endpoint wants.
        // A service's Unix socket wants no token, and no page can connect to it.
        let bare = "GET / HTTP/1.1\r\nHost: @HOST@\r\nConnection: close\r\n\r\n";
        let status = if served.transport.is_metadata() { 401 } else { 403 };
        if served.transport != Transport::UnixService {
            assert_eq!(talker.until_closed(&[bare.as_bytes()]), closing(status));
        }
        talker.end();
    });
}
