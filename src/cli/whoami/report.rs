//! What `whoami` found out, as text and as JSON. None of it is secret.

use serde::{Serialize, Serializer};

use crate::deployment::Deployment;

/// All of it.
#[derive(Default, Serialize)]
pub(super) struct Report {
    /// As policies know them.
    pub(super) user: Option<String>,
    pub(super) arn: Option<String>,
    pub(super) account: Option<String>,
    pub(super) principal_id: Option<String>,
    pub(super) profile: String,
    pub(super) chain: Vec<Step>,
    pub(super) region: Option<String>,
    pub(super) sts_endpoint: Option<String>,
    /// None: there is no policy.
    pub(super) policy: Option<Policy>,
    /// The file that demands one.
    pub(super) policy_required_by: Option<String>,
    /// One a mode.
    pub(super) verdicts: Vec<Verdict>,
    #[serde(serialize_with = "name_of")]
    pub(super) deployment: Deployment,
    pub(super) device_id: Option<String>,
    pub(super) inside: Option<Inside>,
    /// What could not be found out.
    pub(super) failures: Vec<String>,
}

/// A step from the first keys to the credentials.
#[derive(Serialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub(super) enum Step {
    Keys { from: String, access_key_id: Option<String> },
    Session { mfa_serial: Option<String> },
    Role { role_arn: String, profile: String, mfa_serial: Option<String> },
}

/// The policy that decides.
#[derive(Serialize)]
pub(super) struct Policy {
    pub(super) source: String,
    /// It has to be signed, for this scope.
    pub(super) signed: bool,
    pub(super) scope: Option<String>,
    /// None: it could not be read.
    pub(super) digest: Option<String>,
}

/// What it says.
#[derive(Clone, Serialize)]
pub(super) struct Verdict {
    pub(super) mode: &'static str,
    pub(super) effect: &'static str,
    pub(super) rule: Option<String>,
    pub(super) rule_index: Option<usize>,
    pub(super) reason: String,
}

/// The run around this process.
#[derive(Serialize)]
pub(super) struct Inside {
    pub(super) profile: String,
    /// The socket or the URL; none where keys are in the environment.
    pub(super) served: Option<String>,
    pub(super) session_id: Option<String>,
}

impl Inside {
    /// Whether a port serves it, which SDKs ask themselves.
    pub(super) fn is_server(&self) -> bool {
        self.served.as_deref().is_some_and(|served| served.starts_with("http:"))
    }
}

fn name_of<S: Serializer>(deployment: &Deployment, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(deployment.as_str())
}

impl Report {
    /// One object.
    pub(super) fn json(&self) -> String {
        // Nothing in it can fail to be written.
        serde_json::to_string_pretty(self).map(|text| text + "\n").unwrap_or_default()
    }

    /// A line a fact.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        let mut line = |name: &str, value: &str| text.push_str(&format!("{name:<12} {value}\n"));
        for (name, value) in
            [("user", &self.user), ("arn", &self.arn), ("account", &self.account), ("unique id", &self.principal_id)]
        {
            line(name, value.as_deref().unwrap_or("not known"));
        }
        line("profile", &self.profile);
        for step in &self.chain {
            let (name, value) = step.line();
            line(&format!("  {name}"), &value);
        }
        line("region", self.region.as_deref().unwrap_or("not known"));
        line("sts", self.sts_endpoint.as_deref().unwrap_or("not known"));
        line("policy", &self.policy_line());
        for verdict in &self.verdicts {
            let by = verdict.rule.as_ref().map(|rule| format!(" (rule `{rule}`)")).unwrap_or_default();
            // The longest mode is wider than the column.
            line("", &format!("{:<20}{}: {}{by}", verdict.mode, verdict.effect, verdict.reason));
        }
        line("deployment", &format!("{}: {}", self.deployment, self.deployment.why()));
        line("device", self.device_id.as_deref().unwrap_or("not known: there is no /etc/machine-id"));
        if let Some(inside) = &self.inside {
            line("inside", &inside.line());
        }
        for failure in &self.failures {
            line("failed", failure);
        }
        text
    }

    fn policy_line(&self) -> String {
        let required = self.policy_required_by.as_ref().map(|file| format!(", required by {file}")).unwrap_or_default();
        let Some(policy) = &self.policy else { return format!("none{required}") };
        let signed = match &policy.scope {
            Some(scope) => format!("signed, for the scope `{scope}`"),
            None => "not signed".to_owned(),
        };
        let digest = policy.digest.as_ref().map_or_else(|| "not read".to_owned(), |digest| format!("SHA-256 {digest}"));
        format!("{}, {signed}, {digest}{required}", policy.source)
    }
}

