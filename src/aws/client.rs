//! Carries one request to one endpoint and brings the answer back. The only user of `ureq`.
//!
//! Every attempt has its own agent, so that no connection and none of its buffers outlives the attempt. Redirects
//! are not followed, no status is an error, and head, body and time are capped.

use std::io::{self, Read};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use ureq::config::Config;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Proxy, ProxyProtocol};
use zeroize::Zeroizing;

use crate::error::{Error, Result};

use super::endpoint::Endpoint;
use super::failure::{Failure, FailureKind};
use super::network::{CaBundle, Network};
use crate::trusted::{self, Writers};

/// The largest body taken: STS answers with 2 KiB, and its largest documented answer is below 100.
pub const BODY_MAX_BYTES: u64 = 1 << 20;
/// The largest head taken: STS sends about 300 bytes.
const HEAD_MAX_BYTES: usize = 16 << 10;
/// A buffer of a connection: more than a head, so that a head that is too large is seen to be.
const BUFFER_BYTES: usize = 32 << 10;
/// The longest wait for a connection, TLS included: it takes milliseconds, and up to a second over bad lines.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// The longest wait for a name: resolvers ask again after 5 s.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(6);
/// The stack of the thread that resolves a name: the C library keeps its packets there.
const RESOLVE_STACK_BYTES: usize = 256 << 10;
/// The largest CA bundle taken: the public ones are about 250 KiB.
const CA_BUNDLE_MAX_BYTES: u64 = 4 << 20;
/// What we call ourselves.
const USER_AGENT: &str = concat!("sentinel/", env!("CARGO_PKG_VERSION"));

/// A request, wiped on drop.
pub struct Request {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// The endpoint's URL, with what the call adds to it.
    pub url: String,
    /// Names in lower case. `host` and `content-length` are added on the way.
    pub headers: Vec<(&'static str, Zeroizing<String>)>,
    /// The body; empty for GET.
    pub body: Zeroizing<Vec<u8>>,
}

/// An answer, wiped on drop.
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The `Date` header, where it could be read.
    pub date: Option<Timestamp>,
    /// The whole body.
    pub body: Zeroizing<Vec<u8>>,
}

impl Answer {
    /// Seconds by which our clock is ahead of the answer's date.
    pub(super) fn ahead_s(&self, now: Timestamp) -> Option<i64> {
        self.date.map(|date| now.duration_since(date).as_secs())
    }
}

/// A way to one endpoint.
pub struct Client {
    is_plain: bool,
    roots: RootCerts,
    proxy: Option<Proxy>,
}

impl Client {
    /// Reads the CA bundle and chooses the proxy: none to this host or link.
    ///
    /// # Errors
    /// When the bundle cannot be read or holds no certificate, or the proxy's URL is wrong.
    pub fn new(endpoint: &Endpoint, network: &Network) -> Result<Self> {
        let roots = match &network.ca_bundle {
            Some(bundle) if !endpoint.is_plain() => RootCerts::new_with_certs(&ca_bundle(bundle)?),
            _ => RootCerts::WebPki,
        };
        let proxy = match network.proxy_for(endpoint.authority()) {
            Some(url) if !endpoint.is_local() && !endpoint.is_plain() => Some(proxy(url)?),
            _ => None,
        };
        Ok(Self { is_plain: endpoint.is_plain(), roots, proxy })
    }

    /// Sends `request` and waits for the answer, at most `timeout`.
    ///
    /// # Errors
    /// When there is no whole answer within the caps.
    pub fn send(&self, request: &Request, timeout: Duration) -> std::result::Result<Answer, Failure> {
        let config = Config::builder()
            .https_only(!self.is_plain)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(self.proxy.clone())
            .tls_config(TlsConfig::builder().root_certs(self.roots.clone()).build())
            .user_agent(USER_AGENT)
            .timeout_global(Some(timeout))
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_resolve(Some(RESOLVE_TIMEOUT))
            .input_buffer_size(BUFFER_BYTES)
            .output_buffer_size(BUFFER_BYTES)
            .max_response_header_size(HEAD_MAX_BYTES)
            .max_idle_connections(0)
            .max_idle_connections_per_host(0)
            .build();
        let agent = Agent::with_parts(config, DefaultConnector::default(), OwnResolver);
        let mut head = ureq::http::Request::builder().method(request.method).uri(request.url.as_str());
        for (name, value) in &request.headers {
            head = head.header(*name, value.as_str());
        }
        let answer = match request.method {
            "GET" => agent.run(head.body(()).map_err(|error| failure(error.into()))?),
            _ => agent.run(head.body(request.body.as_slice()).map_err(|error| failure(error.into()))?),
        };
        let mut answer = answer.map_err(|error| failure(error).through_proxy(self.proxy.is_some()))?;
        let date = answer.headers().get("date").and_then(|date| http_date(date.to_str().ok()?));
        // One byte more than the cap, so that a body of exactly the cap is whole.
        let limit = BODY_MAX_BYTES.saturating_add(1);
        let body = answer.body_mut().with_config().limit(limit).read_to_vec().map_err(failure)?;
        Ok(Answer { status: answer.status().as_u16(), date, body: Zeroizing::new(body) })
    }
}

