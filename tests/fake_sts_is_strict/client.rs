//! botocore as the fake's client, and what its answers must be.

use serde_json::{Value, json};

use crate::fake_sts::{Keys, Sts};
use crate::harness::{Running, Sandbox, python, python_has, skip};

/// botocore, which signs with code of its own.
pub(super) struct Client {
    // Before the sandbox, so that it ends before its directory does.
    pub(super) running: Running,
    _sandbox: Sandbox,
    pub(super) url: String,
    region: &'static str,
}

impl Client {
    /// None where botocore is missing; the test is named on stderr then.
    pub(super) fn of(sts: &Sts, test: &str) -> Option<Self> {
        if !python_has("botocore") {
            skip(test, "python3 has no botocore");
            return None;
        }
        let sandbox = Sandbox::new(sts);
        let running = sandbox.program(python()).args(["-u", "-c", include_str!("client.py")]).spawn();
        Some(Self { running, _sandbox: sandbox, url: sts.url(), region: "us-east-1" })
    }

    /// Sends a request of client.py's form.
    pub(super) fn ask(&mut self, mut request: Value, keys: &Keys) -> Value {
        request["url"] = json!(self.url);
        request["key"] = json!(keys.access_key_id);
        request["secret"] = json!(keys.secret_access_key);
        request["token"] = json!(keys.session_token);
        self.running.send(&request.to_string());
        serde_json::from_str(&self.running.line()).expect("JSON")
    }

    /// Calls an operation with botocore's own client.
    pub(super) fn api(&mut self, keys: &Keys, method: &str, arguments: Value) -> Value {
        self.ask(json!({"method": method, "arguments": arguments, "region": self.region}), keys)
    }

    /// AssumeRole with these arguments more.
    pub(super) fn assume(&mut self, keys: &Keys, role: &str, more: Value) -> Value {
        let mut arguments = json!({"RoleArn": role, "RoleSessionName": "session"});
        for (name, value) in more.as_object().expect("an object") {
            arguments[name] = value.clone();
        }
        self.api(keys, "assume_role", arguments)
    }

    /// GetCallerIdentity, changed after it was signed.
    pub(super) fn tampered(&mut self, keys: &Keys, service: &str, region: &str, shift_s: i64, change: Value) -> Value {
        let parameters = json!({"Action": "GetCallerIdentity", "Version": "2011-06-15"});
        self.ask(
            json!({"parameters": parameters, "service": service, "region": region, "shift_s": shift_s, "change": change}),
            keys,
        )
    }
}

/// The credentials in an answer.
pub(super) fn keys(answer: &Value) -> Keys {
    let text = |name: &str| {
        answer["Credentials"][name].as_str().unwrap_or_else(|| panic!("no credentials in {answer}")).to_owned()
    };
    Keys {
        access_key_id: text("AccessKeyId"),
        secret_access_key: text("SecretAccessKey"),
        session_token: Some(text("SessionToken")),
        arn: answer["AssumedRoleUser"]["Arn"].as_str().unwrap_or_default().to_owned(),
    }
}

/// For answers that botocore has read.
#[track_caller]
pub(super) fn assert_refused(answer: &Value, status: u16, code: &str, message: &str) {
    assert_eq!((&answer["status"], &answer["code"]), (&json!(status), &json!(code)), "{answer}");
    assert_eq!(answer["message"], json!(message));
}

/// For raw answers, which are XML.
#[track_caller]
pub(super) fn assert_xml_refusal(answer: &Value, status: u16, code: &str, message: &str) {
    assert_eq!(answer["status"], json!(status), "{answer}");
    let document = roxmltree::Document::parse(answer["body"].as_str().expect("a body")).expect("XML");
    let text = |name: &str| {
        let element = document.descendants().find(|node| node.tag_name().name() == name)?;
        element.text().map(str::to_owned)
    };
    assert_eq!(text("Code").as_deref(), Some(code), "{answer}");
    let said = text("Message").unwrap_or_default();
    assert!(said.contains(message), "`{message}` is not in `{said}`");
}
