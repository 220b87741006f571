//! What names the callers of a service, and whom it could not tell apart.

use crate::auth::Selector;
use crate::cli::selectors::Resolved;
use crate::error::{Error, Result};
use crate::peer::Kernel;
use crate::peer::kernel::{Tier, may_look_into_others};
use crate::server::Endpoint;
use crate::sys::user::effective_uid;

/// What is asked of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct NamingTerms {
    pub(super) endpoint: Endpoint,
    /// Callers are known by their uid alone.
    pub(super) by_uid: bool,
    /// They connect over TCP.
    pub(super) tcp: bool,
}

/// What names callers here. Decided once: what fails later is a refusal.
pub(super) fn kernel(terms: NamingTerms, entries: &[Resolved]) -> Result<Option<Kernel>> {
    let NamingTerms { endpoint, by_uid, tcp } = terms;
    if by_uid && !tcp {
        return Ok(None);
    }
    let selectors = || entries.iter().map(|entry| &entry.selector);
    if by_uid && selectors().any(|selector| !selector.gids.is_empty()) {
        return Err(
            Error::usage("over TCP a group is not known with --bind uid").hint("name users, or serve on a Unix socket")
        );
    }
    let kernel = Kernel::probe().map_err(|error| error.hint(without_processes(endpoint, tcp)))?;
    if tcp {
        kernel.probe_tcp().map_err(|error| error.hint(without_tcp(endpoint)))?;
    }
    // Who holds a connection is looked for among all that its user runs and has open: as long as that user likes.
    if tcp && selectors().any(|selector| selector.needs_process() && selector.uids.is_empty()) {
        return Err(Error::usage(
            "over TCP an entry by group or program takes a user as well, or everybody could keep others waiting",
        )
        .hint("add --allow-uid USER, or uid:USER in --map"));
    }
    // /proc shows the programs of other users, and over TCP their descriptors, to root and who may trace them alone.
    // Older kernels tell who is on the other end of a Unix socket by descriptors as well.
    let by_descriptors = !tcp && kernel.tier() >= Tier::Pidfd;
    let looked_into = |selector: &Selector| match tcp {
        true => selector.needs_process(),
        false => selector.needs_program() || by_descriptors,
    };
    let own = [effective_uid()];
    let hidden = |selector: &&Selector| looked_into(selector) && selector.uids.iter().ne(own.iter());
    if selectors().any(|selector| hidden(&selector)) && !may_look_into_others() {
        let what = match (tcp, by_descriptors) {
            (true, _) => "group or program",
            (false, true) => "number, on a kernel before Linux 6.5,",
            (false, false) => "program",
        };
        return Err(Error::new(format!(
            "the {what} of other users' processes is not shown to uid {}, so that nobody could be selected by it",
            effective_uid()
        ))
        .hint("run sentinel with CAP_SYS_PTRACE (systemd: AmbientCapabilities=CAP_SYS_PTRACE), or select by user and cgroup"));
    }
    Ok(Some(kernel))
}

/// What to do where the kernel names no process: over a Unix socket it tells the uid in any case.
fn without_processes(endpoint: Endpoint, tcp: bool) -> &'static str {
    match (endpoint, tcp) {
        (Endpoint::Ec2(_), _) => "`serve ecs` on a Unix socket can do without, with --bind uid",
        (Endpoint::Container | Endpoint::Ecs, true) => "a Unix socket can do without, with --bind uid",
        (Endpoint::Container | Endpoint::Ecs, false) => {
            "select users, and know them by their uid alone: --bind uid --token-file PATH"
        }
    }
}

/// What to do where the kernel names processes, and not over TCP.
fn without_tcp(endpoint: Endpoint) -> &'static str {
    match endpoint {
        Endpoint::Ec2(_) => "`serve ecs` on a Unix socket needs less of the kernel",
        Endpoint::Container | Endpoint::Ecs => "serve on a Unix socket: it needs less of the kernel",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::imds::Imds;
    use crate::sys::user::{Gid, Uid};

    const METADATA: Endpoint = Endpoint::Ec2(Imds { v1: false });

    fn entry(uids: &[u32], gids: &[u32]) -> Resolved {
        let (uids, gids) = (uids.iter().copied().map(Uid).collect(), gids.iter().copied().map(Gid).collect());
        Resolved { selector: Selector { uids, gids, ..Selector::default() }, profile: None }
    }

    #[test]
    fn a_group_over_tcp_takes_a_user_and_the_process() {
        let why = |endpoint, by_uid, entries: &[Resolved]| {
            kernel(NamingTerms { endpoint, by_uid, tcp: true }, entries).expect_err("not told apart").to_string()
        };
        let by_uid = "over TCP a group is not known with --bind uid\n  name users, or serve on a Unix socket";
        assert_eq!(why(Endpoint::Ecs, true, &[entry(&[1], &[]), entry(&[1001], &[2001])]), by_uid);
        let anybody = "over TCP an entry by group or program takes a user as well, or everybody could keep others waiting\n  add \
                       --allow-uid USER, or uid:USER in --map";
        for endpoint in [Endpoint::Ecs, METADATA] {
            assert_eq!(why(endpoint, false, &[entry(&[], &[2001])]), anybody);
        }
        let unix = NamingTerms { endpoint: Endpoint::Ecs, by_uid: true, tcp: false };
        assert!(kernel(unix, &[entry(&[], &[2001])]).expect("the kernel is not asked").is_none());
    }

    #[test]
    fn hints_name_options_that_the_command_takes() {
        use crate::cli::commands::CommandName;
        use crate::cli::flags::FLAGS;
        let hints =
            |endpoint| [without_processes(endpoint, true), without_processes(endpoint, false), without_tcp(endpoint)];
        let takes = |command: CommandName, hint: &str| {
            let mut options = hint.split(' ').filter_map(|word| word.strip_prefix("--"));
            options.all(|name| FLAGS.iter().any(|flag| flag.name == name && flag.belongs_to(Some(command))))
        };
        for hint in hints(Endpoint::Ecs) {
            assert!(takes(CommandName::ServeEcs, hint), "{hint}");
        }
        for hint in hints(METADATA) {
            assert!(hint.starts_with("`serve ecs` on a Unix socket") && takes(CommandName::ServeEcs, hint), "{hint}");
        }
    }
}
