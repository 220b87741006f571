//! How to reach AWS: which certificates to trust and which proxy to take.

use std::path::PathBuf;

use crate::env::Env;
use crate::error::Result;

/// The settings that a request's way depends on.
#[derive(Clone, Default)]
pub struct Network {
    /// A PEM file whose certificates are trusted instead of the built-in ones.
    pub ca_bundle: Option<PathBuf>,
    /// The URL of a CONNECT proxy for https. May hold a password: not to be shown.
    pub proxy: Option<String>,
    /// Hosts that are reached without the proxy, as in `NO_PROXY`.
    pub no_proxy: Option<String>,
}

impl Network {
    /// From `AWS_CA_BUNDLE`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`; a lower-case name counts before its upper-case
    /// twin. `HTTP_PROXY` is not looked at: plain http goes to loopback alone.
    ///
    /// # Errors
    /// When a value is not UTF-8.
    pub fn from_env(env: &Env) -> Result<Self> {
        let first = |names: &[&str]| -> Result<Option<String>> {
            for name in names {
                if let Some(value) = env.text(name)? {
                    return Ok(Some(value.to_owned()));
                }
            }
            Ok(None)
        };
        Ok(Self {
            ca_bundle: env.os("AWS_CA_BUNDLE").map(PathBuf::from),
            proxy: first(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])?,
            no_proxy: first(&["no_proxy", "NO_PROXY"])?,
        })
    }

    /// The proxy for `host`, unless `no_proxy` names it: itself, a domain that it is in, or `*`.
    pub(super) fn proxy_for(&self, host: &str) -> Option<&str> {
        let host = host.to_ascii_lowercase();
        let direct = self.no_proxy.as_deref().unwrap_or_default().split(',').map(str::trim).any(|entry| {
            let domain = entry.trim_start_matches('*').trim_start_matches('.').to_ascii_lowercase();
            match domain.is_empty() {
                true => entry == "*",
                false => host.strip_suffix(&domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')),
            }
        });
        self.proxy.as_deref().filter(|_| !direct)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_names_proxy_and_certificates() {
        let env = Env::from_iter([
            ("AWS_CA_BUNDLE", "/etc/ca.pem"),
            ("HTTP_PROXY", "http://wrong:1"),
            ("HTTPS_PROXY", "http://upper:2"),
            ("https_proxy", "http://lower:3"),
            ("NO_PROXY", "a"),
        ]);
        let network = Network::from_env(&env).expect("UTF-8");
        assert_eq!(network.ca_bundle, Some(PathBuf::from("/etc/ca.pem")));
        assert_eq!(network.proxy.as_deref(), Some("http://lower:3"));
        assert_eq!(network.no_proxy.as_deref(), Some("a"));
        let network = Network::from_env(&Env::from_iter([("HTTP_PROXY", "http://wrong:1")])).expect("UTF-8");
        assert_eq!(network.proxy, None);
    }

    #[test]
    fn no_proxy_names_hosts_and_domains() {
        let network = |no_proxy: &str| Network {
            ca_bundle: None,
            proxy: Some("http://p".to_owned()),
            no_proxy: Some(no_proxy.to_owned()),
        };
        for (no_proxy, direct) in [
            ("", false),
            (",", false),
            (".", false),
            ("*", true),
            ("amazonaws.com", true),
            (".amazonaws.com", true),
            ("*.amazonaws.com", true),
            ("x, STS.amazonaws.com", true),
            ("zonaws.com", false),
            ("sts.amazonaws.com.evil", false),
        ] {
            assert_eq!(network(no_proxy).proxy_for("sts.amazonaws.com").is_none(), direct, "{no_proxy}");
        }
    }
}
