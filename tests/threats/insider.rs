//! The person behind the keyboard, whom a policy is meant for and whose files, variables and records these are. What binds
//! them where sentinel runs as somebody else, and what only slows them down where it does not: SECURITY.md says which.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::Builder;

use serde_json::{Value, json};

use super::ruled::{Ruled, WAYS, number, one_rule};
use crate::clients::https::{Proxy, authority, other_authority};
use crate::fake_sts::Sts;
use crate::harness::{Running, Sandbox, eventually, sentinel};

const OF_ALICE: &str = r#""effect":"allow","conditions":{"users":["alice"]}"#;
const LIAR: &str = "liar.example";

/// A proxy that goes nowhere, and knows where it was asked to go.
struct Nowhere {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    over: Arc<AtomicBool>,
}

impl Nowhere {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind a loopback port");
        let address = listener.local_addr().expect("the bound address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let over = Arc::new(AtomicBool::new(false));
        let (of_thread, is_over) = (Arc::clone(&asked), Arc::clone(&over));
        let serve = move || {
            for stream in listener.incoming().flatten() {
                if is_over.load(Ordering::SeqCst) {
                    return;
                }
                // Kept until it is written down: who is hung up on ends, and is looked for in the list.
                let (mut stream, mut line) = (BufReader::new(stream), String::new());
                if stream.read_line(&mut line).is_ok_and(|length| length > 0) {
                    of_thread.lock().expect("lock").push(line.split(' ').nth(1).unwrap_or_default().to_owned());
                }
            }
        };
        drop(Builder::new().name("nowhere".to_owned()).spawn(serve).expect("a thread"));
        Self { address, asked, over }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it was asked to go since the last such question, each once.
    fn asked(&self) -> Vec<String> {
        let mut asked = std::mem::take(&mut *self.asked.lock().expect("lock"));
        asked.sort();
        asked.dedup();
        asked
    }
}

impl Drop for Nowhere {
    fn drop(&mut self) {
        // Its thread looks at that when somebody comes.
        self.over.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
    }
}

/// A line of a profile, sections, and a variable.
type Moved = (String, String, Option<(String, String)>);

/// The ways in which a person moves a service of AWS's to another host.
fn moved(service: &str) -> [Moved; 4] {
    let url = format!("https://{service}.{LIAR}");
    let variable = format!("AWS_ENDPOINT_URL_{}", service.to_uppercase());
    [
        (format!("endpoint_url = {url}"), String::new(), None),
        ("services = moved".to_owned(), format!("[services moved]\n{service} =\n  endpoint_url = {url}\n"), None),
        (String::new(), String::new(), Some((variable, url.clone()))),
        (String::new(), String::new(), Some(("AWS_ENDPOINT_URL".to_owned(), url))),
    ]
}

/// What `sentinel WAY OPTIONS` would connect to, with this service moved in every way for the profile `moved`. It must fail.
fn reached(sandbox: &Sandbox, nowhere: &Nowhere, service: &str, way: &[&str], options: &[&str]) -> Vec<Vec<String>> {
    let config = fs::read_to_string(sandbox.path("home/.aws/config")).expect("the config");
    let reached = moved(service).into_iter().map(|(settings, sections, variable)| {
        sandbox.config(&format!("{config}{sections}[profile moved]\nregion = us-east-1\n{settings}\n{ROLE}\n"));
        let mut run = sandbox.sentinel(way).args(options);
        if way.contains(&"exec") {
            run = run.args(["--", "true"]);
        }
        run = run.without("AWS_ENDPOINT_URL_STS").env("HTTPS_PROXY", nowhere.url());
        if let Some((name, value)) = &variable {
            run = run.env(name, value);
        }
        let done = run.run();
        assert!(done.code() != 0 && done.stdout.is_empty(), "{done}");
        nowhere.asked()
    });
    let reached = reached.collect();
    sandbox.config(&config);
    reached
}

/// Of the profile `moved`: a role of alice's.
const ROLE: &str = "role_arn = arn:aws:iam::123456789012:role/dev\nsource_profile = base";

#[test]
fn who_asks_is_asked_of_aws_itself() {
    let (ruled, nowhere) = (Ruled::by(&one_rule(OF_ALICE)), Nowhere::start());
    let policy = ruled.policy.to_str().expect("UTF-8");
    for (way, ..) in WAYS {
        let found = reached(&ruled.sandbox, &nowhere, "sts", way, &["--profile", "moved", "--policy", policy]);
        assert_eq!(found, vec![vec!["sts.us-east-1.amazonaws.com:443"]; 4], "{way:?}");
    }
    // Where nothing is judged a person may have their own STS: so the attack is one.
    let found = reached(&ruled.sandbox, &nowhere, "sts", &["exec"], &["--profile", "moved"]);
    assert_eq!(found, vec![vec![format!("sts.{LIAR}:443")]; 4]);
}

/// The account in which policies and tables are read is the account of the keys.
#[test]
fn keys_that_read_policies_and_tables_are_aws_own() {
    let (ruled, nowhere) = (Ruled::by(&one_rule(OF_ALICE)), Nowhere::start());
    for options in [&["--policy-parameter", "/policy"][..], &["--server", "--session-table", "sessions"]] {
        let options = [&["--profile", "base", "--aws-profile", "moved"], options].concat();
        let found = reached(&ruled.sandbox, &nowhere, "sts", &["exec"], &options);
        assert!(found.iter().flatten().all(|target| target.ends_with(".us-east-1.amazonaws.com:443")), "{found:?}");
        assert!(found.iter().all(|targets| targets.iter().any(|one| one.starts_with("sts."))), "{found:?}");
    }
}

#[test]
fn policies_and_sessions_are_read_at_aws_itself() {
    let (ruled, nowhere) = (Ruled::by(&one_rule(OF_ALICE)), Nowhere::start());
    for (service, options) in
        [("ssm", &["--policy-parameter", "/policy"][..]), ("dynamodb", &["--server", "--session-table", "sessions"])]
    {
        for of in [&["--profile", "moved"][..], &["--profile", "base", "--aws-profile", "moved"]] {
            let found = reached(&ruled.sandbox, &nowhere, service, &["exec"], &[of, options].concat());
            // Keys that are a role's come first, and nothing comes after them here.
            let first = if of.len() == 2 { service } else { "sts" };
            let host = format!("{first}.us-east-1.amazonaws.com:443");
            assert!(found.iter().all(|targets| targets.contains(&host)), "{found:?}");
            let liars = found.iter().flatten().filter(|target| target.contains(LIAR)).count();
            assert_eq!(liars, 0, "{found:?}");
        }
    }
}

/// A proxy of one's own sees nothing and says nothing: unless one's own authority is trusted as well, which is the person's to
/// choose where sentinel runs as the person. SECURITY.md calls that advisory, and this is what it means.
#[test]
fn a_proxy_cannot_say_who_somebody_is_without_an_authority() {
    let liar = Sts::start();
    liar.region("eu-west-1");
    let sandbox = Sandbox::new(&liar);
    sandbox.profile("base", &liar.user("alice"), "region = eu-west-1");
    let policy = sandbox.write("policy.json", &one_rule(OF_ALICE), 0o600);
    let proxy = Proxy::before(&liar);
    for (authority, status) in [(None, 125), (Some(other_authority()), 125), (Some(authority()), 0)] {
        let mut run = sandbox.sentinel(["exec", "--profile", "base", "--policy"]).args([&policy]).args(["--", "true"]);
        run = run.without("AWS_ENDPOINT_URL_STS").without("AWS_REGION").env("HTTPS_PROXY", proxy.url());
        if let Some(authority) = &authority {
            run = run.env("AWS_CA_BUNDLE", authority);
        }
        let done = run.run();
        assert_eq!(done.code(), status, "{authority:?}: {done}");
        assert_eq!(liar.calls().is_empty(), status != 0, "{authority:?}: {:?}", liar.calls());
    }
}

/// A run under a policy is what its own start says, whatever the tree's variables say later.
#[test]
fn variables_in_the_tree_change_nothing() {
    let ruled = Ruled::by(&one_rule(r#""effect":"allow""#));
    let open = ruled.sandbox.write("open.json", &one_rule(r#""effect":"allow""#), 0o600);
    let own = ruled.sandbox.directory("own", 0o700);
    let own_log = own.join("log");
    let set = |name: &str, value: &str| format!("SENTINEL_{name}={value}");
    let (open, own) = (open.to_str().expect("UTF-8"), own.to_str().expect("UTF-8"));
    let variables = [
        set("POLICY", open),
        set("STATE_DIR", own),
        set("LOG_FILE", own_log.to_str().expect("UTF-8")),
        set("SERVER", "true"),
        set("ALLOW_FALLBACK", "true"),
        set("BIND", "uid"),
        set("AWS_PROFILE", "base"),
        set("SESSION_TABLE", "sessions"),
        set("SOURCE_IDENTITY", "off"),
    ];
    let script = r#"for _ in 1 2; do read line; "$@" >/dev/null; echo "status $?"; done"#;
    let run = ruled.sandbox.sentinel(["exec", "--unix-socket", "--profile", "dev", "--policy"]).args([&ruled.policy]);
    let run = run.args(["--", "sh", "-c", script, "sh", "env"]).args(&variables).args([sentinel(), "credentials"]);
    let mut running = run.spawn();
    running.send("");
    assert_eq!(running.line(), "status 0");
    ruled.rule(&one_rule(r#""effect":"deny""#));
    running.send("");
    assert_eq!(running.line(), "status 1");
    let done = running.finish();
    assert!(done.stderr.contains("the policy denies these credentials now"), "{done}");
    assert_eq!(ruled.decided(), ("deny".to_owned(), "denied by the rule r".to_owned()));
    assert!(!own_log.exists());
}

/// A tree that is served, and the record of its session.
fn session() -> (Ruled, Running, PathBuf) {
    let ruled =
        Ruled::by(r#"{"version":"1","limits":{"requests_per_second":100000},"rules":[{"name":"r","effect":"allow"}]}"#);
    let mut tree = ruled.tree(&["exec", "--unix-socket"], &[]);
    assert!(tree.line().starts_with("ready "));
    let files = fs::read_dir(ruled.sandbox.path("state/sentinel/sessions")).expect("sessions");
    let files = files.map(|entry| entry.expect("an entry").path());
    let mut records = files.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    let record = records.next().expect("a record");
    assert!(records.next().is_none());
    (ruled, tree, record)
}

/// Asks until that is refused, and then for longer than the record is looked at again.
#[track_caller]
fn stays_revoked(ruled: &Ruled, tree: &mut Running, meanwhile: impl Fn()) {
    eventually("the end of the session", || {
        tree.send("20");
        let line = tree.line();
        assert_eq!(number(&line, "429") + number(&line, "500") + number(&line, "503"), 0.0, "{line}");
        line.starts_with("403=20 ").then_some(())
    });
    meanwhile();
    tree.send("for 4");
    let line = tree.line();
    assert!(number(&line, "403") > 1.0 && number(&line, "200") == 0.0, "{line}");
    let last = ruled.sandbox.decisions().pop().expect("a decision");
    assert_eq!(last["effect"], "deny", "{last}");
}

#[test]
fn a_record_that_is_set_back_does_not_bring_a_revoked_session_back() {
    let (ruled, mut tree, record) = session();
    let before = fs::read(&record).expect("the record");
    let mut revoked: Value = serde_json::from_slice(&before).expect("JSON");
    revoked["status"] = json!("revoked");
    revoked["version"] = json!(revoked["version"].as_i64().unwrap_or(0) + 1);
    fs::write(&record, revoked.to_string()).expect("written");
    stays_revoked(&ruled, &mut tree, || fs::write(&record, &before).expect("written"));
    assert_eq!(tree.finish().code(), 0);
}

#[test]
fn a_record_that_is_gone_is_a_revoked_session() {
    let (ruled, mut tree, record) = session();
    let before = fs::read(&record).expect("the record");
    fs::remove_file(&record).expect("removed");
    stays_revoked(&ruled, &mut tree, || {
        fs::write(&record, &before).expect("written");
    });
    assert_eq!(tree.finish().code(), 0);
}
