//! The settings of `serve`.

use std::net::{SocketAddr, SocketAddrV4};
use std::path::PathBuf;
use std::time::Duration;

use super::given::{Given, LONGEST_ROLE_SESSION, Said, WantedGroup};
use super::imds;
use super::run::{Common, MAX_CONNECTIONS};
use super::token_file::TokenFile;
use crate::cli::flags::Id;
use crate::error::{Error, Result};
use crate::nearest::did_you_mean;
use crate::server::Endpoint;
use crate::server::imds::Imds;

/// The settings of `serve`.
#[derive(Debug, PartialEq, Eq)]
pub struct Serve {
    /// What it shares with `exec`. The profile is that of the last entry, if that names none.
    pub common: Common,
    /// Which paths it answers.
    pub endpoint: Endpoint,
    /// Where it listens.
    pub place: ServicePlace,
    /// Whom it serves, in their order; at least one.
    pub entries: Vec<WantedEntry>,
    /// Callers are known by their uid alone.
    pub by_uid: bool,
    /// How long the credentials that it gives out live, if the person says.
    pub duration: Option<Duration>,
    /// Most connections at a time.
    pub max_connections: usize,
    /// Where the token is; `None` asks for none.
    pub token_file: Option<TokenFile>,
}

/// Where a service listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServicePlace {
    /// On a Unix socket at this path, with this mode, of this group.
    Socket {
        /// The path.
        path: PathBuf,
        /// Who may connect; `None` is whoever runs the service.
        mode: Option<u32>,
        /// The group.
        group: Option<WantedGroup>,
    },
    /// On a loopback address.
    Tcp(SocketAddr),
    /// On what the service manager hands over.
    HandedOver {
        /// The widest mode of a Unix socket.
        mode: Option<u32>,
        /// Its group.
        group: Option<WantedGroup>,
    },
    /// The metadata endpoint, on an address of the loopback interface.
    Imds {
        /// With its port.
        address: SocketAddrV4,
        /// How far its packets go.
        hop_limit: u8,
    },
}

/// An entry as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedEntry {
    /// What has to hold.
    pub demands: Vec<Demand>,
    /// The profile; `None` is that of `--profile`.
    pub profile: Option<String>,
}

/// One thing that has to hold, or one of several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demand {
    /// What it is about.
    pub kind: DemandKind,
    /// The value.
    pub value: String,
    /// How it was written: `--allow-uid web`, `uid:web in --map`.
    pub said: String,
}

/// What a selector can be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is its name in --map")]
pub enum DemandKind {
    Uid,
    Gid,
    Exe,
    Sha256,
    Cgroup,
}

/// The kinds, each with its name and its option.
const KINDS: [(&str, DemandKind, Id); 5] = [
    ("uid", DemandKind::Uid, Id::AllowUid),
    ("gid", DemandKind::Gid, Id::AllowGid),
    ("exe", DemandKind::Exe, Id::AllowExe),
    ("sha256", DemandKind::Sha256, Id::AllowSha256),
    ("cgroup", DemandKind::Cgroup, Id::AllowCgroup),
];

impl Serve {
    /// The settings of `serve ecs`.
    ///
    /// # Errors
    /// Of kind usage, naming the flag or variable and its value.
    pub fn ecs(given: &Given<'_>) -> Result<Self> {
        Self::of(given, Endpoint::Ecs, place(given)?)
    }

    /// The settings of `serve ec2`.
    ///
    /// # Errors
    /// Of kind usage, naming the flag or variable and its value.
    pub fn ec2(given: &Given<'_>) -> Result<Self> {
        let address = imds::address(given)?.ok_or_else(|| {
            Error::usage("serve ec2 needs --imds-address").hint("`--imds-address 169.254.169.254`, once that is on lo")
        })?;
        let place = ServicePlace::Imds { address, hop_limit: imds::hop_limit(given)? };
        Self::of(given, Endpoint::Ec2(Imds { v1: given.switch(Id::ImdsV1)? }), place)
    }

