//! What each mode withstands, as the real program shows it on every kernel tier: the tables of SECURITY.md and README.md
//! are what this test finds.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::Mutex;
use std::{env, fs, thread};

use sentinel::peer::Kernel;
use sentinel::peer::kernel::Tier;

use super::arena::Arena;
use crate::harness::{is_root, skip};

const MODES: [&str; 4] = ["exec", "--unix-socket", "--server", "--ec2-server"];

/// Kernels, by the first version of Linux that names processes so; tier.py's name for it; and what `exec` needs to serve.
const KERNELS: [(&str, &str, Tier, &[&str]); 7] = [
    ("6.13", "pidfs inode", Tier::PidfsInode, &[]),
    ("6.9", "pidfs inode, by /proc", Tier::PidfsInode, &[]),
    ("6.5", "peer pidfd, by /proc", Tier::PeerPidfd, &[]),
    ("5.3", "pidfd, by /proc", Tier::Pidfd, &[]),
    ("older", "proc directory", Tier::ProcDirectory, &[]),
    ("none", "none", Tier::ProcDirectory, &[]),
    ("none, allowed", "none", Tier::ProcDirectory, &["--allow-fallback"]),
];

/// Attackers: their names in modes.py, and in the tables.
const ATTACKERS: [(&str, &str); 10] = [
    ("tree", "none: the command, and what it starts"),
    ("after", "what the command leaves behind, once the command has ended"),
    ("token", "another process of yours, with what the command has: its environment, and a session token"),
    ("given", "... with a connection that the command opened and gave away"),
    ("shared", "... with a connection that the command opened and holds, too"),
    ("taken", "... which gives a connection of its own to the command"),
    ("pipe", "... which opens the pipe between an SDK and its helper"),
    ("sentinel", "... which reads or traces sentinel"),
    ("user", "another user of this host, with the same"),
    ("page", "a web page, in a browser that the command started"),
];

/// Verdicts by mode, attacker and kernel.
type Findings = BTreeMap<(&'static str, String, &'static str), String>;

#[test]
fn the_tables_of_modes_are_what_attacks_show() {
    const TEST: &str = "the_tables_of_modes_are_what_attacks_show";
    if !is_root() {
        return skip(TEST, "only root can be another user of this host");
    }
    if Kernel::probe().expect("a kernel that names processes").tier() > Tier::PidfsInode {
        return skip(TEST, "this kernel cannot play the best tier");
    }
    let findings = find();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (file, table) in [("SECURITY.md", by_kernel(&findings)), ("README.md", by_mode(&findings))] {
        let path = root.join(file);
        let text = fs::read_to_string(&path).expect("the document");
        let (before, rest) = text.split_once(BEGIN).expect("the table's beginning");
        let (found, after) = rest.split_once(END).expect("the table's end");
        if env::var_os("SENTINEL_WRITE").is_some() {
            fs::write(&path, format!("{before}{BEGIN}{table}{END}{after}")).expect("written");
        } else {
            assert_eq!(found, table, "{file} does not say what the attacks show: `make pages` writes it anew");
        }
    }
}

const BEGIN: &str = "<!-- what attacks show: written by `make pages` -->\n";
const END: &str = "<!-- end -->\n";

/// Every mode's fight on every kernel, two at a time.
fn find() -> Findings {
    let mut fights: Vec<_> = vec![(MODES[0], KERNELS[0])];
    fights.extend(MODES[1..].iter().flat_map(|mode| KERNELS.map(|kernel| (*mode, kernel))));
    let (next, findings) = (Mutex::new(fights.into_iter()), Mutex::new(Findings::new()));
    let take = || next.lock().expect("not poisoned").next();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((mode, (kernel, tier, _, options))) = take() {
                    let done = Arena::new().fight(&[], "modes.py", &[&[tier, mode], options].concat());
                    assert_eq!(done.code(), 0, "{mode} on {kernel}: {done}");
                    let mut findings = findings.lock().expect("not poisoned");
                    let found =
                        done.stdout.lines().map(|line| line.split_once(": ").expect("an attacker and a verdict"));
                    for (attacker, verdict) in found {
                        assert!(attacker == "start" || ATTACKERS.iter().any(|(name, _)| *name == attacker), "{done}");
                        findings.insert((mode, attacker.to_owned(), kernel), verdict.to_owned());
                    }
                }
            });
        }
    });
    findings.into_inner().expect("not poisoned")
}

/// What came of an attack. Where `exec` does not start, nothing does; what is not there cannot be attacked.
fn cell<'a>(findings: &'a Findings, mode: &'static str, attacker: &str, kernel: &'static str) -> &'a str {
    let of = |attacker: &str| findings.get(&(mode, attacker.to_owned(), kernel)).map(String::as_str);
    of("start").or(of(attacker)).unwrap_or("-")
}

fn row(table: &mut String, cells: impl IntoIterator<Item = impl AsRef<str>>) {
    for cell in cells {
        let _ = write!(table, "| {} ", cell.as_ref());
    }
    table.push_str("|\n");
}

/// Rows of mode and attacker, a column a kernel.
fn by_kernel(findings: &Findings) -> String {
    let mut table = String::new();
    row(&mut table, ["mode", "attacker"].into_iter().chain(KERNELS.map(|(kernel, ..)| kernel)));
    row(&mut table, ["---"; KERNELS.len() + 2]);
    for mode in &MODES[1..] {
        for (attacker, text) in ATTACKERS {
            let cells = KERNELS.map(|(kernel, ..)| cell(findings, mode, attacker, kernel));
            row(&mut table, [format!("`{mode}`").as_str(), text].into_iter().chain(cells));
        }
    }
    table
}

/// Rows of attackers, a column a mode, on the best kernel.
fn by_mode(findings: &Findings) -> String {
    let mut table = String::new();
    row(&mut table, ["attacker", "`exec`", "`exec --unix-socket`", "`exec --server`", "`exec --ec2-server`"]);
    row(&mut table, ["---"; MODES.len() + 1]);
    for (attacker, text) in ATTACKERS {
        row(&mut table, [text].into_iter().chain(MODES.map(|mode| cell(findings, mode, attacker, KERNELS[0].0))));
    }
    table
}
