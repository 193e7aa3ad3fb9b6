//! `railctl host`: the node's own NICs as a file says.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use clap::{Args, Subcommand, ValueEnum};
use host::{Change, Host, Outcome, Persist, Settings, Via};
use serde::Serialize;
use state::{Dirs, file};

use crate::cli::Format;
use crate::output::{self, FAINT, GOOD, styled, warn};

/// Enough for 64 NICs, many times.
const LARGEST: usize = 1 << 20;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show each change that apply would make, with its file or message
    Plan(Looked),
    /// Change what differs, after what there was has been recorded
    Apply(Apply),
    /// Compare the node with the file: exit status 1 and a line for each difference
    Check(Looked),
    /// Restore what the record says there was before the first apply
    Undo(Undo),
}

#[derive(Args, Debug)]
pub(crate) struct Settled {
    /// YAML or JSON: see docs/host.md
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    place: Place,
}

#[derive(Args, Debug)]
pub(crate) struct Looked {
    #[command(flatten)]
    of: Settled,
    /// How it is printed
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
}

/// What differs, for programs.
#[derive(Serialize)]
struct Differences {
    differences: Vec<Difference>,
    /// What somebody else has changed since an apply, and so stays.
    foreign: Vec<String>,
}

#[derive(Serialize)]
struct Difference {
    key: String,
    is: String,
    wanted: String,
    /// The message or file by which apply would change it.
    by: String,
}

impl From<host::Plan> for Differences {
    fn from(plan: host::Plan) -> Self {
        let difference = |change: &Change| Difference {
            key: change.key.to_string(),
            is: change.from.to_string(),
            wanted: change.to.to_string(),
            by: change.key.by(&change.to),
        };
        Self { differences: plan.changes.iter().map(difference).collect(), foreign: plan.foreign }
    }
}

#[derive(Args, Debug)]
pub(crate) struct Apply {
    #[command(flatten)]
    of: Settled,
    /// Have systemd apply the file again at boot, and udev when a NIC comes back; until undo. What configures links on this node can
    /// have their part, too
    #[arg(long, value_enum, value_name = "BY", num_args = 0..=1, require_equals = true, default_missing_value = "systemd")]
    persist: Option<By>,
    /// Leave NICs that are not there for when they come, in place of refusing all
    #[arg(long)]
    present: bool,
}

/// Who has the links' part of the file at boot.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum By {
    Systemd,
    Networkd,
    Netplan,
    NetworkManager,
}

impl From<By> for Via {
    fn from(by: By) -> Self {
        match by {
            By::Systemd => Self::Systemd,
            By::Networkd => Self::Networkd,
            By::Netplan => Self::Netplan,
            By::NetworkManager => Self::NetworkManager,
        }
    }
}

