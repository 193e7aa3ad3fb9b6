//! Which tests there are: those of `tests/guest`, and the foundation's own privileged ones.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::command::output;
use crate::harness::{CONFIGURATIONS, Options};
use crate::wire::Test;

/// The workspace's own: of one package alone, cargo would build with other features, and all dependencies once more.
const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml");
/// Seconds that one test may take under TCG on a busy machine; the kill matrices start hundreds of processes.
const LIMIT: u64 = 300;
/// The same in a full run.
const TORTURE_LIMIT: u64 = 3 * 3600;

/// Targets of the foundation's own privileged tests that also run on Debian's kernel.
const FOUNDATION: [&str; 3] = ["macvlan", COORDINATOR, "conformance_links"];
const COORDINATOR: &str = "coordinator";
/// Those of them about what is read and refused, on any kernel alike.
const INPUT: &str = "input::";
/// Of coordinator, which the namespaces run in full, those that each run tries on Debian's kernel, too: they send packets.
const SENDING: [&str; 2] = ["traffic::", "underlay::traffic::"];
/// And those that end a verb at each of its points, for a full run: the namespaces have every point in each run, and the same
/// plugin in chains on VFs is ended in guests.
const ENDED: &str = "anywhere";

/// Whether `RAILCNI_TORTURE` asks for all of a matrix.
pub(crate) fn is_full() -> bool {
    env::var("RAILCNI_TORTURE").is_ok_and(|value| !matches!(value.as_str(), "" | "0"))
}

/// Seconds that one test may take.
pub(crate) fn limit() -> u64 {
    if is_full() { TORTURE_LIMIT } else { LIMIT }
}

/// Every test, by name within its binary.
pub fn all() -> Result<Vec<Test>> {
    let mut tests = Vec::new();
    for program in programs(&["guest"])? {
        tests.extend(program.tests("")?);
    }
    let unknown = tests.iter().find(|test| !CONFIGURATIONS.iter().any(|known| known.owns(test)));
    if let Some(test) = unknown {
        let names = CONFIGURATIONS.map(|known| known.name).join(", ");
        anyhow::bail!("the first module of {} is no configuration ({names})", test.shown);
    }
    for program in programs(&FOUNDATION)? {
        let listed = program.tests(&format!("plain::{}::", program.target))?;
        let tells = |test: &Test| !test.name.starts_with(INPUT) && (is_full() || !test.name.contains(ENDED));
        let of_each_run = |test: &Test| {
            program.target != COORDINATOR || SENDING.iter().any(|part| test.name.starts_with(part))
        };
        tests.extend(listed.into_iter().filter(tells).map(|mut test| {
            test.ignored |= !of_each_run(&test);
            test
        }));
    }
    Ok(tests)
}

/// How many tests a run leaves out.
#[derive(Debug, Default, Clone, Copy)]
pub struct Left {
    /// For the time they take.
    pub ignored: usize,
    /// By name.
    pub filtered: usize,
}

/// Those that the filters let through and that are not ignored.
pub(crate) fn selected(all: Vec<Test>, options: &Options) -> (Vec<Test>, Left) {
    let total = all.len();
    let named = filtered(all, options);
    let filtered = total - named.len();
    let (ignored, selected): (Vec<_>, Vec<_>) =
        named.into_iter().partition(|test| test.ignored && !options.include_ignored && !is_full());
    (selected, Left { ignored: ignored.len(), filtered })
}

fn filtered(all: Vec<Test>, options: &Options) -> Vec<Test> {
    let matches = |test: &Test, filter: &String| {
        if options.exact { test.shown == *filter } else { test.shown.contains(filter.as_str()) }
    };
    let wanted = |test: &Test| {
        options.filters.is_empty() || options.filters.iter().any(|filter| matches(test, filter))
    };
    all.into_iter().filter(wanted).collect()
}

/// A test binary.
struct Program {
    target: String,
    path: PathBuf,
}

impl Program {
    fn parse(line: &str) -> Option<Self> {
        let message: Value = serde_json::from_str(line).ok()?;
        let path = PathBuf::from(message["executable"].as_str()?);
        let target = message["target"]["name"].as_str()?.to_owned();
        (message["profile"]["test"] == true).then_some(Self { target, path })
    }

    fn tests(&self, prefix: &str) -> Result<Vec<Test>> {
        let ignored = self.names(&["--ignored"])?;
        let test = |name: String| Test {
            shown: format!("{prefix}{name}"),
            binary: self.path.clone(),
            ignored: ignored.contains(&name),
            name,
            limit: limit(),
        };
        Ok(self.names(&["--include-ignored"])?.into_iter().map(test).collect())
    }

    fn names(&self, which: &[&str]) -> Result<Vec<String>> {
        let listed = output(Command::new(&self.path).args(["--list", "--format", "terse"]).args(which))?;
        Ok(listed.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect())
    }
}

/// Has cargo build the test targets of these names.
fn programs(targets: &[&str]) -> Result<Vec<Program>> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["test", "--no-run", "--quiet", "--message-format=json", "--workspace"]);
    cargo.args(["--manifest-path", MANIFEST]).args(targets.iter().flat_map(|target| ["--test", target]));
    let messages = output(&mut cargo).context("build the guest tests")?;
    let programs: Vec<_> = messages.lines().filter_map(Program::parse).collect();
    ensure!(
        programs.len() == targets.len(),
        "cargo built {} test programs for {}",
        programs.len(),
        targets.join(", ")
    );
    Ok(programs)
}
