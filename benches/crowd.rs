//! How many clients ask at once, and on which processors. One client and its server take turns, and whether the scheduler has
//! them share a processor decides more than what is measured: each gets one of its own, whatever the server is. Many clients,
//! and their servers, run where the scheduler likes.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::Failure;

/// So many clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Crowd {
    pub(crate) clients: u32,
    /// The server's processor and the clients', where each has one.
    processors: Option<[usize; 2]>,
}

/// Where a process and what it starts may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place(Option<usize>);

impl Crowd {
    /// One client, and eight.
    pub(crate) fn each() -> [Self; 2] {
        [Self { clients: 1, processors: two_processors() }, Self::anywhere(8)]
    }

    /// So many clients, and their server, wherever the scheduler likes.
    pub(crate) fn anywhere(clients: u32) -> Self {
        Self { clients, processors: None }
    }

    /// What [`Crowd::word`] said.
    pub(crate) fn parse(word: &str) -> Result<Self, Failure> {
        let (clients, processors) = word.split_once('@').map_or((word, None), |(clients, at)| (clients, Some(at)));
        let processors = processors.map(|at| {
            let (server, client) = at.split_once('-').ok_or("two processors are needed")?;
            Ok::<_, Failure>([server.parse()?, client.parse()?])
        });
        Ok(Self { clients: clients.parse()?, processors: processors.transpose()? })
    }

    /// As one argument, for the processes that are started.
    pub(crate) fn word(self) -> String {
        match self.processors {
            Some([server, client]) => format!("{}@{server}-{client}", self.clients),
            None => self.clients.to_string(),
        }
    }

    /// Where the server runs.
    pub(crate) fn server(self) -> Place {
        Place(self.processors.map(|[server, _]| server))
    }

    /// Where the clients run.
    pub(crate) fn client(self) -> Place {
        Place(self.processors.map(|[_, client]| client))
    }

    /// For people.
    pub(crate) fn described(self) -> String {
        match self.processors {
            Some([server, client]) => {
                format!("one client runs on processor {client}, and what serves it, bare or not, on processor {server}")
            }
            None => "one client and what serves it are not kept apart, for want of a second processor or of taskset"
                .to_owned(),
        }
    }
}

impl Place {
    /// The words that start a program here.
    pub(crate) fn words(self, program: &Path) -> Vec<std::ffi::OsString> {
        let mut words = Vec::new();
        if let Some(processor) = self.0 {
            words.extend(["taskset".into(), "-c".into(), processor.to_string().into()]);
        }
        words.push(program.into());
        words
    }

    /// The same, as a command.
    pub(crate) fn command(self, program: &Path) -> Command {
        let words = self.words(program);
        let mut words = words.iter();
        // There is one at least.
        let mut command = Command::new(words.next().map_or(program.as_os_str(), |word| word.as_os_str()));
        command.args(words);
        command
    }
}

/// The first two processors that this process may use, where there are two, and taskset to choose with.
fn two_processors() -> Option<[usize; 2]> {
    let found = Command::new("taskset").arg("--version").stdout(Stdio::null()).status();
    found.ok().filter(std::process::ExitStatus::success)?;
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    let mut processors = allowed.trim().split(',').flat_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let bounds = first.parse::<usize>().ok().zip(last.parse::<usize>().ok());
        bounds.map(|(first, last)| first..=last).into_iter().flatten()
    });
    Some([processors.next()?, processors.next()?])
}
