//! A presented token: nothing but the live token itself is taken (T4, T7), and it reaches the authenticator as it was sent.
//!
//! The input is edits of the real token, and a header's value of any bytes.

use std::os::unix::net::UnixStream;
use std::sync::LazyLock;

use sentinel::auth::{Authenticator, Binding, Registered, Shown, Token, Visitor};
use sentinel::http::hosts::Hosts;
use sentinel::http::request::{Progress, parse};
use sentinel::stream::Stream;
use sentinel::sys::user::effective_uid;

use super::choices::Choices;

struct World {
    authenticator: Authenticator,
    token: Token,
    visitor: Visitor,
    _registered: Registered,
    _other_end: UnixStream,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let authenticator = Authenticator::uid_only();
    let (token, _registered) = authenticator.registry().register(effective_uid(), Binding::Uid).expect("a token");
    let (ours, _other_end) = UnixStream::pair().expect("a pair");
    let visitor = authenticator.visitor(&Stream::Unix(ours));
    World { authenticator, token, visitor, _registered, _other_end }
});

/// See the module.
pub fn check(bytes: &[u8]) {
    let mut choices = Choices(bytes);
    let real = WORLD.token.expose_str().as_bytes();
    let mut presented = real.to_vec();
    for _ in 0..choices.below(4) {
        let at = choices.below(presented.len() + 1);
        match choices.below(4) {
            0 => presented.insert(at, choices.byte()),
            1 => presented.truncate(at),
            2 => presented.extend_from_within(at..),
            _ => {
                let byte = choices.byte();
                presented.iter_mut().skip(at).take(1).for_each(|place| *place ^= byte);
            }
        }
    }
    // Where an overflow id makes this process ambiguous, nothing is taken at all.
    let is_known = WORLD.visitor.is_inside();
    for (some, is_token) in [(presented.as_slice(), presented == real), (choices.0, choices.0 == real)] {
        let taken = WORLD.authenticator.authenticate(&WORLD.visitor, true, Shown::Token(Some(some))).is_ok();
        assert_eq!(taken, is_known && is_token);
        assert!(
            WORLD.authenticator.authenticate(&WORLD.visitor, false, Shown::Token(Some(some))).is_err(),
            "another writer"
        );
    }
    assert!(WORLD.authenticator.authenticate(&WORLD.visitor, true, Shown::Token(None)).is_err());

    let head = [b"GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization:", choices.0, b"\r\n\r\n"].concat();
    if let Ok(Progress::Complete { request, head_bytes }) = parse(&head, &Hosts::unix())
        && head_bytes == head.len()
        && !choices.0.contains(&b'\n')
    {
        assert_eq!(request.authorization, Some(choices.0.trim_ascii()));
    }
}
