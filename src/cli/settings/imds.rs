//! What the metadata endpoint of `exec --ec2-server` and `serve ec2` is told, and what does not go with that of `exec`.

use std::net::{Ipv4Addr, SocketAddrV4};

use super::given::Given;
use super::name_of;
use super::run::{Bind, Transport};
use crate::cli::flags::{Flag, Id};
use crate::error::{Error, Result};

/// The port of the metadata endpoint, where an address is given without one.
const PORT: u16 = 80;
/// No packet needs to go further than one hop: whoever is served is on this host.
const HOP_LIMIT: u8 = 1;
/// AWS's own limit.
const HIGHEST_HOP_LIMIT: u8 = 64;
/// Its options.
const OPTIONS: [Id; 3] = [Id::ImdsV1, Id::ImdsAddress, Id::HopLimit];

/// Whether the metadata endpoint is asked for. Two servers are a mistake, unless one of them was asked for more strongly.
pub(super) fn is_wanted(given: &Given<'_>) -> Result<bool> {
    let wanted = given.switch(Id::Ec2Server)?;
    for other in [Id::UnixSocket, Id::Server, Id::EcsServer] {
        if !wanted || !given.switch(other)? {
            continue;
        }
        // On the command line switches have no value to be ranked by.
        let (one, two) = match (given.parsed.has(Id::Ec2Server), given.parsed.has(other)) {
            (true, false) => continue,
            (false, true) => return Ok(false),
            (true, true) => (name_of(Id::Ec2Server), name_of(other)),
            (false, false) => match given.stronger(Id::Ec2Server, other) {
                (Some(one), Some(two)) => (one.name, two.name),
                (one, _) if one.is_some() => continue,
                _ => return Ok(false),
            },
        };
        return Err(Error::usage(format!("{one} and {two} ask for two servers"))
            .hint("leave one out: the metadata endpoint is a port of its own"));
    }
    Ok(wanted)
}

/// Where the metadata endpoint is.
pub(super) fn transport(given: &Given<'_>, bind: Bind, port: impl FnOnce() -> Result<u16>) -> Result<Transport> {
    let misplaced = |id: Id, why: &str| match Flag::of(id).filter(|_| given.parsed.has(id)) {
        Some(flag) => Err(Error::usage(format!("{} does not go with --ec2-server: {why}", flag.dashed()))),
        None => Ok(()),
    };
    misplaced(Id::UnixSocketPath, "no SDK asks for metadata over a Unix socket")?;
    misplaced(Id::AllowFallback, "it serves nobody whom the kernel cannot name")?;
    if bind == Bind::Uid {
        return Err(Error::usage(
            "the metadata endpoint is for the command's process tree, and not for every process of yours",
        )
        .hint("leave --bind uid (SENTINEL_BIND=uid) out: it has no secret that they would have to know"));
    }
    let address = match address(given)? {
        None => SocketAddrV4::new(Ipv4Addr::LOCALHOST, port()?),
        Some(address) => {
            misplaced(Id::ServerPort, "write the port behind the address, as 169.254.169.254:80")?;
            address
        }
    };
    Ok(Transport::Imds { address, hop_limit: hop_limit(given)? })
}

/// `--imds-address`.
pub(super) fn address(given: &Given<'_>) -> Result<Option<SocketAddrV4>> {
    let Some(said) = given.said(Id::ImdsAddress) else { return Ok(None) };
    let text = said.text()?;
    let address = text.parse().ok().or_else(|| Some(SocketAddrV4::new(text.parse().ok()?, PORT)));
    address.map(Some).ok_or_else(|| {
        Error::usage(format!("{} is not an IPv4 address", said.quoted()))
            .hint("write it as 169.254.169.254 or 127.0.0.1:8080")
    })
}

/// `--hop-limit`.
pub(super) fn hop_limit(given: &Given<'_>) -> Result<u8> {
    let hops = given.number_to(Id::HopLimit, 1, HIGHEST_HOP_LIMIT.into())?;
    Ok(hops.map_or(HOP_LIMIT, |hops| u8::try_from(hops).unwrap_or(HIGHEST_HOP_LIMIT)))
}

/// Its options are mistakes without it. Variables are not: they may serve other runs.
pub(super) fn refuse_options(given: &Given<'_>) -> Result<()> {
    let misplaced = OPTIONS.into_iter().filter(|id| given.parsed.has(*id)).find_map(Flag::of);
    misplaced.map_or(Ok(()), |flag| {
        let name = flag.dashed();
        Err(Error::usage(format!("{name} needs --ec2-server")).hint(format!("add --ec2-server, or leave {name} out")))
    })
}
