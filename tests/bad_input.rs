//! What people get wrong: every mistake ends at once, with a status, with the value and the path that were wrong, and
//! with no call to AWS where none is needed.

use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;

use crate::fake_sts::ACCOUNT;
use crate::harness::{World, is_root, skip};

/// The profiles `base` and `production`, which are alice's, and `deploy` (a role).
fn world() -> World {
    let world = World::new();
    world.sandbox.profile("production", &world.alice, "region = us-east-1");
    world.role("deploy", "base", "");
    world
}

#[test]
fn an_unknown_profile_is_named_with_its_nearest() {
    let world = world();
    world.refused_without_a_call(&["--profile", "prodution"], &["prodution", "production", "did you mean"]);
    world.refused_without_a_call(&["--profile", "zzzzzzzz"], &["zzzzzzzz"]);
    let done = world.sandbox.sentinel(["credentials", "--profile", "prodution"]).run();
    done.failed_with(1, &["prodution", "production"]);
    assert_eq!(done.stdout, "");
}

#[test]
fn an_unknown_option_is_named_with_its_nearest() {
    let world = world();
    world.refused_without_a_call(&["--profle", "base"], &["--profle", "--profile"]);
    world.sandbox.sentinel(["credentials", "--profle", "base"]).run().failed_with(2, &["--profle", "--profile"]);
    world.sandbox.sentinel(["exce"]).run().failed_with(2, &["exce", "exec"]);
}

#[test]
fn a_loop_of_source_profiles_is_shown() {
    let world = world();
    let role = format!("arn:aws:iam::{ACCOUNT}:role/deploy");
    for (name, source) in [("one", "two"), ("two", "three"), ("three", "one")] {
        world.sandbox.settings(name, &format!("role_arn = {role}\nsource_profile = {source}"));
    }
    world.refused_without_a_call(&["--profile", "one"], &["one", "two", "three", "source_profile"]);
}

#[test]
fn a_source_profile_that_does_not_exist_is_named() {
    let world = world();
    let role = format!("arn:aws:iam::{ACCOUNT}:role/deploy");
    world.sandbox.settings("orphan", &format!("role_arn = {role}\nsource_profile = bsae"));
    world.refused_without_a_call(&["--profile", "orphan"], &["orphan", "bsae", "base"]);
}

#[test]
fn a_missing_region_is_said_with_ways_to_give_one() {
    let world = world();
    let bob = world.sts.user("bob");
    world.sandbox.profile("placeless", &bob, "");
    let run = world.sandbox.sentinel(["exec", "--profile", "placeless", "--", "true"]);
    run.without("AWS_REGION")
        .without("AWS_ENDPOINT_URL_STS")
        .run()
        .failed_with(125, &["region", "placeless", "--region"]);
    assert_eq!(world.sts.calls().len(), 0);
}

#[test]
fn an_unreadable_credentials_file_is_named() {
    const NAME: &str = "an_unreadable_credentials_file_is_named";
    let world = world();
    if is_root() {
        return skip(NAME, "root reads every file");
    }
    let path = world.sandbox.write("home/.aws/credentials", "[base]\n", 0o000);
    world.refused_without_a_call(&["--profile", "base"], &[path.to_str().expect("UTF-8"), "permission denied"]);
}

#[test]
fn a_credentials_file_that_is_a_directory_is_named() {
    let world = world();
    let path = world.sandbox.path("home/.aws/credentials");
    std::fs::remove_file(&path).expect("remove a file");
    world.sandbox.directory("home/.aws/credentials", 0o700);
    world.refused_without_a_call(&["--profile", "base"], &[path.to_str().expect("UTF-8")]);
}

#[test]
fn a_credentials_file_that_others_may_read_is_refused() {
    for mode in [0o644, 0o640, 0o604] {
        let world = world();
        let path = world.sandbox.path("home/.aws/credentials");
        let content = std::fs::read_to_string(&path).expect("a file");
        world.sandbox.write("home/.aws/credentials", &content, mode);
        let path = path.to_str().expect("UTF-8");
        world.refused_without_a_call(&["--profile", "base"], &[path, "chmod", "600"]);
    }
}

#[test]
fn a_broken_config_file_is_named_with_its_line() {
    let world = world();
    let path = world.sandbox.config("[profile base]\nregion = us-east-1\n[profile broken\n");
    let done = world.exec_true(&["--profile", "broken"]);
    done.failed_with(125, &[path.to_str().expect("UTF-8")]);
    assert!(done.stderr.contains(":3") || done.stderr.contains("line 3"), "{done}");
}

#[test]
fn half_a_key_pair_is_said() {
    let world = world();
    world.sandbox.credentials("[base]\naws_access_key_id = AKIAXXXXXXXXXXXXXXXX\n");
    world.refused_without_a_call(&["--profile", "base"], &["base", "aws_secret_access_key"]);
}

#[test]
fn expired_source_credentials_are_said_to_be_expired() {
    let world = world();
    let session = world.sts.session(&world.sts.user("bob"));
    world.sandbox.profile("temporary", &session, "region = us-east-1");
    world.sts.expire(&session.access_key_id);
    let done = world.exec_true(&["--profile", "temporary"]);
    done.failed_with(125, &["expired"]);
    assert!(!done.stderr.contains(&session.secret_access_key), "{done}");
}

#[test]
fn keys_that_aws_does_not_know_are_said_to_be_wrong() {
    let world = world();
    world
        .sandbox
        .credentials("[base]\naws_access_key_id = AKIAXXXXXXXXXXXXXXXX\naws_secret_access_key = secret-of-ours\n");
    let done = world.exec_true(&["--profile", "deploy"]);
    done.failed_with(125, &["InvalidClientTokenId"]);
    assert!(!done.stderr.contains("secret-of-ours"), "{done}");
}

