//! README.md's table of clients is what this test finds: each client, in each mode, in two processes of one tree.

use std::path::Path;
use std::sync::Mutex;
use std::{env, fs};

use super::programs::{ALL, CLI_2, Client};
use super::world::{EC2, MODES, at_moto, exec, two_at_a_time};

/// A column: its heading, the profile whose credentials a client gets and the options of `exec`, and what the command
/// does before it starts the client, where `$0` is a role's ARN. Every client ends as that role.
type Column = (&'static str, &'static str, &'static [&'static str], &'static str);

const COLUMNS: [Column; 5] = [
    ("keys", "second", MODES[0], ""),
    ("container", "second", MODES[2], ""),
    ("container, Unix socket", "second", MODES[1], ""),
    (
        "role by ARN",
        "dev",
        MODES[3],
        "export AWS_CONTAINER_CREDENTIALS_FULL_URI=${AWS_CONTAINER_CREDENTIALS_FULL_URI}role-arn/$0;",
    ),
    ("EC2 metadata", "second", EC2, ""),
];

const BEGIN: &str = "<!-- what the clients do: written by `make pages` -->\n";
const END: &str = "<!-- end of what the clients do -->\n";

#[test]
fn the_table_of_clients_is_what_they_do() {
    const TEST: &str = "the_table_of_clients_is_what_they_do";
    let commands: Vec<_> = ALL.iter().map(|client| client.command(TEST)).collect();
    let rows = rows(&commands);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = fs::read_to_string(&path).expect("the document");
    let (before, rest) = text.split_once(BEGIN).expect("the table's beginning");
    let (table, after) = rest.split_once(END).expect("the table's end");
    let headings = COLUMNS.map(|(heading, ..)| heading).join(" | ");
    let head = format!("| client | version | {headings} |\n|{}\n", "---|".repeat(COLUMNS.len() + 2));
    if env::var_os("SENTINEL_WRITE").is_some() {
        let whole: Option<String> = rows.into_iter().collect();
        let table = head + &whole.expect("every client is installed");
        fs::write(&path, format!("{before}{BEGIN}{table}{END}{after}")).expect("written");
        return;
    }
    let lines = table.strip_prefix(&head).unwrap_or_else(|| panic!("the table does not begin with {head}")).lines();
    assert_eq!(lines.clone().count(), ALL.len());
    for (line, row) in lines.zip(rows) {
        let found = row.as_deref().map(str::trim_end);
        assert!(found.is_none_or(|found| found == line), "`make pages` writes it anew: {line}, and it is {found:?}");
    }
}

/// A line for each client that is installed.
fn rows(commands: &[Option<Vec<String>>]) -> Vec<Option<String>> {
    let rows = Mutex::new(vec![None; ALL.len()]);
    two_at_a_time(ALL.iter().zip(commands).enumerate(), |(number, (client, command))| {
        let row = command.as_ref().map(|command| row(client, command));
        rows.lock().expect("not poisoned")[number] = row;
    });
    rows.into_inner().expect("not poisoned")
}

fn row(client: &Client, command: &[String]) -> String {
    let cells = COLUMNS.map(|column| cell(client, column, command)).join(" | ");
    format!("| {} | {} | {cells} |\n", client.name, (client.version)())
}

/// Two processes of the tree, one after the other: each gets credentials for itself, and makes a call with them.
fn cell(client: &Client, (heading, profile, options, before): Column, command: &[String]) -> &'static str {
    let (sandbox, moto) = at_moto();
    let script = format!("{before} for _ in 1 2; do echo | \"$@\" || exit; done");
    let twice = ["sh", "-c", &script, &moto.second_role_arn];
    let words: Vec<&str> = twice.into_iter().chain(command.iter().map(String::as_str)).collect();
    let done = exec(&sandbox, profile, options, &words).run();
    let role = format!("arn:aws:sts::{}:assumed-role/demo-second-role/", moto.account);
    let lines: Vec<&str> = done.stdout.lines().collect();
    if let ["ready", first, "ready", second] = lines[..]
        && [first, second].iter().all(|line| line.starts_with(&role))
    {
        // programs.rs adds it.
        return if client.name == CLI_2.name && options == EC2 { "yes, with a slash" } else { "yes" };
    }
    eprintln!("{}, {heading}: {done}", client.name);
    "no"
}
