use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};

use super::super::tests::Home;
use super::*;

const KEYS: &str = "[default]\naws_access_key_id = AKIA\naws_secret_access_key = s3cret\n";

fn refusal(home: &Home) -> String {
    for which in [Which::Config, Which::Credentials] {
        let loaded = SourceFile::load(which, &home.env);
        if let Err(error) = loaded.and_then(|file| file.parse().map(|_| ())) {
            return error.to_string().replace(&home.text(), "~");
        }
    }
    "nothing was refused".to_owned()
}

#[test]
fn missing_files_are_no_error_unless_named() {
    let mut home = Home::new();
    assert_eq!(refusal(&home), "nothing was refused");
    home.env.set("AWS_SHARED_CREDENTIALS_FILE", home.path("absent"));
    assert_eq!(
        refusal(&home),
        "AWS_SHARED_CREDENTIALS_FILE names ~/absent, which does not exist\n  \
         create it, or set AWS_SHARED_CREDENTIALS_FILE to /dev/null to use none"
    );
    home.env.set("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
    assert_eq!(refusal(&home), "nothing was refused");
    home.env.set("AWS_CONFIG_FILE", "~/absent");
    assert_eq!(
        refusal(&home),
        "AWS_CONFIG_FILE names ~/absent, which does not exist\n  \
         create it, or set AWS_CONFIG_FILE to /dev/null to use none"
    );
}

#[test]
fn a_leading_tilde_is_home_and_nothing_else_is_expanded() {
    let mut home = Home::new();
    home.write("../mine", "[default]\n", 0o600);
    home.env.set("AWS_CONFIG_FILE", "~/mine");
    let file = SourceFile::load(Which::Config, &home.env).expect("a file");
    assert_eq!(file.path, home.path("mine"));
    assert!(file.exists());
    home.env.set("AWS_CONFIG_FILE", "~other/config");
    assert_eq!(
        refusal(&home),
        "AWS_CONFIG_FILE is ~other/config, and only ~/ with HOME set is expanded\n  \
         set AWS_CONFIG_FILE to an absolute path"
    );
    home.env.unset("AWS_CONFIG_FILE");
    home.env.unset("HOME");
    assert_eq!(refusal(&home), "nothing was refused");
}

#[test]
fn secrets_that_others_can_read_are_refused() {
    for (name, mode, shown) in [("credentials", 0o644, "0644"), ("config", 0o640, "0640"), ("config", 0o601, "0601")] {
        let home = Home::new();
        home.write(name, KEYS, mode);
        assert_eq!(
            refusal(&home),
            format!("~/.aws/{name} holds secrets and is open to others (mode {shown})\n  chmod 600 ~/.aws/{name}")
        );
    }
}

#[test]
fn files_without_secrets_may_be_read_by_others_and_not_written() {
    let home = Home::new();
    home.write("config", "[default]\nregion = eu-west-1\n", 0o644);
    home.write("credentials", "[default]\naws_access_key_id = AKIA\naws_secret_access_key =\n", 0o444);
    assert_eq!(refusal(&home), "nothing was refused");
    for (mode, shown) in [(0o666, "0666"), (0o664, "0664"), (0o602, "0602")] {
        home.write("config", "[default]\n", mode);
        assert_eq!(
            refusal(&home),
            format!("~/.aws/config can be changed by others (mode {shown})\n  chmod go-w ~/.aws/config")
        );
    }
}

#[test]
fn a_credentials_file_that_others_can_write_is_to_be_closed_at_once() {
    let home = Home::new();
    home.write("credentials", KEYS, 0o666);
    assert_eq!(
        refusal(&home),
        "~/.aws/credentials can be changed by others (mode 0666)\n  chmod 600 ~/.aws/credentials"
    );
}

#[test]
fn a_file_of_someone_else_is_refused() {
    let path = Path::new("/h/config");
    assert!(check_owner(path, Uid(1000), Uid(1000)).is_ok());
    assert!(check_owner(path, Uid(0), Uid(1000)).is_ok());
    assert_eq!(
        check_owner(path, Uid(1001), Uid(1000)).expect_err("another's").to_string(),
        "/h/config belongs to uid 1001, and uid 1000 would obey it\n  \
         chown 1000 /h/config, or use a file of your own"
    );
}

#[test]
fn what_is_not_a_file_is_refused_without_waiting() {
    let mut home = Home::new();
    home.env.set("AWS_CONFIG_FILE", home.path(""));
    assert_eq!(refusal(&home), "~/ is a directory, not a file\n  name a file, or /dev/null for none");
    home.env.set("AWS_CONFIG_FILE", "/dev/zero");
    assert_eq!(refusal(&home), "/dev/zero is a device, not a file\n  name a file, or /dev/null for none");
    let made = std::process::Command::new("mkfifo").arg(home.path("fifo")).status().expect("mkfifo");
    assert!(made.success());
    home.env.set("AWS_CONFIG_FILE", home.path("fifo"));
    assert_eq!(refusal(&home), "~/fifo is a FIFO, not a file\n  name a file, or /dev/null for none");
}

#[test]
fn links_are_followed_and_their_target_is_judged() {
    let home = Home::new();
    home.write("../elsewhere", KEYS, 0o644);
    symlink("../elsewhere", home.path(".aws/credentials")).expect("symlink");
    assert_eq!(
        refusal(&home),
        "~/.aws/credentials holds secrets and is open to others (mode 0644)\n  chmod 600 ~/.aws/credentials"
    );
    home.write("../elsewhere", KEYS, 0o600);
    assert_eq!(refusal(&home), "nothing was refused");
}

#[test]
fn a_file_that_cannot_be_read_is_named_with_the_cause() {
    let home = Home::new();
    symlink("config", home.path(".aws/config")).expect("symlink");
    assert_eq!(
        refusal(&home),
        "cannot read ~/.aws/config: Too many levels of symbolic links (os error 40)\n  \
         check the permissions of the file and of the directories above it"
    );
}

#[test]
fn a_file_is_at_most_one_mebibyte() {
    let home = Home::new();
    let line = "# 0123456789abc\n";
    home.write("config", &line.repeat(65_536), 0o600);
    assert_eq!(refusal(&home), "nothing was refused");
    home.write("config", &format!("{}#", line.repeat(65_536)), 0o600);
    assert_eq!(
        refusal(&home),
        "~/.aws/config is larger than 1 MiB\n  config and credentials files are small: check that this is one"
    );
}

#[test]
fn bytes_and_lines_that_are_not_understood_are_named_by_line() {
    let home = Home::new();
    let path = home.path(".aws/config");
    fs::write(&path, b"[default]\n# ok\nregion = \xff\n").expect("write");
    fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("chmod");
    assert_eq!(refusal(&home), "~/.aws/config:3 is not UTF-8\n  save the file as UTF-8");
    home.write("config", "[default]\nwJalrXUtnFEMI\n", 0o600);
    assert_eq!(
        refusal(&home),
        "~/.aws/config:2 is neither `[section]` nor `key = value`\n  \
         write `key = value`, or begin the line with `#` to make it a comment"
    );
}