/// The date of RFC 9110 section 5.6.7.
fn http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()
}

/// The certificates in a PEM file.
fn ca_bundle(bundle: &CaBundle) -> Result<Vec<Certificate<'static>>> {
    let name = bundle.path.display();
    let check = || format!("check {}", bundle.named_by);
    let unreadable =
        |error: io::Error| Error::new(format!("cannot read the CA bundle {name}")).because(error).hint(check());
    // Whoever writes it can be AWS.
    let opened = trusted::open("the CA bundle", &bundle.path, Writers::Group);
    let (file, found) = opened.map_err(|error| error.hint(check()))?;
    // Room for all of it, because growing step by step costs more than reading.
    let mut pem = Vec::with_capacity(usize::try_from(found.len().min(CA_BUNDLE_MAX_BYTES)).unwrap_or(0));
    file.take(CA_BUNDLE_MAX_BYTES.saturating_add(1)).read_to_end(&mut pem).map_err(unreadable)?;
    if u64::try_from(pem.len()).is_ok_and(|length| length > CA_BUNDLE_MAX_BYTES) {
        return Err(Error::new(format!("the CA bundle {name} is larger than 4 MiB")).hint(check()));
    }
    let certificates: Vec<_> = parse_pem(&pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if certificates.is_empty() {
        let error = Error::new(format!("the CA bundle {name} holds no certificate"));
        return Err(error.hint(format!("{}: it must be PEM, with BEGIN CERTIFICATE", check())));
    }
    Ok(certificates)
}

/// A CONNECT proxy. Its URL may hold a password, so no error repeats it.
fn proxy(url: &str) -> Result<Proxy> {
    let refuse = |why: &str| Error::new(why).hint("HTTPS_PROXY looks like http://proxy.example.com:3128");
    // `//proxy:3128` is http, as for botocore.
    let proxy =
        Proxy::new(url.strip_prefix("//").unwrap_or(url)).map_err(|_| refuse("the proxy for https is not a URL"))?;
    match proxy.protocol() {
        ProxyProtocol::Http | ProxyProtocol::Https => Ok(proxy),
        _ => Err(refuse("the proxy for https is not an HTTP proxy")),
    }
}

/// What a failed exchange means.
fn failure(error: ureq::Error) -> Failure {
    use FailureKind::{Malformed, Other, Timeout, TooLarge, Unreachable, Untrusted};
    match error {
        ureq::Error::Timeout(_) => Failure::new(Timeout, ""),
        ureq::Error::Io(error) if error.kind() == io::ErrorKind::TimedOut => Failure::new(Timeout, ""),
        // rustls wraps what it refuses into an I/O error of this kind.
        ureq::Error::Io(error) if error.kind() == io::ErrorKind::InvalidData => tls(&error.to_string()),
        ureq::Error::Rustls(error) => tls(&error.to_string()),
        ureq::Error::Tls(why) => Failure::new(Untrusted, why),
        ureq::Error::Io(error) => Failure::new(Unreachable, &error.to_string()),
        ureq::Error::HostNotFound => Failure::new(Unreachable, "the name is not known"),
        ureq::Error::ConnectProxyFailed(why) => Failure::new(Unreachable, &format!("the proxy refused: {why}")),
        ureq::Error::BodyExceedsLimit(_) => Failure::new(TooLarge, "more than 1 MiB"),
        ureq::Error::LargeResponseHeader(..) => Failure::new(TooLarge, "a head of more than 16 KiB"),
        ureq::Error::Protocol(_) => Failure::new(Malformed, "it is not HTTP"),
        ureq::Error::ConnectionFailed => Failure::new(Unreachable, "the connection failed"),
        error => Failure::new(Other, &error.to_string()),
    }
}

/// A refused certificate, or a connection that broke.
fn tls(why: &str) -> Failure {
    match why.strip_prefix("invalid peer certificate: ") {
        Some("UnknownIssuer") => Failure::new(FailureKind::Untrusted, "no authority that is trusted has signed it"),
        Some(why) => Failure::new(FailureKind::Untrusted, why),
        None => Failure::new(FailureKind::Unreachable, why),
    }
}

/// Resolves names on a thread that may fail to start, where ureq's own would panic. A lookup has no time-out of its
/// own, so the thread is left behind when it takes too long; the C library ends it.
#[derive(Debug)]
struct OwnResolver;

