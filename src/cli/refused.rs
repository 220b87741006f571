//! Why our helper got no credentials from a socket, and what to do about it. A server does not tell why it refuses; the helper can
//! look at its own ancestry.

use std::os::unix::net::UnixStream;
use std::path::Path;

use serde::Deserialize;

use crate::env::Env;
use crate::error::Error;
use crate::peer::{Kernel, Process, tree, unix};
use crate::sys::process::{Pid, own_pid};

/// Most ancestors that are named.
const NAMED: usize = 6;

/// Who serves the socket, as the environment has it: `exec` alone sets AWS_SENTINEL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// The `sentinel exec` around this process.
    Exec,
    /// A service of this host.
    Service,
}

/// An error's body.
#[derive(Deserialize)]
pub(super) struct Refusal {
    code: String,
    message: String,
}

impl Asked {
    /// Whom the socket in this environment belongs to.
    pub(super) fn of(env: &Env) -> Self {
        if env.os("AWS_SENTINEL").is_some() { Self::Exec } else { Self::Service }
    }

    /// An option that would have to be the server's.
    pub(super) fn refuse_shaping(self, flag: &str) -> Error {
        let (what, which) = match self {
            Self::Exec => ("the `sentinel exec` around this", "`sentinel exec`"),
            Self::Service => ("the service that SENTINEL_UNIX_SOCKET names", "service"),
        };
        Error::usage(format!("{flag} has no effect here: {what} gives its own credentials"))
            .hint(format!("leave {flag} out, or give it to that {which}"))
    }

    /// What to do where nobody listens.
    pub(super) fn unreachable(self) -> &'static str {
        match self {
            Self::Exec => "the `sentinel exec` that started this shell has ended: start a new one",
            Self::Service => "it has to run, and this user be let into the socket's directory and to the socket",
        }
    }

    /// What to do where the connection was closed without an answer.
    pub(super) fn dropped(self) -> &'static str {
        match self {
            Self::Exec => "it may just have ended; if not, its own messages say why",
            Self::Service => "none of its selectors may name this process: its own messages say who asked",
        }
    }

    /// Explains an answer without credentials.
    pub(super) fn explain(
        self,
        refusal: &Refusal,
        role_arn: Option<&str>,
        has_token: bool,
        (stream, socket): (&UnixStream, &Path),
    ) -> Error {
        match (self, refusal.code.as_str(), role_arn) {
            (Self::Exec, "Forbidden", _) => explain(stream, socket),
            (Self::Service, "Forbidden", _) => {
                let error = Error::new(format!("the sentinel on {} refused this process", socket.display()));
                error.hint(match has_token {
                    true => "none of its selectors may name this process, or the token is another's: its own messages say who asked",
                    false => "none of its selectors may name this process, or it wants the token of its --token-file \
                              (SENTINEL_AUTH_TOKEN_FILE): its own messages say who asked",
                })
            }
            (Self::Exec, "NotFound", Some(_)) => {
                Error::new(format!("the sentinel on {} gives no roles", socket.display()))
                    .hint("give its `sentinel exec` --ecs-server as well")
            }
            (_, code, role_arn) => self.explain_answer(code, &refusal.message, role_arn),
        }
    }

    fn explain_answer(self, code: &str, message: &str, role_arn: Option<&str>) -> Error {
        let who = match self {
            Self::Exec => "the sentinel that started this shell",
            Self::Service => "the service",
        };
        match (code, role_arn) {
            ("PolicyDenied", Some(role)) => Error::new(format!("the policy denies the role {role} now"))
                .hint(format!("a rule's role_arns has to name it; the decision log of {who} says more")),
            ("CredentialsFailed", Some(role)) => Error::new(format!("the role {role} could not be assumed"))
                .hint(format!("the messages of {who} say why")),
            ("CredentialsPending", _) => Error::new("the login that sentinel waits for takes over 20 s")
                .hint("try again; sentinel goes on with it meanwhile"),
            ("RateLimited", _) => Error::new(match self {
                Self::Exec => "this shell's processes ask for credentials more often than the policy's `limits` allow",
                Self::Service => "this profile's credentials are asked for more often than the policy's `limits` allow",
            })
            .hint("try again later, or have the tools keep their credentials"),
            ("PolicyDenied", None) => Error::new("the policy denies these credentials now")
                .hint(format!("the messages and the decision log of {who} name the rule")),
            (code, _) => Error::new(format!("{message} ({code})")).hint(format!("the messages of {who} say why")),
        }
    }
}

