//! The engine of tables at two DynamoDBs that have nothing in common: moto, which verifies every signature and permission,
//! and dynalite, which has its own mind about expressions.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::Timestamp;
use sentinel::aws::dynamodb as api;
use sentinel::aws::endpoint::{self, Endpoint, Service, Variant};
use sentinel::aws::json::Json;
use sentinel::aws::keys::{KeySource, Keys};
use sentinel::aws::network::Network;
use sentinel::aws::sts::{AssumeRole, Sts};
use sentinel::clock::{Clock, SystemClock};
use sentinel::error::Result;
use sentinel::secret::Secret;
use sentinel::store::record::Record;
use sentinel::store::{DynamoDb, Engine, Index, Kind, Session, Tables};
use serde_json::{Value, json};

use super::{Contention, conformance, error, insert, read, session, unique};
use crate::clients::javascript::packages;
use crate::clients::moto;
use crate::harness::{DEADLINE, eventually, skip};

/// Keys that do not change.
pub(super) struct Fixed(Arc<Keys>);

impl Fixed {
    pub(super) fn new(id: &str, secret: &str, token: Option<&str>) -> Arc<Self> {
        let hold = |text: &str| Secret::take_string(text.to_owned()).expect("memory");
        Arc::new(Self(Arc::new(Keys {
            access_key_id: id.to_owned(),
            secret_access_key: hold(secret),
            session_token: token.map(hold),
        })))
    }
}

impl KeySource for Fixed {
    fn keys(&self, _deadline_boot: Duration) -> Result<Arc<Keys>> {
        Ok(Arc::clone(&self.0))
    }
}

/// A DynamoDB, and keys for it.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) url: String,
    pub(super) keys: Arc<Fixed>,
}

pub(super) fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

/// A clock for engines whose calls may take as long as these servers do on a busy machine: to them no time passes. How long a
/// call takes at most is for `faults` to say.
struct Patient;

impl Clock for Patient {
    fn wall(&self) -> Timestamp {
        SystemClock.wall()
    }

    fn boot(&self) -> Duration {
        Duration::ZERO
    }
}

fn soon() -> Duration {
    SystemClock.boot() + DEADLINE
}

impl Place {
    fn endpoint(&self) -> Endpoint {
        endpoint::of(Service::DynamoDb, "us-east-1", Some(&self.url), Variant::default()).expect("an endpoint")
    }

    pub(super) fn api(&self, clock: Arc<dyn Clock>) -> api::DynamoDb {
        let keys = Arc::clone(&self.keys);
        api::DynamoDb::new(self.endpoint(), keys, clock, &Network::default()).expect("a client")
    }

    /// Any call, past the engine.
    fn call(&self, target: &'static str, body: &Value) -> Value {
        let json = Json::new(Service::DynamoDb, self.endpoint(), clock(), &Network::default()).expect("a client");
        json.call(target, body, &self.keys.0, soon()).unwrap_or_else(|failure| panic!("{target}: {failure}"))
    }

    /// The engine of these tables, which need not exist.
    pub(super) fn engine(&self, tables: Tables) -> DynamoDb {
        let patient = || Arc::new(Patient);
        DynamoDb::new(self.api(patient()), tables, patient()).expect("names of tables")
    }

    /// The engine of three new tables.
    fn fresh(&self) -> DynamoDb {
        self.engine(self.tables())
    }

    /// Their names.
    fn tables(&self) -> Tables {
        let names = Kind::ALL.map(|kind| {
            let name = unique(&kind.noun().replace(' ', "-"));
            self.create(&name, kind, kind.indexes());
            Some(name)
        });
        let [sessions, requests, events] = names;
        Tables { sessions, requests, events }
    }

