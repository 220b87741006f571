//! Sources that break the rules, each of which the checker must see; and look-alikes that it must leave alone.

use super::*;

#[track_caller]
fn assert_offences(path: &str, source: &str, expected: &[&str]) {
    assert_eq!(offences(path, source), expected, "{source}");
}

#[test]
fn a_use_of_a_room_above_is_seen() {
    assert_offences("src/http/request.rs", "use crate::aws::sign;", &["src/http/request.rs:1: http may not use aws"]);
    assert_offences("src/peer/mod.rs", "\n\nuse crate::source;", &["src/peer/mod.rs:3: peer may not use source"]);
    assert_offences("src/error.rs", "use crate::log::Line;", &["src/error.rs:1: error may not use log"]);
    assert_offences("src/sys/user.rs", "use crate::peer::X;", &["src/sys/user.rs:1: sys may not use peer"]);
    assert_offences("src/source/mod.rs", "use crate::server::X;", &["src/source/mod.rs:1: source may not use server"]);
    assert_offences("src/auth/mod.rs", "use crate::profile::X;", &["src/auth/mod.rs:1: auth may not use profile"]);
    assert_offences("src/log/mod.rs", "use crate::cli::X;", &["src/log/mod.rs:1: log may not use cli"]);
}

#[test]
fn a_path_in_the_code_is_a_use() {
    for source in [
        "fn f() { crate::aws::call() }",
        "fn f(x: &crate::aws::Client) {}",
        "fn f() { vec![crate::aws::Client] }",
        "pub(crate) use crate::aws::Client as Http;",
        "fn f() { sentinel::aws::call() }",
        "macro_rules! m { () => { $crate::aws::call() } }",
        "impl crate::aws::Trait for X {}",
        "fn f() { crate :: aws :: call() }",
        "use r#crate_x; use crate::r#aws::X;",
    ] {
        assert_offences("src/http/x.rs", source, &["src/http/x.rs:1: http may not use aws"]);
    }
}

#[test]
fn each_branch_of_a_group_is_a_use() {
    assert_offences(
        "src/auth/mod.rs",
        "use crate::{\n    aws::{self, sign},\n    error::{Error, Result},\n    peer::Peer,\n    source,\n};",
        &["src/auth/mod.rs:2: auth may not use aws", "src/auth/mod.rs:5: auth may not use source"],
    );
    assert_offences("src/http/mod.rs", "use crate::{{aws::X}};", &["src/http/mod.rs:1: http may not use aws"]);
}

#[test]
fn super_is_followed_out_of_the_room() {
    assert_offences("src/http/mod.rs", "use super::aws::X;", &["src/http/mod.rs:1: http may not use aws"]);
    assert_offences("src/http/x.rs", "use super::super::aws::X;", &["src/http/x.rs:1: http may not use aws"]);
    assert_offences("src/clock.rs", "use super::aws::X;", &["src/clock.rs:1: clock may not use aws"]);
    assert_offences(
        "src/http/x.rs",
        "mod tests {\n    use super::super::super::{aws, error};\n}",
        &["src/http/x.rs:2: http may not use aws"],
    );
    assert_offences("src/http/x.rs", "use super::super::*;", &["src/http/x.rs:1: http may not use *"]);
}

#[test]
fn the_crate_cannot_be_renamed_or_taken_whole() {
    assert_offences("src/http/x.rs", "use crate as c;", &["src/http/x.rs:1: http may not use the crate itself"]);
    assert_offences("src/http/x.rs", "use crate::*;", &["src/http/x.rs:1: http may not use *"]);
    assert_offences("src/http/x.rs", "use crate::{self as c};", &["src/http/x.rs:1: http may not use self"]);
    assert_offences(
        "src/http/x.rs",
        "macro_rules! m { ($x:ident) => { $crate::$x::f() } }",
        &["src/http/x.rs:1: http may not use what a macro makes"],
    );
    assert_offences("src/http/x.rs", "use super::super as c;", &["src/http/x.rs:1: http may not use the crate itself"]);
}

#[test]
fn a_room_that_is_not_in_the_table_is_seen() {
    assert_offences("src/plugin/mod.rs", "", &["src/plugin/mod.rs: plugin is not in the table of rooms"]);
    assert_offences("src/plugin.rs", "", &["src/plugin.rs: plugin is not in the table of rooms"]);
}

#[test]
fn unsafe_code_outside_sys_is_seen() {
    for source in ["fn f() { unsafe { g() } }", "unsafe fn f() {}", "unsafe impl Send for X {}", "m!(unsafe { g() });"]
    {
        assert_offences("src/http/x.rs", source, &["src/http/x.rs:1: unsafe code outside src/sys"]);
        assert_offences("src/sys/x.rs", source, &[]);
    }
    assert_offences("src/http/x.rs", "extern \"C\" fn f() {}", &["src/http/x.rs:1: extern outside src/sys"]);
    assert_offences("src/main.rs", "fn main() { unsafe {} }", &["src/main.rs:1: unsafe code outside src/sys"]);
    let message = "src/peer/x.rs:1: another system's code outside src/sys";
    assert_offences("src/peer/x.rs", "#[cfg(target_os = \"macos\")] fn f() {}", &[message]);
}