#[derive(Args, Debug)]
pub(crate) struct Undo {
    /// Not needed: the record tells what to restore
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

#[derive(Args, Debug)]
struct Place {
    /// Where the node's /etc and /sys are: its mount in a container
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
}

pub(crate) fn run(command: &Command) -> Result<()> {
    match command {
        Command::Plan(args) => plan(args),
        Command::Apply(args) => apply(args),
        Command::Check(args) => check(args),
        Command::Undo(args) => undo(args),
    }
}

fn plan(args: &Looked) -> Result<()> {
    let (mut host, settings, persist) = open(&args.of)?;
    let plan = host.plan(&settings, persist.as_ref())?;
    if !args.output.is_table() {
        return output::print(&Differences::from(plan), args.output);
    }
    plan.foreign.iter().for_each(|line| warn(line));
    if plan.changes.is_empty() {
        return output::line(&styled(FAINT, "nothing to change"));
    }
    for change in &plan.changes {
        output::line(&change.to_string())?;
    }
    advise(plan.changes.iter().map(|change| change.key.to_string()));
    Ok(())
}

fn check(args: &Looked) -> Result<()> {
    let (mut host, settings, persist) = open(&args.of)?;
    let plan = host.plan(&settings, persist.as_ref())?;
    let (count, file) = (plan.changes.len(), args.of.file.display());
    if args.output.is_table() {
        plan.changes.iter().try_for_each(|change| output::line(&change.difference()))?;
    } else {
        output::print(&Differences::from(plan), args.output)?;
    }
    ensure!(count == 0, "{count} differences from {file}; `railctl host apply` mends them");
    if args.output.is_table() {
        output::line(&format!("{} as {file} says", styled(GOOD, "✓")))
    } else {
        Ok(())
    }
}

fn apply(args: &Apply) -> Result<()> {
    let (mut host, settings, earlier) = open(&args.of)?;
    let asked = args.persist.map(|by| persist(&args.of.file, &settings, by.into())).transpose()?;
    let persist = asked.or(earlier);
    let settings = if args.present { present(&mut host, &settings)? } else { settings };
    let mut keys = Vec::new();
    let outcome = host.apply(&settings, persist.as_ref(), |change| {
        keys.push(change.key.to_string());
        let _ = output::line(&change.to_string());
    });
    let failed = |error| match error {
        host::Error::Judged(problems) => anyhow::Error::msg(problems).context("nothing was changed"),
        error => error.into(),
    };
    let done = outcome.map_err(failed).and_then(|outcome| conclude(&outcome));
    advise(keys.into_iter());
    done
}

fn present(host: &mut Host, settings: &Settings) -> Result<Settings> {
    let (present, missing) = host.present(settings)?;
    for name in missing {
        warn(&format!("{name}: no such link here; it is left for when it comes"));
    }
    Ok(present)
}

fn undo(args: &Undo) -> Result<()> {
    let mut host = Host::open(Dirs::from_env()?, args.place.root.clone())?;
    let mut keys = Vec::new();
    let outcome = host.undo(|change| {
        keys.push(change.key.to_string());
        let _ = output::line(&change.to_string());
    })?;
    if outcome.on_record == 0 {
        outcome.foreign.iter().for_each(|line| warn(line));
        let folder = Dirs::from_env()?.state.as_path().display().to_string();
        return output::line(&format!(
            "{} nothing to change: nothing is on record in {folder}",
            styled(GOOD, "✓")
        ));
    }
    conclude(&outcome)?;
    advise(keys.into_iter());
    Ok(())
}

fn conclude(outcome: &Outcome) -> Result<()> {
    outcome.foreign.iter().for_each(|line| warn(line));
    let said = match outcome.changes {
        0 => "nothing to change".to_owned(),
        1 => "1 change".to_owned(),
        count => format!("{count} changes"),
    };
    output::line(&format!("{} {said}", styled(GOOD, "✓")))
}

/// What a change needs that is not ours to run.
fn advise(keys: impl Iterator<Item = String>) {
    let keys: Vec<String> = keys.collect();
    let has = |part: &str| keys.iter().any(|key| key.contains(part));
    if has("modprobe.d") {
        warn(
            "where ib_core is loaded by the initramfs, the next boot reads the file from there: `update-initramfs -u` (Debian, Ubuntu) or `dracut -f` (RHEL)",
        );
    }
    if has("70-railcni-names") {
        warn(
            "where the NIC's driver is loaded by the initramfs, the name is given there: make the initramfs anew, too",
        );
    }
    for (part, then) in [
        ("systemd/network", "networkctl reload"),
        ("etc/netplan", "netplan apply"),
        ("NetworkManager", "nmcli connection reload"),
    ] {
        if has(part) {
            warn(&format!("the new files are read by `{then}`, or at the next boot"));
        }
    }
    if has("systemd/system") {
        warn(
            "systemd and udev read the new files after `systemctl daemon-reload && udevadm control --reload`",
        );
    }
}

/// The settings of a file.
pub(crate) fn settings(path: &Path) -> Result<Settings> {
    host::parse(&read(path)?).with_context(|| path.display().to_string())
}

/// What an earlier apply made permanent stays so, with the file of this one.
fn open(args: &Settled) -> Result<(Host, Settings, Option<Persist>)> {
    let settings = settings(&args.file)?;
    let host = Host::open(Dirs::from_env()?, args.place.root.clone())?;
    let earlier = host.persistence()?.map(|via| persist(&args.file, &settings, via)).transpose()?;
    Ok((host, settings, earlier))
}

fn persist(file: &Path, settings: &Settings, via: Via) -> Result<Persist> {
    let program = std::env::current_exe().context("find railctl itself")?;
    let file = file.canonicalize().with_context(|| format!("find {}", file.display()))?;
    Ok(Persist { program, file, via, settings: settings.clone() })
}

/// A regular file: whatever else lies there keeps nobody waiting.
fn read(path: &Path) -> Result<String> {
    let text = file::read_text(path)?.with_context(|| format!("{} does not exist", path.display()))?;
    ensure!(text.len() <= LARGEST, "{} is larger than {} MiB", path.display(), LARGEST >> 20);
    Ok(text)
}
