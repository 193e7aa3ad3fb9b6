//! `railctl doctor`: whether a node, or a pod on it, is ready for RDMA.

mod leaf;
mod ping;
mod pod;
mod print;

use std::fs::{self, Permissions};
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use clap_complete::ArgValueCompleter;
use host::doctor::{self, Check, Finding, Level, Sight, Whose, nccl};
use host::{Host, Settings};
use serde::Serialize;
use state::{Dirs, file};

use crate::cli::Format;
use crate::{complete, host as settings, output, watch};

/// Between two looks: one opens thousands of files where there are many VFs.
const EVERY: Duration = Duration::from_secs(15);

const WARNED: u8 = 2;
const FAILED: u8 = 3;
const NONE: u8 = 4;

#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct Doctor {
    /// A pod in place of the node: namespace/name, a network namespace (path or name), or a container ID
    #[arg(value_name = "POD", add = ArgValueCompleter::new(complete::pods))]
    netns: Option<String>,
    /// The same, as it was written at first
    #[arg(long, value_name = "NS/NAME", conflicts_with = "netns", hide = true)]
    pod: Option<String>,
    /// How the node is to be: the file of `railctl host` [default: host.yaml in /etc/railcni, if it is there]
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// Write the NCCL settings of the pod's rails into this file
    #[arg(long, value_name = "FILE")]
    nccl_conf: Option<PathBuf>,
    /// Again every 15 seconds, and printed whenever something has changed, until it is interrupted
    #[arg(short, long)]
    watch: bool,
    /// Ask the gateway of each rail by it (ICMP, IPv4); root is needed
    #[arg(long)]
    ping: bool,
    /// With --ping: addresses of a pod of another node, those of each family asked by the rails in their order
    #[arg(long, value_name = "ADDRESSES", requires = "ping", value_delimiter = ',')]
    peers: Vec<IpAddr>,
    /// Listen for half a minute to what the switches of the node's NICs say of themselves (LLDP); root is needed
    #[arg(long, conflicts_with_all = ["netns", "pod"])]
    leaf: bool,
    /// No RDMA device at all is no fault
    #[arg(long)]
    allow_none: bool,
    /// How it is printed
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
    /// Where the node's file system begins: its mount in a container
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
}

pub(crate) const HELP: &str = "\
Exit status: 0 all is well (or there is no RDMA device, with --allow-none), 2 warnings, 3 errors, 4 no RDMA device, 1 railctl itself \
failed. Every check is explained in docs/doctor.md. No root is needed; what cannot be seen without it is said at the end.";

/// What is printed.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Report {
    findings: Vec<Finding>,
    /// What could not be looked at.
    unseen: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rails: Vec<nccl::Rail>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    nccl: Vec<String>,
}

pub(crate) fn run(args: &Doctor) -> Result<ExitCode> {
    let dirs = Dirs::from_env()?;
    let wanted = wanted(args, &dirs)?;
    let pod = args.pod.as_ref().or(args.netns.as_ref());
    ensure!(pod.is_some() || args.nccl_conf.is_none(), "--nccl-conf is about the rails of a pod: name one");
    let look = || {
        let ping = |sight: &Sight| if args.ping { ping::judge(sight, &args.peers) } else { Ok(Vec::new()) };
        let (sight, mut more) = match pod {
            Some(pod) => pod::look(pod, &args.root, ping)?,
            None => look(&args.root).and_then(|sight| ping(&sight).map(|found| (sight, found)))?,
        };
        if sight.has_no_rdma() {
            return Ok(Seen::NoDevice(sight.unseen));
        }
        if args.leaf {
            more.extend(leaf::judge(&sight, wanted.as_ref())?);
        }
        Ok(Seen::Device(report(sight, wanted.as_ref(), &dirs, &args.root, more)))
    };
    let mut last = ExitCode::SUCCESS;
    let every = args.watch.then_some(EVERY);
    watch::follow(every, look, |seen| {
        last = match seen {
            Seen::NoDevice(unseen) => none(pod.map_or("this node", String::as_str), unseen, args)?,
            Seen::Device(report) => show(report, args)?,
        };
        Ok(())
    })?;
    Ok(last)
}

/// What a look comes to.
#[derive(PartialEq)]
enum Seen {
    /// And what could not be looked at.
    NoDevice(Vec<String>),
    Device(Report),
}

