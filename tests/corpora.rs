//! The fuzzers' properties, on the committed inputs: what was found once is found at every `cargo test`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

#[path = "../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "public for the fuzz targets, which are programs of their own")]
mod properties;

use properties::TARGETS;

/// What a repository can carry without anybody noticing.
const MAX_FILES: usize = 240;
const MAX_BYTES: u64 = 512 * 1024;

fn fuzz(below: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(below)
}

fn names(directory: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8")).collect()
}

#[test]
fn every_committed_input_keeps_its_property() {
    let mut count = 0;
    let mut bytes = 0;
    for (name, check) in TARGETS {
        let corpus = fuzz("corpus").join(name);
        let inputs = names(&corpus);
        assert!(inputs.len() >= 3, "{name} has {} inputs", inputs.len());
        for input in inputs {
            let content = std::fs::read(corpus.join(&input)).expect("an input");
            // A panic ends in the test's output, where this line says which input it was.
            println!("{name}/{input}");
            check(&content);
            count += 1;
            bytes += u64::try_from(content.len()).expect("small");
        }
    }
    assert!(count <= MAX_FILES && bytes <= MAX_BYTES, "{count} files, {bytes} bytes: minimise them");
}

#[test]
fn every_target_has_a_program_and_a_corpus_and_the_other_way_round() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let programs = names(&fuzz("fuzz_targets")).iter().map(|name| name.trim_end_matches(".rs").to_owned()).collect();
    assert_eq!(targets, programs);
    assert_eq!(targets, names(&fuzz("corpus")));
    let manifest = std::fs::read_to_string(fuzz("Cargo.toml")).expect("a manifest");
    for name in &targets {
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name}");
        let program = std::fs::read_to_string(fuzz(&format!("fuzz_targets/{name}.rs"))).expect("a program");
        assert!(program.contains(&format!("sentinel_fuzz::{name}::check(bytes)")), "{name}");
    }
}

/// xorshift64: the same bytes in every run.
struct Random(u64);

impl Random {
    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0.to_be_bytes()[0]
        })
    }
}

#[test]
fn random_policies_answer_as_the_oracle_does() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut seen = [0_usize; 3];
    for _ in 0..10_000 {
        let (allowed, rule) = properties::matching::check(&random.bytes::<160>());
        seen[usize::from(allowed) + usize::from(rule.is_none()) * 2] += 1;
    }
    // Each kind of answer came up often enough to mean something.
    assert!(seen.iter().all(|count| *count > 1_000), "{seen:?}");
}

#[test]
fn random_bytes_keep_every_property() {
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    for _ in 0..500 {
        let bytes = random.bytes::<96>();
        for (_, check) in TARGETS {
            check(&bytes);
        }
    }
}
