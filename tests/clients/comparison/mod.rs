//! What sentinel makes of files and variables, beside what the AWS CLI and its botocore make of them.

mod case;
mod cases;
mod endpoints;

use std::collections::BTreeSet;
use std::sync::Mutex;

use cases::CASES;

/// Each case starts the AWS CLI twice, which takes half a second of a processor: more at once would only wait.
const THREADS: usize = 2;

#[test]
fn sentinel_reads_profiles_as_the_aws_cli_does_or_says_why_not() {
    let cases: Vec<_> = CASES.iter().flat_map(|cases| cases.iter()).collect();
    let names: BTreeSet<_> = cases.iter().map(|case| case.name).collect();
    assert_eq!(names.len(), cases.len(), "two cases have one name");
    let waiting = Mutex::new(cases.into_iter());
    let problems = Mutex::new(Vec::new());
    let work = || {
        loop {
            // The lock ends with the statement.
            let next = waiting.lock().expect("lock").next();
            let Some(case) = next else { return };
            problems.lock().expect("lock").extend(case.problem());
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(work);
        }
    });
    let problems = problems.into_inner().expect("lock");
    assert!(problems.is_empty(), "{} of {} cases:\n\n{}", problems.len(), names.len(), problems.join("\n\n"));
}
