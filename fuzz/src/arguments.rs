//! Arguments and environment: they mean one thing, and what belongs to the child reaches it as it was given.
//!
//! The input is arguments, an empty one, then variables as `NAME=value`, each ended by a NUL.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use sentinel::cli::{Command, read};
use sentinel::env::Env;

/// See the module.
pub fn check(bytes: &[u8]) {
    let mut words = bytes.split(|byte| *byte == 0);
    let text = |word: &[u8]| OsStr::from_bytes(word).to_owned();
    let args: Vec<OsString> = words.by_ref().take_while(|word| !word.is_empty()).map(text).collect();
    let env: Env = words
        .filter_map(|word| {
            let at = word.iter().position(|byte| *byte == b'=')?;
            Some((text(&word[..at]), text(&word[at + 1..])))
        })
        .collect();
    match (read(&args, &env), read(&args, &env)) {
        (Ok(command), Ok(again)) => {
            assert!(command == again);
            // Without a program of its own it runs the user's shell.
            if let Command::Exec(exec) = command
                && !exec.arguments.is_empty()
            {
                let child = [std::slice::from_ref(&exec.program), &exec.arguments].concat();
                assert!(args.ends_with(&child));
            }
        }
        (Err(error), Err(again)) => assert_eq!(error.to_string(), again.to_string()),
        _ => panic!("one command line, two meanings"),
    }
}