    fn of(given: &Given<'_>, endpoint: Endpoint, place: ServicePlace) -> Result<Self> {
        let by_uid = given.choice(Id::ServiceBind, &[true])?.unwrap_or(false);
        let entries = entries(given)?;
        let demands = || entries.iter().flat_map(|entry| &entry.demands);
        let is_ids = |demand: &&Demand| matches!(demand.kind, DemandKind::Uid | DemandKind::Gid);
        if by_uid && let Some(demand) = demands().find(|demand| !is_ids(demand)) {
            return Err(Error::usage(format!("{} is not known of callers with --bind uid", demand.said))
                .hint("leave one of them out"));
        }
        if by_uid
            && matches!(place, ServicePlace::Tcp(_))
            && let Some(demand) = demands().find(|demand| demand.kind == DemandKind::Gid)
        {
            return Err(Error::usage(format!("{} is not known over TCP with --bind uid", demand.said))
                .hint("use --socket, or name users"));
        }
        Ok(Self {
            duration: given.session_length(Id::ServerDuration, LONGEST_ROLE_SESSION)?,
            max_connections: max_connections(given)?,
            token_file: match endpoint {
                // Its callers have session tokens.
                Endpoint::Ec2(_) => None,
                Endpoint::Container | Endpoint::Ecs => TokenFile::of(given)?,
            },
            common: Common::of(given)?,
            endpoint,
            place,
            entries,
            by_uid,
        })
    }
}

/// `--max-connections`.
pub(super) fn max_connections(given: &Given<'_>) -> Result<usize> {
    let number = given.number_to(Id::MaxConnections, 1, 4096)?;
    Ok(number.and_then(|number| usize::try_from(number).ok()).unwrap_or(MAX_CONNECTIONS))
}

fn place(given: &Given<'_>) -> Result<ServicePlace> {
    let (mode, group) = (socket_mode(given)?, given.group(Id::SocketGroup)?);
    match given.stronger(Id::Socket, Id::Address) {
        (Some(said), None) => {
            let path = PathBuf::from(said.value);
            // Connecting takes the right to write (unix(7)).
            if let Some(group) = group.as_ref().filter(|_| mode.is_none_or(|mode| mode & 0o020 == 0)) {
                return Err(Error::usage(format!(
                    "{} lets nobody in without a mode that lets the group write",
                    group.said
                ))
                .hint("give --socket-mode 0660"));
            }
            Ok(ServicePlace::Socket { path, mode, group })
        }
        (None, Some(said)) => {
            // Variables and files may be for other services.
            let misplaced = [Id::SocketMode, Id::SocketGroup].into_iter().find(|id| given.parsed.has(*id));
            if let Some(id) = misplaced {
                let name = super::name_of(id);
                return Err(Error::usage(format!("{name} is for a Unix socket, and {} is a port", said.quoted()))
                    .hint(format!("leave {name} out: the selectors say who is served")));
            }
            let text = said.text()?;
            let address: Option<SocketAddr> = text.parse().ok();
            let address = address.filter(|address| address.ip().is_loopback());
            address.map(ServicePlace::Tcp).ok_or_else(|| {
                Error::usage(format!("{} is not a port of a loopback address", said.quoted()))
                    .hint("write it as 127.0.0.1:9911; nothing else is listened on")
            })
        }
        (Some(socket), Some(address)) => {
            Err(Error::usage(format!("{} and {} both say where to listen", socket.name, address.name))
                .hint("leave one out"))
        }
        (None, None) if given.env.os("LISTEN_FDS").is_some() => Ok(ServicePlace::HandedOver { mode, group }),
        (None, None) => Err(Error::usage("serve needs a place to listen at").hint("`--socket PATH`")),
    }
}

