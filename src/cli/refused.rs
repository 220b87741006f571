//! Why our helper was refused. The server does not tell; the helper can look at its own ancestry.

use std::os::unix::net::UnixStream;
use std::path::Path;

use crate::error::Error;
use crate::peer::{Kernel, Process, tree, unix};
use crate::sys::process::{Pid, own_pid};

/// Most ancestors that are named.
const NAMED: usize = 6;

/// Explains a refusal by the server on the other end of `stream`.
pub(super) fn explain(stream: &UnixStream, socket: &Path) -> Error {
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
