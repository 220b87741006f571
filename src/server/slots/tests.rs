use std::io::Read;
use std::os::unix::net::UnixStream;

use super::*;

fn stream() -> (Arc<Stream>, UnixStream) {
    let (ours, theirs) = UnixStream::pair().expect("socketpair");
    (Arc::new(Stream::Unix(ours)), theirs)
}

/// Admits a connection, whose thread finds it empty at once.
fn admit(slots: &Arc<Slots>, peer: i32, now_ms: u64) -> (Option<Slot>, UnixStream) {
    admit_as(slots, Who::Pid(peer), now_ms)
}

fn admit_as(slots: &Arc<Slots>, who: Who, now_ms: u64) -> (Option<Slot>, UnixStream) {
    let (ours, theirs) = stream();
    let now = Duration::from_millis(now_ms);
    match slots.admit(&ours, who, now) {
        Admission::Admitted(slot) => {
            slot.waiting(now);
            (Some(slot), theirs)
        }
        Admission::Later(_) | Admission::Enough | Admission::Closed => (None, theirs),
    }
}

fn is_closed(mut theirs: &UnixStream) -> bool {
    theirs.set_nonblocking(true).expect("nonblocking");
    theirs.read(&mut [0; 1]).is_ok_and(|read| read == 0)
}

#[test]
fn the_connection_that_waited_longest_makes_room() {
    let slots = Slots::new(4);
    let held: Vec<_> = (0..4).map(|n| admit(&slots, n, u64::try_from(n).expect("small"))).collect();
    let (later, _) = admit(&slots, 9, 4);
    assert!(later.is_none(), "within the grace nobody is evicted");
    let (fifth, _keep) = admit(&slots, 9, 100);
    assert!(fifth.is_some());
    assert_eq!(held.iter().map(|(_, theirs)| is_closed(theirs)).collect::<Vec<_>>(), [true, false, false, false]);
}

#[test]
fn who_has_rested_for_too_long_is_closed() {
    let slots = Slots::new(4);
    assert!(slots.is_empty());
    let held: Vec<_> = (0..4).map(|n| admit(&slots, n, 10 * u64::try_from(n).expect("small"))).collect();
    held[0].0.as_ref().expect("admitted").answering();
    slots.close_rested(Duration::from_millis(20));
    assert_eq!(held.iter().map(|(_, theirs)| is_closed(theirs)).collect::<Vec<_>>(), [false, true, true, false]);
    assert!(!slots.is_empty());
    drop(held);
    assert!(slots.is_empty());
}

#[test]
fn a_connection_that_is_answered_is_not_evicted() {
    let slots = Slots::new(2);
    let (first, first_end) = admit(&slots, 1, 0);
    let (second, second_end) = admit(&slots, 2, 1);
    first.as_ref().expect("admitted").answering();
    let (third, third_end) = admit(&slots, 3, 100);
    assert!(third.is_some() && !is_closed(&first_end) && is_closed(&second_end));
    third.as_ref().expect("admitted").answering();
    assert!(matches!(slots.admit(&stream().0, Who::Pid(4), Duration::from_secs(1)), Admission::Later(_)));
    drop((second, third_end));
}

#[test]
fn a_connection_that_nobody_has_looked_at_is_not_evicted() {
    let slots = Slots::new(1);
    let (ours, theirs) = stream();
    let Admission::Admitted(slot) = slots.admit(&ours, Who::Pid(1), Duration::ZERO) else { panic!("there is room") };
    assert!(admit(&slots, 2, 10_000).0.is_none() && !is_closed(&theirs));
    slot.waiting(Duration::from_secs(10));
    assert!(admit(&slots, 2, 10_100).0.is_some() && is_closed(&theirs));
}

#[test]
fn strangers_make_room_before_those_inside() {
    let slots = Slots::new(2);
    let (inside, inside_end) = admit(&slots, 1, 0);
    inside.as_ref().expect("admitted").attested(true);
    let (_stranger, stranger_end) = admit(&slots, 2, 50);
    let (_third, third_end) = admit(&slots, 3, 100);
    assert!(!is_closed(&inside_end) && is_closed(&stranger_end) && !is_closed(&third_end));
}

#[test]
fn one_process_evicts_its_own_first() {
    let slots = Slots::new(8);
    let (_other, other_end) = admit(&slots, 1, 0);
    let own: Vec<_> = (0..3).map(|n| admit(&slots, 7, n + 1)).collect();
    assert!(!is_closed(&other_end));
    assert_eq!(own.iter().map(|(_, theirs)| is_closed(theirs)).collect::<Vec<_>>(), [true, false, false]);
}