    fn create(&self, name: &str, kind: Kind, indexes: &[(&str, &str)]) {
        // Each is sorted by its time, but for the one that older tools sort by status.
        let range = |field: &str| if field == "server_instance_id" { "status" } else { "created_at" };
        let key = |hash: &str, range: &str| json!([{"AttributeName": hash, "KeyType": "HASH"}, {"AttributeName": range, "KeyType": "RANGE"}]);
        let fields = kind.indexes().iter().map(|(field, _)| *field).chain(["id", "created_at"]);
        let used = |field: &&str| {
            ["id", "created_at"].contains(field)
                || indexes.iter().any(|(index, _)| index == field || range(index) == *field)
        };
        let attributes: Vec<Value> =
            fields.filter(used).map(|field| json!({"AttributeName": field, "AttributeType": "S"})).collect();
        let indexes: Vec<Value> = indexes
            .iter()
            .map(|(field, index)| {
                json!({
                    "IndexName": index,
                    "KeySchema": key(field, range(field)),
                    "Projection": {"ProjectionType": "ALL"},
                })
            })
            .collect();
        let body = json!({
            "TableName": name,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": attributes,
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "GlobalSecondaryIndexes": indexes,
        });
        self.call("DynamoDB_20120810.CreateTable", &body);
        let described = || self.call("DynamoDB_20120810.DescribeTable", &json!({"TableName": name}));
        eventually("the table is active", || (described()["Table"]["TableStatus"] == "ACTIVE").then_some(()));
    }
}

/// moto, with the keys of the role that may use tables.
fn moto() -> Place {
    static KEYS: OnceLock<Arc<Fixed>> = OnceLock::new();
    let moto = moto::server();
    let keys = KEYS.get_or_init(|| {
        let endpoint = endpoint::sts(&moto.region, Some(&moto.endpoint), Variant::default()).expect("an endpoint");
        let sts = Sts::new(endpoint, clock(), &Network::default()).expect("a client");
        let ask = AssumeRole {
            role_arn: &moto.role_arn,
            session_name: "store",
            external_id: None,
            duration: Duration::from_secs(3_600),
            source_identity: None,
            policy: None,
            policy_arns: &[],
            mfa: None,
        };
        let user = Fixed::new(&moto.access_key, &moto.secret, None);
        let role = sts.assume_role(&user.0, &ask, soon()).unwrap_or_else(|failure| panic!("{failure}"));
        Arc::new(Fixed(Arc::new(role.keys)))
    });
    Place { url: moto.endpoint.clone(), keys: Arc::clone(keys) }
}

/// Three new tables at moto, and keys for them.
pub(crate) fn at_moto() -> (Tables, crate::fake_sts::Keys) {
    let place = moto();
    let Keys { access_key_id, secret_access_key, session_token } = place.keys.0.as_ref();
    let keys = crate::fake_sts::Keys {
        access_key_id: access_key_id.clone(),
        secret_access_key: secret_access_key.expose_str().to_owned(),
        session_token: session_token.as_ref().map(|token| token.expose_str().to_owned()),
        arn: String::new(),
    };
    (place.tables(), keys)
}

/// The engine of tables at moto.
pub(crate) fn engine_at_moto(tables: Tables) -> DynamoDb {
    moto().engine(tables)
}

/// Writes an item at moto, whatever it was like but for its version.
pub(crate) fn forge_at_moto(table: &str, id: &str, version: i64, item: &sentinel::store::Item) {
    let attribute = |value: &sentinel::store::record::Value| match value {
        sentinel::store::record::Value::Text(text) => serde_json::json!({"S": text}),
        sentinel::store::record::Value::Number(number) => serde_json::json!({"N": number.to_string()}),
    };
    let attributes = item.0.iter().map(|(name, value)| (name.clone(), attribute(value))).collect();
    let before = sentinel::aws::dynamodb::Before { version, statuses: &[] };
    let deadline = soon();
    moto().api(clock()).update(table, id, before, &attributes, &[], deadline).expect("written");
}

