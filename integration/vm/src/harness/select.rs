//! Which tests there are: those of `tests/guest`, and the foundation's own privileged ones.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::command::output;
use crate::harness::{CONFIGURATIONS, Options};
use crate::wire::Test;

const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
/// Seconds that one test may take under TCG on a busy machine.
const LIMIT: u64 = 120;

/// Every test, sorted by configuration as written and by name within.
pub(crate) fn all() -> Result<Vec<Test>> {
    let mut tests = Vec::new();
    for binary in binaries(&["--manifest-path", MANIFEST, "--test", "guest"])? {
        tests.extend(tests_of(&binary, "")?);
    }
    let unknown = tests.iter().find(|test| !CONFIGURATIONS.iter().any(|known| known.owns(test)));
    if let Some(test) = unknown {
        let names = CONFIGURATIONS.map(|known| known.name).join(", ");
        anyhow::bail!("the first module of {} is no configuration ({names})", test.shown);
    }
    Ok(tests)
}

/// Those that the filters let through.
pub(crate) fn filtered(all: Vec<Test>, options: &Options) -> Vec<Test> {
    let matches = |test: &Test, filter: &String| {
        if options.exact { test.shown == *filter } else { test.shown.contains(filter.as_str()) }
    };
    let wanted = |test: &Test| {
        options.filters.is_empty() || options.filters.iter().any(|filter| matches(test, filter))
    };
    all.into_iter().filter(wanted).collect()
}

/// Has cargo build test targets, and returns their programs.
fn binaries(targets: &[&str]) -> Result<Vec<PathBuf>> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["test", "--no-run", "--quiet", "--message-format=json"]).args(targets);
    let messages = output(&mut cargo).context("build the guest tests")?;
    let program = |line: &str| -> Option<PathBuf> {
        let message: Value = serde_json::from_str(line).ok()?;
        (message["profile"]["test"] == true).then(|| message["executable"].as_str().map(PathBuf::from))?
    };
    let programs: Vec<_> = messages.lines().filter_map(program).collect();
    ensure!(!programs.is_empty(), "cargo built no test program for {}", targets.join(" "));
    Ok(programs)
}

fn tests_of(binary: &Path, prefix: &str) -> Result<Vec<Test>> {
    let listed = output(Command::new(binary).args(["--list", "--format", "terse"]))?;
    let names = listed.lines().filter_map(|line| line.strip_suffix(": test"));
    let test = |name: &str| Test {
        shown: format!("{prefix}{name}"),
        binary: binary.to_path_buf(),
        name: name.to_owned(),
        limit: LIMIT,
    };
    Ok(names.map(test).collect())
}
