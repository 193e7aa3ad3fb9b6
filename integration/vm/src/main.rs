//! `vm run -- CMD`, `vm shell`, `vm prepare`, `vm test`: the VM lab by hand.

use std::io::{Write, stderr, stdout};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use vm::wire::{Action, Device, Event, Link, Rails};
use vm::{Boot, Image, Machine, Suite, agent, harness};

#[derive(Parser)]
#[command(about = "Boots a guest with SR-IOV rails and an RDMA core")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Fetch and build everything that a boot and the tests need
    Prepare(Which),
    /// Run a command in the guest; its output and exit status are ours
    Run {
        #[command(flatten)]
        guest: Guest,
        /// Seconds until the guest is stopped
        #[arg(long, default_value_t = 120)]
        limit: u64,
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// A shell in the guest; leaving it powers the guest off
    Shell(Guest),
    /// The guest's process 1
    #[command(hide = true)]
    Agent,
    /// Process 1 of one test
    #[command(hide = true)]
    Isolate {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
}

#[derive(Args)]
struct Which {
    /// Suite that the kernel comes from
    #[arg(long, value_enum, default_value = "release")]
    kernel: Suite,
}

#[derive(Args)]
struct Guest {
    #[command(flatten)]
    which: Which,
    /// What sits in the PCI slots
    #[arg(long, value_enum, default_value = "hca")]
    device: Device,
    /// Link layer of the emulated HCA
    #[arg(long, value_enum, default_value = "eth")]
    link: Link,
    /// Number of PFs
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=8))]
    rails: u8,
    /// VFs per PF: 0-7, with `--device many` up to 120
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(0..=120))]
    vfs: u8,
}

fn main() -> ExitCode {
    let verb = Cli::parse().verb;
    match dispatch(verb) {
        Ok(code) => code,
        Err(error) => {
            // Nothing is left to do when even that cannot be written.
            let _ = writeln!(stderr(), "vm: {error:#}");
            ExitCode::from(125)
        }
    }
}

fn dispatch(verb: Verb) -> Result<ExitCode> {
    match verb {
        Verb::Agent => Ok(agent::main()),
        Verb::Isolate { command } => agent::isolate(&command),
        Verb::Prepare(which) => prepare(&which),
        Verb::Run { guest, limit, command } => {
            boot(&guest, Action::Command(command), Some(Duration::from_secs(limit)))
        }
        Verb::Shell(guest) => boot(&guest, Action::Shell, None),
    }
}

fn prepare(which: &Which) -> Result<ExitCode> {
    let image = harness::prepare(which.kernel)?;
    writeln!(stdout(), "{}", image.describe()?)?;
    Ok(ExitCode::SUCCESS)
}

fn boot(guest: &Guest, action: Action, limit: Option<Duration>) -> Result<ExitCode> {
    let image = Image::prepare(guest.which.kernel)?;
    let module = match guest.device {
        Device::Hca | Device::Many => Some(image.module()?),
        Device::None | Device::Igb => None,
    };
    let rails = Rails { device: guest.device, link: guest.link, rails: guest.rails, vfs: guest.vfs, module };
    let mut machine = Machine::boot(&image, &Boot { rails, action, limit })?;
    loop {
        match machine.event()? {
            Event::Output { stderr: true, text } => stderr().write_all(text.as_bytes())?,
            Event::Output { stderr: false, text } => stdout().write_all(text.as_bytes())?,
            Event::Done { status, warnings } => return finish(machine, status, &warnings),
            _ => {}
        }
    }
}

fn finish(machine: Machine, status: i32, warnings: &[String]) -> Result<ExitCode> {
    let time = machine.finish()?;
    writeln!(stderr(), "vm: powered off after {:.1} s", time.as_secs_f32())?;
    anyhow::ensure!(warnings.is_empty(), "the guest's kernel warned:\n{}", warnings.join("\n"));
    Ok(ExitCode::from(u8::try_from(status).unwrap_or(1)))
}
