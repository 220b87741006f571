//! Who is on the other end of a loopback TCP connection: at first sight, among ten processes of twenty descriptors each,
//! and at every request after that.

use std::fs::File;
use std::io::{BufRead, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};

use sentinel::auth::Authenticator;
use sentinel::clock::{Clock, SystemClock};
use sentinel::peer::{Kernel, Peer, Process, Tree};
use sentinel::stream::Stream;
use sentinel::sys::process::own_pid;

use crate::report::{Report, Wanted};
use crate::stats::Spread;
use crate::{Failure, roles};

const PROCESSES: usize = 10;
const DESCRIPTORS: usize = 20;
const ROUNDS: usize = 200;
const RECHECKS: u32 = 20;

/// Measures it, with this process as the root of the tree.
pub(crate) fn measure(report: &mut Report) -> Result<(), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let mut children: Vec<Child> = Vec::new();
    for _ in 0..PROCESSES {
        let mut child = roles::command("descendant");
        children.push(child.arg(port.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?);
    }
    for child in &mut children {
        roles::first_line(child.stdout.take())?;
    }
    let kernel = Kernel::probe()?;
    let tree = || -> Result<Tree, Failure> {
        let root = Process::open(&kernel, own_pid().ok_or("this process has no pid")?);
        Ok(Tree::under(root.map_err(|why| why.to_string())?))
    };
    let (peers, authenticator) = (tree()?, Authenticator::attested(kernel.clone(), tree()?));
    let (mut first, mut again) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let child = children.get_mut(round % PROCESSES).ok_or("no child")?;
        child.stdin.as_mut().ok_or("no standard input")?.write_all(b"connect\n")?;
        let stream = Stream::Tcp(listener.accept()?.0);
        let began = SystemClock.boot();
        let inside = authenticator.visitor(&stream).is_inside();
        first.push(SystemClock.boot().saturating_sub(began).as_secs_f64() * 1e6);
        if !inside {
            return Err("a descendant was not recognised".into());
        }
        let peer = Peer::of(&stream, &kernel, &peers).map_err(|why| why.to_string())?;
        let began = SystemClock.boot();
        for _ in 0..RECHECKS {
            peer.recheck(&kernel, &peers).map_err(|why| why.to_string())?;
        }
        again.push(SystemClock.boot().saturating_sub(began).as_secs_f64() * 1e6 / f64::from(RECHECKS));
    }
    for mut child in children {
        drop(child.stdin.take());
        child.wait()?;
    }
    let among = format!("TCP peer at first sight, among {PROCESSES} processes x {DESCRIPTORS} descriptors");
    report.row(among, Spread::of(first), Wanted::AtMost(300.0, "us"), String::new());
    report.row("TCP peer at a request".to_owned(), Spread::of(again), Wanted::AtMost(20.0, "us"), String::new());
    Ok(())
}

/// One process of the tree: connects when it is told to, and lets the last connection go.
pub(crate) fn descendant(port: &str) -> Result<(), Failure> {
    let files: Vec<File> = (0..DESCRIPTORS).map(|_| File::open("/dev/null")).collect::<std::io::Result<_>>()?;
    let port: u16 = port.parse()?;
    println!("ready");
    let mut held = None;
    for _line in std::io::stdin().lock().lines().map_while(Result::ok) {
        held.replace(TcpStream::connect(("127.0.0.1", port))?);
    }
    drop((files, held));
    Ok(())
}
