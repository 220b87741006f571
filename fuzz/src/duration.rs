//! Durations: what is read lies in the bounds, is what a plain sum of its parts is, and is read again as it is written.

use std::time::Duration;

use sentinel::duration::{parse, text};

/// See the module.
pub fn check(bytes: &[u8]) {
    let Ok(input) = std::str::from_utf8(bytes) else { return };
    let found = parse(input);
    assert_eq!(found.map(|found| found.as_secs()), sum(input));
    if let Some(found) = found {
        assert_eq!(parse(&text(found)), Some(found));
    }
    // Every duration is written so that it is read as the same, whole seconds of it.
    let mut seconds = [0; 8];
    seconds.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    let seconds = u64::from_le_bytes(seconds);
    let written = text(Duration::from_secs(seconds));
    assert_eq!(parse(&written).map(|read| read.as_secs()), (1..=864_000_000).contains(&seconds).then_some(seconds));
}

/// Numbers and units, from large to small; a number alone is seconds.
fn sum(input: &str) -> Option<u64> {
    let alone = !input.is_empty() && input.bytes().all(|byte| byte.is_ascii_digit());
    let input = if alone { format!("{input}s") } else { input.to_owned() };
    let (mut total, mut number, mut last) = (0_u128, String::new(), u128::MAX);
    for c in input.chars() {
        if c.is_ascii_digit() {
            number.push(c);
            continue;
        }
        let scale = match c {
            'd' => 86_400,
            'h' => 3_600,
            'm' => 60,
            's' => 1,
            _ => return None,
        };
        if scale >= last {
            return None;
        }
        last = scale;
        total = total.checked_add(u128::from(number.parse::<u64>().ok()?) * scale)?;
        number.clear();
    }
    u64::try_from(total).ok().filter(|total| number.is_empty() && (1..=864_000_000).contains(total))
}
