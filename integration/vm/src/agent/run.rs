//! Commands and shells.

use std::fs::File;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;

use anyhow::{Context, Result};

use crate::agent::port::Port;
use crate::wire::{Event, Job};

/// Runs `words`, streams its output, and returns its status (128 + signal when one ended it).
pub(crate) fn command(words: &[String], job: &Job, port: &Port) -> Result<i32> {
    let (program, args) = words.split_first().context("no command was given")?;
    let mut command = Command::new(program);
    command
        .args(args)
        .env_clear()
        .envs(&job.env)
        .env("HOME", "/root")
        .env("TERM", "dumb")
        .env("RAILCNI_VM_GUEST", "1");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("run {program}"))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    thread::scope(|scope| {
        scope.spawn(|| stream(stdout, false, port));
        scope.spawn(|| stream(stderr, true, port));
    });
    Ok(code(child.wait()?))
}

fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}

fn stream(source: Option<impl Read>, stderr: bool, port: &Port) {
    let Some(mut source) = source else { return };
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(size @ 1..) = source.read(&mut buffer) {
        let text = String::from_utf8_lossy(&buffer[..size]).into_owned();
        if port.send(&Event::Output { stderr, text }).is_err() {
            return;
        }
    }
}

/// An interactive shell on the second serial line.
pub(crate) fn shell(job: &Job) -> Result<i32> {
    let line = || File::options().read(true).write(true).open("/dev/ttyS1");
    let mut command = Command::new("setsid");
    command
        .args(["--ctty", "--wait", "bash", "-i"])
        .envs(&job.env)
        .env("HOME", "/root")
        .env("TERM", "linux")
        .env("RAILCNI_VM_GUEST", "1");
    command.stdin(line()?).stdout(line()?).stderr(line()?);
    Ok(code(command.status().context("run a shell")?))
}
