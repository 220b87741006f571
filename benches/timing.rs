//! Whether the time of a refusal tells anything about the token (T6), seen from inside the process, where the noise of a
//! socket hides nothing. The control is the comparison that a program without this care would make: if that cannot be told
//! apart, this measurement proves nothing.

use std::hint::black_box;

use sentinel::auth::{Binding, Registry};
use sentinel::clock::{Clock, SystemClock};
use sentinel::secret::Secret;
use sentinel::sys::user::effective_uid;

use crate::Failure;
use crate::report::{Report, Wanted};
use crate::stats::{Spread, quantile, welch};

/// Samples of each class.
const SAMPLES: usize = 150_000;
/// Calls a sample: more than one, because the clock's own step is about as long as one call.
const CALLS: usize = 4;
/// Tokens of a registry.
const TOKENS: usize = 16;
/// Bytes of a wrong token that are wrong: so many that hardly one token comes twice, because the way to the place of its digest takes
/// its own time.
const WRONG_BYTES: usize = 4;
/// How often it is measured: the median decides, because a host that is busy with something else shifts a whole run, and a leak is
/// there each time.
const RUNS: u64 = 3;
/// How often tokens are drawn for known and unknown ones. Of so few, some more come to one place of a registry than to another, which
/// takes its own time: by chance, and so not the same each time.
const DRAWS: u64 = 7;
/// The share of the samples that is looked at: what is slower was interrupted.
const KEPT: [f64; 3] = [0.5, 0.9, 0.99];
/// As usual where tests look for leaks (dudect): below it nothing is to be seen.
const LIMIT: f64 = 4.5;

/// What says yes or no to a token.
type Judge<'a> = &'a dyn Fn(&str) -> bool;
/// What makes a token of one class of a random number.
type Class<'a> = &'a dyn Fn(u64) -> String;

/// Measures all of it.
pub(crate) fn measure(report: &mut Report) -> Result<(), Failure> {
    let registry = Registry::default();
    let right = tokens(&registry)?;
    let first = right.first().ok_or("no token")?;
    let held = Secret::take_string(first.clone())?;
    let end = first.len().saturating_sub(WRONG_BYTES);

    let naive = |presented: &str| black_box(held.expose()) == black_box(presented.as_bytes());
    let constant = |presented: &str| black_box(&held).equals(black_box(presented.as_bytes()));
    let lookup = |presented: &str| registry.knows(black_box(presented.as_bytes()));

    let itself = |_| first.clone();
    let (almost, far) = (|random| wrong(first, end, random), |random| wrong(first, 0, random));
    let almost_one = |random| wrong(&one_of(&right, random), end, random);
    let far_from_all = |random| wrong(&one_of(&right, random), 0, random);

    let cases: [(&str, Judge<'_>, [Class<'_>; 2], bool); 4] = [
        ("control: `==`, last bytes wrong and first bytes wrong", &naive, [&almost, &far], false),
        ("Secret::equals, last bytes wrong and first bytes wrong", &constant, [&almost, &far], true),
        ("Secret::equals, right and wrong", &constant, [&itself, &far], true),
        ("lookup, last bytes wrong and first bytes wrong", &lookup, [&almost_one, &far_from_all], true),
    ];
    for (name, judge, classes, quiet) in cases {
        let found = (1..=RUNS).map(|run| greatest(tvalues(judge, classes, run)));
        let wanted = if quiet { Wanted::AtMost(LIMIT, "abs t") } else { Wanted::AtLeast(2.0 * LIMIT, "abs t") };
        report.row(name.to_owned(), Spread::of(found), wanted, String::new());
    }
    let found = (1..=DRAWS).map(known_and_unknown).collect::<Result<Vec<_>, _>>()?;
    let name = "lookup, known and unknown".to_owned();
    report.row(name, Spread::of(found), Wanted::AtMost(LIMIT, "abs t"), String::new());
    Ok(())
}

/// The greatest t of a lookup of known tokens and of unknown ones.
fn known_and_unknown(run: u64) -> Result<f64, Failure> {
    let registries = [Registry::default(), Registry::default()];
    let [one, other] = [tokens(&registries[0])?, tokens(&registries[1])?];
    let classes: [Class<'_>; 2] = [&|random| one_of(&one, random), &|random| one_of(&other, random)];
    // Each set is known to one registry and unknown to the other: what comes of where its tokens lie in memory has the same
    // sign in both and falls out, what comes of being known has not.
    let [here, there] = registries
        .each_ref()
        .map(|registry| tvalues(&|presented| registry.knows(black_box(presented.as_bytes())), classes, run));
    Ok(greatest(here.into_iter().zip(there).map(|(here, there)| (here - there) / std::f64::consts::SQRT_2)))
}

fn one_of(tokens: &[String], random: u64) -> String {
    tokens.get(usize::try_from(random).unwrap_or(0) % TOKENS).cloned().unwrap_or_default()
}

/// Tokens of a registry.
fn tokens(registry: &Registry) -> Result<Vec<String>, Failure> {
    let register = |_| Ok(registry.register(effective_uid(), Binding::Tree)?.0.expose_str().to_owned());
    (0..TOKENS).map(register).collect()
}

/// A token that differs from this one in [`WRONG_BYTES`] bytes from `place` on.
fn wrong(token: &str, place: usize, random: u64) -> String {
    let letters = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['-', '_']);
    let other = |at: usize, right: char| {
        let bits = random >> (8 + 12 * (at - place)) & 0xfff;
        letters.clone().filter(|c| *c != right).nth(usize::try_from(bits).unwrap_or(0) % 63)
    };
    let is_wrong = |at: usize| (place..place + WRONG_BYTES).contains(&at);
    token.char_indices().map(|(at, c)| if is_wrong(at) { other(at, c).unwrap_or(c) } else { c }).collect()
}

fn greatest(tvalues: impl IntoIterator<Item = f64>) -> f64 {
    tvalues.into_iter().map(f64::abs).fold(0.0, f64::max)
}

/// t by several croppings, of two classes that take turns in an order that follows nothing, another one in each run.
fn tvalues(judge: Judge<'_>, classes: [Class<'_>; 2], run: u64) -> [f64; KEPT.len()] {
    let mut order = Order(0x2545_F491_4F6C_DD1D_u64.wrapping_mul(run));
    // All made before: how one is made must not be what is measured.
    let texts = classes.map(|make| (0..SAMPLES).map(|_| make(order.next())).collect::<Vec<_>>());
    let mut samples: [Vec<f64>; 2] = [Vec::with_capacity(SAMPLES), Vec::with_capacity(SAMPLES)];
    // Both are read from one place: where a text lies in memory must not be either.
    let mut presented = String::with_capacity(64);
    while samples.iter().any(|class| class.len() < SAMPLES) {
        let class = usize::from(order.next() & 1 == 1);
        let (Some(texts), Some(times)) = (texts.get(class), samples.get_mut(class)) else { continue };
        let Some(text) = texts.get(times.len()) else { continue };
        presented.clear();
        presented.push_str(text);
        let began = SystemClock.boot();
        for _ in 0..CALLS {
            black_box(judge(black_box(&presented)));
        }
        let took = SystemClock.boot().saturating_sub(began);
        times.push(took.as_secs_f64() * 1e9);
    }
    let [left, right] = &samples;
    let both: Vec<f64> = left.iter().chain(right).copied().collect();
    KEPT.map(|share| welch(left, right, quantile(&both, share)))
}

/// Numbers that follow nothing: xorshift64 (Marsaglia, 2003).
struct Order(u64);

impl Order {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}
