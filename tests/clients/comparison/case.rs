//! One case: two files, an environment and options, and what the AWS CLI and sentinel make of them.

use std::collections::BTreeSet;

use crate::clients::https::{Proxy, authority};
use crate::clients::world::path;
use crate::fake_sts::{Call, Keys, Sts};
use crate::harness::{Finished, Invocation, Sandbox};

/// What is compared. In all texts but the name: `{alice}` and `{bob}` are two users' keys, as lines of a file; `{alice.id}` and
/// `{alice.secret}` are their halves, `{first}`, `{second}` and `{guarded}` roles' ARNs, `{url}` is an http address of AWS, `{home}` is HOME,
/// `{ca}` is the file with the authority of AWS over https.
#[derive(Debug, Clone, Copy)]
pub(super) struct Case {
    /// What it is about.
    pub(super) name: &'static str,
    /// `~/.aws/config`; empty: there is none.
    pub(super) config: &'static str,
    /// `~/.aws/credentials`; empty: there is none.
    pub(super) credentials: &'static str,
    /// The region of alice's profile, and further lines of it, where `config` is empty.
    pub(super) region: &'static str,
    /// Variables; an empty value unsets one.
    pub(super) env: &'static [(&'static str, &'static str)],
    /// Options, which both programs have: --profile, --region.
    pub(super) options: &'static [&'static str],
    /// What is expected.
    pub(super) expected: Expected,
}

/// What is expected of the two.
#[derive(Debug, Clone, Copy)]
pub(super) enum Expected {
    /// Both are the same identity, by calls in the same regions to the same places.
    Same,
    /// Both refuse; sentinel's sentence has this part.
    BothRefuse(&'static str),
    /// The AWS CLI goes on, and sentinel refuses with this part of a sentence, because of this.
    Refused(&'static str, &'static str),
    /// Both go on, and not alike: sentinel's calls have this region or place and the AWS CLI's do not, because of this.
    Differs(&'static str, &'static str),
}

impl Case {
    /// A case with nothing but a name and one file: profiles in the config file.
    pub(super) const fn new(name: &'static str, config: &'static str, expected: Expected) -> Self {
        Self { name, config, credentials: "", region: "", env: &[], options: &[], expected }
    }

    pub(super) const fn region(self, region: &'static str) -> Self {
        Self { region, ..self }
    }

    pub(super) const fn credentials(self, credentials: &'static str) -> Self {
        Self { credentials, ..self }
    }

    pub(super) const fn env(self, env: &'static [(&'static str, &'static str)]) -> Self {
        Self { env, ..self }
    }

    pub(super) const fn options(self, options: &'static [&'static str]) -> Self {
        Self { options, ..self }
    }

    /// Runs both programs. `None`: as expected.
    pub(super) fn problem(&self) -> Option<String> {
        let cli = Stage::new(self).run(&["aws"], &["sts", "get-caller-identity"]);
        let ours =
            Stage::new(self).run(&[crate::harness::sentinel(), "exec"], &["--", "aws", "sts", "get-caller-identity"]);
        let reason = match self.expected {
            Expected::Refused(_, because) | Expected::Differs(_, because) => format!(" (expected, because {because})"),
            Expected::Same | Expected::BothRefuse(_) => String::new(),
        };
        let wrong =
            |what: &str| Some(format!("{}: {what}{reason}\n--- the AWS CLI: {cli}\n--- sentinel: {ours}", self.name));
        match (self.expected, &cli.identity, &ours.identity) {
            (Expected::Same, Some(theirs), Some(own)) if theirs == own && cli.calls == ours.calls => None,
            (Expected::Same, ..) => wrong("they are not the same"),
            (Expected::BothRefuse(part), None, None) | (Expected::Refused(part, _), Some(_), None) => {
                (!ours.done.stderr.contains(part)).then(|| wrong("sentinel says something else")).flatten()
            }
            (Expected::BothRefuse(_), ..) => wrong("they do not both refuse"),
            (Expected::Refused(..), ..) => wrong("it is not sentinel alone that refuses"),
            (Expected::Differs(part, _), Some(_), Some(own)) => {
                let has = |seen: &BTreeSet<String>| seen.iter().any(|call| call.contains(part));
                let ours_alone = (has(&ours.calls) || own.contains(part)) && !has(&cli.calls);
                (!ours_alone).then(|| wrong("they do not differ in this")).flatten()
            }
            (Expected::Differs(..), ..) => wrong("one of them refuses"),
        }
    }
}

