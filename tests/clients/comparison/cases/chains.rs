//! Roles, and whose credentials assume them.

use super::Case;
use super::Expected::{BothRefuse, Refused, Same};

/// The cases. All ask for profile `a`.
pub(super) const CASES: &[Case] = &[
    of(
        "a role",
        "[profile a]\nregion = eu-west-1\nrole_arn = {first}\nsource_profile = b\n[profile b]\n{alice}\n",
        Same,
    ),
    of(
        "a chain of two roles, each with a region",
        "[profile a]\nregion = eu-west-1\nrole_arn = {second}\nsource_profile = b\n\
         [profile b]\nregion = us-east-2\nrole_arn = {first}\nsource_profile = c\n\
         [profile c]\nregion = ap-south-1\n{alice}\n",
        Same,
    ),
    of(
        "a region at the source alone",
        "[profile a]\nrole_arn = {first}\nsource_profile = b\n[profile b]\nregion = eu-west-1\n{alice}\n",
        Refused("no region is known for profile `a`", "as without any region: AWS's tools differ"),
    ),
    of(
        "a role with its own keys",
        "[profile a]\nregion = eu-west-1\nrole_arn = {first}\nsource_profile = a\n{alice}\n",
        Same,
    ),
    of(
        "a role that is its own source",
        "[profile a]\nregion = eu-west-1\nrole_arn = {first}\nsource_profile = a\n",
        BothRefuse("leads in a circle: a -> a"),
    ),
    of(
        "a circle",
        "[profile a]\nregion = eu-west-1\nrole_arn = {second}\nsource_profile = b\n\
         [profile b]\nrole_arn = {first}\nsource_profile = a\n",
        BothRefuse("leads in a circle: a -> b -> a"),
    ),
    of(
        "a source with keys and a role",
        "[profile a]\nregion = eu-west-1\nrole_arn = {first}\nsource_profile = b\n\
         [profile b]\nrole_arn = {second}\nsource_profile = a\n{bob}\n",
        Same,
    ),
    of(
        "a source that does not exist",
        "[profile a]\nregion = eu-west-1\nrole_arn = {first}\nsource_profile = b\n",
        BothRefuse("names `b`, which is not in"),
    ),
    of(
        "a role without a source",
        "[profile a]\nregion = eu-west-1\nrole_arn = {first}\n{alice}\n",
        BothRefuse("has neither source_profile nor credential_source"),
    ),
    of(
        "external_id",
        "[profile a]\nregion = eu-west-1\nrole_arn = {guarded}\nexternal_id = x:1\nsource_profile = b\n\
         [profile b]\n{alice}\n",
        Same,
    ),
    of(
        "external_id that is wrong",
        "[profile a]\nregion = eu-west-1\nrole_arn = {guarded}\nexternal_id = y:2\nsource_profile = b\n\
         [profile b]\n{alice}\n",
        BothRefuse("may not perform sts:AssumeRole on"),
    ),
    of(
        "role_session_name",
        "[profile a]\nregion = eu-west-1\nrole_arn = {first}\nrole_session_name = me@work\nsource_profile = b\n\
         [profile b]\n{alice}\n",
        Same,
    ),
    of(
        "duration_seconds",
        "[profile a]\nregion = eu-west-1\nrole_arn = {first}\nduration_seconds = 1800\nsource_profile = b\n\
         [profile b]\n{alice}\n",
        Same,
    ),
    of(
        "duration_seconds that is no number",
        "[profile a]\nregion = eu-west-1\nrole_arn = {first}\nduration_seconds = 30m\nsource_profile = b\n\
         [profile b]\n{alice}\n",
        Refused("is `30m`, which is not a number of seconds", "a limit that was mistyped is not one that was lifted"),
    ),
    of(
        "credential_process",
        "[profile a]\nregion = eu-west-1\ncredential_process = /bin/cat \"{home}/.aws/credentials\"\n",
        Same,
    )
    .env(&[("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")])
    .credentials("{\"Version\": 1, \"AccessKeyId\": \"{alice.id}\", \"SecretAccessKey\": \"{alice.secret}\"}"),
    of(
        "credential_process beside keys in the credentials file",
        "[profile a]\nregion = eu-west-1\ncredential_process = /bin/false\n",
        Same,
    )
    .credentials("[a]\n{alice}\n"),
    of(
        "a role whose source is a process that fails",
        "[profile a]\nregion = eu-west-1\nrole_arn = {first}\nsource_profile = b\n\
         [profile b]\ncredential_process = /bin/false\n",
        BothRefuse("credential_process of profile `b`"),
    ),
    of(
        "credential_source = Environment",
        "[profile a]\nregion = eu-west-1\nrole_arn = {first}\ncredential_source = Environment\n",
        Same,
    )
    .env(&[("AWS_ACCESS_KEY_ID", "{alice.id}"), ("AWS_SECRET_ACCESS_KEY", "{alice.secret}")]),
    of(
        "credential_source = Environment without keys",
        "[profile a]\nregion = eu-west-1\nrole_arn = {first}\ncredential_source = Environment\n",
        BothRefuse("the environment has no keys"),
    ),
    of(
        "both kinds of source",
        "[profile a]\nregion = eu-west-1\nrole_arn = {first}\ncredential_source = Environment\nsource_profile = b\n\
         [profile b]\n{alice}\n",
        BothRefuse("stands beside source_profile"),
    ),
];

const fn of(name: &'static str, config: &'static str, expected: super::Expected) -> Case {
    Case::new(name, config, expected).options(&["--profile", "a"])
}
