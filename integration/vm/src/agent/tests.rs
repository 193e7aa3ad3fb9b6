//! Runs test functions one after another, each in a process and namespaces of its own.

use std::collections::BTreeSet;
use std::env;
use std::fs::File;
use std::io::{BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

use crate::agent::kmsg::Log;
use crate::agent::memory;
use crate::agent::port::{self, Port};
use crate::agent::restore::restore;
use crate::file;
use crate::lab::Fingerprint;
use crate::wire::{Event, Job, Next, Test};

/// How long a killed test may take to be gone.
const GRACE: Duration = Duration::from_secs(20);

/// Runs what `input` has; whatever a test leaves behind is cleared before the next one.
pub(crate) fn run_all(job: &Job, port: &Port, input: &mut BufReader<File>, log: &mut Log) -> Result<i32> {
    memory::keep_programs()?;
    if let Some(plugins) = job.env.get("RAILCNI_BIN_DIR") {
        memory::keep_tree(plugins.as_ref())?;
    }
    let mut kept = BTreeSet::new();
    let clean = Fingerprint::take()?;
    while let Some(test) = port::receive::<Next>(input).context("read the next test")? {
        port.send(&Event::Started(test.shown.clone()))?;
        if kept.insert(test.binary.clone()) {
            memory::keep_tree(&test.binary)?;
        }
        let started = Instant::now();
        let (figures, mut failure) = match run_one(&test, job)? {
            Ok(figures) => (figures, None),
            Err(text) => (Vec::new(), Some(text)),
        };
        let warnings = log.warnings()?;
        if !warnings.is_empty() {
            let logged = format!("the kernel warned:\n{}\n", warnings.join("\n"));
            failure = Some(failure.unwrap_or_default() + &logged);
        }
        let millis = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        port.send(&Event::Finished { shown: test.shown.clone(), failure, figures, millis })?;
        restore(&job.rails, &clean).with_context(|| format!("clear up after {}", test.shown))?;
    }
    Ok(0)
}

/// The inner result is the test's: its figures, or why it failed, with its output.
fn run_one(test: &Test, job: &Job) -> Result<Result<Vec<String>, String>> {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]);
    command.arg(env::current_exe()?).arg("isolate").arg(&test.binary);
    command.args(["--exact", &test.name, "--include-ignored", "--nocapture", "--test-threads=1"]);
    command.env_clear().envs(&job.env).env("HOME", "/root").env("RAILCNI_VM_GUEST", "1");
    let (mut reader, writer) = std::io::pipe()?;
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    let mut child = command.spawn().context("run a test through unshare (package util-linux)")?;
    // The command holds the pipe's writing end, which must close for the reader to see the end.
    drop(command);
    let (sender, output) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = reader.read_to_end(&mut bytes);
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    verdict(&mut child, &output, Duration::from_secs(test.limit))
}

fn verdict(
    child: &mut Child,
    output: &Receiver<String>,
    limit: Duration,
) -> Result<Result<Vec<String>, String>> {
    let Ok(text) = output.recv_timeout(limit) else {
        // unshare takes its whole PID namespace with it, which closes the pipe.
        child.kill()?;
        let text = output.recv_timeout(GRACE).map_err(|_| stuck(limit))?;
        child.wait()?;
        return Ok(Err(format!("{text}stopped after {} s\n", limit.as_secs())));
    };
    let status = child.wait()?;
    // A filter that matches nothing would exit with success.
    if status.success() && text.contains("test result: ok. 1 passed") {
        // The name of the test, which waits for its verdict, may be before it on the line.
        let figures = text.lines().filter_map(|line| line.find("figure: ").map(|at| line[at..].to_owned()));
        return Ok(Ok(figures.collect()));
    }
    Ok(Err(format!("{text}{status}\n")))
}

/// A test that outlives SIGKILL hangs in the kernel: where, goes to the console.
fn stuck(limit: Duration) -> anyhow::Error {
    // Without sysrq there is no trace, and the message has to do.
    let _ = file::set("/proc/sysrq-trigger".as_ref(), "w");
    anyhow!("the test did not end within {} s and cannot be killed", limit.as_secs())
}
