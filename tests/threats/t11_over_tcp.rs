//! T11 over TCP: slow clients keep nobody out, whoever they are.

use super::t11_bounds::{FLOOD, RIGHTFUL, assert_served, assert_served_in_flood};
use crate::harness::{is_root, python, skip};
use crate::wire::{CLIENT, Served, stolen_into};

#[test]
fn a_thousand_slow_strangers_keep_nobody_out_over_tcp() {
    for processes in ["1", "8"] {
        let served = Served::new();
        let mut inside = served.inside_tcp(&[], RIGHTFUL).spawn();
        let stolen = inside.line();
        let flood = served.outside(&stolen, FLOOD).args([processes, "1000"]);
        assert_served_in_flood(&mut inside, flood, &format!("in a flood from {processes} processes"));
        inside.close_stdin();
        assert_eq!(inside.finish().code(), 0);
    }
}

#[test]
fn a_thousand_slow_clients_of_another_uid_keep_nobody_out_over_tcp() {
    const NAME: &str = "a_thousand_slow_clients_of_another_uid_keep_nobody_out_over_tcp";
    if !is_root() {
        return skip(NAME, "it takes root to become another user");
    }
    let served = Served::new();
    let mut inside = served.inside_tcp(&[], RIGHTFUL).spawn();
    let stolen = inside.line();
    let nobody = stolen_into(served.sandbox.as_nobody(python()).expect("root"), &stolen);
    let flood = nobody.args(["-u", "-c", &format!("{CLIENT}\n{FLOOD}"), "8", "1000"]);
    assert_served_in_flood(&mut inside, flood, "in a flood of another uid");
    inside.close_stdin();
    let done = inside.finish();
    assert!(done.stderr.contains("more: foreign uid"), "{done}");
}

#[test]
fn a_thousand_slow_clients_of_one_process_of_the_tree_keep_its_others_not_out_over_tcp() {
    let served = Served::new();
    let script = format!(
        r#"
import subprocess
flood = subprocess.Popen([sys.executable, "-u", "-c", sys.argv[1], "1", "1000"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
assert [flood.stdout.readline() for _ in range(2)] == [b"flooding\n", b"reopened\n"]
{RIGHTFUL}
flood.stdin.close()
assert flood.wait() == 0
"#
    );
    let mut inside = served.inside_tcp(&[], &script).args([&format!("{CLIENT}\n{FLOOD}")]).spawn();
    inside.line();
    assert_served(&mut inside, 20, "in a flood from inside the tree");
    inside.close_stdin();
    assert_eq!(inside.finish().code(), 0);
}
