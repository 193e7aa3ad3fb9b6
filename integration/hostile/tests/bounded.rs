//! Each body on its corpus, and on so many mutations of it; `RAILCNI_HOSTILE_ROUNDS` for a long run.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hostile::{Mutator, TARGETS, target};

fn rounds() -> u64 {
    let wanted = std::env::var("RAILCNI_HOSTILE_ROUNDS").ok();
    wanted.map_or(1_000, |text| {
        text.parse().unwrap_or_else(|_| panic!("RAILCNI_HOSTILE_ROUNDS {text}: a number"))
    })
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus")
}

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = folder().join(name);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).expect("a file of the corpus")).collect()
}

fn run(name: &str) {
    let (body, corpus) = (target(name), corpus(name));
    assert!(!corpus.is_empty(), "no corpus for {name}");
    for seed in &corpus {
        body(seed);
    }
    let count = u64::try_from(corpus.len()).expect("a number");
    for round in 0..rounds() {
        let seed = &corpus[usize::try_from(round % count).expect("an index")];
        let input = Mutator::new(round.wrapping_mul(0x9e37_79b9_7f4a_7c15)).mutate(seed);
        let start = Instant::now();
        let fine = std::panic::catch_unwind(|| body(&input));
        assert!(fine.is_ok(), "{name}, round {round}: {}", input.escape_ascii());
        assert!(
            start.elapsed() < Duration::from_secs(5),
            "{name}, round {round} is slow: {}",
            input.escape_ascii()
        );
    }
}

/// Or the bodies would look at nothing.
#[test]
fn the_corpus_means_something() {
    let understood = |bytes: &Vec<u8>| netlink::replies::read(bytes) > 0;
    assert!(corpus("netlink").iter().all(understood), "a reply that nothing is made of");
    assert_eq!(hostile::leases(&corpus("journal")[0]), Some(6));
}

#[test]
fn every_corpus_has_a_target_and_every_target_a_corpus() {
    let entries = std::fs::read_dir(folder()).expect("the corpus");
    let mut found: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name")).collect();
    let mut known = TARGETS.map(|(name, _)| name.to_owned()).to_vec();
    found.sort();
    known.sort();
    assert_eq!(found, known);
}

#[test]
fn stdin() {
    run("config");
    run("conf");
}

#[test]
fn results_and_arguments() {
    run("result");
    run("cni_args");
}

#[test]
fn pools() {
    run("pools");
}

#[test]
fn files() {
    for name in ["state", "journal", "host_local"] {
        run(name);
    }
}

#[test]
fn replies_of_the_kernel() {
    run("netlink");
}
