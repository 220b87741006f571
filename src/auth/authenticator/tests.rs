use std::net::{TcpListener, TcpStream};

use super::*;
use crate::auth::Binding;
use crate::sys::process::Pid;
use crate::sys::user::effective_uid;

/// This process's parent is the root of the tree, so that this process is inside.
fn authenticator() -> Authenticator {
    let kernel = Kernel::probe().expect("a tier");
    let parent = Pid::new(std::os::unix::process::parent_id().cast_signed()).expect("a pid");
    let root = Process::open(&kernel, parent).expect("open");
    Authenticator::attested(kernel, Tree::under(root))
}

/// A connection from this process to itself: the client's end, and the visitor on it.
fn visit(authenticator: &Authenticator) -> (TcpStream, Visitor) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let client = TcpStream::connect(listener.local_addr().expect("an address")).expect("connected");
    let (server, _) = listener.accept().expect("accepted");
    (client, authenticator.visitor(&Stream::Tcp(server)))
}

#[test]
fn a_token_that_is_revoked_during_the_exchange_gets_no_answer_however_short_that_was() {
    let authenticator = authenticator();
    let (token, registered) = authenticator.registry().register(effective_uid(), Binding::Tree).expect("random");
    let (_client, visitor) = visit(&authenticator);
    let caller = authenticator
        .authenticate(&visitor, true, Shown::Token(Some(token.expose_str().as_bytes())))
        .expect("a caller");
    assert_eq!(authenticator.confirm(&visitor, &caller, Duration::ZERO), Ok(()));
    authenticator.revoke(&registered);
    assert_eq!(authenticator.confirm(&visitor, &caller, Duration::ZERO), Err(Refusal::Unknown));
}

#[test]
fn after_more_than_a_moment_the_peer_is_judged_again() {
    let authenticator = authenticator();
    let (token, _registered) = authenticator.registry().register(effective_uid(), Binding::Tree).expect("random");
    let (client, visitor) = visit(&authenticator);
    let token = token.expose_str().as_bytes();
    let caller = authenticator.authenticate(&visitor, true, Shown::Token(Some(token))).expect("a caller");
    drop(client);
    let gone = Refusal::Unattested(Unattested::Gone);
    assert_eq!(authenticator.confirm(&visitor, &caller, MOMENT * 2), Err(gone.clone()));
    // And at the next request in any case.
    assert_eq!(authenticator.authenticate(&visitor, true, Shown::Token(Some(token))).err(), Some(gone));
}