fn show(report: &Report, args: &Doctor) -> Result<ExitCode> {
    if let Some(path) = &args.nccl_conf {
        write_nccl(path, report)?;
    }
    match args.output {
        Format::Table | Format::Wide => print::report(report)?,
        format => output::print(report, format)?,
    }
    Ok(status(&report.findings))
}

/// People read one sentence, where programs read a report without findings: the sentence is on stderr for them.
fn none(whose: &str, unseen: &[String], args: &Doctor) -> Result<ExitCode> {
    let sentence = format!(
        "no RDMA device in {whose}: {} is empty or missing; `modprobe` the NIC's RDMA driver (mlx5_ib, bnxt_re, irdma), or there is none",
        args.root.join("sys/class/infiniband").display()
    );
    let status = if args.allow_none { ExitCode::SUCCESS } else { ExitCode::from(NONE) };
    if args.output.is_table() {
        return output::line(&sentence).map(|()| status);
    }
    output::warn(&sentence);
    let (findings, rails, nccl) = (Vec::new(), Vec::new(), Vec::new());
    output::print(&Report { findings, unseen: unseen.to_vec(), rails, nccl }, args.output).map(|()| status)
}

fn look(root: &Path) -> Result<Sight> {
    let mut sight = doctor::look(root, Whose::Node);
    doctor::look_at_links(&mut sight)?;
    Ok(sight)
}

/// What somebody has said; an absent default says nothing.
fn wanted(args: &Doctor, dirs: &Dirs) -> Result<Option<Settings>> {
    let default = dirs.config.as_path().join("host.yaml");
    match &args.settings {
        Some(path) => settings::settings(path).map(Some),
        None if default.exists() => settings::settings(&default).map(Some),
        None => Ok(None),
    }
}

fn report(
    mut sight: Sight,
    wanted: Option<&Settings>,
    dirs: &Dirs,
    root: &Path,
    more: Vec<Finding>,
) -> Report {
    let roce = wanted.and_then(|settings| settings.roce);
    let mut findings = doctor::judge(&sight, roce);
    let is_pod = sight.whose == Whose::Pod;
    if let Some(settings) = wanted.filter(|_| !is_pod) {
        match differences(settings, dirs, root) {
            Ok(found) => findings.extend(found),
            Err(error) => sight.unseen.push(format!("whether the node is as its file says: {error}")),
        }
    }
    findings.extend(more);
    let rails = if is_pod { nccl::rails(&sight) } else { Vec::new() };
    let nccl = nccl::settings(&rails, roce).iter().map(|(key, value)| format!("{key}={value}")).collect();
    Report { findings, unseen: sight.unseen, rails, nccl }
}

/// Of the node from its file. What stands in the way of the file is one, too.
fn differences(settings: &Settings, dirs: &Dirs, root: &Path) -> Result<Vec<Finding>, host::Error> {
    let mut host = Host::open(dirs.clone(), root.to_owned())?;
    let lines = match host.plan(settings, None) {
        Ok(plan) => {
            let wanted =
                plan.changes.iter().filter(|change| plan.wanted.iter().any(|want| want.key == change.key));
            wanted.map(|change| (change.difference(), change.key.by(&change.to))).collect()
        }
        // Root's record says what is ours.
        Err(error @ host::Error::State(_)) => return Err(error),
        Err(error) => vec![(error.to_string(), String::new())],
    };
    let finding = |(value, source)| Finding {
        check: Check::HostFile,
        level: Level::Error,
        subject: "node".to_owned(),
        value,
        wanted: "as the file says".to_owned(),
        source,
        cure: "railctl host apply FILE".to_owned(),
    };
    Ok(lines.into_iter().map(finding).collect())
}

/// For everybody to read: the pod's program does.
fn write_nccl(path: &Path, report: &Report) -> Result<()> {
    ensure!(
        !report.nccl.is_empty(),
        "no rail of the pod has a RoCE v2 GID, so there is nothing to write to {}",
        path.display()
    );
    file::replace(path, format!("{}\n", report.nccl.join("\n")).as_bytes())?;
    fs::set_permissions(path, Permissions::from_mode(0o644)).with_context(|| path.display().to_string())
}

fn status(findings: &[Finding]) -> ExitCode {
    match findings.iter().map(|finding| finding.level).max() {
        Some(Level::Error) => ExitCode::from(FAILED),
        Some(Level::Warning) => ExitCode::from(WARNED),
        _ => ExitCode::SUCCESS,
    }
}
