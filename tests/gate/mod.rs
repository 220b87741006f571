//! Approvals, emergencies and sessions: from the command that begins one to the credentials that follow, or do not.

mod breakglass;
mod requests;
mod sessions;
mod tables;
mod wait;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use sentinel::clock::{Clock, SystemClock};
use sentinel::store::record::Value::Number;
use sentinel::store::{Engine, Local, Record, Tables};
use serde_json::Value;

use crate::clients::moto;
use crate::fake_sts::Call;
use crate::harness::{Finished, Invocation, Running, World};
use crate::store::{at_moto, engine_at_moto, forge_at_moto};

/// Alice, who may have `dev` if bob or carol approves, whose keys the policy names.
pub(crate) struct Gate {
    pub(crate) world: World,
    pub(crate) policy: PathBuf,
    keys: BTreeMap<&'static str, (PathBuf, String)>,
    /// Variables that name tables and the way to them; none where records are in the state directory.
    variables: Vec<(&'static str, String)>,
    tables: Tables,
}

impl Gate {
    pub(crate) fn new() -> Self {
        let world = World::with_dev();
        let mut keys = BTreeMap::new();
        for name in ["bob", "carol"] {
            world.sandbox.profile(name, &world.sts.user(name), "");
            keys.insert(name, make_key(&world, name));
        }
        let policy = world.sandbox.path("policy.json");
        let gate = Self { world, policy, keys, variables: Vec::new(), tables: Tables::default() };
        gate.rule("");
        gate
    }

    /// The same, with its records in new tables at moto.
    pub(crate) fn in_tables() -> Self {
        let (tables, keys) = at_moto();
        let gate = Self { tables, ..Self::new() };
        gate.world.sandbox.profile("tables", &keys, "");
        let name = |table: &Option<String>| table.clone().expect("a table");
        let variables = vec![
            ("SENTINEL_SESSION_TABLE", name(&gate.tables.sessions)),
            ("SENTINEL_REQUEST_TABLE", name(&gate.tables.requests)),
            ("SENTINEL_BREAKGLASS_TABLE", name(&gate.tables.events)),
            ("SENTINEL_AWS_PROFILE", "tables".to_owned()),
            ("AWS_ENDPOINT_URL_DYNAMODB", moto::server().endpoint.clone()),
        ];
        Self { variables, ..gate }
    }

    /// The records, for whoever may write there past sentinel.
    pub(crate) fn engine(&self) -> Box<dyn Engine> {
        match self.variables.is_empty() {
            true => Box::new(Local::open(&self.world.sandbox.path("state/sentinel")).expect("the records")),
            false => Box::new(engine_at_moto(self.tables.clone())),
        }
    }

    /// Writes a record past sentinel.
    pub(crate) fn forge_record<R: Record>(&self, id: &str, change: impl FnOnce(&mut R)) {
        let engine = self.engine();
        let found = engine.get(R::KIND, id).expect("an answer").expect("a record");
        let mut record = R::of_item(&found).expect("a record");
        change(&mut record);
        let mut item = record.to_item();
        item.0.insert("version".to_owned(), Number(found.version() + 1));
        match engine.table(R::KIND) {
            Some(table) => forge_at_moto(table, id, found.version(), &item),
            None => {
                let path = Path::new(&engine.place(R::KIND)).join(format!("{id}.json"));
                fs::write(path, serde_json::to_vec(&item).expect("JSON")).expect("written");
            }
        }
    }

