//! How to reach AWS: which certificates to trust and which proxy to take.

use std::ffi::OsStr;
use std::path::PathBuf;

use crate::env::Env;
use crate::error::Result;

/// The settings that a request's way depends on.
#[derive(Clone, Default)]
pub struct Network {
    /// The certificates that are trusted instead of the built-in ones.
    pub ca_bundle: Option<CaBundle>,
    /// The URL of a CONNECT proxy for https. May hold a password: not to be shown.
    pub proxy: Option<String>,
    /// Hosts that are reached without the proxy, as in `NO_PROXY`.
    pub no_proxy: Option<String>,
}

/// A PEM file of certificates, and who named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaBundle {
    /// The file.
    pub path: PathBuf,
    /// `AWS_CA_BUNDLE`, or a place in a config file: what to look at when the file is of no use.
    pub named_by: String,
}

impl Network {
    /// From the environment and the profile's `ca_bundle`, as botocore takes them: `AWS_CA_BUNDLE` before the profile's before
    /// `REQUESTS_CA_BUNDLE`; `HTTPS_PROXY` and `NO_PROXY` in any case, the lower-case name before all others. Neither `ALL_PROXY`
    /// nor `HTTP_PROXY` is looked at: botocore uses no proxy of another scheme, and plain http goes to loopback alone.
    ///
    /// # Errors
    /// When a value is not UTF-8.
    pub fn new(env: &Env, of_profile: Option<CaBundle>) -> Result<Self> {
        let named =
            |name: &str| env.os(name).map(|path| CaBundle { path: PathBuf::from(path), named_by: name.to_owned() });
        Ok(Self {
            ca_bundle: named("AWS_CA_BUNDLE").or(of_profile).or_else(|| named("REQUESTS_CA_BUNDLE")),
            proxy: any_case(env, "https_proxy")?,
            no_proxy: any_case(env, "no_proxy")?,
        })
    }

    /// The proxy for `authority` (`HOST[:PORT]`), unless `no_proxy` is `*` or names it: the host, with or without its port, or a
    /// domain that it is in. No wildcards and no address ranges, as in botocore.
    pub(super) fn proxy_for(&self, authority: &str) -> Option<&str> {
        let list = self.no_proxy.as_deref().unwrap_or_default();
        let authority = authority.to_ascii_lowercase();
        let is_port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let host = authority.rsplit_once(':').filter(|(_, port)| is_port(port)).map_or(&*authority, |(host, _)| host);
        let names_it = |entry: &str| {
            let name = entry.trim().trim_start_matches('.').to_ascii_lowercase();
            let is_of = |whole: &str| {
                whole.strip_suffix(name.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            };
            !name.is_empty() && (is_of(host) || is_of(&authority))
        };
        self.proxy.as_deref().filter(|_| list != "*" && !list.split(',').any(names_it))
    }
}

/// The variable of this lower-case name: itself, or where it is unset the same name in another case. When it is set and empty
/// there is none, whatever the others say.
fn any_case(env: &Env, name: &str) -> Result<Option<String>> {
    let lower = env.iter().any(|(known, _)| known == OsStr::new(name));
    let mut others = env.iter().filter(|(known, value)| !value.is_empty() && known.eq_ignore_ascii_case(name));
    let name = match (lower, others.next()) {
        (true, _) | (false, None) => name,
        (false, Some((other, _))) => other.to_str().unwrap_or(name),
    };
    env.text(name).map(|value| value.map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(pairs: &[(&str, &str)]) -> Network {
        Network::new(&pairs.iter().copied().collect(), None).expect("UTF-8")
    }

    #[test]
    fn the_environment_names_the_proxy() {
        for (pairs, proxy) in [
            (&[("HTTPS_PROXY", "http://upper:2"), ("https_proxy", "http://lower:3")][..], Some("http://lower:3")),
            (&[("HTTPS_PROXY", "http://upper:2")], Some("http://upper:2")),
            (&[("Https_Proxy", "http://mixed:2")], Some("http://mixed:2")),
            // Set and empty switches off, as in Python's urllib.
            (&[("HTTPS_PROXY", "http://upper:2"), ("https_proxy", "")], None),
            (&[("HTTPS_PROXY", "")], None),
            (
                &[("HTTP_PROXY", "http://wrong:1"), ("ALL_PROXY", "http://wrong:1"), ("all_proxy", "http://wrong:1")],
                None,
            ),
        ] {
            assert_eq!(network(pairs).proxy.as_deref(), proxy, "{pairs:?}");
        }
        assert_eq!(network(&[("NO_PROXY", "a"), ("no_proxy", "b")]).no_proxy.as_deref(), Some("b"));
    }

    #[test]
    fn the_nearest_ca_bundle_counts() {
        let of_profile = || Some(CaBundle { path: "/profile.pem".into(), named_by: "the profile".to_owned() });
        let named_by = |pairs: &[(&str, &str)], of_profile| {
            let network = Network::new(&pairs.iter().copied().collect(), of_profile).expect("UTF-8");
            network.ca_bundle.map(|bundle| (bundle.path.display().to_string(), bundle.named_by))
        };
        let both = [("AWS_CA_BUNDLE", "/aws.pem"), ("REQUESTS_CA_BUNDLE", "/requests.pem")];
        let found = |path: &str, name: &str| Some((path.to_owned(), name.to_owned()));
        assert_eq!(named_by(&both, of_profile()), found("/aws.pem", "AWS_CA_BUNDLE"));
        assert_eq!(named_by(&both[1..], of_profile()), found("/profile.pem", "the profile"));
        assert_eq!(named_by(&both[1..], None), found("/requests.pem", "REQUESTS_CA_BUNDLE"));
        assert_eq!(named_by(&[("AWS_CA_BUNDLE", "")], None), None);
    }

    #[test]
    fn no_proxy_names_hosts_and_domains() {
        // Each expectation was compared with botocore.utils.should_bypass_proxies.
        for (no_proxy, direct) in [
            ("", false),
            (",", false),
            (".", false),
            ("*", true),
            ("*,x", false),
            ("amazonaws.com", true),
            (".amazonaws.com", true),
            ("*.amazonaws.com", false),
            ("x, STS.amazonaws.com", true),
            ("sts.amazonaws.com:443", false),
            ("sts.amazonaws.com:8443", true),
            ("zonaws.com", false),
            ("sts.amazonaws.com.evil", false),
        ] {
            let network = network(&[("https_proxy", "http://p"), ("no_proxy", no_proxy)]);
            assert_eq!(network.proxy_for("sts.amazonaws.com:8443").is_none(), direct, "{no_proxy}");
            let port = no_proxy.contains(':');
            assert_eq!(network.proxy_for("sts.amazonaws.com").is_none(), direct && !port, "{no_proxy}");
        }
    }
}
