//! Settings files end to end: the user's, and the administrator's, which nobody else gets past or takes the place of.
//!
//! The admin file has one path, under /etc, which these tests do not touch: each run has a mount namespace of its own, with an
//! empty /etc.

use std::process::Command;

use crate::harness::{Finished, Invocation, World, is_root, sentinel, skip};

const POLICY: &str = r#"{"version": "1", "rules": [{"name": "all", "effect": "allow"}]}"#;
const DENIAL: &str = r#"{"version": "1", "rules": [{"name": "none", "effect": "deny"}]}"#;

/// Whether this host lets us have a mount namespace, in a user namespace of our own or not.
fn has_namespaces(test: &str, options: &[&str]) -> bool {
    let made = Command::new("unshare").args(options).args(["-m", "mount", "-t", "tmpfs", "tmpfs", "/etc"]).output();
    let made = made.is_ok_and(|output| output.status.success());
    if !made {
        skip(test, "this host allows no mount namespaces");
    }
    made
}

/// `sentinel ARGUMENTS` where `setup`, a shell script, has made /etc/sentinel/config.json out of `$ADMIN`.
fn run(world: &World, admin: &str, setup: &str, arguments: &[&str]) -> Invocation {
    within(world, &["-m"], admin, setup, arguments)
}

fn within(world: &World, namespaces: &[&str], admin: &str, setup: &str, arguments: &[&str]) -> Invocation {
    let script = format!(
        "set -e; mount -t tmpfs -o mode=755 tmpfs /etc; mkdir -m 755 /etc/sentinel; umask 022\n\
         printf %s \"$ADMIN\" >/etc/sentinel/config.json; unset ADMIN\n{setup}\nexec \"$@\""
    );
    world
        .sandbox
        .program("unshare")
        .args(namespaces)
        .args(["sh", "-c", &script, "sh", sentinel()])
        .args(arguments)
        .env("ADMIN", admin)
}

/// `exec --profile base -- true`, with options.
fn exec(world: &World, admin: &str, setup: &str, options: &[&str]) -> Invocation {
    run(world, admin, setup, &[&["exec", "--profile", "base"], options, &["--", "true"]].concat())
}

