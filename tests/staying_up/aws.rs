//! STS that is slow, fails, lies, hangs or is gone: while credentials are valid a client sees nothing of it.

use std::thread;

use super::Watcher;
use super::shape::{Shape, User};
use crate::clients::https::{Proxy, authority};
use crate::fake_sts::{Fault, Sts};
use crate::harness::{Sandbox, World};

/// Credentials that are renewed after a third of that, 15 s: time enough for a machine that has much to do.
const LIFETIME_S: i64 = 45;

/// A server of `dev`, whose credentials last so long, and its client.
fn watched(shape: Shape, world: &World, lifetime_s: i64) -> Watcher {
    world.sts.lifetime_s(lifetime_s);
    shape.watch(&world.sandbox, &["--profile", "dev"], "0.1")
}

/// Fails unless the client saw nothing of what went wrong when its credentials were renewed, but the new ones in the end.
#[track_caller]
fn the_client_sees_nothing(what: &str, mut watcher: Watcher) {
    let seen = watcher.wait("renewed credentials", |seen| seen.sets() == 2);
    seen.is_nothing_but_credentials(what);
    watcher.end();
}

/// Each with a server of its own, all at once: they wait most of the time. With every fault there is a run and a service, each on
/// the endpoints in turn.
#[test]
fn while_credentials_are_valid_a_client_sees_nothing_of_what_goes_wrong() {
    let refuse = |code, message| Fault::Refuse { status: 403, code, message };
    let faults = [
        Fault::Throttle,
        Fault::Unavailable,
        Fault::Html,
        Fault::Reset,
        Fault::Half,
        Fault::Huge(2 << 20),
        Fault::Body("<html>not STS</html>"),
        Fault::Body(""),
        Fault::Redirect("http://127.0.0.1:1/".to_owned()),
        Fault::AlreadyExpired,
        Fault::EmptySecret,
        refuse("AccessDenied", "not authorized to perform: sts:AssumeRole"),
        refuse("SignatureDoesNotMatch", "Signature expired: 20260131T093000Z is now earlier than 20260131T103000Z"),
    ];
    thread::scope(|scope| {
        for (number, fault) in faults.into_iter().enumerate() {
            for shape in [Shape::Exec, [Shape::Tcp, Shape::Unix, Shape::Ec2][number % 3]] {
                let fault = fault.clone();
                scope.spawn(move || {
                    let world = World::with_dev();
                    let watcher = watched(shape, &world, LIFETIME_S);
                    // As many as a fetch makes attempts, or three fetches that end at the first.
                    world.sts.inject("AssumeRole", 3, fault.clone());
                    the_client_sees_nothing(&format!("{shape:?}, {fault:?}"), watcher);
                    let calls = world.sts.calls_of("AssumeRole");
                    let answers: Vec<_> = calls.into_iter().map(|call| call.answer).collect();
                    assert!(answers.len() >= 5, "{shape:?}: {fault:?} was not met: {answers:?}");
                });
            }
        }
    });
}

#[test]
fn an_sts_that_hangs_keeps_nobody_waiting() {
    Shape::each(&Shape::ALL, |shape| {
        let world = World::with_dev();
        let mut watcher = watched(shape, &world, LIFETIME_S);
        let hanging = world.sts.hang("AssumeRole");
        world.sts.wait_for_calls("AssumeRole", 2);
        let seen = watcher.wait_until_served();
        assert_eq!(seen.sets(), 1);
        // It is given up after 10 s, and asked again.
        the_client_sees_nothing("an STS that hangs", watcher);
        drop(hanging);
    });
}

#[test]
fn an_sts_that_is_slow_keeps_nobody_waiting() {
    Shape::each(&Shape::ALL, |shape| {
        let world = World::with_dev();
        let mut watcher = watched(shape, &world, LIFETIME_S);
        let slow = world.sts.hang("AssumeRole");
        world.sts.wait_for_calls("AssumeRole", 2);
        for _ in 0..5 {
            assert_eq!(watcher.wait_until_served().sets(), 1);
        }
        slow.open();
        the_client_sees_nothing("an STS that is slow", watcher);
        assert_eq!(world.sts.calls_of("AssumeRole").len(), 2, "one fetch for all who ask");
    });
}

/// The name is sent to somebody else for a while, who has a certificate of an authority that is trusted, and for another name.
#[test]
fn somebody_elses_certificate_is_not_noticed_by_clients_and_not_believed() {
    Shape::each(&[Shape::Exec, Shape::Tcp, Shape::Ec2], somebody_elses_certificate);
}

fn somebody_elses_certificate(shape: Shape) {
    let sts = Sts::start();
    sts.region("eu-west-1");
    sts.lifetime_s(LIFETIME_S);
    let sandbox = Sandbox::new(&sts);
    sandbox.profile("base", &sts.user("alice"), "region = eu-west-1");
    let proxy = Proxy::before(&sts);
    let options = ["--profile", "base", "--source-identity", "off"];
    let mut watcher = shape.watch_as(User::Own, &sandbox, &options, "0.1", |sentinel| {
        let sentinel = sentinel.without("AWS_ENDPOINT_URL_STS").without("AWS_REGION");
        let sentinel = sentinel.env("HTTPS_PROXY", proxy.url()).env("AWS_CA_BUNDLE", authority());
        sentinel.env("NO_PROXY", "127.0.0.1")
    });
    let asked = proxy.asked().len();
    proxy.leads_astray(true);
    watcher
        .wait("attempts to renew", |_| proxy.asked().len() >= asked + 2)
        .is_nothing_but_credentials("a wrong certificate");
    assert_eq!(sts.calls_of("GetSessionToken").len(), 1, "AWS's place was taken, and something was sent there");
    proxy.leads_astray(false);
    the_client_sees_nothing("a wrong certificate", watcher);
}

/// AWS is gone for longer than credentials last: an error then and never what has ended, and credentials once it is back.
#[test]
fn after_their_end_there_are_errors_and_when_aws_is_back_there_are_credentials() {
    Shape::each(&Shape::ALL, |shape| {
        let world = World::with_dev();
        let mut watcher = watched(shape, &world, 6);
        world.sts.inject("AssumeRole", 1_000, Fault::Reset);
        watcher.wait("an error", |seen| seen.with_status("500") > 0).has_nothing_stale("without AWS");
        // Asked all the time, AWS is asked with pauses that grow.
        let calls = world.sts.calls_of("AssumeRole").len();
        assert!(calls < 40, "{calls} calls");
        world.sts.mend();
        let sets = watcher.seen().sets();
        watcher.wait("new credentials", |seen| seen.sets() > sets).has_nothing_stale("when AWS was back");
        watcher.end();
    });
}
