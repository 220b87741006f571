//! The child's environment: ours, without any other source of AWS credentials, with the one that was decided on (T19).

use std::ffi::{OsStr, OsString};
use std::net::SocketAddr;
use std::path::Path;

use jiff::Timestamp;

use super::settings::Facts;
use crate::clock::rfc3339_s;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::profile::variable_of;
use crate::secret::Secret;

/// How the child comes by credentials.
pub enum ChildMode<'a> {
    /// Keys in its environment.
    Keys {
        /// The key's id.
        access_key_id: &'a str,
        /// The secret key.
        secret: &'a Secret,
        /// The session token; long-term keys have none.
        token: Option<&'a Secret>,
        /// When they stop working; long-term keys do not.
        expiration: Option<Timestamp>,
    },
    /// A generated config file whose credential_process asks our socket.
    UnixSocket {
        /// The socket.
        socket: &'a Path,
        /// The token that the socket wants.
        token: &'a str,
        /// The generated file.
        config_file: &'a Path,
    },
    /// Our container credentials endpoint on a port of 127.0.0.1.
    Tcp {
        /// The port.
        port: u16,
        /// The token that it wants.
        token: &'a str,
        /// The generated file, with settings only.
        config_file: &'a Path,
    },
    /// Our metadata endpoint.
    Imds {
        /// Where it is.
        address: SocketAddr,
        /// It serves requests without a session token as well.
        v1: bool,
        /// The generated file, with settings only.
        config_file: &'a Path,
    },
}