impl Resolver for OwnResolver {
    fn resolve(
        &self,
        uri: &ureq::http::Uri,
        _config: &Config,
        timeout: NextTimeout,
    ) -> std::result::Result<ResolvedSocketAddrs, ureq::Error> {
        let host = uri.host().ok_or(ureq::Error::HostNotFound)?;
        let default_port = if uri.scheme_str() == Some("http") { 80 } else { 443 };
        let port = uri.port_u16().unwrap_or(default_port);
        let mut addresses = self.empty();
        for address in addresses_of(host, port, (*timeout.after).min(RESOLVE_TIMEOUT))?.into_iter().take(16) {
            addresses.push(address);
        }
        if addresses.is_empty() { Err(ureq::Error::HostNotFound) } else { Ok(addresses) }
    }
}

/// The addresses of `host`: a literal's own, loopback's for `localhost`, whatever DNS says, and the system's resolver
/// for all others.
fn addresses_of(host: &str, port: u16, timeout: Duration) -> std::result::Result<Vec<SocketAddr>, ureq::Error> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    if bare.eq_ignore_ascii_case("localhost") {
        return Ok(vec![(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()]);
    }
    let (sender, receiver) = mpsc::sync_channel(1);
    let name = Arc::<str>::from(bare);
    thread::Builder::new().name("resolve".to_owned()).stack_size(RESOLVE_STACK_BYTES).spawn(move || {
        let found = (&*name, port).to_socket_addrs().map(Iterator::collect);
        // Nobody listens any more when it took too long.
        drop(sender.send(found));
    })?;
    let found: io::Result<Vec<SocketAddr>> =
        receiver.recv_timeout(timeout).map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?;
    Ok(found?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::endpoint::{self, Variant};

    #[test]
    fn dates_of_answers_are_read() {
        let expected = "2026-01-31T09:30:00Z".parse().expect("a time");
        assert_eq!(http_date("Sat, 31 Jan 2026 09:30:00 GMT"), Some(expected));
        for other in ["", "yesterday", "Sat, 99 Jan 2026 09:30:00 GMT", "9999999999"] {
            assert_eq!(http_date(other), None, "{other}");
        }
    }

    #[test]
    fn literals_and_localhost_are_not_looked_up() {
        let now = Duration::ZERO;
        assert_eq!(addresses_of("[::1]", 5, now).expect("a literal"), ["[::1]:5".parse().expect("an address")]);
        assert_eq!(addresses_of("127.0.0.9", 5, now).expect("a literal"), ["127.0.0.9:5".parse().expect("an address")]);
        let local = addresses_of("LocalHost", 5, now).expect("loopback");
        assert!(local.iter().all(|address| address.ip().is_loopback()));
        assert_eq!(local.len(), 2);
    }

    #[test]
    fn no_proxy_stands_before_this_host() {
        let network = Network { proxy: Some("http://proxy.example:3128".to_owned()), ..Network::default() };
        let has_proxy = |url: &str| {
            let endpoint = endpoint::sts("eu-west-1", Some(url), Variant::default()).expect("an endpoint");
            Client::new(&endpoint, &network).expect("a client").proxy.is_some()
        };
        assert!(has_proxy("https://sts.eu-west-1.amazonaws.com"));
        for url in ["http://127.0.0.1:1", "https://127.0.0.1:1", "https://[::1]", "https://169.254.0.9"] {
            assert!(!has_proxy(url), "{url}");
        }
    }

    #[test]
    fn a_wrong_proxy_or_bundle_is_an_error_that_hides_passwords() {
        let endpoint = endpoint::sts("eu-west-1", None, Variant::default()).expect("an endpoint");
        let refusal = |network: Network| Client::new(&endpoint, &network).err().expect("a refusal").to_string();
        const HINT: &str = "HTTPS_PROXY looks like http://proxy.example.com:3128";
        let with_proxy = |url: &str| Network { proxy: Some(url.to_owned()), ..Network::default() };
        assert_eq!(refusal(with_proxy("http://me:hunter2@[")), format!("the proxy for https is not a URL\n  {HINT}"));
        assert_eq!(refusal(with_proxy("socks5://p:1")), format!("the proxy for https is not an HTTP proxy\n  {HINT}"));
        let with_bundle = |path: &str| {
            let bundle = CaBundle { path: path.into(), named_by: "REQUESTS_CA_BUNDLE".to_owned() };
            Network { ca_bundle: Some(bundle), ..Network::default() }
        };
        assert_eq!(
            refusal(with_bundle("/nonexistent.pem")),
            "cannot read the CA bundle /nonexistent.pem: No such file or directory (os error 2)\n  check REQUESTS_CA_BUNDLE"
        );
        assert_eq!(
            refusal(with_bundle("/dev/null")),
            "the CA bundle /dev/null is not a regular file\n  check REQUESTS_CA_BUNDLE"
        );
        let own_source = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        assert_eq!(
            refusal(with_bundle(own_source)),
            format!(
                "the CA bundle {own_source} holds no certificate\n  check REQUESTS_CA_BUNDLE: it must be PEM, with BEGIN \
                 CERTIFICATE"
            )
        );
    }
}