impl Step {
    fn line(&self) -> (&'static str, String) {
        let with = |mfa: &Option<String>| mfa.as_ref().map(|serial| format!(", with MFA {serial}")).unwrap_or_default();
        match self {
            Self::Keys { from, access_key_id } => {
                let id = access_key_id.as_ref().map(|id| format!(", {id}")).unwrap_or_default();
                ("keys", format!("{from}{id}"))
            }
            Self::Session { mfa_serial } => ("session", format!("of those keys{}", with(mfa_serial))),
            Self::Role { role_arn, profile, mfa_serial } => {
                ("role", format!("{role_arn}, of profile `{profile}`{}", with(mfa_serial)))
            }
        }
    }
}

impl Inside {
    fn line(&self) -> String {
        let served = match &self.served {
            Some(place) => format!("served at {place}"),
            None => "with keys in the environment".to_owned(),
        };
        let session = self.session_id.as_ref().map(|id| format!(", session {id}")).unwrap_or_default();
        format!("`sentinel exec` for profile `{}`, {served}{session}", self.profile)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report {
            user: Some("alice".into()),
            arn: Some("arn:aws:iam::123456789012:user/alice".into()),
            account: Some("123456789012".into()),
            principal_id: Some("AIDAEXAMPLE".into()),
            profile: "dev".into(),
            chain: vec![
                Step::Keys {
                    from: "profile `base` in /h/.aws/credentials".into(),
                    access_key_id: Some("AKIAEXAMPLE".into()),
                },
                Step::Role {
                    role_arn: "arn:aws:iam::123456789012:role/dev".into(),
                    profile: "dev".into(),
                    mfa_serial: Some("arn:aws:iam::123456789012:mfa/alice".into()),
                },
            ],
            region: Some("eu-west-1".into()),
            sts_endpoint: Some("https://sts.eu-west-1.amazonaws.com".into()),
            policy: Some(Policy {
                source: "/p.json".into(),
                signed: true,
                scope: Some("team".into()),
                digest: Some("ab".into()),
            }),
            policy_required_by: Some("/etc/sentinel/config.json".into()),
            verdicts: vec![Verdict {
                mode: "credential_process",
                effect: "deny",
                rule: Some("night".into()),
                rule_index: Some(2),
                reason: "not now".into(),
            }],
            deployment: Deployment::Advisory,
            device_id: None,
            inside: Some(Inside { profile: "dev".into(), served: None, session_id: Some("0123456789abcdef".into()) }),
            failures: vec!["something".into()],
        }
    }

    #[test]
    fn the_text_looks_like_this() {
        let expected = "\
user         alice
arn          arn:aws:iam::123456789012:user/alice
account      123456789012
unique id    AIDAEXAMPLE
profile      dev
  keys       profile `base` in /h/.aws/credentials, AKIAEXAMPLE
  role       arn:aws:iam::123456789012:role/dev, of profile `dev`, with MFA arn:aws:iam::123456789012:mfa/alice
region       eu-west-1
sts          https://sts.eu-west-1.amazonaws.com
policy       /p.json, signed, for the scope `team`, SHA-256 ab, required by /etc/sentinel/config.json
             credential_process  deny: not now (rule `night`)
deployment   advisory: sentinel runs as the user whom it serves, who can use the source credentials without it: policy, locks \
and log inform and record
device       not known: there is no /etc/machine-id
inside       `sentinel exec` for profile `dev`, with keys in the environment, session 0123456789abcdef
failed       something
";
        assert_eq!(report().text(), expected);
        let nothing = Report { policy: None, policy_required_by: None, ..report() };
        assert!(nothing.text().contains("\npolicy       none\n"));
    }

    #[test]
    fn the_json_has_these_fields() {
        let value: serde_json::Value = serde_json::from_str(&report().json()).expect("JSON");
        let names: Vec<&str> = value.as_object().expect("an object").keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "account",
                "arn",
                "chain",
                "deployment",
                "device_id",
                "failures",
                "inside",
                "policy",
                "policy_required_by",
                "principal_id",
                "profile",
                "region",
                "sts_endpoint",
                "user",
                "verdicts"
            ]
        );
        assert_eq!(value["deployment"], "advisory");
        assert_eq!(value["chain"][0]["step"], "keys");
        assert_eq!(value["chain"][1]["role_arn"], "arn:aws:iam::123456789012:role/dev");
        assert_eq!(value["verdicts"][0]["rule_index"], 2);
    }
}