fn locked(world: &World) -> String {
    let path = world.sandbox.write("admin-policy.json", DENIAL, 0o644);
    format!(r#"{{"policy": "{}", "locked": ["policy", "log-file"]}}"#, path.display())
}

fn refused(world: &World, done: &Finished, parts: &[&str]) {
    done.failed_with(125, parts);
    assert_eq!(world.sts.calls().len(), 0, "AWS was asked: {:?}", world.sts.calls());
}

#[test]
fn a_users_file_stands_in_for_options() {
    let world = World::new();
    let policy = world.sandbox.write("policy.json", DENIAL, 0o600);
    world.sandbox.directory("home/.config", 0o700);
    world.sandbox.directory("home/.config/sentinel", 0o700);
    let settings = format!(r#"{{"profile": "base", "policy": "{}"}}"#, policy.display());
    let file = world.sandbox.write("home/.config/sentinel/config.json", &settings, 0o600);
    world.sandbox.exec(&[], &["true"]).run().failed_with(125, &["policy denied profile `base`", "rule `none`"]);
    let other = world.sandbox.write("other.json", POLICY, 0o600);
    let done = world.sandbox.exec(&["--policy", other.to_str().expect("UTF-8")], &["true"]).run();
    assert_eq!(done.code(), 0, "{done}");

    // Wrong, it is not passed over, but by help.
    world.sandbox.write("home/.config/sentinel/config.json", r#"{"polcy": "/p"}"#, 0o600);
    let path = file.to_str().expect("UTF-8");
    world
        .sandbox
        .exec(&[], &["true"])
        .run()
        .failed_with(125, &[path, "`polcy` is no setting", "did you mean `policy`"]);
    world.sandbox.sentinel(["credentials"]).run().failed_with(1, &[path, "polcy"]);
    assert_eq!(world.sandbox.sentinel(["help"]).run().code(), 0);
    world.sandbox.write("home/.config/sentinel/config.json", "{}", 0o666);
    world.sandbox.exec(&[], &["true"]).run().failed_with(125, &[path, "may be written by its group or others"]);
}

#[test]
fn what_the_admin_file_locks_nobody_changes() {
    const NAME: &str = "what_the_admin_file_locks_nobody_changes";
    if !is_root() {
        return skip(NAME, "only root has an /etc of its own");
    }
    if !has_namespaces(NAME, &[]) {
        return;
    }
    let world = World::new();
    let (sandbox, admin) = (&world.sandbox, locked(&world));
    let own = sandbox.write("own.json", POLICY, 0o600);
    let own = own.to_str().expect("UTF-8");

    let done = exec(&world, &admin, "", &[]).run();
    refused(&world, &done, &["policy denied profile `base`", "rule `none`"]);
    let by = "is locked by /etc/sentinel/config.json";
    let done = exec(&world, &admin, "", &["--policy", own]).run();
    refused(&world, &done, &[&format!("--policy {by}")]);
    let done = exec(&world, &admin, "", &["--policy-parameter", "/x"]).run();
    refused(&world, &done, &[&format!("--policy-parameter {by}")]);
    let done = exec(&world, &admin, "", &["--log-file", "/dev/null"]).run();
    refused(&world, &done, &[&format!("--log-file {by}")]);
    let done = exec(&world, &admin, "", &[]).env("SENTINEL_POLICY", own).run();
    refused(&world, &done, &[&format!("SENTINEL_POLICY {by}")]);
    let done = run(&world, &admin, "", &["credentials", "--profile", "base", "--policy", own]).run();
    done.failed_with(2, &[&format!("--policy {by}")]);

    sandbox.directory("home/.config", 0o700);
    sandbox.directory("home/.config/sentinel", 0o700);
    let user = format!(r#"{{"policy": "{own}"}}"#);
    sandbox.write("home/.config/sentinel/config.json", &user, 0o600);
    let done = exec(&world, &admin, "", &[]).run();
    refused(&world, &done, &["`policy` in ", "home/.config/sentinel/config.json", by]);

    sandbox.write("home/.config/sentinel/config.json", "{}", 0o600);
    // What only looks at policies obeys none.
    let done = run(&world, &admin, "", &["policy", "validate", "--policy", own]).run();
    assert_eq!(done.code(), 0, "{done}");

    // No variable leads elsewhere.
    let mut elsewhere = exec(&world, &admin, "", &["--policy", own]);
    for name in ["XDG_CONFIG_DIRS", "XDG_CONFIG_HOME", "HOME", "SENTINEL_CONFIG", "SENTINEL_CONFIG_FILE"] {
        elsewhere = elsewhere.env(name, sandbox.path("tmp"));
    }
    refused(&world, &elsewhere.run(), &[&format!("--policy {by}")]);
}

#[test]
fn an_admin_file_that_demands_a_policy_gets_one() {
    const NAME: &str = "an_admin_file_that_demands_a_policy_gets_one";
    if !is_root() {
        return skip(NAME, "only root has an /etc of its own");
    }
    if !has_namespaces(NAME, &[]) {
        return;
    }
    let world = World::new();
    let admin = r#"{"require_policy": true}"#;
    let done = exec(&world, admin, "", &[]).run();
    refused(&world, &done, &["/etc/sentinel/config.json demands a policy, and none is configured", "--policy"]);
    let done = run(&world, admin, "", &["credentials", "--profile", "base"]).run();
    done.failed_with(1, &["demands a policy"]);
    assert_eq!(world.sts.calls().len(), 0);
    let own = world.sandbox.write("own.json", POLICY, 0o600);
    let own = own.to_str().expect("UTF-8");
    assert_eq!(exec(&world, admin, "", &["--policy", own]).run().code(), 0);
    // The helper inside asks the socket, whose server has a policy.
    let line = ["exec", "--profile", "base", "--unix-socket", "--policy", own, "--", sentinel(), "credentials"];
    let done = run(&world, admin, "", &line).run();
    assert_eq!(done.code(), 0, "{done}");
    assert!(done.stdout.contains("AccessKeyId"), "{done}");
}

#[test]
fn an_admin_file_that_somebody_else_could_have_written_ends_the_program() {
    const NAME: &str = "an_admin_file_that_somebody_else_could_have_written_ends_the_program";
    if !is_root() {
        return skip(NAME, "only root has an /etc of its own");
    }
    if !has_namespaces(NAME, &[]) {
        return;
    }
    let world = World::new();
    let file = "/etc/sentinel/config.json";
    for (setup, parts) in [
        ("chown 65534 /etc/sentinel/config.json", [file, "belongs to uid 65534, not to root"]),
        ("chmod 664 /etc/sentinel/config.json", [file, "may be written by its group or others (mode 0664)"]),
        ("chmod 775 /etc/sentinel", ["/etc/sentinel, which", "may be written by its group or others (mode 0775)"]),
        ("chmod 1777 /etc", ["/etc, which", "may be written by its group or others (mode 1777)"]),
        ("chown 65534 /etc/sentinel", ["/etc/sentinel, which", "belongs to uid 65534, not to root"]),
        ("mv /etc/sentinel/config.json /etc/x; ln -s /etc/x /etc/sentinel/config.json", [file, "is a symbolic link"]),
        ("ln -sfn nowhere /etc/sentinel/config.json", [file, "is a symbolic link"]),
        ("mv /etc/sentinel /etc/x; ln -s x /etc/sentinel", ["/etc/sentinel, which", "is a symbolic link"]),
        ("rm /etc/sentinel/config.json; mkfifo /etc/sentinel/config.json", [file, "is something else"]),
        ("echo '{' >/etc/sentinel/config.json", [file, "is not right"]),
        ("echo '{\"lokced\": []}' >/etc/sentinel/config.json", [file, "`lokced` is no setting"]),
        ("head -c 70000 /dev/zero >/etc/sentinel/config.json", [file, "is larger than 64 KiB"]),
    ] {
        let done = exec(&world, "{}", setup, &[]).run();
        done.failed_with(125, &parts);
        let done = run(&world, "{}", setup, &["credentials", "--profile", "base"]).run();
        done.failed_with(1, &parts);
        assert_eq!(run(&world, "{}", setup, &["help", "exec"]).run().code(), 0, "{setup}");
    }
    assert_eq!(world.sts.calls().len(), 0);
    for setup in ["", "rm /etc/sentinel/config.json", "rm -r /etc/sentinel"] {
        let done = exec(&world, "{}", setup, &[]).run();
        assert_eq!(done.code(), 0, "{setup}: {done}");
    }
}

#[test]
fn an_admin_file_that_a_user_may_not_read_ends_the_program() {
    const NAME: &str = "an_admin_file_that_a_user_may_not_read_ends_the_program";
    if !is_root() {
        return skip(NAME, "only root has an /etc of its own");
    }
    if !has_namespaces(NAME, &[]) {
        return;
    }
    let world = World::new();
    world.sandbox.give_to_nobody();
    let setup = "chmod 600 /etc/sentinel/config.json; \
                 set -- setpriv --reuid 65534 --regid 65534 --clear-groups -- \"$@\"";
    exec(&world, "{}", setup, &[]).run().failed_with(125, &["cannot read the admin file", "Permission denied"]);
    let setup = "set -- setpriv --reuid 65534 --regid 65534 --clear-groups -- \"$@\"";
    let done = exec(&world, r#"{"require_policy": true}"#, setup, &[]).run();
    done.failed_with(125, &["demands a policy"]);
}

#[test]
fn in_a_user_namespace_no_admin_file_is_believed() {
    const NAME: &str = "in_a_user_namespace_no_admin_file_is_believed";
    if !has_namespaces(NAME, &["-Ur"]) {
        return;
    }
    let world = World::new();
    let arguments = ["exec", "--profile", "base", "--", "true"];
    let done = within(&world, &["-Urm"], "{}", "", &arguments).run();
    refused(
        &world,
        &done,
        &["/etc/sentinel/config.json cannot be believed here: this is a user namespace, where root may be anybody"],
    );
    let done = within(&world, &["-Urm"], "{}", "rm -r /etc/sentinel", &arguments).run();
    assert_eq!(done.code(), 0, "{done}");
}