    /// Replaces the policy: `more` are members of the document.
    pub(crate) fn rule(&self, more: &str) {
        let approver =
            |name: &str| format!(r#"{{"name":"{name}","key":"{}","profiles":["dev","other"]}}"#, self.keys[name].1);
        let text = format!(
            r#"{{"version":"1",{more}"approvers":[{},{}],"rules":[{{"name":"gated","effect":"require_approval","conditions":
            {{"profiles":["dev","other","third"]}}}},{{"name":"never","effect":"deny"}}]}}"#,
            approver("bob"),
            approver("carol")
        );
        // By rename, because a server may be reading it.
        let new = self.world.sandbox.write("policy.new", &text, 0o600);
        fs::rename(new, &self.policy).expect("replace the policy");
    }

    /// `sentinel ARGUMENTS`, as this user.
    pub(crate) fn run_as(&self, user: &str, arguments: &[&str]) -> Invocation {
        let profile = if user == "alice" { "base" } else { user };
        let run = self.world.sandbox.sentinel(arguments).env("AWS_PROFILE", profile);
        self.variables.iter().fold(run, |run, (name, value)| run.env(name, value))
    }

    /// `sentinel request create`, by alice. Returns the id.
    #[track_caller]
    pub(crate) fn create(&self, profile: &str, duration: &str) -> String {
        let words =
            ["request", "create", "--profile", profile, "--justification", "ticket 4711", "--duration", duration];
        let done = self.run_as("alice", &words).run();
        assert_eq!(done.code(), 0, "{done}");
        let id = done.stdout.trim_end().to_owned();
        assert_eq!((id.len(), done.stdout.lines().count()), (16, 1), "{done}");
        id
    }

    /// `sentinel request approve`, with this user's own key.
    pub(crate) fn approving(&self, user: &str, id: &str) -> Invocation {
        let key = &self.keys.get(user).expect("a key").0;
        self.run_as(user, &["request", "approve", id, "--key"]).args([key]).args([Path::new("--policy"), &self.policy])
    }

    /// The same, which has to succeed.
    #[track_caller]
    pub(crate) fn approve(&self, user: &str, id: &str) -> Finished {
        let done = self.approving(user, id).run();
        assert_eq!(done.code(), 0, "{done}");
        done
    }

    /// `sentinel exec --profile PROFILE -- true`, by alice.
    pub(crate) fn exec(&self, profile: &str, options: &[&str]) -> Finished {
        self.exec_invocation(profile, options).run()
    }

    /// The same before it runs.
    pub(crate) fn exec_invocation(&self, profile: &str, options: &[&str]) -> Invocation {
        let policy = self.policy.to_str().expect("UTF-8");
        let words = [&["--profile", profile, "--policy", policy], options].concat();
        let run = self.world.sandbox.exec(&words, &["true"]);
        self.variables.iter().fold(run, |run, (name, value)| run.env(name, value))
    }

    /// A client in the tree of a server for `dev`: it asks when it is sent a line, and prints `STATUS BODY`.
    pub(crate) fn asker(&self, options: &[&str]) -> Running {
        let policy = self.policy.to_str().expect("UTF-8");
        let words = [&["--profile", "dev", "--unix-socket", "--policy", policy], options].concat();
        let run = self.world.sandbox.python(&words, include_str!("asker.py"));
        let mut asker = self.variables.iter().fold(run, |run, (name, value)| run.env(name, value)).spawn();
        assert_eq!(asker.line(), "ready");
        asker
    }

    /// The last AssumeRole of the role `dev`.
    pub(crate) fn last_session(&self) -> Call {
        self.world.sts.calls_of("AssumeRole").pop().expect("a role was assumed")
    }

    /// A record's file.
    pub(crate) fn file(&self, kind: &str, id: &str) -> PathBuf {
        self.world.sandbox.path(&format!("state/sentinel/{kind}/{id}.json"))
    }

    /// A record as its file has it.
    pub(crate) fn record(&self, kind: &str, id: &str) -> Value {
        serde_json::from_str(&fs::read_to_string(self.file(kind, id)).expect("a record")).expect("JSON")
    }

    /// Writes a record's file past sentinel, as whoever may write there can.
    pub(crate) fn forge(&self, kind: &str, id: &str, change: impl FnOnce(&mut Value)) {
        let mut record = self.record(kind, id);
        change(&mut record);
        let path = format!("state/sentinel/{kind}/{id}.json");
        self.world.sandbox.write(&path, &record.to_string(), 0o600);
    }

    /// The last decision on record.
    pub(crate) fn last_decision(&self) -> Value {
        let decisions = self.world.sandbox.decisions();
        decisions.into_iter().rfind(|line| line.get("effect").is_some()).expect("a decision")
    }
}

/// `sentinel request keygen`: the key's file, and its public half.
fn make_key(world: &World, name: &str) -> (PathBuf, String) {
    let path = world.sandbox.path(&format!("{name}.key"));
    let done = world.sandbox.sentinel(["request", "keygen", "--out"]).args([&path]).run();
    assert_eq!(done.code(), 0, "{done}");
    (path, done.stdout.lines().next().expect("a key").to_owned())
}

/// A time from now, as records write it.
pub(crate) fn in_seconds(seconds: i64) -> String {
    let time: Timestamp = SystemClock.wall() + SignedDuration::from_secs(seconds);
    format!("{time:.3}")
}

/// Asks once.
#[track_caller]
pub(crate) fn ask(asker: &mut Running) -> String {
    asker.send("");
    asker.line()
}
