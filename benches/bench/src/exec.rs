//! Running one plugin as a runtime does, and how long that took.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use testkit::World;

use crate::suite::Suite;

/// What every measurement gets.
pub(crate) struct Bench<'a> {
    pub(crate) world: &'a World,
    pub(crate) ours: Suite,
    pub(crate) theirs: Suite,
    pub(crate) bare: PathBuf,
    pub(crate) rounds: usize,
}

/// The environment of one call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    pub(crate) verb: &'a str,
    pub(crate) container_id: &'a str,
    pub(crate) netns: &'a str,
    pub(crate) ifname: &'a str,
}

/// Time from before the spawn until the process is reaped, and what it said.
pub(crate) type Outcome = (Duration, Value);

impl Bench<'_> {
    /// For what takes a tenth of a second or more.
    pub(crate) fn few_rounds(&self) -> usize {
        self.rounds / 10 + 2
    }

    pub(crate) fn command(&self, suite: &Suite, plugin: &str, call: &Call<'_>) -> Command {
        self.wrapped(Command::new(suite.path(plugin)), suite, call)
    }

    /// As [`command`](Self::command) for a program that runs the plugin.
    pub(crate) fn wrapped(&self, mut command: Command, suite: &Suite, call: &Call<'_>) -> Command {
        command.env_clear().env("CNI_COMMAND", call.verb).env("CNI_CONTAINERID", call.container_id);
        command.env("CNI_NETNS", call.netns).env("CNI_IFNAME", call.ifname).env("CNI_PATH", &suite.dir);
        command.envs(self.world.dirs().env());
        command
    }

    pub(crate) fn run(
        &self,
        suite: &Suite,
        plugin: &str,
        call: &Call<'_>,
        config: &Value,
    ) -> Result<Outcome> {
        timed(self.command(suite, plugin, call), config).with_context(|| format!("{plugin} {}", call.verb))
    }
}

/// Runs it to its end; the config is on its way before the clock starts.
pub(crate) fn timed(mut command: Command, config: &Value) -> Result<Outcome> {
    let stdin = config.to_string();
    let start = Instant::now();
    let output = start_with(&mut command, stdin.as_bytes())?.wait_with_output()?;
    let took = start.elapsed();
    Ok((took, said(&output)?))
}

pub(crate) fn start_with(command: &mut Command, stdin: &[u8]) -> Result<Child> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("start {}", command.get_program().display()))?;
    // The plugin may have ended without reading, as it may on VERSION; its answer tells.
    let _ = child.stdin.take().context("the pipe to stdin")?.write_all(stdin);
    Ok(child)
}

/// The JSON on stdout, null when there is none.
pub(crate) fn said(output: &Output) -> Result<Value> {
    let stdout = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!("{}: {}\n{}", output.status, stdout.trim(), String::from_utf8_lossy(&output.stderr).trim());
    }
    if stdout.trim().is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_str(&stdout).with_context(|| format!("no JSON: {stdout}"))
}
