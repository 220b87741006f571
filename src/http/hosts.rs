//! Which Host values name a listener (T8).
//!
//! A web page that rebinds its own name to 127.0.0.1 still sends its own name as Host, so an exact list stops it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The Host values that name one listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hosts {
    names: Vec<String>,
}

impl Hosts {
    /// A Unix socket's: `localhost`.
    pub fn unix() -> Self {
        Self { names: vec!["localhost".to_owned()] }
    }

    /// A TCP listener's: its address, and `localhost` where that resolves to it, both with the port. On port 80 also
    /// without it, because clients leave out the default.
    pub fn tcp(address: SocketAddr) -> Self {
        let host = match address.ip() {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        };
        let mut hosts = vec![host];
        if address.ip() == IpAddr::V4(Ipv4Addr::LOCALHOST) || address.ip() == IpAddr::V6(Ipv6Addr::LOCALHOST) {
            hosts.push("localhost".to_owned());
        }
        let port = address.port();
        let mut names: Vec<String> = hosts.iter().map(|host| format!("{host}:{port}")).collect();
        if port == 80 {
            names.append(&mut hosts);
        }
        Self { names }
    }

    /// Adds one more value, such as the metadata address for IMDS.
    #[must_use]
    pub fn also(mut self, name: impl Into<String>) -> Self {
        self.names.push(name.into());
        self
    }

    /// Whether `host` names the listener: the same text, upper and lower case alike.
    pub fn contains(&self, host: &str) -> bool {
        self.names.iter().any(|name| name.eq_ignore_ascii_case(host))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(address: &str) -> Hosts {
        Hosts::tcp(address.parse().expect("an address"))
    }

    #[test]
    fn a_unix_socket_is_localhost_alone() {
        assert!(Hosts::unix().contains("LocalHost"));
        for host in ["", "127.0.0.1", "localhost:80", "localhost.", " localhost"] {
            assert!(!Hosts::unix().contains(host), "{host}");
        }
    }

    #[test]
    fn a_tcp_listener_is_its_address_and_port() {
        let hosts = tcp("127.0.0.1:4321");
        assert!(hosts.contains("127.0.0.1:4321"));
        assert!(hosts.contains("LOCALHOST:4321"));
        for host in ["127.0.0.1", "localhost", "127.0.0.1:432", "127.0.0.1:43210", "127.1:4321", "[::1]:4321", "a:4321"]
        {
            assert!(!hosts.contains(host), "{host}");
        }
    }

    #[test]
    fn localhost_names_only_what_it_resolves_to() {
        assert!(tcp("[::1]:4321").contains("[::1]:4321"));
        assert!(tcp("[::1]:4321").contains("localhost:4321"));
        assert!(!tcp("127.0.0.2:4321").contains("localhost:4321"));
        assert!(!tcp("169.254.170.2:80").contains("localhost"));
    }

    #[test]
    fn the_default_port_may_be_left_out() {
        let hosts = tcp("127.0.0.1:80").also("169.254.169.254");
        for host in ["127.0.0.1", "127.0.0.1:80", "localhost", "localhost:80", "169.254.169.254"] {
            assert!(hosts.contains(host), "{host}");
        }
    }
}
