//! The warden process itself: starts the child, reaps, forwards, reports.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::Duration;

use super::PASSED_ON;
use super::wire::{self, Order, Program, Report};
use crate::sys::clock;
use crate::sys::poll::wait_readable;
use crate::sys::process::{self, ChildEvent, Pid};
use crate::sys::signal::Signals;

/// What the terminal or a process group's sender may send to every process of the group. The child gets its own copy;
/// the warden must neither die nor stop of it, because it has to see what the child does.
const HANDLED: [i32; 10] = [
    libc::SIGCHLD,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGHUP,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGTSTP,
    libc::SIGTTIN,
    libc::SIGTTOU,
];

/// A signal to the group and the broker's order are moments apart; on a host that has too much to do, seconds.
const GROUP_MEMORY: Duration = Duration::from_secs(5);

/// Runs until the child, or its whole tree, or the broker has ended. Returns the exit status of this process, which
/// nobody but a debugger reads.
pub(super) fn run(pipe: UnixStream, broker: Pid) -> i32 {
    // Not "sentinel": who signals that by name means the broker, and would be taken to have signalled the group.
    process::name_thread(c"warden");
    match supervise(&pipe, broker) {
        Ok(()) => 0,
        // The broker sees the end of the pipe and says so to the person.
        Err(_) => 1,
    }
}

fn supervise(pipe: &UnixStream, broker: Pid) -> io::Result<()> {
    process::become_subreaper()?;
    let mut signals = Signals::install(&HANDLED)?;
    let mut child = Child::default();
    let mut group = GroupSignals::default();
    loop {
        let [_, spoken] = wait_readable([signals.as_fd(), pipe.as_fd()], -1)?;
        group.note(&mut signals, child.stopped_since.is_some());
        if child.observe(pipe, broker)? == After::End {
            return Ok(());
        }
        if !spoken {
            continue;
        }
        match wire::receive_order(pipe)? {
            Some(Order::Start) => child.start(pipe, wire::receive_program(pipe)?)?,
            Some(Order::Signal(libc::SIGCONT, at)) => {
                if child.is_continued(at) {
                    child.told_to_stop = None;
                    child.signal(libc::SIGCONT);
                }
            }
            Some(Order::Signal(number, at)) => {
                let stopped = child.stopped_since.is_some();
                if !(child.is_in_our_group() && group.had(number, &mut signals, stopped)) {
                    child.signal(number);
                    if matches!(number, libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU) {
                        child.told_to_stop = Some(at);
                    }
                }
                // Its end may have been among the signals that were noted for this.
                if child.observe(pipe, broker)? == After::End {
                    return Ok(());
                }
            }
            None => {
                // The broker was killed. Its job ends with it: the child may clean up, and gets no more credentials.
                child.signal(libc::SIGTERM);
                return Ok(());
            }
        }
    }
}

/// Signals that came to this process, and so to its whole group: `timeout`, systemd and `kill -- -PGID` send to a group. The
/// child has its own then, and must not get a second one by way of the broker: to many programs the second SIGTERM
/// means "at once".
#[derive(Default)]
struct GroupSignals(Vec<(i32, Duration)>);

impl GroupSignals {
    /// `stopped`: whether the job is, and the broker with it, which takes what comes meanwhile when it goes on, each signal once.
    fn note(&mut self, signals: &mut Signals, stopped: bool) {
        let now = clock::boottime();
        if stopped {
            self.0.iter_mut().for_each(|(_, at)| *at = now);
        }
        self.0.retain(|(_, at)| now.saturating_sub(*at) < GROUP_MEMORY);
        while let Some(signal) = signals.take() {
            // What the terminal sent is not passed on by the broker, so that nothing has to be held against it.
            let is_passed_on = signal.sent_by_process || PASSED_ON.contains(&signal.number);
            let is_noted = stopped && self.0.iter().any(|(noted, _)| *noted == signal.number);
            if signal.number != libc::SIGCHLD && is_passed_on && !is_noted {
                self.0.push((signal.number, now));
            }
        }
    }

    /// Whether the group had this signal just now. The kernel marks it for the whole group before the broker's order can be
    /// on its way, so that it has been noted by now.
    fn had(&mut self, number: i32, signals: &mut Signals, stopped: bool) -> bool {
        self.note(signals, stopped);
        let found = self.0.iter().position(|(noted, _)| *noted == number);
        found.map(|at| self.0.swap_remove(at)).is_some()
    }
}

#[derive(Default)]
struct Child {
    pid: Option<Pid>,
    wait_for_tree: bool,
    /// Since when it has been stopped, if it is: time since boot.
    stopped_since: Option<Duration>,
    /// When the broker was sent the last stop that was passed on: it may take the child a while to stop.
    told_to_stop: Option<Duration>,
    ended: bool,
}

