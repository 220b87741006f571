//! The client: asks the bare responder and sentinel in turns, in short windows, so that whatever else the machine does
//! weighs on both alike. It runs inside the tree that sentinel serves, or as the user whom a service selects.

use std::process::{Child, Stdio};
use std::time::Duration;

use sentinel::clock::{Clock, SystemClock};

use crate::crowd::Crowd;
use crate::shape::Shape;
use crate::target::{Stream, Target};
use crate::{Failure, roles};

/// How long one side is asked in one round.
const WINDOW: Duration = Duration::from_millis(20);
/// Rounds of each case; the first is not counted.
const ROUNDS: usize = 76;
/// The same where both sides are sentinel's and little is between them: so short that most windows have the processor for themselves.
const SHORT_WINDOW: Duration = Duration::from_millis(5);
const SHORT_ROUNDS: usize = 201;
/// Connections that one client may lose in a window before that is an error.
const DROPPED: u32 = 5;

/// One way of asking: how many clients at once, and whether each keeps its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) clients: u32,
    pub(crate) keep: bool,
}

/// One round of one case: microseconds that an answer took, of the bare responder and of sentinel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    pub(crate) case: Case,
    pub(crate) bare_us: f64,
    pub(crate) product_us: f64,
}

impl Round {
    /// Reads what [`run`] printed.
    pub(crate) fn parse(line: &str) -> Result<Self, Failure> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [clients, keep, bare, product] = words.as_slice() else {
            return Err(format!("the client said `{line}`").into());
        };
        Ok(Self {
            case: Case { clients: clients.parse()?, keep: keep.parse()? },
            bare_us: bare.parse()?,
            product_us: product.parse()?,
        })
    }

    /// Sentinel's speed as a share of the bare responder's.
    pub(crate) fn ratio(&self) -> f64 {
        self.bare_us / self.product_us
    }
}

/// The client's own process: the bare responder's socket and port; what is known of sentinel is in the environment.
pub(crate) fn run(shape: &str, crowd: &str, bare: [&str; 2]) -> Result<(), Failure> {
    let shape = Shape::named(shape)?;
    let product = Target::product(shape)?;
    let keeps: &[bool] = if shape.is_measured_in_full() { &[true, false] } else { &[true] };
    alternate(&product.bare_like(bare)?, &product, (Crowd::parse(crowd)?, keeps), WINDOW, ROUNDS)
}

/// The client of two sentinels, each a socket and a token, of which the first is what the other one is compared with.
pub(crate) fn compare(crowd: &str, one: [&str; 2], other: [&str; 2]) -> Result<(), Failure> {
    let target = |[socket, token]: [&str; 2]| Target::at_socket(socket, token);
    let ways = (Crowd::parse(crowd)?, &[true, false][..]);
    alternate(&target(one)?, &target(other)?, ways, SHORT_WINDOW, SHORT_ROUNDS)
}

fn alternate(
    bare: &Target,
    product: &Target,
    (crowd, keeps): (Crowd, &[bool]),
    window: Duration,
    rounds: usize,
) -> Result<(), Failure> {
    for keep in keeps {
        let case = Case { clients: crowd.clients, keep: *keep };
        let (mut bare_kept, mut product_kept) = (connect(bare, case)?, connect(product, case)?);
        for round in 0..rounds {
            // Who is first may find the machine in another state: they take turns.
            let (bare_us, product_us) = if round % 2 == 0 {
                let first = ask_for(bare, case, window, &mut bare_kept)?;
                (first, ask_for(product, case, window, &mut product_kept)?)
            } else {
                let first = ask_for(product, case, window, &mut product_kept)?;
                (ask_for(bare, case, window, &mut bare_kept)?, first)
            };
            if round > 0 {
                println!("{} {} {bare_us:.4} {product_us:.4}", case.clients, case.keep);
            }
        }
    }
    Ok(())
}

/// The connections that a case keeps.
fn connect(target: &Target, case: Case) -> Result<Vec<Option<Stream>>, Failure> {
    (0..case.clients).map(|_| case.keep.then(|| target.open()).transpose()).collect()
}

/// Asks for a while with every client at once. Returns the microseconds between two answers.
fn ask_for(target: &Target, case: Case, window: Duration, kept: &mut [Option<Stream>]) -> Result<f64, Failure> {
    let began = SystemClock.boot();
    let end = began + window;
    let counts: Result<Vec<u32>, Failure> = std::thread::scope(|scope| {
        let threads: Vec<_> = kept
            .iter_mut()
            .map(|stream| scope.spawn(move || ask_until(target, end, stream.as_mut(), case.keep)))
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err("a client ended".into()))).collect()
    });
    let answers: u32 = counts?.iter().sum();
    let took = SystemClock.boot().saturating_sub(began);
    Ok(took.as_secs_f64() * 1e6 / f64::from(answers))
}

fn ask_until(target: &Target, end: Duration, mut kept: Option<&mut Stream>, keep: bool) -> Result<u32, Failure> {
    let (mut count, mut dropped) = (0, 0);
    while count == 0 || SystemClock.boot() < end {
        let asked = match (&mut kept, keep) {
            (Some(stream), true) => target.ask(stream),
            _ => target.open().and_then(|mut stream| target.ask(&mut stream)),
        };
        match asked {
            Ok(()) => count += 1,
            // Who connects anew may have to make room for another, and asks again. That takes its time, too.
            Err(failure) if !keep && dropped < DROPPED => {
                eprintln!("asked again: {failure}");
                dropped += 1;
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok(count)
}

/// Has so many connections served once each, and holds them until its input ends: for a look at what serves them. Then all of
/// them are still served, or this fails.
pub(crate) fn hold(shape: &str, connections: &str) -> Result<(), Failure> {
    let target = Target::product(Shape::named(shape)?)?;
    let served = |_| {
        let mut stream = target.open()?;
        target.ask(&mut stream)?;
        Ok(stream)
    };
    // One after the other: of many that come together and say nothing, a service closes some.
    let mut held: Vec<Stream> = (0..connections.parse()?).map(served).collect::<Result<_, Failure>>()?;
    println!("served");
    roles::wait_for_end_of_input();
    held.iter_mut().try_for_each(|stream| target.ask(stream))
}

/// The same from several processes: one alone may not hold all that there are.
pub(crate) fn hold_many(shape: &str, processes: &str, connections: &str) -> Result<(), Failure> {
    let start = |_| {
        let mut holder = roles::command("hold");
        holder.args([shape, connections]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()
    };
    let mut holders: Vec<Child> = (0..processes.parse::<u32>()?).map(start).collect::<Result<_, _>>()?;
    for holder in &mut holders {
        if roles::first_line(holder.stdout.take())? != "served" {
            return Err("a client was not served".into());
        }
    }
    println!("served");
    roles::wait_for_end_of_input();
    for mut holder in holders {
        drop(holder.stdin.take());
        if !holder.wait()?.success() {
            return Err("a connection was not kept".into());
        }
    }
    Ok(())
}
