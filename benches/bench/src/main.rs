//! Whole processes side by side with the reference plugins, in one run, in namespaces of their own; the budgets of
//! the design are checked against what it measures.

mod budget;
mod chain;
mod exec;
mod markdown;
mod measure;
mod options;
mod plot;
mod report;
mod samples;
mod suite;
mod vf;

use std::process::ExitCode;

use anyhow::{Result, bail};
use no_backtrace as _;
use testkit::World;

use crate::exec::Bench;
use crate::options::Options;
use crate::report::Report;
use crate::suite::Suite;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1).peekable();
    let is_vf = args.next_if_eq("vf").is_some();
    match Options::parse(args).and_then(|options| if is_vf { vf::run(&options) } else { run(&options) }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    // Before the world covers /run and /var/lib.
    let (ours, theirs) = (Suite::find(&options.bin_dir)?, Suite::find(&options.peer_dir)?);
    let world = World::new();
    let bench = Bench { world: &world, ours, theirs, bare: options.bare.clone(), rounds: options.rounds };
    let mut report = Report::default();
    for (name, measure) in measure::ALL {
        eprintln!("bench: {name}");
        // What was measured before and after says something all the same.
        if let Err(error) = measure(&bench, &mut report) {
            report.failure(&format!("{name}: {error:#}"));
        }
    }
    report.note(&report::machine());
    let verdicts = budget::judge(&report, &budget::OF_PROCESSES);
    report.print(&verdicts);
    report.save(&options.json, &verdicts)?;
    if report.has_failed() {
        bail!("not everything could be measured");
    }
    budget::require(options, &verdicts)
}
