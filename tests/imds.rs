//! The metadata endpoint as tools meet it: what is where, and what does not start.

use crate::harness::{World, is_root, python, skip};
use crate::wire::{Served, Transport};

fn served() -> Served {
    Served::over(Transport::Imds)
}

/// Every path, with and without a slash at its end, with its type and content.
#[test]
fn paths_are_those_of_imds() {
    let script = r#"
for path in sys.argv[1:]:
    heads = set()
    for end in ["", "/"] if path != "/" else [""]:
        head, _, body = once(ask(TOKEN, f"GET {path}{end} HTTP/1.1".encode())).decode().partition("\r\n\r\n")
        fields = head.split("\r\n")
        heads.add((fields[0].split()[1], fields[1].partition(": ")[2], body))
        # HEAD has the same head, and no body.
        assert once(ask(TOKEN, f"HEAD {path}{end} HTTP/1.1".encode()), False).decode() == head + "\r\n\r\n"
    [(status, kind, body)] = heads
    say(json.dumps([path, status, kind, body]))
"#;
    let meta = |path: &str| format!("/latest/meta-data{path}");
    let text = |path: String, body: &str| (path, "200", "text/plain", body.to_owned());
    let expected = [
        text("/".to_owned(), "latest"),
        text("/latest".to_owned(), "dynamic\nmeta-data"),
        text(meta(""), "iam/\ninstance-id\nplacement/"),
        text(meta("/iam"), "info\nsecurity-credentials/"),
        text(meta("/iam/security-credentials"), "base"),
        text(meta("/instance-id"), "i-00000000000000000"),
        text(meta("/placement"), "availability-zone\nregion"),
        text(meta("/placement/region"), "us-east-1"),
        text(meta("/placement/availability-zone"), "us-east-1a"),
        text("/latest/dynamic".to_owned(), "instance-identity/"),
        text("/latest/dynamic/instance-identity".to_owned(), "document"),
    ];
    let paths: Vec<&str> = expected.iter().map(|(path, ..)| path.as_str()).collect();
    let done = served().inside(&[], script).args(&paths).run();
    assert_eq!(done.code(), 0, "{done}");
    for (line, (path, status, kind, body)) in done.stdout.lines().zip(&expected) {
        assert_eq!(line, serde_json::json!([path, status, kind, body]).to_string().replace("\",\"", "\", \""));
    }
    assert_eq!(done.stdout.lines().count(), expected.len());
}

#[test]
fn another_method_is_told_which_there_are() {
    let script = r#"
for method in [b"POST", b"DELETE", b"GET"]:
    for path in [b"/latest/api/token", b"/latest/meta-data"]:
        head = once(ask(TOKEN, method + b" " + path + b" HTTP/1.1")).decode().split("\r\n")
        say(head[0].split()[1], *(line for line in head if line.startswith("Allow")))
"#;
    let done = served().inside(&[], script).run();
    let (put, read) = ("405 Allow: PUT\n", "405 Allow: GET, HEAD\n");
    assert_eq!(done.stdout, [put, read, put, read, put, "200\n"].concat(), "{done}");
}

#[test]
fn documents_are_json_and_say_what_they_are() {
    let world = World::with_dev();
    let script = format!(
        "{}\n{}",
        crate::wire::CLIENT,
        r#"
def get(path):
    head, _, body = once(ask(TOKEN, f"GET /latest/{path} HTTP/1.1".encode())).decode().partition("\r\n\r\n")
    say(head.split("\r\n")[1], body)
get("meta-data/iam/security-credentials/")
get("meta-data/iam/security-credentials/dev")
get("meta-data/iam/info")
get("dynamic/instance-identity/document")
for missing in ["meta-data/iam/security-credentials/base", "meta-data/iam/security-credentials-extended/",
                "meta-data/iam/security-credentials-extended/dev", "user-data", "meta-data/ami-id", "api"]:
    say(status(once(ask(TOKEN, f"GET /latest/{missing} HTTP/1.1".encode()))))
"#
    );
    let done = world.sandbox.python(&["--profile", "dev", "--ec2-server"], &script).run();
    assert_eq!(done.code(), 0, "{done}");
    let mut lines = done.stdout.lines();
    assert_eq!(lines.next(), Some("Content-Type: text/plain dev"));
    let mut json = || -> serde_json::Value {
        let line = lines.next().expect("a line");
        serde_json::from_str(line.strip_prefix("Content-Type: application/json ").expect("JSON")).expect("JSON")
    };
    let (credentials, info, document) = (json(), json(), json());
    let names: Vec<&String> = credentials.as_object().expect("an object").keys().collect();
    assert_eq!(
        names,
        ["AccessKeyId", "Code", "Expiration", "LastUpdated", "SecretAccessKey", "Token", "Type"],
        "{credentials}"
    );
    assert_eq!((&credentials["Code"], &credentials["Type"]), (&"Success".into(), &"AWS-HMAC".into()));
    let account = crate::fake_sts::ACCOUNT;
    assert_eq!(info["InstanceProfileArn"], format!("arn:aws:iam::{account}:instance-profile/dev"));
    assert_eq!((&document["instanceType"], &document["imageId"]), (&"sentinel".into(), &"sentinel".into()));
    assert_eq!((&document["region"], &document["accountId"]), (&"us-east-1".into(), &account.into()));
    assert_eq!(lines.collect::<Vec<_>>(), ["404"; 6]);
}

