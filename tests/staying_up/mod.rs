//! What happens to AWS, to clocks and to what the kernel lends: clients of a running server see as little of it as can be, and
//! nothing has to be started again.

mod aws;
mod clocks;
mod scarcity;

use serde_json::Value;

use crate::harness::{Invocation, Running, eventually, python};

/// A client that asks all the time, and the sentinel above it.
struct Watcher(Running);

/// What it has seen so far.
struct Seen(Value);

impl Watcher {
    /// The client's command, to come after `sentinel exec OPTIONS --`.
    fn command(every_s: &str) -> [&str; 5] {
        [python(), "-u", "-c", include_str!("watcher.py"), every_s]
    }

    /// Starts it, and waits until it was served.
    #[track_caller]
    fn start(exec: Invocation) -> Self {
        let mut running = exec.spawn();
        assert_eq!(running.line(), "ready");
        Self(running)
    }

    #[track_caller]
    fn seen(&mut self) -> Seen {
        self.0.send("");
        Seen(serde_json::from_str(&self.0.line()).expect("JSON"))
    }

    /// What it has seen once that fits.
    #[track_caller]
    fn wait(&mut self, what: &str, fits: impl Fn(&Seen) -> bool) -> Seen {
        eventually(what, || Some(self.seen()).filter(|seen| fits(seen)))
    }

    /// Waits until it has been served again, from now on.
    #[track_caller]
    fn wait_until_served(&mut self) -> Seen {
        // One answer may have been under way.
        let served = self.seen().with_status("200") + 2;
        self.wait("answers with credentials", |seen| seen.with_status("200") >= served)
    }

    /// Ends it. Returns what sentinel said.
    #[track_caller]
    fn end(self) -> String {
        let done = self.0.finish();
        assert_eq!(done.code(), 0, "{done}");
        done.stderr
    }
}

impl Seen {
    fn with_status(&self, status: &str) -> u64 {
        self.0["statuses"][status].as_u64().unwrap_or(0)
    }

    /// How many sets of credentials there were.
    fn sets(&self) -> usize {
        self.0["keys"].as_array().map_or(0, Vec::len)
    }

    /// Fails if anything but credentials was answered, or credentials that had ended.
    #[track_caller]
    fn is_nothing_but_credentials(&self, whatever: &str) {
        let statuses = self.0["statuses"].as_object().expect("an object");
        assert_eq!(statuses.keys().collect::<Vec<_>>(), ["200"], "{whatever}: {}", self.0);
        self.has_nothing_stale(whatever);
    }

    #[track_caller]
    fn has_nothing_stale(&self, whatever: &str) {
        assert_eq!(self.0["stale"], serde_json::json!([]), "{whatever}: {}", self.0);
    }
}