/// Where one program runs: an account, a way to it and a home of its own.
struct Stage {
    sandbox: Sandbox,
    sts: Sts,
    proxy: Proxy,
    case: Case,
    fields: Vec<(&'static str, String)>,
}

/// What one program made of the case.
struct Outcome {
    /// The ARN, if there was one; the session's name only where the profile chooses it.
    identity: Option<String>,
    /// `REGION at PLACE`, and how long a role was asked for where the profile says.
    calls: BTreeSet<String>,
    done: Finished,
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}, calls {:?}, {}", self.identity, self.calls, self.done)
    }
}

impl Stage {
    fn new(case: &Case) -> Self {
        let sts = Sts::start();
        sts.region("*");
        let (alice, bob) = (sts.user("alice"), sts.user("bob"));
        let first = sts.role("first").trusts(&alice.arn).trusts(&bob.arn).allows_source_identity().arn();
        let second = sts.role("second").trusts(&first).allows_source_identity().arn();
        let guarded = sts.role("guarded").trusts(&alice.arn).external_id("x:1").allows_source_identity().arn();
        let sandbox = Sandbox::new(&sts);
        let lines = |keys: &Keys| {
            format!("aws_access_key_id = {}\naws_secret_access_key = {}", keys.access_key_id, keys.secret_access_key)
        };
        let session = sts.session(&alice);
        let fields = vec![
            ("{alice}", lines(&alice)),
            ("{bob}", lines(&bob)),
            (
                "{session}",
                format!("{}\naws_session_token = {}", lines(&session), session.session_token.clone().expect("a token")),
            ),
            ("{alice.id}", alice.access_key_id),
            ("{alice.secret}", alice.secret_access_key),
            ("{first}", first),
            ("{second}", second),
            ("{guarded}", guarded),
            ("{url}", sts.url()),
            ("{home}", sandbox.path("home").display().to_string()),
            ("{ca}", authority().display().to_string()),
        ];
        let stage = Self { proxy: Proxy::before(&sts), sandbox, sts, case: *case, fields };
        let config = match case.region {
            "" => case.config.to_owned(),
            region => format!("[default]\nregion = {region}\n{{alice}}\n"),
        };
        for (file, text) in [("config", &*config), ("credentials", case.credentials)] {
            if !text.is_empty() {
                stage.sandbox.write(&format!("home/.aws/{file}"), &stage.filled(text), 0o600);
            }
        }
        stage
    }

    fn filled(&self, text: &str) -> String {
        self.fields.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
    }

    /// Runs `program OPTIONS words`.
    fn run(&self, program: &[&str], words: &[&str]) -> Outcome {
        let (name, first) = program.split_first().expect("a program");
        let run = self.sandbox.program(name).args(first).args(self.case.options).args(words);
        let done = self.surroundings(run).run();
        Outcome { identity: self.identity(&done), calls: self.calls(), done }
    }

    /// AWS is behind the proxy, and known by its authority, unless the case says otherwise.
    fn surroundings(&self, run: Invocation) -> Invocation {
        let run = run.without("AWS_ENDPOINT_URL_STS").without("AWS_REGION").env("PATH", path());
        let run = run.env("HTTPS_PROXY", self.proxy.url()).env("AWS_CA_BUNDLE", authority());
        let run = run.env("AWS_MAX_ATTEMPTS", "1").env("LC_ALL", "C.UTF-8");
        self.case.env.iter().fold(run, |run, (name, value)| match *value {
            "" => run.without(name),
            value => run.env(name, self.filled(value)),
        })
    }

    fn identity(&self, done: &Finished) -> Option<String> {
        if done.code() != 0 {
            return None;
        }
        let (_, rest) = done.stdout.split_once("arn:aws")?;
        let arn = format!("arn:aws{}", rest.split('"').next()?);
        let is_chosen = self.case.config.contains("role_session_name") || !arn.contains(":assumed-role/");
        Some(if is_chosen { arn } else { arn.rsplit_once('/')?.0.to_owned() })
    }

    fn calls(&self) -> BTreeSet<String> {
        let calls = self.sts.calls();
        let mut seen: BTreeSet<String> = calls.iter().map(|call| self.at(call)).collect();
        if self.case.config.contains("duration_seconds") {
            let roles = calls.iter().filter(|call| call.action == "AssumeRole");
            seen.extend(roles.filter_map(|call| Some(format!("for {} s", call.parameters.get("DurationSeconds")?))));
        }
        seen
    }

    /// A port is no difference: each program has a fake AWS of its own.
    fn at(&self, call: &Call) -> String {
        let place = call.place.replace(self.sts.url().trim_start_matches("http://"), "{url}");
        format!("{} at {}", call.region, place.trim_end_matches('/'))
    }
}