/// As the README has it: two processes, one token.
#[test]
fn a_shell_gets_a_token_with_one_process_and_credentials_with_another() {
    let put = "import os, urllib.request as u; print(u.urlopen(u.Request(os.environ['AWS_EC2_METADATA_SERVICE_ENDPOINT'] + \
               '/latest/api/token', method='PUT', headers={'X-aws-ec2-metadata-token-ttl-seconds': '60'})).read().decode())";
    let get = "import os, sys, urllib.request as u; print(u.urlopen(u.Request(os.environ['AWS_EC2_METADATA_SERVICE_ENDPOINT'] + \
               '/latest/meta-data/iam/security-credentials/', headers={'X-aws-ec2-metadata-token': sys.argv[1]})).read().decode())";
    let script = "TOKEN=$(\"$1\" -c \"$2\"); \"$1\" -c \"$3\" \"$TOKEN\"";
    let served = served();
    let words = ["exec", "--profile", "base", "--ec2-server", "--", "sh", "-c", script, "sh", python(), put, get];
    let done = served.sandbox.sentinel(words).run();
    assert_eq!((done.code(), done.stdout.as_str()), (0, "base\n"), "{done}");
}

#[test]
fn a_denial_and_a_slow_aws_are_told_as_everywhere() {
    let served = served();
    let deny = r#"{"version":"1","rules":[{"name":"closed","effect":"deny"}]}"#;
    let deny = served.sandbox.write("policy.json", deny, 0o600);
    let script =
        "raw = once(ask())\nsay(status(raw), b'PolicyDenied' in raw, status(once(ask(TOKEN, b'GET / HTTP/1.1'))))";
    let done = served.inside(&["--lazy", "--policy", deny.to_str().expect("UTF-8")], script).run();
    assert_eq!(done.stdout, "403 True 200\n", "{done}");
    let gate = served.sts.hang("GetSessionToken");
    let script = "for _ in sys.stdin:\n    say(status(once(ask())))";
    let mut inside = served.inside(&["--lazy"], script).spawn();
    inside.send("");
    assert_eq!(inside.line(), "503");
    gate.open();
    crate::harness::eventually("credentials", || {
        inside.send("");
        (inside.line() == "200").then_some(())
    });
    inside.close_stdin();
    assert_eq!(inside.finish().code(), 0);
}

#[test]
fn an_address_that_is_not_on_lo_is_refused_before_aws_is_asked() {
    let served = served();
    for (address, hint) in [
        ("0.0.0.0:8080", "name one address of it"),
        ("192.0.2.1", "add it there, as root: ip address add 192.0.2.1/32 dev lo"),
        ("224.0.0.1", "add it there, as root: ip address add 224.0.0.1/32 dev lo"),
    ] {
        let before = served.sts.calls().len();
        let done = served.inside(&["--imds-address", address], "say('started')").run();
        let ip = address.trim_end_matches(":8080");
        let sentence = format!("{ip} is not an address of the loopback interface, and no other is served");
        done.failed_with(125, &[&sentence, hint]);
        assert_eq!((done.stdout.as_str(), served.sts.calls().len()), ("", before), "{done}");
    }
}

#[test]
fn another_loopback_address_is_served_under_its_own_name() {
    let script = r#"
say(PATH.rpartition(":")[0], os.environ["AWS_EC2_METADATA_V1_DISABLED"], os.environ["NO_PROXY"])
ADDRESS = ("127.9.8.7", ADDRESS[1])
TOKEN = session_token().rpartition(b"\r\n")[2]
say(status(once(ask())))
say(status(once(ask().replace(HOST, b"169.254.169.254"))), status(once(ask().replace(HOST, b"localhost:" + HOST.rpartition(b":")[2]))))
s = socket.socket()
say(errno.errorcode[s.connect_ex(("127.0.0.1", ADDRESS[1]))])
"#;
    // The first token is asked for at 127.0.0.1, where nobody listens: this script asks for its own.
    let script = format!("{}\n{script}", crate::wire::CLIENT.replace("if not TOKEN:", "if False:"));
    let served = served();
    let options = ["--profile", "base", "--ec2-server", "--imds-address", "127.9.8.7:0"];
    let done = served.sandbox.python(&options, &script).run();
    let expected = "http://127.9.8.7 true 127.0.0.1,localhost,127.9.8.7\n200\n400 400\nECONNREFUSED\n";
    assert_eq!(done.stdout, expected, "{done}");
}

#[test]
fn a_port_that_takes_privileges_says_so() {
    const NAME: &str = "a_port_that_takes_privileges_says_so";
    if is_root() {
        return skip(NAME, "root may bind every port");
    }
    let done = served().inside(&["--imds-address", "127.0.0.1"], "say('started')").run();
    done.failed_with(125, &["cannot listen on 127.0.0.1:80", "CAP_NET_BIND_SERVICE"]);
}
