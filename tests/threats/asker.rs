//! A client in the tree of a sentinel that serves `dev` over a Unix socket: it asks when it is told to.

use crate::harness::{Running, Sandbox, eventually};

pub(super) struct Asker(Running);

impl Asker {
    pub(super) fn start(sandbox: &Sandbox, options: &[&str]) -> Self {
        let options = [&["--profile", "dev", "--unix-socket"], options].concat();
        let mut asker = sandbox.python(&options, include_str!("attackers/asker.py")).spawn();
        assert_eq!(asker.line(), "ready");
        Self(asker)
    }

    /// `STATUS BODY`.
    #[track_caller]
    pub(super) fn ask(&mut self) -> String {
        self.0.send("");
        self.0.line()
    }

    /// Asks until that is not put off any more.
    pub(super) fn ask_until_answered(&mut self) -> String {
        eventually("an answer", || Some(self.ask()).filter(|answer| !answer.starts_with("503 ")))
    }

    /// Ends the client and its sentinel, which must have lived until now.
    #[track_caller]
    pub(super) fn end(self) {
        let done = self.0.finish();
        assert_eq!(done.code(), 0, "{done}");
    }
}