#[test]
fn libc_outside_sys_gives_constants_alone() {
    let message = "src/http/x.rs:1: libc::kill outside src/sys, where only constants may be named";
    assert_offences("src/http/x.rs", "use libc::kill;", &[message]);
    assert_offences("src/http/x.rs", "use libc::{ENOENT, kill};", &[message]);
    assert_offences("src/http/x.rs", "fn f() { ::libc::kill }", &[message]);
    assert_offences(
        "src/http/x.rs",
        "use libc::*;",
        &["src/http/x.rs:1: libc::* outside src/sys, where only constants may be named"],
    );
    assert_offences(
        "src/http/x.rs",
        "use libc as c;",
        &["src/http/x.rs:1: libc::as outside src/sys, where only constants may be named"],
    );
    assert_offences("src/http/x.rs", "const E: i32 = libc::ENOENT;", &[]);
    assert_offences("src/sys/x.rs", "use libc::kill;", &[]);
}

#[test]
fn a_crate_with_a_home_is_seen_elsewhere() {
    assert_offences("src/aws/sts.rs", "use ureq::Agent;", &["src/aws/sts.rs:1: ureq outside src/aws/client.rs"]);
    assert_offences("src/cli/x.rs", "use aws_sigv4 as s;", &["src/cli/x.rs:1: aws_sigv4 outside src/aws/sign.rs"]);
    assert_offences(
        "src/aws/client.rs",
        "type C = aws_credential_types::Credentials;",
        &["src/aws/client.rs:1: aws_credential_types outside src/aws/sign.rs"],
    );
    assert_offences("src/http/x.rs", "use httparse::X;", &["src/http/x.rs:1: httparse outside src/http/request.rs"]);
    assert_offences(
        "src/cli/x.rs",
        "fn f() { crate::log::decision::DecisionLog::unlogged() }",
        &["src/cli/x.rs:1: unlogged outside src/log/decision.rs"],
    );
    assert_offences("src/aws/client.rs", "use ureq::Agent;", &[]);
    assert_offences("src/aws/sign.rs", "use aws_sigv4::x; use aws_credential_types::Credentials;", &[]);
    assert_offences("src/http/request.rs", "use httparse::Request;", &[]);
}

#[test]
fn unfinished_and_hidden_code_is_seen() {
    assert_offences("src/http/x.rs", "fn f() { todo!() }", &["src/http/x.rs:1: todo!"]);
    assert_offences("src/http/x.rs", "fn f() { unimplemented!() }", &["src/http/x.rs:1: unimplemented!"]);
    assert_offences(
        "src/http/x.rs",
        "#[path = \"../aws/mod.rs\"]\nmod other;",
        &["src/http/x.rs:1: #[path] hides where a module lives"],
    );
    assert_offences(
        "src/http/x.rs",
        "#[cfg_attr(unix, path = \"../aws/mod.rs\")]\nmod other;",
        &["src/http/x.rs:1: #[path] hides where a module lives"],
    );
    assert_offences("src/http/x.rs", "include!(\"../x\");", &["src/http/x.rs:1: include! hides code"]);
}

#[test]
fn a_long_file_is_seen() {
    assert_offences("src/http/x.rs", &"\n".repeat(450), &[]);
    assert_offences("src/http/x.rs", &"\n".repeat(451), &["src/http/x.rs: 451 lines, 450 allowed: split it"]);
}

#[test]
fn what_does_not_parse_is_seen() {
    assert_offences(
        "src/http/x.rs",
        "fn f( {",
        &["src/http/x.rs: cannot be parsed: cannot parse string into token stream"],
    );
}

#[test]
fn what_is_allowed_is_left_alone() {
    for (path, source) in [
        ("src/http/x.rs", "use crate::{error::Error, secret::Secret, sys};"),
        ("src/http/x.rs", "use super::response::X; mod tests { use super::super::response::X; use super::*; }"),
        ("src/http/x.rs", "pub(crate) fn f() {} pub(super) fn g() {} pub(in crate::http) fn h() {}"),
        ("src/http/x.rs", "/// See [`crate::aws`].\nfn f() { let aws = 1; let _ = \"crate::aws\"; }"),
        ("src/http/x.rs", "// use crate::aws;"),
        ("src/http/x.rs", "fn f() { let path = \"/\"; let _ = &path[1..]; }"),
        ("src/http/x.rs", "use crate::http::request::Head;"),
        ("src/server/accept.rs", "use crate::{auth, http, log, peer, source, vending};"),
        (
            "src/cli/x.rs",
            "use crate::{auth, aws, broker, http, launch, log, peer, policy, profile, server, source, warden};",
        ),
        ("src/main.rs", "fn main() { sentinel::cli::main() }"),
    ] {
        assert_offences(path, source, &[]);
    }
}

#[test]
fn a_module_without_a_fence_is_seen() {
    assert_eq!(unfenced("#[forbid(unsafe_code)]\npub mod http;\npub mod sys;"), Vec::<String>::new());
    for source in [
        "pub mod http;",
        "#[deny(unsafe_code)] pub mod http;",
        "#[forbid(dead_code)] pub mod http;",
        "#[forbid(unsafe_code)] pub mod http {}",
    ] {
        assert_eq!(unfenced(source), ["src/lib.rs: mod http is not fenced by #[forbid(unsafe_code)]"], "{source}");
    }
    assert_eq!(unfenced("pub mod sys {}"), ["src/lib.rs: mod sys is not fenced by #[forbid(unsafe_code)]"]);
    assert_eq!(unfenced("pub fn f() {}"), ["src/lib.rs: holds more than modules"]);
}