/// dynalite, if Node and the package are there. It looks at no signature.
fn dynalite(test: &str) -> Option<Place> {
    static RUNNING: OnceLock<(String, ChildStdin)> = OnceLock::new();
    let packages = packages(test)?;
    if !packages.join("dynalite").exists() {
        skip(test, "the JavaScript packages are older than dynalite: `make node` makes them anew");
        return None;
    }
    let (url, _) = RUNNING.get_or_init(|| start_dynalite(&packages));
    Some(Place { url: url.clone(), keys: Fixed::new("AKIAIOSFODNN7EXAMPLE", "secret", None) })
}

#[expect(clippy::zombie_processes, reason = "the server outlives every test: it ends when its input is closed")]
fn start_dynalite(packages: &Path) -> (String, ChildStdin) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/store/dynalite.cjs");
    let mut command = Command::new("node");
    command.arg(script).env("NODE_PATH", packages).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("node starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("text");
    let port: u16 = line.trim().parse().unwrap_or_else(|_| panic!("dynalite said no port; its error is above: {line}"));
    (format!("http://127.0.0.1:{port}"), child.stdin.take().expect("piped"))
}

/// By one writer: moto looks at a condition and writes without a lock between, so that at times two of many win.
#[test]
fn tables_at_moto_keep_what_engines_promise() {
    conformance(&moto().fresh(), &Contention { writers: 1, updates: 5 });
}

/// By the commands of the page, with the AWS CLI.
#[test]
fn tables_that_are_made_as_the_page_says_keep_what_engines_promise() {
    let page = include_str!("../../docs/tables.md");
    let commands: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("    ")).collect();
    assert!(commands.len() > 20, "{commands:?}");
    let (moto, place) = (moto::server(), moto());
    let keys = &place.keys.0;
    let output = Command::new("bash")
        .args(["-eu", "-o", "pipefail", "-c", &commands.join("\n")])
        .env_clear()
        .env("PATH", crate::clients::world::path())
        .envs([
            ("AWS_ENDPOINT_URL", moto.endpoint.as_str()),
            ("AWS_DEFAULT_REGION", "us-east-1"),
            ("AWS_CONFIG_FILE", "/dev/null"),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_PAGER", ""),
            ("AWS_ACCESS_KEY_ID", keys.access_key_id.as_str()),
            ("AWS_SECRET_ACCESS_KEY", keys.secret_access_key.expose_str()),
            ("AWS_SESSION_TOKEN", keys.session_token.as_ref().expect("a role's").expose_str()),
        ])
        .output()
        .expect("bash starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let named = |name: &str| Some(format!("sentinel-{name}"));
    let tables = Tables { sessions: named("sessions"), requests: named("requests"), events: named("breakglass") };
    conformance(&place.engine(tables), &Contention { writers: 1, updates: 1 });
}

#[test]
fn tables_at_dynalite_keep_what_engines_promise() {
    let Some(place) = dynalite("tables_at_dynalite_keep_what_engines_promise") else { return };
    conformance(&place.fresh(), &Contention { writers: 8, updates: 50 });
}

#[test]
fn a_missing_table_or_index_is_named() {
    let mut places = vec![moto()];
    places.extend(dynalite("a_missing_table_or_index_is_named"));
    for place in places {
        let name = unique("nowhere");
        let engine = place.engine(Tables { sessions: Some(name.clone()), ..Tables::default() });
        let missing = format!(
            "there is no DynamoDB table `{name}` in us-east-1\n  create it as docs/tables.md says, or \
             name another table or region"
        );
        let session = session();
        assert_eq!(error(engine.get(Kind::Session, &session.id)).to_string(), missing);
        assert_eq!(error(engine.insert(Kind::Session, &session.to_item())).to_string(), missing);
        let index = Some(Index { field: "user", value: "alice" });
        assert_eq!(error(engine.list(Kind::Session, index, 1)).to_string(), missing);
        assert_eq!(
            error(engine.get(Kind::Event, &session.id)).to_string(),
            "no DynamoDB table is named for a break-glass event"
        );

        place.create(&name, Kind::Session, &[("profile", "gsi-profile")]);
        insert(&engine, &session);
        assert_eq!(
            error(engine.list(Kind::Session, index, 1)).to_string(),
            format!(
                "the DynamoDB table `{name}` in us-east-1 has no index `gsi-user`\n  add a global secondary index \
                 `gsi-user` with the hash key `user` (S) that projects ALL attributes"
            )
        );
        let index = Some(Index { field: "profile", value: &session.profile });
        assert_eq!(engine.list(Kind::Session, index, 1).expect("a listing").items, [session.to_item()]);
    }
}

