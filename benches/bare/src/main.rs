//! What the benchmark measures against: the netlink messages of one macvlan rail, or of one VF, from buffers built by
//! hand, without config, records or results. And a spawner so small that its own memory does not hide that of its child.

mod message;
mod node;
mod rail;
mod routing;
mod socket;
mod vf;

use std::env::args;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use nix::sys::resource::{UsageWho, getrusage};
use no_backtrace as _;

const USAGE: &str = "usage: bare add|del MASTER_INDEX NETNS ADDRESS/PREFIX GATEWAY FIRST_INDEX FIRST_ADDRESS/PREFIX FIRST_GATEWAY \
       FIRST_ADDRESS6/PREFIX FIRST_GATEWAY6 NODE_INDEX FIRST_MAC
       bare vf-add|vf-del PF_INDEX VF LINK_INDEX LINK_NAME NETNS ADDRESS/PREFIX GATEWAY [RDMA_INDEX]
       bare memory PROGRAM      (its most kilobytes in memory, as the last line of stderr)";

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("bare: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode> {
    let args = args().skip(1).collect::<Vec<_>>();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["add", ref rail @ ..] => rail::Rail::parse(rail).context(USAGE)?.add()?,
        ["del", ref rail @ ..] => rail::Rail::parse(rail).context(USAGE)?.del()?,
        ["vf-add", ref vf @ ..] => vf::Vf::parse(vf).context(USAGE)?.add()?,
        ["vf-del", ref vf @ ..] => vf::Vf::parse(vf).context(USAGE)?.del()?,
        ["memory", program] => return memory(program),
        _ => bail!(USAGE),
    }
    Ok(ExitCode::SUCCESS)
}

fn memory(program: &str) -> Result<ExitCode> {
    let status = Command::new(program).status().with_context(|| format!("run {program}"))?;
    eprintln!("{}", getrusage(UsageWho::RUSAGE_CHILDREN)?.max_rss());
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