/// Explains a refusal by the server on the other end of `stream`.
fn explain(stream: &UnixStream, socket: &Path) -> Error {
    let refused = |pid: &str| Error::new(format!("the sentinel{pid} on {} refused this process", socket.display()));
    let server = unix::credentials(stream).ok().and_then(|noted| Pid::new(noted.pid));
    let ancestors = match (Kernel::probe(), own_pid()) {
        (Ok(kernel), Some(own)) => tree::ancestors(&kernel, own),
        _ => Vec::new(),
    };
    let Some(server) = server.filter(|_| !ancestors.is_empty()) else {
        return refused("").hint("only the command that it started, and what that starts, may use its token");
    };
    let error = refused(&format!(" (pid {server})"));
    if ancestors.iter().any(|ancestor| ancestor.pid() == server) {
        return error.hint(
            "this process does descend from it, so the token is not (or no longer) this process's: it is another run's, it \
             was revoked, --bind process gave it to the first process that used it (leave that out if several commands are \
             to be served), or a file beside the socket was changed",
        );
    }
    let chain: Vec<String> = ancestors.iter().skip(1).take(NAMED).map(describe).collect();
    error.hint(format!(
        "this process does not descend from the command that it started, but from: {}. A server that ran before \
         (tmux, screen, docker, systemd) starts work outside: start that server inside `sentinel exec`",
        chain.join(" <- ")
    ))
}

fn describe(process: &Process) -> String {
    let arguments = process.arguments();
    let name = arguments.first().and_then(|first| first.rsplit('/').next()).unwrap_or("?");
    let name: String = name.chars().filter(|c| !c.is_control()).take(40).collect();
    format!("{name} (pid {})", process.pid())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLE: &str = "arn:aws:iam::123456789012:role/deploy";

    fn of_service(code: &str, role_arn: Option<&str>, has_token: bool) -> String {
        let (stream, _far) = UnixStream::pair().expect("socketpair");
        let refusal = Refusal { code: code.to_owned(), message: "Failed to load policy".to_owned() };
        Asked::Service.explain(&refusal, role_arn, has_token, (&stream, Path::new("/run/s"))).to_string()
    }

    #[test]
    fn exec_alone_names_itself_in_the_environment() {
        let tree = [("AWS_SENTINEL", "dev"), ("SENTINEL_UNIX_SOCKET", "/s"), ("SENTINEL_AUTH_TOKEN", "x")];
        assert_eq!(Asked::of(&Env::from_iter(tree)), Asked::Exec);
        assert_eq!(Asked::of(&Env::from_iter(tree[1..].iter().copied())), Asked::Service, "a service has tokens, too");
    }

    #[test]
    fn a_client_of_a_service_is_not_told_of_an_exec_that_there_is_not() {
        let codes = [
            "Forbidden",
            "NotFound",
            "PolicyDenied",
            "CredentialsFailed",
            "CredentialsPending",
            "RateLimited",
            "PolicyFailed",
        ];
        for (code, role) in codes.iter().flat_map(|code| [(code, None), (code, Some(ROLE))]) {
            for said in [of_service(code, role, false), of_service(code, role, true)] {
                assert!(!said.contains("exec") && !said.contains("shell"), "{said}");
            }
        }
        let said = [Asked::Service.unreachable(), Asked::Service.dropped()];
        assert!(said.iter().all(|said| !said.contains("exec")), "{said:?}");
        assert_eq!(
            Asked::Service.refuse_shaping("--duration").to_string(),
            "--duration has no effect here: the service that SENTINEL_UNIX_SOCKET names gives its own credentials\n  \
             leave --duration out, or give it to that service"
        );
    }

    #[test]
    fn who_is_refused_by_a_service_hears_what_it_may_want() {
        let refused = "the sentinel on /run/s refused this process\n  none of its selectors may name this process, or";
        let asked = "its own messages say who asked";
        assert_eq!(of_service("Forbidden", None, true), format!("{refused} the token is another's: {asked}"));
        let wants = format!("{refused} it wants the token of its --token-file (SENTINEL_AUTH_TOKEN_FILE): {asked}");
        assert_eq!(of_service("Forbidden", Some(ROLE), false), wants);
        assert_eq!(
            of_service("PolicyDenied", Some(ROLE), false),
            format!(
                "the policy denies the role {ROLE} now\n  a rule's role_arns has to name it; the decision log of the service says more"
            )
        );
        let failed = "Failed to load policy (PolicyFailed)\n  the messages of the service say why";
        assert_eq!(of_service("PolicyFailed", None, false), failed);
    }
}
