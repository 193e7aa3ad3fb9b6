//! The host's side of the guest tests: one boot per configuration, one line per test.

mod configuration;
mod report;
mod select;

use std::env;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;

use crate::apt::Suite;
use crate::lab_image::Image;
use crate::machine::{Boot, Machine};
use crate::wire::{Action, Event, Test};

pub use configuration::{CONFIGURATIONS, Configuration};
use report::Report;
pub use select::all;

/// A guest that says nothing for so long beyond its test's own limit hangs.
const SILENCE: Duration = Duration::from_secs(180);

/// The arguments that `cargo test -- ...` may bring.
#[derive(Debug, Parser)]
#[command(about = "Runs the guest tests in virtual machines")]
pub struct Options {
    /// Only tests whose name contains one of these
    pub filters: Vec<String>,
    /// Filters are whole names
    #[arg(long)]
    pub exact: bool,
    /// List the tests instead of running them
    #[arg(long)]
    pub list: bool,
    /// Suites that the kernel comes from, one run each; default: $`RAILCNI_VM_KERNEL`, else release
    #[arg(long, value_enum, value_delimiter = ',', env = "RAILCNI_VM_KERNEL", default_value = "release")]
    pub kernel: Vec<Suite>,
    /// Without effect: output is always shown for failed tests only
    #[arg(long, hide = true)]
    pub nocapture: bool,
    /// Without effect: a boot runs one test at a time
    #[arg(long, hide = true)]
    pub test_threads: Option<String>,
}

/// The whole of a test target: `fn main() -> ExitCode { vm::harness::main() }`.
pub fn main() -> ExitCode {
    let mut out = std::io::stdout();
    if env::var("VM").is_ok_and(|value| value == "0") {
        let _ = writeln!(out, "\n*** VM=0: THE VM TESTS WERE NOT RUN ***\n");
        return ExitCode::SUCCESS;
    }
    match run(&Options::parse(), &mut out) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(101),
        Err(error) => {
            let _ = writeln!(out, "\nerror: {error:#}\n\ntest result: FAILED. the VM lab could not be used");
            ExitCode::from(101)
        }
    }
}

/// Runs what `options` select; true when everything passed.
pub fn run(options: &Options, out: &mut dyn Write) -> Result<bool> {
    let all = all()?;
    let total = all.len();
    let selected = select::filtered(all, options);
    if options.list {
        return list(&selected, out).map(|()| true);
    }
    let mut passed = true;
    for suite in &options.kernel {
        let image = Image::prepare(*suite).context("prepare the VM lab")?;
        let mut report = Report::start(out, &image.describe()?, &selected, total)?;
        for configuration in &CONFIGURATIONS {
            let tests: Vec<_> = selected.iter().filter(|test| configuration.owns(test)).cloned().collect();
            boots(configuration, &image, tests, &mut report)?;
        }
        passed &= report.finish()?;
    }
    Ok(passed)
}

fn list(selected: &[Test], out: &mut dyn Write) -> Result<()> {
    for test in selected {
        writeln!(out, "{}: test", test.shown)?;
    }
    writeln!(out, "\n{} tests, 0 benchmarks", selected.len())?;
    Ok(())
}

/// Runs `tests`, by a second boot where a test took the first one down.
fn boots(
    configuration: &Configuration,
    image: &Image,
    mut tests: Vec<Test>,
    report: &mut Report<'_>,
) -> Result<()> {
    while !tests.is_empty() {
        let before = tests.len();
        let ended = one_boot(configuration, image, &mut tests, report);
        report.boot(configuration.name, ended)?;
        if tests.len() == before {
            // Not even the first one began: so will it be the next time.
            return tests.drain(..).try_for_each(|test| report.not_run(&test.shown));
        }
    }
    Ok(())
}

/// Boots once; takes the tests that ended, well or not, off the list. The result is the boot's own.
fn one_boot(
    configuration: &Configuration,
    image: &Image,
    tests: &mut Vec<Test>,
    report: &mut Report<'_>,
) -> Result<Duration> {
    let patience =
        SILENCE + Duration::from_secs(tests.iter().map(|test| test.limit).max().unwrap_or_default());
    let boot = Boot {
        rails: configuration.rails(image)?,
        action: Action::Tests(tests.clone()),
        limit: Some(patience),
    };
    let mut machine = Machine::boot(image, &boot)?;
    loop {
        machine.allow(patience);
        match machine.event() {
            Ok(Event::Started(shown)) => report.started(&shown)?,
            Ok(Event::Finished { shown, failure, millis }) => {
                tests.retain(|test| test.shown != shown);
                report.finished(&shown, failure, Duration::from_millis(millis))?;
            }
            Ok(Event::Done { warnings, .. }) => {
                let time = machine.finish()?;
                anyhow::ensure!(warnings.is_empty(), "the guest's kernel warned:\n{}", warnings.join("\n"));
                return Ok(time);
            }
            Ok(_) => {}
            Err(failure) => {
                if let Some(shown) = report.running() {
                    tests.retain(|test| test.shown != shown);
                    report.finished(&shown, Some(failure.to_string()), Duration::ZERO)?;
                }
                return Err(failure.into());
            }
        }
    }
}
