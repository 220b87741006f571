//! What happens to AWS, to clocks and to what the kernel lends: clients of a running server see as little of it as can be, and
//! nothing has to be started again.

mod aws;
mod clocks;
mod scarcity;
mod shape;

use serde_json::Value;

use crate::harness::{Invocation, Running, eventually};

/// A client that asks all the time, below its sentinel or beside a service.
struct Watcher {
    service: Option<Running>,
    client: Running,
}

/// What it has seen so far.
struct Seen(Value);

impl Watcher {
    /// Starts the client, and waits until it was served.
    #[track_caller]
    fn start(service: Option<Running>, client: Invocation) -> Self {
        let mut client = client.spawn();
        assert_eq!(client.line(), "ready");
        Self { service, client }
    }

    /// The sentinel that serves it.
    fn sentinel(&mut self) -> &mut Running {
        self.service.as_mut().unwrap_or(&mut self.client)
    }

    #[track_caller]
    fn seen(&mut self) -> Seen {
        self.client.send("");
        Seen(serde_json::from_str(&self.client.line()).expect("JSON"))
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

    /// Ends both. Returns what sentinel said.
    #[track_caller]
    fn end(self) -> String {
        let done = self.client.finish();
        assert_eq!(done.code(), 0, "{done}");
        let Some(service) = self.service else { return done.stderr };
        service.signal("TERM");
        let done = service.finish();
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
