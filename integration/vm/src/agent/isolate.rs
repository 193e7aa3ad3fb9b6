//! Process 1 of a test's own PID and mount namespaces.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::agent::setup::mount_at;

/// Where plugins and `ip netns` keep their state: empty for every test, and gone with it.
const FRESH: [&str; 5] = ["/run", "/var/lib/cni", "/var/lib/railcni", "/etc/railcni", "/etc/cni"];

/// Gives the test empty state directories, and runs it.
pub fn isolate(command: &[String]) -> Result<ExitCode> {
    let (program, args) = command.split_first().context("isolate needs a command")?;
    for target in FRESH {
        mount_at("tmpfs", target)?;
    }
    let status = Command::new(program).args(args).status().with_context(|| format!("run {program}"))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
