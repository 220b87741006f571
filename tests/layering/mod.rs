//! Which module may use which: nothing reaches back up. Also where the few dangerous things may live.
//!
//! The sources are read as tokens, so what macros are given is seen as well; comments are not.

mod attacks;
mod scan;

use std::path::{Path, PathBuf};

use scan::{Token, Tokens};

/// Modules that every other may use, and that use each other alone.
const BASE: [&str; 14] = [
    "error",
    "secret",
    "clock",
    "env",
    "deployment",
    "device",
    "digest",
    "ed25519",
    "nearest",
    "duration",
    "interpreter",
    "stream",
    "trusted",
    "sys",
];

/// The rooms from the bottom up, each with what it may use besides the base. A room uses only rooms above its line here.
const ROOMS: [(&str, &[&str]); 16] = [
    ("config", &[]),
    ("http", &[]),
    ("policy", &[]),
    ("profile", &[]),
    ("aws", &[]),
    ("store", &["aws"]),
    ("log", &["policy"]),
    ("peer", &[]),
    ("auth", &["peer"]),
    ("broker", &["auth", "log", "policy", "store"]),
    ("source", &["aws", "profile", "auth", "broker", "log"]),
    ("vending", &["auth", "aws", "broker", "log", "policy", "source"]),
    ("server", &["peer", "http", "auth", "policy", "source", "log", "vending"]),
    ("launch", &["profile"]),
    ("warden", &[]),
    (
        "cli",
        &[
            "config", "http", "policy", "profile", "aws", "log", "peer", "auth", "broker", "store", "source",
            "vending", "server", "launch", "warden",
        ],
    ),
];

/// What one file alone may name: crates with a home, and a log that is none, which is there for measurements.
const HOMES: [(&str, &str); 5] = [
    ("ureq", "src/aws/client.rs"),
    ("aws_sigv4", "src/aws/sign.rs"),
    ("aws_credential_types", "src/aws/sign.rs"),
    ("httparse", "src/http/request.rs"),
    ("unlogged", "src/log/decision.rs"),
];

/// What a reviewer can read in one sitting.
const MAX_LINES: usize = 450;

/// Everything in one file that this crate does not do. `path` is relative to the crate: `src/http/request.rs`.
fn offences(path: &str, source: &str) -> Vec<String> {
    let tokens = match Tokens::of(source) {
        Ok(tokens) => tokens,
        Err(error) => return vec![format!("{path}: cannot be parsed: {error}")],
    };
    let mut found = Vec::new();
    let lines = source.lines().count();
    if lines > MAX_LINES {
        found.push(format!("{path}: {lines} lines, {MAX_LINES} allowed: split it"));
    }
    dangers(path, &tokens, &mut found);
    rooms(path, &tokens, &mut found);
    found
}

/// Unsafe code, libc and the crates with a home, outside their homes; unfinished code.
fn dangers(path: &str, tokens: &Tokens, found: &mut Vec<String>) {
    let in_sys = path.starts_with("src/sys/");
    for (at, token) in tokens.iter() {
        let Token::Word(word) = token else { continue };
        let mut offence = |text: String| found.push(format!("{path}:{}: {text}", tokens.line(at)));
        match word.as_str() {
            "unsafe" if !in_sys => offence("unsafe code outside src/sys".to_owned()),
            "extern" if !in_sys => offence("extern outside src/sys".to_owned()),
            "target_os" if !in_sys => offence("another system's code outside src/sys".to_owned()),
            "todo" | "unimplemented" if tokens.punct(at + 1, '!') => offence(format!("{word}!")),
            "path" if tokens.punct(at + 1, '=') && tokens.in_attribute(at) => {
                offence("#[path] hides where a module lives".to_owned())
            }
            "include" if tokens.punct(at + 1, '!') => offence("include! hides code".to_owned()),
            "libc" if !in_sys => {
                for name in tokens.names_after(at) {
                    if !is_constant(&name) {
                        offence(format!("libc::{name} outside src/sys, where only constants may be named"));
                    }
                }
            }
            _ => {}
        }
        if let Some((_, home)) = HOMES.iter().find(|(name, home)| name == word && path != *home) {
            offence(format!("{word} outside {home}"));
        }
    }
}

fn is_constant(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

/// Uses of other rooms that the table does not allow.
fn rooms(path: &str, tokens: &Tokens, found: &mut Vec<String>) {
    let Some(module) = module_path(path) else { return };
    let room = &module[0];
    let allowed: Vec<&str> = match ROOMS.iter().find(|(name, _)| name == room) {
        Some((_, allowed)) => BASE.iter().chain(*allowed).copied().collect(),
        None if BASE.contains(&room.as_str()) => BASE.to_vec(),
        None => {
            found.push(format!("{path}: {room} is not in the table of rooms"));
            return;
        }
    };
    for used in tokens.crate_uses(&module) {
        let name = used.room;
        if name != *room && !allowed.contains(&name.as_str()) {
            found.push(format!("{path}:{}: {room} may not use {name}", used.line));
        }
    }
}

/// The module that a file is, as a path from the crate's root; nothing for the root itself.
fn module_path(path: &str) -> Option<Vec<String>> {
    let mut parts: Vec<String> =
        path.strip_prefix("src/")?.strip_suffix(".rs")?.split('/').map(str::to_owned).collect();
    if matches!(parts.last().map(String::as_str), Some("mod" | "lib" | "main")) {
        parts.pop();
    }
    (!parts.is_empty()).then_some(parts)
}

/// Modules of `lib.rs` that may hold unsafe code, or are hidden inside it.
fn unfenced(source: &str) -> Vec<String> {
    let file = syn::parse_file(source).expect("lib.rs parses");
    let mut found = Vec::new();
    for item in &file.items {
        let syn::Item::Mod(module) = item else {
            found.push("src/lib.rs: holds more than modules".to_owned());
            continue;
        };
        let fenced = module.attrs.iter().any(|attribute| {
            attribute.path().is_ident("forbid")
                && attribute.parse_args::<syn::Path>().is_ok_and(|lint| lint.is_ident("unsafe_code"))
        });
        if module.ident == "sys" && module.content.is_none() {
            continue;
        }
        if !fenced || module.content.is_some() {
            found.push(format!("src/lib.rs: mod {} is not fenced by #[forbid(unsafe_code)]", module.ident));
        }
    }
    found
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every source file, relative to the crate.
fn sources() -> Vec<String> {
    let mut pending: Vec<PathBuf> = vec![root().join("src")];
    let mut files = Vec::new();
    while let Some(directory) = pending.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    files.sort();
    files
}

#[test]
fn the_sources_keep_to_the_layers() {
    let files = sources();
    assert!(files.contains(&"src/cli/mod.rs".to_owned()), "{files:?}");
    let found: Vec<String> = files
        .iter()
        .flat_map(|path| offences(path, &std::fs::read_to_string(root().join(path)).unwrap()))
        .chain(unfenced(&std::fs::read_to_string(root().join("src/lib.rs")).unwrap()))
        .collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn every_room_exists_and_uses_only_rooms_below_it() {
    let lib = std::fs::read_to_string(root().join("src/lib.rs")).unwrap();
    for (position, (room, allowed)) in ROOMS.iter().enumerate() {
        assert!(lib.contains(&format!("pub mod {room};")), "{room} is not a module of lib.rs");
        for used in *allowed {
            let below = ROOMS[..position].iter().any(|(name, _)| name == used);
            assert!(below, "{room} may not use {used}, which is not below it");
        }
    }
    for base in BASE {
        assert!(lib.contains(&format!("pub mod {base};")), "{base} is not a module of lib.rs");
    }
}