#[derive(PartialEq, Eq)]
enum After {
    GoOn,
    End,
}

impl Child {
    fn start(&mut self, pipe: &UnixStream, program: Program) -> io::Result<()> {
        self.wait_for_tree = program.wait_for_tree;
        let Some((name, arguments)) = program.arguments.split_first() else {
            return wire::send_report(pipe, Report::CannotStart(libc::EINVAL));
        };
        let started = Command::new(name).args(arguments).env_clear().envs(program.environment.iter()).spawn();
        match started {
            Ok(child) => {
                self.pid = Pid::new(child.id().cast_signed());
                // A broker that is gone by now is noticed by its end of the pipe, and then the child is told.
                let _gone = wire::send_report(pipe, Report::Started);
                Ok(())
            }
            Err(error) => wire::send_report(pipe, Report::CannotStart(error.raw_os_error().unwrap_or(libc::EINVAL))),
        }
    }

    /// A child that has ended is a zombie until it is reaped here, so its number cannot have become another's.
    fn signal(&self, number: i32) {
        if let (Some(pid), false) = (self.pid, self.ended) {
            // It may be a set-uid program, which may not be signalled: as without us.
            let _refused = process::signal(pid, number);
        }
    }

    /// Whether a SIGCONT that came to the broker at this time since boot continues the child.
    ///
    /// Not a child that runs: it had the group's own, or needs none. Not one that was seen to have stopped since: the kernel lets each
    /// stop take back the continuations before it, and what the group had may have been taken back from this process alone, so that
    /// nothing noted here can decide.
    fn is_continued(&self, at: Duration) -> bool {
        [self.stopped_since, self.told_to_stop].into_iter().flatten().any(|since| since <= at)
    }

    /// An interactive shell has a group of its own, which is signalled apart from ours.
    fn is_in_our_group(&self) -> bool {
        let own = process::own_pid();
        matches!((self.pid, own), (Some(pid), Some(own)) if !self.ended && process::share_group(pid, own))
    }

    /// Takes note of all that happened to children: the child's fate is reported, adopted orphans are reaped.
    fn observe(&mut self, pipe: &UnixStream, broker: Pid) -> io::Result<After> {
        loop {
            let (pid, event) = match process::next_child_event() {
                Ok(Some(event)) => event,
                Ok(None) => return Ok(After::GoOn),
                Err(error) if error.raw_os_error() == Some(libc::ECHILD) => {
                    if !self.ended {
                        return Ok(After::GoOn);
                    }
                    wire::send_report(pipe, Report::TreeEnded)?;
                    return Ok(After::End);
                }
                Err(error) => return Err(error),
            };
            if Some(pid) != self.pid || self.ended {
                continue;
            }
            let report = match event {
                ChildEvent::Exited(status) => Report::Exited(status),
                ChildEvent::Killed(signal) => Report::Killed(signal),
                ChildEvent::Stopped => {
                    self.stopped_since = Some(signal_broker(broker, libc::SIGSTOP));
                    continue;
                }
                ChildEvent::Continued => {
                    self.stopped_since = None;
                    self.told_to_stop = None;
                    signal_broker(broker, libc::SIGCONT);
                    continue;
                }
            };
            self.ended = true;
            if self.stopped_since.is_some() {
                // A stopped child can be killed. The broker has to say so.
                signal_broker(broker, libc::SIGCONT);
            }
            wire::send_report(pipe, report)?;
            if !self.wait_for_tree {
                return Ok(After::End);
            }
        }
    }
}

/// The broker stops and goes on with the child: the shell that started sentinel sees one job. All its stops come from here,
/// so that they arrive in the order in which the child's came, and a quick continuation is not overtaken. Returns when: a SIGCONT that
/// undoes a stop came later.
fn signal_broker(broker: Pid, number: i32) -> Duration {
    // Once the broker is gone its number may be another's, and this process has another parent.
    let is_there = std::os::unix::process::parent_id().cast_signed() == broker.as_raw();
    let now = clock::boottime();
    if is_there {
        // That it is gone is noticed by its end of the pipe.
        let _gone = process::signal(broker, number);
    }
    now
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_continuation_is_for_a_child_that_was_stopped_before_it() {
        let [before, then, after] = [1, 2, 3].map(Duration::from_secs);
        let child = |stopped_since| Child { stopped_since, ..Child::default() };
        assert!(child(Some(then)).is_continued(after));
        assert!(child(Some(then)).is_continued(then));
        assert!(!child(Some(then)).is_continued(before));
        assert!(!child(None).is_continued(after));
        let told = Child { told_to_stop: Some(then), ..Child::default() };
        assert!(told.is_continued(after) && !told.is_continued(before));
    }
}
