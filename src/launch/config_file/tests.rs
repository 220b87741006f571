use super::super::settings::Services;
use super::*;

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn refusal(facts: &Facts<'_>) -> String {
    text(Some(Path::new("/d/sentinel")), facts).expect_err("a refusal").to_string()
}

#[test]
fn the_file_is_this() {
    let settings = pairs(&[
        ("region", "us-east-1"),
        ("role_arn", "arn:aws:iam::123456789012:role/x"),
        ("sso_session", "corp"),
        ("output", "json"),
        ("services", "ignored"),
        ("s3", "\n  max_concurrent_requests = 20\n  addressing_style = path\n"),
    ]);
    let services = pairs(&[("dynamodb", "\n  endpoint_url = http://localhost:8000")]);
    let facts = Facts {
        profile_name: "my prod",
        region: Some("eu-west-1"),
        settings: &settings,
        services: Some(Services { name: "local", settings: &services }),
    };
    let body = "credential_process = \"/run/user/1000/sentinel/0f/sentinel\" credentials\n\
                region = eu-west-1\n\
                services = local\n\
                output = json\n\
                s3 =\n  max_concurrent_requests = 20\n  addressing_style = path\n";
    let expected = format!(
        "# Written by sentinel, and removed when the command ends.\n\
         [default]\n{body}[profile \"my prod\"]\n{body}\
         [services local]\ndynamodb =\n  endpoint_url = http://localhost:8000\n"
    );
    assert_eq!(text(Some(Path::new("/run/user/1000/sentinel/0f/sentinel")), &facts).expect("a file"), expected);
}

#[test]
fn the_profile_default_has_one_section() {
    let facts = Facts { profile_name: "default", ..Facts::default() };
    assert_eq!(
        text(Some(Path::new("/d/sentinel")), &facts).expect("a file"),
        "# Written by sentinel, and removed when the command ends.\n\
         [default]\ncredential_process = \"/d/sentinel\" credentials\n"
    );
}

#[test]
fn without_a_helper_there_are_settings_alone() {
    let settings = pairs(&[("output", "json"), ("credential_process", "/bin/evil"), ("source_profile", "base")]);
    let facts = Facts { profile_name: "prod", region: Some("eu-west-1"), settings: &settings, services: None };
    assert_eq!(
        text(None, &facts).expect("a file"),
        "# Written by sentinel, and removed when the command ends.\n\
         [default]\nregion = eu-west-1\noutput = json\n[profile prod]\nregion = eu-west-1\noutput = json\n"
    );
}

#[test]
fn a_value_of_several_indented_lines_is_kept() {
    let mut written = String::new();
    push_setting(&mut written, "output", "json\n    text").expect("a setting");
    push_setting(&mut written, "s3", "\n    a = b\n").expect("a setting");
    push_setting(&mut written, "cli_pager", "").expect("a setting");
    assert_eq!(written, "output = json\n    text\ns3 =\n    a = b\ncli_pager =\n");
}

#[test]
fn a_path_that_sdks_read_differently_is_refused() {
    for path in ["/tmp/a b/sentinel", "/tmp/$x/s", "/tmp/~/s", "/tmp/a;b", "/tmp/a#b", "/tmp/a\"b", "/tmp/é", "d/s"] {
        let facts = Facts { profile_name: "p", ..Facts::default() };
        let error = text(Some(Path::new(path)), &facts).expect_err("a refusal");
        assert_eq!(
            error.to_string(),
            format!(
                "{path} is not a path that every AWS SDK can read in a command\n  \
                 set XDG_RUNTIME_DIR or TMPDIR to a directory named with letters, digits, `.`, `_` and `-`"
            )
        );
    }
}

#[test]
fn a_name_or_value_that_would_add_a_section_is_refused() {
    let named = |profile_name| Facts { profile_name, ..Facts::default() };
    assert_eq!(
        refusal(&named("a]\n[x")),
        "the profile `a]\\n[x` has a name that AWS config files cannot hold\n  rename it, or run without a server"
    );
    assert_eq!(
        refusal(&named("")),
        "the profile `` has a name that AWS config files cannot hold\n  rename it, or run without a server"
    );
    let broken = "the value of `output` has a line break or control character that would change the file\n  \
                  mend it in the AWS config file";
    for value in ["json\n[profile x]", "\n[x]", "\n  a = b\nc = d", "json\r", "a\0b", "\n  [x]", "json\nx", "a\n\n  b"]
    {
        let settings = pairs(&[("output", value)]);
        assert_eq!(refusal(&Facts { profile_name: "p", settings: &settings, ..Facts::default() }), broken, "{value:?}");
    }
    let settings = pairs(&[("a = b\n[x]", "y")]);
    assert_eq!(
        refusal(&Facts { profile_name: "p", settings: &settings, ..Facts::default() }),
        "the setting `a = b\\n[x]` has a name that AWS config files cannot hold"
    );
}
