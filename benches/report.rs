//! The table of figures and goals.

use std::fmt::Write;
use std::fs;
use std::process::Command;

use crate::crowd::Crowd;
use crate::stats::Spread;

/// What a figure should be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wanted {
    AtLeast(f64, &'static str),
    AtMost(f64, &'static str),
    /// Reported only.
    Told(&'static str),
}

/// All figures so far.
pub(crate) struct Report {
    machine: String,
    table: String,
    missed: usize,
}

impl Report {
    /// An empty table, made before anything is measured: it notes how busy the machine is.
    pub(crate) fn new() -> Self {
        Self { machine: machine(), table: String::new(), missed: 0 }
    }

    /// A heading over the rows that follow.
    pub(crate) fn heading(&mut self, title: &str) {
        let columns = "| what | median | least .. greatest | goal | | |\n|---|---|---|---|---|---|\n";
        self.table.push_str(&format!("\n## {title}\n\n{columns}"));
        eprintln!("{title}");
    }

    /// One figure. Also shown at once, because the whole takes minutes.
    pub(crate) fn row(&mut self, what: String, spread: Option<Spread>, wanted: Wanted, note: String) {
        let (unit, goal, met) = match (wanted, spread.map(|spread| spread.median)) {
            (Wanted::AtLeast(limit, unit), median) => {
                (unit, format!(">= {limit}"), median.map(|median| median >= limit))
            }
            (Wanted::AtMost(limit, unit), median) => {
                (unit, format!("<= {limit}"), median.map(|median| median <= limit))
            }
            (Wanted::Told(unit), _) => (unit, String::new(), None),
        };
        let verdict = match (met, wanted) {
            (_, Wanted::Told(_)) => "",
            (Some(true), _) => "met",
            (Some(false), _) => "MISSED",
            (None, _) => "not measured",
        };
        self.missed += usize::from(met == Some(false));
        let (median, range) = match spread {
            Some(Spread { least, median, greatest }) => {
                (format!("{median:.2} {unit}"), format!("{least:.2} .. {greatest:.2}"))
            }
            None => (String::new(), String::new()),
        };
        eprintln!("  {what}: {median} ({range}) {goal} {verdict} {note}");
        let line = format!("| {what} | {median} | {range} | {goal} | {verdict} | {note} |\n");
        self.table.push_str(&line);
    }

    /// A subject that could not be measured, and why.
    pub(crate) fn skipped(&mut self, what: &str, why: &str) {
        eprintln!("  skipped: {what}: {why}");
        self.table.push_str(&format!("| {what} | | | | skipped | {why} |\n"));
    }

    /// The whole, in Markdown.
    pub(crate) fn text(&self) -> String {
        let mut text = String::from(
            "# Speed and memory\n\n\
             Written by `make bench` (`cargo bench --locked --bench bench`). Every ratio and difference is of two things that were measured in turns\n\
             in one run, and the median of the rounds decides; the machine's own speed is not in it. The programs are copies, as installed ones\n\
             are. The bare responder reads a request\n\
             without looking at it and writes 700 bytes, one thread a connection. The promised calls alone are the same with the questions to the\n\
             kernel that are promised for every request (benches/floor.rs): what most of the difference is spent on. They are no bound:\n\
             that server makes a thread a connection. What runs keep is on the disk of the temporary directory; XDG_RUNTIME_DIR is in memory\n\
             (/dev/shm) where it can be, as systemd has it.\n\n",
        );
        let [one, _] = Crowd::each();
        let _never_fails = writeln!(
            text,
            "Where one client asks, who runs on which processor decides more than what is measured: {}.\n\
             Eight clients, and what serves them, run where the scheduler likes.\n",
            one.described()
        );
        let _never_fails = writeln!(text, "Machine: {}", self.machine);
        text.push_str(&self.table);
        let _never_fails = writeln!(text, "\nGoals missed: {}", self.missed);
        text
    }
}

/// Its shape, and nothing that names it.
fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": unknown processor");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let rustc = Command::new("rustc").arg("--version").output().map(|output| output.stdout).unwrap_or_default();
    let load = read("/proc/loadavg");
    format!(
        "{cores} cores, {}; Linux {}; {}; load before the run {}",
        model.trim_start_matches([' ', '\t', ':']),
        read("/proc/sys/kernel/osrelease").trim(),
        String::from_utf8_lossy(&rustc).trim(),
        load.split_whitespace().next().unwrap_or("unknown"),
    )
}