/// The environment that the child starts with.
pub fn child_environment(parent: &Env, mode: &ChildMode<'_>, facts: &Facts<'_>) -> Env {
    let mut child: Env = parent.iter().filter(|(name, _)| !is_scrubbed(name)).collect();
    child.set("AWS_SENTINEL", facts.profile_name);
    // Nothing that fails may end in asking the instance: whatever identity it has was not asked for.
    child.set("AWS_EC2_METADATA_DISABLED", "true");
    // An empty or missing file name makes SDKs read ~/.aws or crash; /dev/null works in every one.
    child.set("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
    // Where it is not set, botocore looks for keys in ~/.boto and /etc/boto.cfg.
    child.set("BOTO_CONFIG", "/dev/null");
    if let Some(region) = facts.region {
        // Some SDKs read only one of the two.
        child.set("AWS_REGION", region);
        child.set("AWS_DEFAULT_REGION", region);
    }
    match mode {
        ChildMode::Keys { access_key_id, secret, token, expiration } => {
            child.set("AWS_CONFIG_FILE", "/dev/null");
            child.set("AWS_ACCESS_KEY_ID", *access_key_id);
            child.set("AWS_SECRET_ACCESS_KEY", secret.expose_str());
            if let Some(token) = token {
                child.set("AWS_SESSION_TOKEN", token.expose_str());
            }
            if let Some(expiration) = expiration {
                child.set("AWS_CREDENTIAL_EXPIRATION", rfc3339_s(*expiration));
            }
            carry_settings(&mut child, facts);
        }
        ChildMode::UnixSocket { socket, token, config_file } => {
            child.set("AWS_CONFIG_FILE", *config_file);
            // Go's first SDK and JavaScript's second read the config file only when told to.
            child.set("AWS_SDK_LOAD_CONFIG", "1");
            child.set("SENTINEL_UNIX_SOCKET", *socket);
            child.set("SENTINEL_AUTH_TOKEN", *token);
            bypass_proxy(&mut child, None);
        }
        ChildMode::Tcp { port, token, config_file } => {
            child.set("AWS_CONFIG_FILE", *config_file);
            child.set("AWS_SDK_LOAD_CONFIG", "1");
            // A path alone, and an address that every SDK takes over plain http.
            child.set("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("http://127.0.0.1:{port}/"));
            child.set("AWS_CONTAINER_AUTHORIZATION_TOKEN", *token);
            bypass_proxy(&mut child, None);
        }
        ChildMode::Imds { address, v1, config_file } => {
            child.set("AWS_CONFIG_FILE", *config_file);
            child.set("AWS_SDK_LOAD_CONFIG", "1");
            child.unset("AWS_EC2_METADATA_DISABLED");
            // Where it ends in a slash, some SDKs ask for `//latest`.
            let (ip, port) = (address.ip(), address.port());
            let port = if port == 80 { String::new() } else { format!(":{port}") };
            child.set("AWS_EC2_METADATA_SERVICE_ENDPOINT", format!("http://{ip}{port}"));
            // What goes back to version 1 after a failure would hide it behind a second one.
            if *v1 {
                child.unset("AWS_EC2_METADATA_V1_DISABLED");
            } else {
                child.set("AWS_EC2_METADATA_V1_DISABLED", "true");
            }
            bypass_proxy(&mut child, Some(&ip.to_string()));
        }
    }
    child
}

/// Names the file that the token is in, in place of the token: where there are both, some SDKs take the one, some the other.
pub fn name_token_file(child: &mut Env, file: &Path) {
    for (token, of_file) in [
        ("SENTINEL_AUTH_TOKEN", "SENTINEL_AUTH_TOKEN_FILE"),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
    ] {
        if child.os(token).is_some() {
            child.unset(token);
            child.set(of_file, file);
        }
    }
}

/// Refuses to start inside another sentinel's tree: the inner one would ask the outer one's variables who it is.
///
/// # Errors
/// Naming the outer profile, where AWS_SENTINEL is set.
pub fn refuse_nesting(env: &Env) -> Result<()> {
    match env.os("AWS_SENTINEL") {
        None => Ok(()),
        Some(outer) => {
            Err(Error::new(format!("this is already inside `sentinel exec` for profile `{}`", outer.display()))
                .hint("leave that shell first, or give --nested"))
        }
    }
}

/// Whether the child must not inherit the variable.
fn is_scrubbed(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    SCRUBBED.iter().any(|(_, names)| names.iter().any(|scrubbed| scrubbed.as_bytes() == name))
        || SCRUBBED_PREFIXES.iter().any(|(_, prefix)| name.starts_with(prefix.as_bytes()))
}

/// Settings of the profile that have a variable, where the user has not set that variable.
fn carry_settings(child: &mut Env, facts: &Facts<'_>) {
    // The person's endpoint for all services comes before the profile's for one.
    let all_have_one = child.os("AWS_ENDPOINT_URL").is_some();
    for (setting, value) in facts.settings {
        if let Some(variable) = variable_of(setting) {
            set_if_unset(child, variable, value);
        }
    }
    let blocks = facts.services.iter().filter(|_| !all_have_one).flat_map(|services| services.settings);
    for (service, block) in blocks {
        let endpoint =
            block.lines().filter_map(|line| line.split_once('=')).rfind(|(key, _)| key.trim() == "endpoint_url");
        if let Some((_, url)) = endpoint {
            let service = service.to_ascii_uppercase().replace([' ', '-'], "_");
            set_if_unset(child, &format!("AWS_ENDPOINT_URL_{service}"), url.trim());
        }
    }
}

fn set_if_unset(child: &mut Env, variable: &str, value: &str) {
    // A NUL cannot be in an environment, and a value of several lines means something in a file only.
    if child.os(variable).is_none() && !value.is_empty() && !value.contains(char::is_control) {
        child.set(variable, value);
    }
}

/// Adds the loopback names, and where we listen, to NO_PROXY and no_proxy: some SDKs send even loopback requests through a
/// proxy.
///
/// One that is unset starts from the other, because tools differ in which they read first. `*` alone already means
/// everything, and only alone.
fn bypass_proxy(child: &mut Env, address: Option<&str>) {
    let upper = child.os("NO_PROXY").map(OsStr::to_owned);
    let lower = child.os("no_proxy").map(OsStr::to_owned);
    for (name, own, other) in [("NO_PROXY", &upper, &lower), ("no_proxy", &lower, &upper)] {
        let mut list = own.as_ref().or(other.as_ref()).cloned().unwrap_or_default();
        if list != "*" {
            for host in ["127.0.0.1", "localhost"].into_iter().chain(address) {
                append_host(&mut list, host);
            }
        }
        child.set(name, list);
    }
}

fn append_host(list: &mut OsString, host: &str) {
    let bytes = list.as_encoded_bytes();
    if bytes.split(|byte| *byte == b',').any(|entry| entry.trim_ascii() == host.as_bytes()) {
        return;
    }
    if !bytes.is_empty() {
        list.push(",");
    }
    list.push(host);
}

/// What the child does not inherit, by reason.
const SCRUBBED: &[(&str, &[&str])] = &[
    (
        "keys, and what belongs to them",
        &[
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
            "AWS_SECURITY_TOKEN",
            "AWS_CREDENTIAL_EXPIRATION",
            "AWS_SESSION_EXPIRATION",
            "AWS_ACCOUNT_ID",
            "AWS_CREDENTIAL_SCOPE",
        ],
    ),
    (
        "keys, under the names of older SDKs and tools",
        &[
            "AWS_ACCESS_KEY",
            "AWS_SECRET_KEY",
            "AMAZON_ACCESS_KEY_ID",
            "AMAZON_SECRET_ACCESS_KEY",
            "AMAZON_SESSION_TOKEN",
            "SECRET_ACCESS_KEY",
        ],
    ),
    (
        "select a profile that the child's config file does not have",
        &["AWS_PROFILE", "AWS_DEFAULT_PROFILE", "SENTINEL_PROFILE"],
    ),
    ("a second factor, and the program that prints it", &["SENTINEL_MFA_TOKEN", "SENTINEL_MFA_PROCESS"]),
    ("says which profiles' helpers are at work above this process", &["SENTINEL_ASKING"]),
    (
        "the identity of a Kubernetes pod or a CI job",
        &["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME"],
    ),
    (
        "the identity of an ECS task or EKS pod, or of an outer server",
        &[
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
        ],
    ),
    (
        "the identity of an EC2 instance, or what plays it",
        &["AWS_METADATA_URL", "AWS_EC2_METADATA_SERVICE_ENDPOINT", "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"],
    ),
    (
        "files that may hold keys",
        &[
            "AWS_CONFIG_FILE",
            "AWS_SHARED_CREDENTIALS_FILE",
            "AWS_CREDENTIAL_FILE",
            "AWS_CREDENTIAL_PROFILES_FILE",
            "BOTO_CONFIG",
        ],
    ),
    ("set again where there is a config file to load", &["AWS_SDK_LOAD_CONFIG"]),
    (
        "an outer sentinel's",
        &[
            "AWS_SENTINEL",
            "SENTINEL_SESSION_ID",
            "SENTINEL_UNIX_SOCKET",
            "SENTINEL_AUTH_TOKEN",
            "SENTINEL_AUTH_TOKEN_FILE",
        ],
    ),
];

/// What the child does not inherit, by the beginning of its name, with the reason.
const SCRUBBED_PREFIXES: &[(&str, &str)] =
    &[("bearer tokens of single services, such as AWS_BEARER_TOKEN_BEDROCK, are credentials", "AWS_BEARER_TOKEN_")];

#[cfg(test)]
mod tests;
