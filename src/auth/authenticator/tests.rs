use std::net::{TcpListener, TcpStream};

use super::*;
use crate::auth::{Binding, Selector, Served};
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
    let refused = Refusal::Unattested(Unattested::NotTheHolder);
    assert_eq!(authenticator.confirm(&visitor, &caller, MOMENT * 2), Err(refused.clone()));
    // And at the next request in any case.
    assert_eq!(authenticator.authenticate(&visitor, true, Shown::Token(Some(token))).err(), Some(refused));
}

fn service(selector: Selector, wants_token: bool) -> (Authenticator, Arc<Roster>) {
    let roster = Arc::new(Roster::new(vec![Served { selector, profile: "p".into() }]));
    let kernel = Some(Kernel::probe().expect("a tier"));
    (Authenticator::selecting(kernel, Naming::Process, Arc::clone(&roster), wants_token), roster)
}

fn own_gid() -> Gid {
    use std::os::unix::fs::MetadataExt;
    Gid(std::fs::metadata("/proc/self").expect("/proc").gid())
}

/// Any process of this user.
fn us() -> Selector {
    Selector { uids: vec![effective_uid()], ..Selector::default() }
}

#[test]
fn over_tcp_a_service_serves_whom_it_selects_by_uid_and_gid_and_nobody_else() {
    let other = Uid(effective_uid().0 + 1);
    for (selector, served) in [
        (us(), true),
        (Selector { gids: vec![own_gid()], ..us() }, true),
        (Selector { gids: vec![Gid(own_gid().0 + 1)], ..us() }, false),
        (Selector { uids: vec![other], ..Selector::default() }, false),
        (Selector { executables: vec!["/usr/bin/other".to_owned()], ..us() }, false),
        (Selector { sha256: vec!["00".repeat(32)], ..us() }, false),
        (Selector::default(), false),
    ] {
        let (authenticator, _) = service(selector.clone(), false);
        let (_client, visitor) = visit(&authenticator);
        let caller = authenticator.authenticate(&visitor, true, Shown::Token(None));
        let profile = caller.as_ref().ok().and_then(Caller::profile).map(|profile| profile.to_string());
        assert_eq!(profile.as_deref(), served.then_some("p"), "{selector:?}");
        assert_eq!(caller.err(), (!served).then_some(Refusal::Unselected), "{selector:?}");
        assert_eq!(visitor.is_inside(), served, "{selector:?}");
    }
}

#[test]
fn a_service_that_wants_a_token_takes_no_other_and_who_is_not_selected_is_not_served_with_one() {
    let (authenticator, roster) = service(us(), true);
    let (token, registered) = authenticator.registry().register(effective_uid(), Binding::Uid).expect("random");
    let token = token.expose_str().as_bytes();
    let (_client, visitor) = visit(&authenticator);
    let told = |shown| authenticator.authenticate(&visitor, true, Shown::Token(shown)).map(drop);
    assert_eq!(told(Some(token)), Ok(()));
    assert_eq!(told(None), Err(Refusal::Missing));
    assert_eq!(told(Some(b"x")), Err(Refusal::Unknown));
    roster
        .replace(vec![Served { selector: Selector { gids: vec![Gid(own_gid().0 + 1)], ..us() }, profile: "p".into() }]);
    assert_eq!(told(Some(token)), Err(Refusal::Unselected));
    roster.replace(vec![Served { selector: us(), profile: "p".into() }]);
    authenticator.revoke(&registered);
    assert_eq!(told(Some(token)), Err(Refusal::Unknown));
}

#[test]
fn a_session_token_of_a_service_is_good_for_its_profile_alone() {
    let (authenticator, roster) = service(us(), false);
    let authenticator = authenticator.with_sessions(None, Arc::new(crate::clock::SystemClock)).expect("a key");
    let (_client, visitor) = visit(&authenticator);
    let told = |shown| authenticator.authenticate(&visitor, true, shown).map(drop);
    assert_eq!(told(Shown::Session(None)), Err(Refusal::NoSession));
    assert_eq!(told(Shown::Session(Some(b"x"))), Err(Refusal::NoSession));
    let caller = authenticator.authenticate(&visitor, true, Shown::Nothing).expect("a caller");
    let ttl = Ttl::parse(b"60").expect("a time");
    let session = authenticator.session_token(&caller, ttl).expect("a token");
    assert_eq!(told(Shown::Session(Some(session.expose()))), Ok(()));
    roster.replace(vec![Served { selector: us(), profile: "q".into() }]);
    assert_eq!(told(Shown::Session(Some(session.expose()))), Err(Refusal::NoSession));
    // A request that was let in is finished where some entry names its caller still.
    assert_eq!(authenticator.confirm(&visitor, &caller, MOMENT * 2), Ok(()));
    roster.replace(vec![Served { selector: Selector { uids: vec![Uid(u32::MAX - 1)], ..us() }, profile: "p".into() }]);
    assert_eq!(authenticator.confirm(&visitor, &caller, MOMENT * 2), Err(Refusal::Unselected));
    assert_eq!(authenticator.confirm(&visitor, &caller, Duration::ZERO), Ok(()));
}

#[test]
fn who_left_is_refused_by_a_service_as_well() {
    let (authenticator, _) = service(us(), false);
    let (client, visitor) = visit(&authenticator);
    let caller = authenticator.authenticate(&visitor, true, Shown::Token(None)).expect("a caller");
    assert_eq!((caller.uid(), caller.peer().map(|peer| (peer.pid, peer.gid))), (effective_uid().0, Some((0, None))));
    drop(client);
    let gone = Err(Refusal::Unattested(Unattested::Gone));
    assert_eq!(authenticator.authenticate(&visitor, true, Shown::Token(None)).map(drop), gone);
}
