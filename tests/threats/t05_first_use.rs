//! T5: a token that is bound on first use has one winner, under any race, inside the tree.

use std::os::unix::net::{UnixListener, UnixStream};

use sentinel::auth::{Authenticator, Binding, Refusal, Shown};
use sentinel::peer::{Kernel, Process, Tree, Unattested};
use sentinel::stream::Stream;
use sentinel::sys::process::Pid;
use sentinel::sys::user::effective_uid;

use super::arena::{Arena, assert_report, on_every_tier};
use crate::harness::{Sandbox, process, python};

const RACE: [&str; 5] = [
    "an outsider before the first use: refused",
    "of 24 at once, served both times: 1",
    "of 24 at once, refused both times: 23",
    "anything else: 0",
    "the winners' parent, when it has ended: refused",
];

const HELPER: [&str; 15] = [
    "tokens' binding: {'process'}",
    "helper, directly: served",
    "helper, directly, again: served",
    "helper, then shell: served",
    "helper of another process, directly: refused",
    "helper of another process, shell: refused",
    "helper of the first, after that: served",
    "the first without a helper: served",
    "helper, shell: served",
    "helper, shell, again: served",
    "helper, then directly: served",
    "helper of another process, directly: refused",
    "helper of another process, shell: refused",
    "helper of the first, after that: served",
    "the first without a helper: served",
];

#[test]
fn of_many_first_uses_one_wins_and_its_helper_speaks_for_it() {
    on_every_tier("of_many_first_uses_one_wins_and_its_helper_speaks_for_it", |tier| {
        let (done, recycled) = Arena::new().fight_with_recycled_pids("first_use.py", &[tier]);
        let recycled = if recycled { &["a process of the tree with its pid: refused"][..] } else { &[] };
        assert_report(&done, &[&RACE[..], recycled, &HELPER[..]].concat());
    });
}

/// Two children connect, and wait as long as standard input is open.
const TWO: &str = "
import os, socket, sys
waits, ends = os.pipe()
pids = []
for _ in range(2):
    child = os.fork()
    if child == 0:
        os.close(ends)
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(sys.argv[1])
        os.read(waits, 1)
        os._exit(0)
    pids.append(child)
print(*pids, flush=True)
sys.stdin.read()
";

/// Where the process is known when the token is made, which no command of sentinel's asks for yet.
#[test]
fn a_token_that_was_made_for_one_process_is_no_others() {
    let sandbox = Sandbox::with_endpoint("http://127.0.0.1:9");
    let path = sandbox.path("socket");
    let listener = UnixListener::bind(&path).expect("bind");
    let mut root = sandbox.program(python()).args(["-c", TWO]).args([&path]).spawn();
    let pids: Vec<i32> = root.line().split(' ').map(|pid| pid.parse().expect("a pid")).collect();

    let kernel = Kernel::probe().expect("a tier");
    let hold = |pid: i32| Process::open(&kernel, Pid::new(pid).expect("a pid")).expect("a process");
    let authenticator = Authenticator::attested(kernel.clone(), Tree::under(hold(root.pid().cast_signed())));
    let binding = Binding::Process(hold(pids[0]));
    let (token, registered) = authenticator.registry().register(effective_uid(), binding).expect("a token");
    let judge =
        |visitor| authenticator.authenticate(visitor, true, Shown::Token(Some(token.expose_str().as_bytes()))).err();

    let own = UnixStream::connect(&path).expect("connect");
    let mut visitors = Vec::new();
    for _ in 0..3 {
        visitors.push(authenticator.visitor(&Stream::Unix(listener.accept().expect("accept").0)));
    }
    let of = |pid: i32| visitors.iter().find(|visitor| visitor.pid() == Some(pid)).expect("a visitor");
    let this = std::process::id().cast_signed();
    for _ in 0..2 {
        assert_eq!(judge(of(this)), Some(Refusal::OutsideTree));
        assert_eq!(judge(of(pids[1])), Some(Refusal::WrongProcess));
        assert_eq!(judge(of(pids[0])), None);
    }
    drop(own);
    root.close_stdin();
    process::wait_until_gone(pids[0].cast_unsigned());
    assert_eq!(judge(of(pids[0])), Some(Refusal::Unattested(Unattested::Gone)));
    authenticator.revoke(&registered);
}
