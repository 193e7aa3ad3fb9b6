//! The guest's side: what runs as process 1 after the initramfs, does the job, checks the kernel's log, powers off.

mod isolate;
mod kmsg;
mod memory;
mod port;
mod rails;
mod restore;
mod run;
mod setup;
mod tests;

use std::env;
use std::fs::File;
use std::io::BufReader;
use std::process::ExitCode;

use anyhow::{Context, Result};
use nix::sys::reboot::{RebootMode, reboot};

use crate::wire::{Action, Event, Job};

pub use isolate::isolate;

/// Runs the guest. Returns only when it could not even power off.
pub fn main() -> ExitCode {
    if let Err(error) = guest() {
        // The port may be what failed; the console is always there.
        let _ = crate::file::set("/dev/console".as_ref(), &format!("lab: {error:#}\n"));
    }
    match reboot(RebootMode::RB_POWER_OFF) {
        Ok(never) => match never {},
        Err(_) => ExitCode::FAILURE,
    }
}

fn guest() -> Result<()> {
    setup::mounts()?;
    let (port, mut input) = port::open()?;
    let job: Job = port::receive(&mut input).context("read the job")?;
    let done = work(&job, &port, &mut input);
    match done {
        Ok(done) => port.send(&done),
        Err(error) => port.send(&Event::Failed(format!("{error:#}"))),
    }
}

fn work(job: &Job, port: &port::Port, input: &mut BufReader<File>) -> Result<Event> {
    env::set_current_dir(&job.dir).with_context(|| format!("enter {}", job.dir.display()))?;
    let mut log = kmsg::Log::open()?;
    let mut warnings = log.boot_troubles()?;
    setup::network()?;
    setup::module_aliases()?;
    rails::up(&job.rails)?;
    warnings.extend(log.warnings()?);
    port.send(&Event::Ready)?;
    let status = match &job.action {
        Action::Command(argv) => run::command(argv, job, port)?,
        Action::Tests => tests::run_all(job, port, input, &mut log)?,
        Action::Shell => run::shell(job)?,
    };
    rails::down(&job.rails)?;
    warnings.extend(log.warnings()?);
    Ok(Event::Done { status, warnings })
}