fn socket_mode(given: &Given<'_>) -> Result<Option<u32>> {
    let Some(said) = given.said(Id::SocketMode) else { return Ok(None) };
    let text = said.text()?;
    let is_octal = (3..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| is_octal && mode & !0o666 == 0 && mode & 0o600 == 0o600);
    mode.map(Some).ok_or_else(|| {
        Error::usage(format!("{} is not a mode for a socket", said.quoted()))
            .hint("0600: whoever runs it; 0660: and the socket's group; 0666: everybody")
    })
}

fn entries(given: &Given<'_>) -> Result<Vec<WantedEntry>> {
    let maps = given.list(Id::Map, &[])?;
    let mut entries = maps.iter().map(|(text, said)| parse_map(text, said)).collect::<Result<Vec<_>>>()?;
    let mut demands = Vec::new();
    for (_, kind, id) in KINDS {
        let apart: &[char] = if matches!(kind, DemandKind::Exe | DemandKind::Cgroup) { &[] } else { &[','] };
        for (value, said) in given.list(id, apart)? {
            demands.push(Demand { kind, said: said.quoted(), value: value.to_owned() });
        }
    }
    match (demands.is_empty(), entries.is_empty()) {
        (true, true) => Err(Error::usage("serve would serve nobody: nothing says whom")
            .hint("name a user with --allow-uid, or users and their profiles with --map uid:USER=PROFILE")),
        (true, false) if given.parsed.has(Id::Profile) => {
            Err(Error::usage("--profile is for whom --allow options name, and there are none")
                .hint("add --allow-uid USER, or leave --profile out"))
        }
        (true, false) => Ok(entries),
        (false, _) => {
            entries.push(WantedEntry { demands, profile: None });
            Ok(entries)
        }
    }
}

/// `uid:web,exe:/usr/bin/app=prod`. The profile is behind the last `=`, because a path may have one.
fn parse_map(text: &str, said: &Said<'_>) -> Result<WantedEntry> {
    const HOW: &str = "write it as uid:web=prod or uid:web,exe:/usr/bin/app=prod";
    let wrong = |what: String| Error::usage(format!("{} {what}", said.quoted())).hint(HOW);
    let (selector, profile) = match text.rsplit_once('=') {
        Some((selector, profile)) if !profile.is_empty() && !selector.is_empty() => (selector, profile),
        Some(_) => return Err(wrong("lacks what is before or behind the =".to_owned())),
        None => return Err(wrong("names no profile".to_owned())),
    };
    let mut demands = Vec::new();
    for part in parts(selector) {
        let Some((name, value)) = part.split_once(':').filter(|(_, value)| !value.is_empty()) else {
            return Err(wrong(format!("has `{part}` in it, which is no KIND:VALUE")));
        };
        let Some((_, kind, _)) = KINDS.iter().find(|(known, ..)| *known == name) else {
            let error = wrong(format!("has the kind `{name}` in it, which there is not"));
            let near = did_you_mean(name, KINDS.iter().map(|(known, ..)| *known));
            return Err(error.hint(near.unwrap_or_else(|| "the kinds are uid, gid, exe, sha256 and cgroup".to_owned())));
        };
        let said = format!("{part} in {}", said.name);
        demands.push(Demand { kind: *kind, value: value.to_owned(), said });
    }
    Ok(WantedEntry { demands, profile: Some(profile.to_owned()) })
}

