//! The host's side of the guest tests: guests side by side, each of one configuration, and one line per test.

mod configuration;
mod costs;
mod queue;
mod report;
mod select;

use std::env;
use std::io::Write;
use std::process::ExitCode;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, anyhow};
use clap::Parser;

use crate::apt::Suite;
use crate::cache::Cache;
use crate::crictl;
use crate::lab_image::Image;
use crate::machine::{Boot, Machine};
use crate::wire::{Action, Event, Next, Test};

pub use configuration::{CONFIGURATIONS, Configuration};
use costs::Spent;
use queue::Queue;
use report::Report;
pub use select::{Left, all};

/// A guest that says nothing for so long hangs: its test's own limit, and time to clear up.
fn patience() -> Duration {
    Duration::from_secs(select::limit() + 180)
}

/// The arguments that `cargo test -- ...` may bring.
#[derive(Debug, Parser)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(about = "Runs the guest tests in virtual machines")]
pub struct Options {
    /// Only tests whose name contains one of these
    pub filters: Vec<String>,
    /// Filters are whole names
    #[arg(long)]
    pub exact: bool,
    /// Those that take minutes, too
    #[arg(long)]
    pub include_ignored: bool,
    /// List the tests instead of running them
    #[arg(long)]
    pub list: bool,
    /// Suites that the kernel comes from, one run each; default: $`RAILCNI_VM_KERNEL`, else release
    #[arg(long, value_enum, value_delimiter = ',', env = "RAILCNI_VM_KERNEL", default_value = "release")]
    pub kernel: Vec<Suite>,
    /// Without effect: output is always shown for failed tests only
    #[arg(long, hide = true)]
    pub nocapture: bool,
    /// Guests that run side by side; default: one more than CPUs, four at most
    #[arg(long, env = "RAILCNI_VM_GUESTS")]
    pub guests: Option<usize>,
    /// When to hand out no more tests, in seconds since 1970: what is left then is counted, and said
    #[arg(long, env = "RAILCNI_VM_UNTIL")]
    pub until: Option<u64>,
    /// Without effect: a guest runs one test at a time
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
pub fn run(options: &Options, out: &mut (dyn Write + Send)) -> Result<bool> {
    let all = all()?;
    let (selected, left) = select::selected(all, options);
    if options.list {
        return list(&selected, out).map(|()| true);
    }
    let mut passed = true;
    for suite in &options.kernel {
        let image = prepare(*suite).context("prepare the VM lab")?;
        let means = Means {
            guests: options.guests.unwrap_or_else(default_guests),
            until: options.until.map(|seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)),
        };
        passed &= run_on(&image, &selected, left, means, out)?;
    }
    Ok(passed)
}

/// Fetches and builds all that tests need: after it, a run on this kernel needs no network.
pub fn prepare(suite: Suite) -> Result<Image> {
    let image = Image::prepare(suite)?;
    image.module()?;
    crictl::build(&Cache::open()?)?;
    Ok(image)
}

/// What a run may use.
#[derive(Debug, Clone, Copy)]
pub struct Means {
    /// Guests side by side.
    pub guests: usize,
    /// No test begins after it.
    pub until: Option<SystemTime>,
}

/// Runs `tests`, and not those that are `left`; true when everything passed that has run.
pub fn run_on(
    image: &Image,
    tests: &[Test],
    left: Left,
    means: Means,
    out: &mut (dyn Write + Send),
) -> Result<bool> {
    let queue = Queue::of(&CONFIGURATIONS, tests, select::is_full(), means.until);
    let report = Mutex::new(Report::start(out, &image.describe()?, tests, left)?);
    let shared = Guests { image, queue: &queue, report: &report };
    thread::scope(|scope| {
        let guests: Vec<_> = (0..means.guests).map(|_| scope.spawn(|| shared.work())).collect();
        guests.into_iter().try_for_each(|guest| guest.join().map_err(|_| anyhow!("a thread panicked"))?)
    })?;
    let mut report = report.into_inner().unwrap_or_else(PoisonError::into_inner);
    report.too_late(queue.left());
    report.finish()
}

/// One for each CPU, and one more for the time in which they wait; more than four would be short of work.
fn default_guests() -> usize {
    thread::available_parallelism().map_or(2, |cpus| cpus.get() + 1).min(4)
}

fn list(selected: &[Test], out: &mut dyn Write) -> Result<()> {
    for test in selected {
        writeln!(out, "{}: test", test.shown)?;
    }
    writeln!(out, "\n{} tests, 0 benchmarks", selected.len())?;
    Ok(())
}

/// What the threads share that each have one guest at a time.
#[derive(Clone, Copy)]
struct Guests<'a, 'out> {
    image: &'a Image,
    queue: &'a Queue,
    report: &'a Mutex<Report<'out>>,
}

impl<'out> Guests<'_, 'out> {
    /// Boots guests until there is nothing left to do.
    fn work(self) -> Result<()> {
        while let Some(configuration) = self.queue.join() {
            let served = self.boots(configuration);
            self.queue.leave(configuration);
            served?;
        }
        Ok(())
    }

    /// Works on one configuration, by another boot where a test took its guest down.
    fn boots(self, configuration: Configuration) -> Result<()> {
        while let Some(first) = self.queue.next(configuration) {
            let mut served = 0;
            let ended = self.one_boot(configuration, first, &mut served);
            self.report().boot(configuration.name, ended)?;
            if served == 0 {
                // Not even the first one began: so will it be the next time.
                let left = self.queue.give_up(configuration);
                return left.into_iter().try_for_each(|test| self.report().not_run(&test.shown));
            }
        }
        Ok(())
    }

    /// Boots once, and counts the tests that began. The result is the boot's own.
    fn one_boot(self, configuration: Configuration, first: Test, served: &mut usize) -> Result<Spent> {
        let mut handed = Some(first);
        let ended = self.tests(configuration, &mut handed, served);
        if let Some(test) = handed {
            self.queue.put_back(configuration, test);
        }
        ended
    }

    /// `handed` is the test that the guest was given and has not begun.
    fn tests(self, configuration: Configuration, handed: &mut Next, served: &mut usize) -> Result<Spent> {
        let boot =
            Boot { rails: configuration.rails(self.image)?, action: Action::Tests, limit: Some(patience()) };
        let mut machine = Machine::boot(self.image, &boot)?;
        machine.hand(handed);
        let mut running = None;
        loop {
            machine.allow(patience());
            match machine.event() {
                Ok(Event::Started(shown)) => {
                    *served += 1;
                    running = Some(shown);
                    *handed = None;
                }
                Ok(Event::Finished { shown, failure, figures, millis }) => {
                    running = None;
                    self.report().figures(&figures)?;
                    self.report().finished(&shown, failure, Duration::from_millis(millis))?;
                    *handed = self.queue.next(configuration);
                    machine.hand(handed);
                }
                Ok(Event::Done { warnings, .. }) => {
                    let cpu = machine.cpu_time();
                    let time = machine.finish()?;
                    anyhow::ensure!(
                        warnings.is_empty(),
                        "the guest's kernel warned:\n{}",
                        warnings.join("\n")
                    );
                    return Ok(Spent { time, cpu });
                }
                Ok(_) => {}
                Err(failure) => {
                    if let Some(shown) = running {
                        self.report().finished(&shown, Some(failure.to_string()), Duration::ZERO)?;
                    }
                    return Err(failure.into());
                }
            }
        }
    }

    fn report(&self) -> MutexGuard<'_, Report<'out>> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