#[test]
fn known_strangers_have_a_quarter_and_make_nobody_wait() {
    let slots = Slots::new(8);
    let strangers: Vec<_> = (0..3).map(|n| admit_as(&slots, Who::Stranger, n * 1000)).collect();
    assert_eq!(strangers.iter().map(|(slot, _)| slot.is_some()).collect::<Vec<_>>(), [true, true, false]);
    assert!(!is_closed(&strangers[0].1), "they do not make room for each other");
    let inside: Vec<_> = (0..7).map(|n| admit_as(&slots, Who::Inside(n), 10_000)).collect();
    assert!(inside.iter().all(|(slot, _)| slot.is_some()));
    assert!(is_closed(&strangers[0].1) && !is_closed(&strangers[1].1), "they make room for those inside");
    assert!(admit_as(&slots, Who::Stranger, 20_000).0.is_none(), "and not the other way round");
    assert!(inside.iter().all(|(_, theirs)| !is_closed(theirs)));
}

#[test]
fn known_strangers_make_nobody_wait_for_the_threads_of_evicted_connections() {
    let slots = Slots::new(1);
    let evicted: Vec<_> = (0..2).map(|n| admit_as(&slots, Who::Inside(1), n * 100)).collect();
    slots.evict_one();
    assert!(evicted.iter().all(|(slot, theirs)| slot.is_some() && is_closed(theirs)), "two threads, no connection");
    let admit = |who| slots.admit(&stream().0, who, Duration::from_secs(1));
    assert!(matches!(admit(Who::Inside(1)), Admission::Later(_)));
    assert!(matches!(admit(Who::Stranger), Admission::Enough));
}

#[test]
fn who_waits_for_a_slot_when_the_server_ends_gets_none() {
    let slots = Slots::new(1);
    let (answering, theirs) = admit(&slots, 1, 0);
    answering.as_ref().expect("admitted").answering();
    let admit = || slots.admit(&stream().0, Who::Pid(2), Duration::from_secs(1));
    assert!(matches!(admit(), Admission::Later(_)));
    slots.admit_no_more();
    assert!(matches!(admit(), Admission::Closed));
    assert!(!is_closed(&theirs), "what is held is closed by `close`");
}

#[test]
fn hanging_up_ends_all_and_admits_others() {
    let slots = Slots::new(4);
    let (waiting, one) = admit(&slots, 1, 0);
    let (answering, other) = admit(&slots, 1, 0);
    answering.as_ref().expect("admitted").answering();
    slots.hang_up(None);
    assert!(is_closed(&one) && is_closed(&other));
    drop((waiting, answering));
    assert!(admit(&slots, 1, 1).0.is_some());
}

#[test]
fn hanging_up_on_one_profile_leaves_the_others() {
    let slots = Slots::new(4);
    let held: Vec<_> = (0..3).map(|n| admit(&slots, n, 0)).collect();
    for ((slot, _), profile) in held.iter().zip(["a", "b"]) {
        slot.as_ref().expect("admitted").led_to(Some(&profile.into()));
    }
    slots.hang_up(Some(&"b".into()));
    assert_eq!(held.iter().map(|(_, theirs)| is_closed(theirs)).collect::<Vec<_>>(), [false, true, false]);
}

#[test]
fn processes_that_are_not_told_apart_evict_none_of_their_uid_within_the_grace() {
    let slots = Slots::new(4);
    let who = Who::Uid(Uid(7));
    let held: Vec<_> = (0..4).map(|_| admit_as(&slots, who, 0)).collect();
    assert!(held.iter().all(|(slot, theirs)| slot.is_some() && !is_closed(theirs)));
    assert!(admit_as(&slots, who, 4).0.is_none());
    assert!(admit_as(&slots, who, 5).0.is_some());
}

#[test]
fn users_whose_processes_are_looked_for_leave_some_to_each_other_and_a_quarter_to_others() {
    let slots = Slots::new(64);
    let mut held = Vec::new();
    let mut admitted = |who| {
        let before = held.len();
        while let Admission::Admitted(slot) = slots.admit(&stream().0, who, Duration::ZERO) {
            held.push(slot);
        }
        held.len() - before
    };
    assert_eq!([7, 8, 9, 10, 11, 12].map(|uid| admitted(Who::Searched(Uid(uid)))), [24, 12, 6, 3, 2, 1]);
    assert_eq!(admitted(Who::Searched(Uid(13))), 0);
    assert_eq!(admitted(Who::Uid(Uid(14))), 16);
    assert!(matches!(Slots::new(1).admit(&stream().0, Who::Searched(Uid(7)), Duration::ZERO), Admission::Admitted(_)));
}

#[test]
fn closing_ends_all_and_admits_none() {
    let slots = Slots::new(4);
    let (slot, theirs) = admit(&slots, 1, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| slots.close(Duration::from_secs(10)));
        let mut end = &theirs;
        assert_eq!(end.read(&mut [0; 1]).expect("an end"), 0);
        drop(slot);
    });
    assert!(admit(&slots, 1, 1).0.is_none());
}