#[test]
fn a_role_that_does_not_trust_us_is_named() {
    let world = world();
    let role = world.sts.role("closed").arn();
    world.sandbox.settings("closed", &format!("role_arn = {role}\nsource_profile = base"));
    world.exec_true(&["--profile", "closed"]).failed_with(125, &[&role, "sts:AssumeRole"]);
}

#[test]
fn an_sts_that_does_not_answer_is_named() {
    // Nobody serves TCPMUX, and no port that is bound to 0 becomes this one.
    let url = "http://127.0.0.1:1";
    let world = world();
    let run = world.sandbox.sentinel(["exec", "--profile", "base", "--", "true"]);
    run.env("AWS_ENDPOINT_URL_STS", url).run().failed_with(125, &[url.trim_start_matches("http://")]);
    let run = world.sandbox.sentinel(["credentials", "--profile", "base"]).env("AWS_ENDPOINT_URL_STS", url);
    run.run().failed_with(1, &[url.trim_start_matches("http://")]);
}

/// T20.
#[test]
fn plain_http_to_a_foreign_host_is_refused() {
    let world = world();
    let run = world.sandbox.sentinel(["exec", "--profile", "base", "--", "true"]);
    run.env("AWS_ENDPOINT_URL_STS", "http://sts.example.invalid")
        .run()
        .failed_with(125, &["http://sts.example.invalid", "https"]);
}

#[test]
fn a_wrong_clock_is_said_to_be_wrong() {
    for shift_s in [3600, -3600] {
        let world = world();
        world.sts.shift_clock_s(shift_s);
        world.exec_true(&["--profile", "deploy"]).failed_with(125, &["clock"]);
    }
}

#[test]
fn a_socket_path_that_is_too_long_is_refused() {
    let world = world();
    let path = world.sandbox.path(&format!("run/{}", "s".repeat(120)));
    let path = path.to_str().expect("UTF-8");
    world.refused_without_a_call(&["--profile", "base", "--unix-socket", "--unix-socket-path", path], &[path, "107"]);
}

/// T2.
#[test]
fn a_socket_path_that_is_taken_is_refused_and_left_alone() {
    let world = world();
    let directory = world.sandbox.directory("run/sockets", 0o700);
    let live = directory.join("live");
    let listener = UnixListener::bind(&live).expect("bind");
    let file = world.sandbox.write("run/sockets/file", "mine", 0o600);
    let link = directory.join("link");
    symlink(&file, &link).expect("link");
    let folder = world.sandbox.directory("run/sockets/folder", 0o700);
    for path in [&live, &file, &link, &folder] {
        let text = path.to_str().expect("UTF-8");
        let options = ["--profile", "base", "--unix-socket", "--unix-socket-path", text];
        world.exec_true(&options).failed_with(125, &[text]);
    }
    assert_eq!(std::fs::read_to_string(&link).expect("the file"), "mine");
    assert!(folder.is_dir());
    drop(std::os::unix::net::UnixStream::connect(&live).expect("the live server is still there"));
    drop(listener);
}

#[test]
fn a_child_that_does_not_exist_is_named() {
    let world = world();
    for mode in [&["--profile", "base"][..], &["--profile", "base", "--unix-socket"]] {
        let run = world.sandbox.sentinel(["exec"]).args(mode).args(["--", "terrafrom-xyz", "plan"]);
        run.run().failed_with(127, &["terrafrom-xyz"]);
    }
}

#[test]
fn durations_that_aws_cannot_give_are_refused_before_any_call() {
    let world = world();
    for text in ["899", "14m", "1s", "0", "-5", "soon", "1h1h", "13h"] {
        let option = format!("--duration={text}");
        world.refused_without_a_call(&["--profile", "deploy", &option], &["--duration", text]);
    }
    for text in ["899s", "14m", "x"] {
        let option = format!("--server-duration={text}");
        world.refused_without_a_call(&["--profile", "deploy", "--unix-socket", &option], &["--server-duration", text]);
    }
    let run = world.sandbox.sentinel(["exec", "--profile", "deploy", "--", "true"]).env("SENTINEL_DURATION", "5m");
    run.run().failed_with(125, &["SENTINEL_DURATION", "5m"]);
    assert_eq!(world.sts.calls().len(), 0);
}

#[test]
fn options_that_exclude_each_other_are_refused() {
    let world = world();
    world.refused_without_a_call(
        &["--profile", "base", "--unix-socket", "--no-session"],
        &["--no-session", "--unix-socket", "long-lived"],
    );
    world.refused_without_a_call(
        &["--profile", "base", "--bind", "tree"],
        &["--bind", "needs --server, --ecs-server, --ec2-server or --unix-socket"],
    );
    world.refused_without_a_call(&["--profile", "base", "--unix-socket", "--bind", "tre"], &["--bind tre", "tree"]);
    world.refused_without_a_call(&["prod", "--profile", "base"], &["--profile", "prod"]);
}

#[test]
fn a_variable_that_is_not_utf8_is_named() {
    use std::os::unix::ffi::OsStringExt;
    let world = world();
    let value = std::ffi::OsString::from_vec(b"ba\xffse".to_vec());
    let run = world.sandbox.sentinel(["exec", "--", "true"]).env("AWS_PROFILE", value);
    run.run().failed_with(125, &["AWS_PROFILE", "UTF-8"]);
    assert_eq!(world.sts.calls().len(), 0);
}
