//! Requests a second, as a share of the bare responder's: with the policy evaluated at every request, without and with the
//! decision log's line before the answer.

use std::io::Read;
use std::process::{Child, Stdio};

use crate::client::{Case, Round};
use crate::crowd::Crowd;
use crate::fake_sts::Sts;
use crate::product::Product;
use crate::report::{Report, Wanted as Goal};
use crate::responder::Responder;
use crate::sandbox::Sandbox;
use crate::shape::{OWN_ROLE, ROLE, Shape};
use crate::stats::Spread;
use crate::{Build, Failure, roles};

/// What is asked in turns with the bare responder.
#[derive(Clone, Copy)]
enum Side<'a> {
    /// The bare responder, with the questions to the kernel that are promised.
    Floor,
    /// The library, without a log.
    Library,
    /// A build of the program, with its log.
    Program(&'a Build),
}

/// One server of one shape, and what its clients measured.
struct Run<'a> {
    shape: Shape,
    side: Side<'a>,
    rounds: Vec<Round>,
}

/// What is the same for all runs.
struct Scene<'a> {
    sandbox: &'a Sandbox,
    sts: Sts,
    /// The bare responders, one for each crowd, on the processor of the server that it is compared with.
    bare: Vec<(Crowd, Responder)>,
}

/// Measures all of it, for these builds of the program.
pub(crate) fn measure(sandbox: &Sandbox, builds: &[Build], report: &mut Report) -> Result<(), Failure> {
    let scene = Scene::new(sandbox)?;
    let mut runs = Vec::new();
    for shape in Shape::ALL {
        let mut sides = Vec::new();
        if shape.is_measured_in_full() {
            sides.push(Side::Floor);
        }
        sides.push(Side::Library);
        sides.extend(builds.iter().filter(|build| shape.is_measured_in_full() || build.goals).map(Side::Program));
        for side in sides {
            let run = Run { shape, side, rounds: scene.rounds(shape, side)? };
            describe(&run, report);
            runs.push(run);
        }
    }
    for run in runs.iter().filter(|run| matches!(run.side, Side::Program(_))) {
        for clients in [1, 8] {
            added(&runs, run, clients, report);
        }
    }
    Ok(())
}

impl<'a> Scene<'a> {
    fn new(sandbox: &'a Sandbox) -> Result<Self, Failure> {
        let sts = Sts::start();
        let alice = sts.user("alice");
        let own = sts.role(OWN_ROLE).trusts(&alice.arn).allows_source_identity().arn();
        sts.role(ROLE).trusts(&own).allows_source_identity().arn();
        sandbox.roles((&alice.access_key_id, &alice.secret_access_key))?;
        let bare = Crowd::each().into_iter().map(|crowd| {
            let path = sandbox.path(&format!("tmp/bare-{}", crowd.clients));
            Ok((crowd, Responder::start(&path, crowd)?))
        });
        Ok(Self { sandbox, bare: bare.collect::<Result<_, Failure>>()?, sts })
    }

    fn rounds(&self, shape: Shape, side: Side<'_>) -> Result<Vec<Round>, Failure> {
        let mut rounds = Vec::new();
        for (crowd, bare) in &self.bare {
            rounds.extend(self.rounds_of(shape, side, *crowd, bare.place())?);
        }
        Ok(rounds)
    }

    fn rounds_of(
        &self,
        shape: Shape,
        side: Side<'_>,
        crowd: Crowd,
        [socket, port]: [&str; 2],
    ) -> Result<Vec<Round>, Failure> {
        let (policy, word) = (self.sandbox.path(shape.policy()), crowd.word());
        let role = match side {
            Side::Program(build) => {
                let running = Product {
                    sandbox: self.sandbox,
                    program: &build.program,
                    shape,
                    crowd,
                    options: vec!["--policy".into(), policy.into()],
                    sts: &self.sts,
                };
                let mut running = running.start(&["client", shape.name(), &word, socket, port])?;
                let rounds = printed(&mut running.child)?;
                running.end()?;
                return Ok(rounds);
            }
            Side::Library => "library",
            Side::Floor => "floor",
        };
        let mut server = self.sandbox.dressed(crowd.server().command(&roles::own_path()));
        server.env("AWS_ENDPOINT_URL_STS", self.sts.url());
        server.args([role, shape.name(), &word]).arg(policy).args([socket, port]);
        let mut server = server.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let rounds = printed(&mut server)?;
        let status = server.wait()?;
        if status.success() { Ok(rounds) } else { Err(format!("a run of the client failed: {status}").into()) }
    }
}

/// All that a client printed, to its end.
fn printed(child: &mut Child) -> Result<Vec<Round>, Failure> {
    let mut text = String::new();
    child.stdout.take().ok_or("no standard output")?.read_to_string(&mut text)?;
    text.lines().map(Round::parse).collect()
}

impl Side<'_> {
    fn name(self) -> String {
        match self {
            Self::Floor => "promised calls alone".to_owned(),
            Self::Library => "no log".to_owned(),
            Self::Program(build) => format!("log line first ({})", build.name),
        }
    }

    fn goal(self, case: Case) -> Goal {
        let share = match (self, case.keep, case.clients) {
            (Self::Floor, _, _) => return Goal::Told("of bare"),
            (_, false, _) => 0.7,
            (Self::Library, true, _) => 0.6,
            (Self::Program(_), true, 1) => 0.45,
            (Self::Program(_), true, _) => 0.3,
        };
        Goal::AtLeast(share, "of bare")
    }
}

fn describe(run: &Run<'_>, report: &mut Report) {
    for (keep, clients) in [(true, 1), (true, 8), (false, 1), (false, 8)] {
        let case = Case { clients, keep };
        let name = if keep { "keep-alive" } else { "connection per request" };
        let rounds = || run.rounds.iter().filter(|round| round.case == case);
        if rounds().next().is_none() {
            continue;
        }
        let (bare, product) =
            (Spread::of(rounds().map(|round| round.bare_us)), Spread::of(rounds().map(|round| round.product_us)));
        let note = match (bare, product) {
            (Some(bare), Some(product)) => {
                format!("{:.1} us an answer, bare {:.1}", product.median, bare.median)
            }
            _ => String::new(),
        };
        let plural = if clients == 1 { "" } else { "s" };
        report.row(
            format!("{}, {name}, {}, {clients} client{plural}", run.shape.name(), run.side.name()),
            Spread::of(rounds().map(Round::ratio)),
            run.side.goal(case),
            note,
        );
    }
}

/// What the log's line adds to an answer, by way of the ratios: the two runs are not of the same moment.
fn added(runs: &[Run<'_>], logged: &Run<'_>, clients: u32, report: &mut Report) {
    let case = Case { clients, keep: true };
    let unlogged = runs.iter().find(|run| run.shape == logged.shape && matches!(run.side, Side::Library));
    let (Some(unlogged), Side::Program(build)) = (unlogged, logged.side) else { return };
    let median = |run: &Run<'_>, value: fn(&Round) -> f64| {
        Spread::of(run.rounds.iter().filter(|round| round.case == case).map(value)).map(|spread| spread.median)
    };
    let share = |round: &Round| 1.0 / round.ratio();
    let (bare, with, without) =
        (median(unlogged, |round| round.bare_us), median(logged, share), median(unlogged, share));
    if let (Some(bare), Some(with), Some(without)) = (bare, with, without) {
        let what = format!("{}, what the log line adds, clients: {clients} ({})", logged.shape.name(), build.name);
        report.row(what, Spread::of([bare * (with - without)]), Goal::Told("us"), String::new());
    }
}