/// The parts of a selector. A path may have a comma: what follows one and has no colon belongs to the path before it.
fn parts(selector: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for piece in selector.split(',') {
        let goes_on = !piece.is_empty() && !piece.contains(':');
        let path =
            parts.last_mut().filter(|part| goes_on && (part.starts_with("exe:/") || part.starts_with("cgroup:/")));
        match path {
            Some(path) => {
                path.push(',');
                path.push_str(piece);
            }
            None => parts.push(piece.to_owned()),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    fn parsed(text: &str) -> Result<WantedEntry> {
        parse_map(text, &Said::on_the_command_line("--map", OsStr::new(text)))
    }

    fn wrong(text: &str) -> String {
        parsed(text).expect_err("wrong").to_string()
    }

    #[test]
    fn a_map_is_kinds_and_values_and_behind_the_last_equals_sign_a_profile() {
        let entry = parsed("uid:web,uid:1001,exe:/opt/a=b/app=prod").expect("an entry");
        assert_eq!(entry.profile.as_deref(), Some("prod"));
        let demands: Vec<_> = entry.demands.iter().map(|demand| (demand.kind, demand.value.as_str())).collect();
        assert_eq!(demands, [(DemandKind::Uid, "web"), (DemandKind::Uid, "1001"), (DemandKind::Exe, "/opt/a=b/app")]);
    }

    #[test]
    fn a_path_may_have_a_comma() {
        let entry = parsed("uid:web,exe:/opt/a,b/app,cgroup:/x.slice/y,z,gid:app=prod").expect("an entry");
        let demands: Vec<_> = entry.demands.iter().map(|demand| (demand.kind, demand.value.as_str())).collect();
        let (exe, cgroup) = ((DemandKind::Exe, "/opt/a,b/app"), (DemandKind::Cgroup, "/x.slice/y,z"));
        assert_eq!(demands, [(DemandKind::Uid, "web"), exe, cgroup, (DemandKind::Gid, "app")]);
        assert_eq!(entry.demands[1].said, "exe:/opt/a,b/app in --map");
    }

    #[test]
    fn what_is_wrong_with_a_map_is_said() {
        const HOW: &str = "\n  write it as uid:web=prod or uid:web,exe:/usr/bin/app=prod";
        assert_eq!(wrong("uid:web"), format!("--map uid:web names no profile{HOW}"));
        assert_eq!(wrong("uid:web="), format!("--map uid:web= lacks what is before or behind the ={HOW}"));
        assert_eq!(wrong("=p"), format!("--map =p lacks what is before or behind the ={HOW}"));
        assert_eq!(wrong("web=p"), format!("--map web=p has `web` in it, which is no KIND:VALUE{HOW}"));
        assert_eq!(wrong("uid:=p"), format!("--map uid:=p has `uid:` in it, which is no KIND:VALUE{HOW}"));
        assert_eq!(wrong("uid:1,web=p"), format!("--map uid:1,web=p has `web` in it, which is no KIND:VALUE{HOW}"));
        assert_eq!(wrong("exe:/a,=p"), format!("--map exe:/a,=p has `` in it, which is no KIND:VALUE{HOW}"));
        assert_eq!(wrong("uid:1,=p"), format!("--map uid:1,=p has `` in it, which is no KIND:VALUE{HOW}"));
        assert_eq!(
            wrong("guid:1=p"),
            "--map guid:1=p has the kind `guid` in it, which there is not\n  did you mean `gid` or `uid`?"
        );
        assert_eq!(
            wrong("zzzz:1=p"),
            "--map zzzz:1=p has the kind `zzzz` in it, which there is not\n  the kinds are uid, gid, exe, sha256 and cgroup"
        );
    }

    #[test]
    fn any_text_is_an_entry_that_says_all_of_it_or_an_error() {
        let pieces = ["uid", "exe", ":", ":", "=", "=", ",", "/usr/bin/a", "web", "1001", "prod", "\u{e4}", " "];
        let mut state = 1u64;
        let mut next = |below: usize| {
            // A linear congruential generator: the same texts every time.
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).expect("31 bits") % below
        };
        let mut read = 0;
        for _ in 0..20_000 {
            let text: String = (0..1 + next(9)).map(|_| pieces[next(pieces.len())]).collect();
            let Ok(entry) = parsed(&text) else { continue };
            read += 1;
            let names = |wanted| KINDS.iter().find(|(_, kind, _)| *kind == wanted).map_or("", |(name, ..)| *name);
            let parts = entry.demands.iter().map(|demand| format!("{}:{}", names(demand.kind), demand.value));
            let again = format!("{}={}", parts.collect::<Vec<_>>().join(","), entry.profile.unwrap_or_default());
            assert_eq!(again, text);
        }
        assert!(read > 50, "{read}");
    }
}
