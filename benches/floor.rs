//! The floor: the bare responder, and the questions to the kernel that are promised for every request. Is the peer who it was,
//! does it still hold its connection, who wrote these bytes, and is the policy's file the one that was read? With many clients
//! on kept connections it shows what of the difference to the bare responder cannot be had back. It makes a thread a connection, so
//! a server that uses its threads again may be faster where every request connects anew.

use std::io::{self, IoSlice};
use std::path::PathBuf;
use std::sync::Arc;

use sentinel::peer::{Kernel, Peer, Process, Tree};
use sentinel::stream::Stream;
use sentinel::sys::process::own_pid;

use crate::crowd::Crowd;
use crate::responder::{start, whole_answer};
use crate::shape::Shape;
use crate::{Failure, library};

/// The part that serves: this process is the root of the tree, the client a child.
pub(crate) fn run(shape: &str, crowd: &str, policy: &str, bare: [&str; 2]) -> Result<(), Failure> {
    let (shape, crowd) = (Shape::named(shape)?, Crowd::parse(crowd)?);
    let kernel = Kernel::probe()?;
    kernel.probe_tcp()?;
    let root = Process::open(&kernel, own_pid().ok_or("this process has no pid")?).map_err(|why| why.to_string())?;
    let known = Arc::new((kernel, Tree::under(root), PathBuf::from(policy)));
    let (listener, socket) = library::listener(shape)?;
    let address = listener.address();
    start(move || {
        while let Ok(stream) = listener.accept() {
            let known = Arc::clone(&known);
            start(move || drop(answer(&stream, &known)));
        }
    });
    library::run_client((shape, crowd), (address, &socket, "none"), bare)
}

fn answer(stream: &Stream, (kernel, tree, policy): &(Kernel, Tree, PathBuf)) -> Result<(), Failure> {
    let peer = Peer::of(stream, kernel, tree).map_err(|why| why.to_string())?;
    let mut request = [0; 8192];
    let answer = whole_answer();
    while stream.read(&mut request)?.0 > 0 {
        peer.recheck(kernel, tree).map_err(|why| why.to_string())?;
        let _found = std::fs::metadata(policy)?;
        if stream.write_vectored(&[IoSlice::new(&answer)])? < answer.len() {
            return Err(io::Error::from(io::ErrorKind::WriteZero).into());
        }
    }
    Ok(())
}
