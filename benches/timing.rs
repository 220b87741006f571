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
/// Tokens of each class: where one happens to lie among the others must not be what is measured.
const TOKENS: usize = 16;
/// Registries of which the median decides.
const REGISTRIES: usize = 3;
/// The share of the samples that is looked at: what is slower was interrupted.
const KEPT: [f64; 3] = [0.5, 0.9, 0.99];
/// As usual where tests look for leaks (dudect): below it nothing is to be seen.
const LIMIT: f64 = 4.5;

/// What says yes or no to a token.
type Judge<'a> = &'a dyn Fn(&str) -> bool;

/// Measures all of it.
pub(crate) fn measure(report: &mut Report) -> Result<(), Failure> {
    let registry = Registry::default();
    let right = tokens(&registry)?;
    let other_registry = Registry::default();
    let unknown = tokens(&other_registry)?;
    let first = right.first().cloned().unwrap_or_default();
    let held = Secret::take_string(first.clone())?;
    let end = first.len().saturating_sub(1);
    let one_right = vec![first.clone(); TOKENS];
    let (one_almost, one_far) = (vec![changed(&first, end); TOKENS], vec![changed(&first, 0); TOKENS]);

    let naive = |presented: &str| black_box(held.expose()) == black_box(presented.as_bytes());
    let constant = |presented: &str| black_box(&held).equals(black_box(presented.as_bytes()));
    let lookup = |presented: &str| registry.knows(black_box(presented.as_bytes()));

    let cases: [(&str, Judge<'_>, [&[String]; 2], bool); 3] = [
        ("control: `==`, last byte wrong and first byte wrong", &naive, [&one_almost, &one_far], false),
        ("Secret::equals, last byte wrong and first byte wrong", &constant, [&one_almost, &one_far], true),
        ("Secret::equals, right and wrong", &constant, [&one_right, &one_far], true),
    ];
    for (name, judge, classes, quiet) in cases {
        let t = greatest(tvalues(judge, classes));
        let wanted = if quiet { Wanted::AtMost(LIMIT, "abs t") } else { Wanted::AtLeast(2.0 * LIMIT, "abs t") };
        report.row(name.to_owned(), Spread::of([t]), wanted, String::new());
    }
    // A lookup takes as long as the way to the place of the token's digest, which is another one in each registry: what tokens
    // have to do with it is the same in all.
    let mut found = Vec::with_capacity(REGISTRIES);
    for _ in 0..REGISTRIES {
        let registry = Registry::default();
        let right = tokens(&registry)?;
        let wrong = |place| -> Vec<String> { right.iter().map(|token| changed(token, place)).collect() };
        let lookup = |presented: &str| registry.knows(black_box(presented.as_bytes()));
        found.push(greatest(tvalues(&lookup, [&wrong(end), &wrong(0)])));
    }
    let name = "lookup, last byte wrong and first byte wrong".to_owned();
    report.row(name, Spread::of(found), Wanted::AtMost(LIMIT, "abs t"), String::new());
    // Each set is known to one registry and unknown to the other: what comes of where its tokens lie in memory has the same
    // sign in both and falls out, what comes of being known has not.
    let other_lookup = |presented: &str| other_registry.knows(black_box(presented.as_bytes()));
    let (here, there) = (tvalues(&lookup, [&right, &unknown]), tvalues(&other_lookup, [&right, &unknown]));
    let t = greatest(here.into_iter().zip(there).map(|(here, there)| (here - there) / std::f64::consts::SQRT_2));
    report.row("lookup, known and unknown".to_owned(), Spread::of([t]), Wanted::AtMost(LIMIT, "abs t"), String::new());
    Ok(())
}

/// Tokens of a registry.
fn tokens(registry: &Registry) -> Result<Vec<String>, Failure> {
    let register = |_| Ok(registry.register(effective_uid(), Binding::Tree)?.0.expose_str().to_owned());
    (0..TOKENS).map(register).collect()
}

fn changed(token: &str, place: usize) -> String {
    token.char_indices().map(|(at, c)| if at == place { if c == 'A' { 'B' } else { 'A' } } else { c }).collect()
}

fn greatest(tvalues: impl IntoIterator<Item = f64>) -> f64 {
    tvalues.into_iter().map(f64::abs).fold(0.0, f64::max)
}

/// t by several croppings, of two classes that take turns in an order that follows nothing.
fn tvalues(judge: Judge<'_>, classes: [&[String]; 2]) -> [f64; KEPT.len()] {
    let mut samples: [Vec<f64>; 2] = [Vec::with_capacity(SAMPLES), Vec::with_capacity(SAMPLES)];
    // Both are read from one place: where a text lies in memory must not be what is measured.
    let mut presented = String::with_capacity(64);
    let mut order = 0x2545_F491_4F6C_DD1D_u64;
    while samples.iter().any(|class| class.len() < SAMPLES) {
        // xorshift64 (Marsaglia, 2003).
        order ^= order << 13;
        order ^= order >> 7;
        order ^= order << 17;
        let class = usize::from(order & 1 == 1);
        let pick = usize::try_from(order >> 32).unwrap_or(0) % TOKENS;
        let text = classes.get(class).and_then(|class| class.get(pick));
        let (Some(text), Some(times)) = (text, samples.get_mut(class)) else { continue };
        presented.clear();
        presented.push_str(text);
        let began = SystemClock.boot();
        for _ in 0..CALLS {
            black_box(judge(black_box(&presented)));
        }
        let took = SystemClock.boot().saturating_sub(began);
        if times.len() < SAMPLES {
            times.push(took.as_secs_f64() * 1e9);
        }
    }
    let [left, right] = &samples;
    let both: Vec<f64> = left.iter().chain(right).copied().collect();
    KEPT.map(|share| welch(left, right, quantile(&both, share)))
}
