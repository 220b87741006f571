//! AssumeRole, GetSessionToken and GetCallerIdentity, with the checks that AWS documents.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::answers::{Element, Refusal};
use super::world::{ACCOUNT, Issued, Keys, Principal, World};

/// A request's form, decoded. A name that is repeated keeps its last value.
pub(crate) type Parameters = BTreeMap<String, String>;

/// A signed request that passed: who asks for what, when.
pub(crate) struct Ask<'a> {
    pub(crate) caller: Issued,
    pub(crate) parameters: &'a Parameters,
    pub(crate) now: Timestamp,
    /// Overrides the lifetime of what is issued, in seconds.
    pub(crate) lifetime_s: Option<i64>,
}

/// What an action answers, ready to be written, and what it issued.
pub(crate) struct Outcome {
    pub(crate) elements: Vec<Element>,
    pub(crate) issued: Option<(Keys, Timestamp)>,
}

impl Ask<'_> {
    /// Runs the action.
    pub(crate) fn run(&self, action: &str, world: &mut World) -> Result<Outcome, Refusal> {
        if self.text("Version") != Some("2011-06-15") {
            let version = self.text("Version").unwrap_or("");
            return Err(Refusal::new(
                400,
                "InvalidAction",
                format!("Could not find operation {action} for version {version}"),
            ));
        }
        match action {
            "AssumeRole" => self.assume_role(world),
            "GetSessionToken" => self.session_token(world),
            "GetCallerIdentity" => Ok(self.caller_identity()),
            _ => Err(Refusal::new(
                400,
                "InvalidAction",
                format!("Could not find operation {action} for version 2011-06-15"),
            )),
        }
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    fn required(&self, name: &str, member: &str) -> Result<&str, Refusal> {
        self.text(name).ok_or_else(|| {
            Refusal::new(
                400,
                "ValidationError",
                format!("1 validation error detected: Value null at '{member}' failed to satisfy constraint: Member must not be null"),
            )
        })
    }

    fn duration_s(&self, default: i64, max: i64) -> Result<i64, Refusal> {
        let Some(text) = self.text("DurationSeconds") else { return Ok(default) };
        let seconds: i64 =
            text.parse().map_err(|_| Refusal::new(400, "MalformedInput", "DurationSeconds is not a number"))?;
        if seconds < 900 {
            return Err(Refusal::validation(text, "durationSeconds", "have value greater than or equal to 900"));
        }
        if seconds > max {
            return Err(Refusal::validation(
                text,
                "durationSeconds",
                &format!("have value less than or equal to {max}"),
            ));
        }
        Ok(seconds)
    }

    /// Whether a code was given that is the device's, which uses it up, whatever becomes of the call.
    fn mfa(&self, world: &mut World) -> Result<bool, Refusal> {
        let (serial, code) = match (self.text("SerialNumber"), self.text("TokenCode")) {
            (None, None) => return Ok(self.caller.principal.mfa),
            (Some(serial), Some(code)) => (serial, code),
            _ => {
                return Err(Refusal::new(
                    400,
                    "ValidationError",
                    "MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code.",
                ));
            }
        };
        check(serial, "serialNumber", (9, 256), Some("=/:,.@-"))?;
        if code.len() != 6 || !code.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Refusal::validation(code, "tokenCode", "satisfy regular expression pattern: [\\d]{6}"));
        }
        // A role has no device: the caller has to be the user, with keys or with a session.
        match world.mfa.get_mut(&self.caller.principal.arn) {
            Some(device) if device.serial == serial => match device.code.take_if(|shown| shown == code) {
                Some(_) => Ok(true),
                None => Err(Refusal::access_denied(
                    "MultiFactorAuthentication failed with invalid MFA one time pass code. ",
                )),
            },
            _ => Err(Refusal::access_denied(
                "MultiFactorAuthentication failed, unable to validate MFA code.  Please verify your MFA serial number is \
                 valid and associated with this user.",
            )),
        }
    }

    fn assume_role(&self, world: &mut World) -> Result<Outcome, Refusal> {
        let caller = &self.caller.principal;
        let role_arn = self.required("RoleArn", "roleArn")?;
        let session_name = self.required("RoleSessionName", "roleSessionName")?;
        check(role_arn, "roleArn", (20, 2048), None)?;
        check(session_name, "roleSessionName", (2, 64), Some("=,.@-"))?;
        let source_identity = self.text("SourceIdentity");
        if let Some(value) = source_identity {
            // The pattern has no colon, so the reserved prefix `aws:` is refused as well.
            check(value, "sourceIdentity", (2, 64), Some("=,.@-"))?;
        }
        if let Some(value) = self.text("ExternalId") {
            check(value, "externalId", (2, 1224), Some("=,.@:/-"))?;
        }
        let duration_s = self.duration_s(3600, 43_200)?;
        self.check_session_policy()?;
        self.check_policy_arns()?;
        let mfa = self.mfa(world)?;

        let denied = |action: &str| {
            Refusal::access_denied(format!(
                "User: {} is not authorized to perform: sts:{action} on resource: {role_arn}",
                caller.arn
            ))
        };
        let role = world.roles.get(role_arn).ok_or_else(|| denied("AssumeRole"))?.clone();
        let trusted = role.trusts.iter().any(|arn| *arn == caller.trust_arn || *arn == caller.arn || arn == "*");
        let external_id_matches = role.external_id.is_none() || role.external_id.as_deref() == self.text("ExternalId");
        if !trusted || !external_id_matches || (role.requires_mfa && !mfa) {
            return Err(denied("AssumeRole"));
        }
        // A session that carries a source identity needs the permission on every later role as well.
        let carried = caller.source_identity.as_deref();
        if (source_identity.is_some() || carried.is_some()) && !role.allows_source_identity {
            return Err(denied("SetSourceIdentity"));
        }
        if let (Some(carried), Some(wanted)) = (carried, source_identity)
            && carried != wanted
        {
            return Err(denied("SetSourceIdentity"));
        }
        // Also with a session of GetSessionToken's: AWS counts that as chaining, whatever its documentation says.
        if self.caller.token.is_some() && duration_s > 3600 {
            return Err(Refusal::new(
                400,
                "ValidationError",
                "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
            ));
        }
        if duration_s > role.max_duration_s {
            return Err(Refusal::new(
                400,
                "ValidationError",
                "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
            ));
        }

        let source_identity = source_identity.or(carried).map(str::to_owned);
        let principal = Principal {
            arn: format!("arn:aws:sts::{ACCOUNT}:assumed-role/{}/{session_name}", role.name),
            user_id: format!("{}:{session_name}", role.id),
            trust_arn: role.arn.clone(),
            mfa: false,
            source_identity: source_identity.clone(),
        };
        let user = vec![
            Element::Text("AssumedRoleId", principal.user_id.clone()),
            Element::Text("Arn", principal.arn.clone()),
        ];
        let issued = self.issue(world, principal, duration_s);
        let mut elements = vec![Element::Nest("AssumedRoleUser", user), credentials(&issued.0, issued.1)];
        elements.extend(source_identity.map(|value| Element::Text("SourceIdentity", value)));
        if self.text("Policy").is_some() {
            elements.push(Element::Text("PackedPolicySize", "6".to_owned()));
        }
        Ok(Outcome { elements, issued: Some(issued) })
    }

    fn session_token(&self, world: &mut World) -> Result<Outcome, Refusal> {
        if self.caller.token.is_some() {
            return Err(Refusal::access_denied("Cannot call GetSessionToken with session credentials"));
        }
        let duration_s = self.duration_s(43_200, 129_600)?;
        let principal = Principal { mfa: self.mfa(world)?, ..self.caller.principal.clone() };
        let issued = self.issue(world, principal, duration_s);
        Ok(Outcome { elements: vec![credentials(&issued.0, issued.1)], issued: Some(issued) })
    }

    fn caller_identity(&self) -> Outcome {
        let caller = &self.caller.principal;
        let elements = vec![
            Element::Text("Arn", caller.arn.clone()),
            Element::Text("UserId", caller.user_id.clone()),
            Element::Text("Account", ACCOUNT.to_owned()),
        ];
        Outcome { elements, issued: None }
    }

    fn check_session_policy(&self) -> Result<(), Refusal> {
        let Some(policy) = self.text("Policy") else { return Ok(()) };
        if policy.is_empty() || policy.chars().count() > 2048 {
            return Err(Refusal::validation(policy, "policy", "have length less than or equal to 2048"));
        }
        if serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(policy).is_err() {
            return Err(Refusal::new(400, "MalformedPolicyDocument", "This policy contains invalid Json"));
        }
        Ok(())
    }

    /// At most ten managed policies, numbered from 1, of the role's account or of AWS itself.
    fn check_policy_arns(&self) -> Result<(), Refusal> {
        let is_member = |name: &&String| name.starts_with("PolicyArns.");
        let count = self.parameters.keys().filter(is_member).count();
        for number in 1..=count {
            let Some(arn) = self.text(&format!("PolicyArns.member.{number}.arn")) else {
                return Err(Refusal::new(400, "MalformedInput", format!("there is no PolicyArns.member.{number}.arn")));
            };
            let name =
                ["aws", ACCOUNT].iter().find_map(|owner| arn.strip_prefix(&format!("arn:aws:iam::{owner}:policy/")));
            if name.is_none_or(str::is_empty) {
                return Err(Refusal::new(
                    400,
                    "ValidationError",
                    format!("{arn} is not a policy of account {ACCOUNT}"),
                ));
            }
        }
        if count > 10 {
            return Err(Refusal::validation(&count.to_string(), "policyArns", "have length less than or equal to 10"));
        }
        Ok(())
    }

    fn issue(&self, world: &mut World, principal: Principal, duration_s: i64) -> (Keys, Timestamp) {
        let seconds = self.now.as_second() + self.lifetime_s.unwrap_or(duration_s);
        let expires = Timestamp::from_second(seconds).expect("a time near now");
        (world.issue(principal, Some(expires)), expires)
    }
}

/// The `Credentials` element.
pub(crate) fn credentials(keys: &Keys, expires: Timestamp) -> Element {
    Element::Nest(
        "Credentials",
        vec![
            Element::Text("AccessKeyId", keys.access_key_id.clone()),
            Element::Text("SecretAccessKey", keys.secret_access_key.clone()),
            Element::Text("SessionToken", keys.session_token.clone().unwrap_or_default()),
            Element::Text("Expiration", format!("{expires:.0}")),
        ],
    )
}

/// Length in characters, and `[\w<more>]*`.
fn check(value: &str, member: &str, (min, max): (usize, usize), more: Option<&str>) -> Result<(), Refusal> {
    let length = value.chars().count();
    if let Some(more) = more {
        let known = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '+' || more.contains(c);
        if !value.chars().all(known) {
            return Err(Refusal::validation(
                value,
                member,
                &format!("satisfy regular expression pattern: [\\w+{more}]*"),
            ));
        }
    }
    if length < min {
        return Err(Refusal::validation(value, member, &format!("have length greater than or equal to {min}")));
    }
    if length > max {
        return Err(Refusal::validation(value, member, &format!("have length less than or equal to {max}")));
    }
    Ok(())
}