#[test]
fn attributes_of_other_tools_are_left_as_they_are() {
    let mut places = vec![moto()];
    places.extend(dynalite("attributes_of_other_tools_are_left_as_they_are"));
    for place in places {
        let engine = place.fresh();
        let table = engine.table(Kind::Session).expect("a table").to_owned();
        let first = session();
        let mut written: Value = json!({"mfa": {"BOOL": true}, "tags": {"L": [{"S": "a"}]}, "load": {"N": "1.5"}});
        for (name, value) in first.to_item().0 {
            written[name] = match value {
                sentinel::store::record::Value::Text(text) => json!({"S": text}),
                sentinel::store::record::Value::Number(number) => json!({"N": number.to_string()}),
            };
        }
        // Older tools write what they do not know as an empty text.
        written["revoked_by"] = json!({"S": ""});
        place.call("DynamoDB_20120810.PutItem", &json!({"TableName": table, "Item": written}));
        assert_eq!(read::<Session>(&engine, &first.id), first);
        let second = Session { request_count: 9, version: 2, ..first };
        engine.replace(Kind::Session, &second.to_item()).expect("replaced");
        assert_eq!(read::<Session>(&engine, &second.id), second);
        let key = json!({"TableName": table, "Key": {"id": {"S": second.id}}, "ConsistentRead": true});
        let found = &place.call("DynamoDB_20120810.GetItem", &key)["Item"];
        for (name, value) in
            [("mfa", json!({"BOOL": true})), ("tags", json!({"L": [{"S": "a"}]})), ("load", json!({"N": "1.5"}))]
        {
            assert_eq!(found[name], value);
        }
        assert_eq!(found.get("revoked_by"), None);
    }
}

#[test]
fn a_listing_takes_as_many_pages_as_there_are() {
    let Some(place) = dynalite("a_listing_takes_as_many_pages_as_there_are") else { return };
    let engine = place.fresh();
    // 500 records are more than a page, and 500 of 3 kB are more than one answer may hold.
    let reason = "r".repeat(3_000);
    for number in 0..500 {
        let session = Session {
            user: "alice".to_owned(),
            revoked_reason: Some(reason.clone()),
            request_count: number,
            ..session()
        };
        insert(&engine, &session);
    }
    let index = Some(Index { field: "user", value: "alice" });
    assert_eq!(engine.list(Kind::Session, index, 1_000).expect("a listing").items.len(), 500);
    assert_eq!(engine.list(Kind::Session, None, 1_000).expect("a listing").items.len(), 500);
}

/// moto checks the signatures and the permissions of the calls above; these are what it refuses, in XML whatever the protocol.
#[test]
fn a_signature_or_a_permission_that_is_wrong_is_refused() {
    let moto = moto::server();
    let refused = |secret: &str| {
        let place = Place { url: moto.endpoint.clone(), keys: Fixed::new(&moto.access_key, secret, None) };
        let engine = place.engine(Tables { sessions: Some("sessions".to_owned()), ..Tables::default() });
        error(engine.insert(Kind::Session, &session().to_item())).summary()
    };
    let expected = "the DynamoDB table `sessions`: AWS refused PutItem (HTTP 403)";
    assert_eq!([refused(&moto.secret), refused("not-the-secret")], [expected; 2]);
}
