//! Namespaces with a process 1 that ends when its owner does, and everything in them with it.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};

use anyhow::{Context, Result, bail};
use nix::sched::{CloneFlags, setns, unshare};

use crate::command::output;

/// Process 1: says its pid as the machine knows it, makes its place, and waits until the pipe from its owner is closed,
/// which the kernel does however the owner ends. Then it kills what is left and cleans up.
const INIT: &str = r#"
read -r pid rest </proc/self/stat
begin=$1 end=$2
shift 2
eval "$begin" || exit 1
echo "$pid"
exec >/dev/null
cat
kill -KILL -1
eval "$end"
"#;

/// A place that programs run in; dropping it ends them.
#[derive(Debug)]
pub(crate) struct Keeper {
    unshare: Child,
    // Closing it ends the place.
    pipe: Option<ChildStdin>,
    pid: u32,
    own_network: bool,
}

/// What a place is made of.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Recipe<'a> {
    /// Whether it has a network and a host name of its own.
    pub(crate) network: bool,
    /// Shell commands that make it.
    pub(crate) begin: &'a str,
    /// Shell commands that clean up when all its processes are dead.
    pub(crate) end: &'a str,
    /// `$1` and so on of both.
    pub(crate) args: &'a [&'a str],
}

impl Keeper {
    /// Makes a place.
    pub(crate) fn start(recipe: Recipe<'_>) -> Result<Self> {
        let mut command = Command::new("unshare");
        command.args(["--fork", "--kill-child", "--pid", "--mount", "--ipc"]);
        if recipe.network {
            command.args(["--net", "--uts"]);
        }
        command.args(["--", "sh", "-c", INIT, "sh", recipe.begin, recipe.end]).args(recipe.args);
        // Of a group of its own: who interrupts the test by the keyboard must not spare it the cleaning up.
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut unshare = command.spawn().context("start unshare (package util-linux)")?;
        let pid = Self::first_line(&mut unshare)?;
        let pipe = unshare.stdin.take();
        Ok(Self { unshare, pipe, pid, own_network: recipe.network })
    }

    fn first_line(unshare: &mut Child) -> Result<u32> {
        let mut line = String::new();
        BufReader::new(unshare.stdout.take().context("no pipe")?).read_line(&mut line)?;
        if let Ok(pid) = line.trim().parse() {
            return Ok(pid);
        }
        let mut said = String::new();
        unshare.stderr.take().context("no pipe")?.take(1 << 16).read_to_string(&mut said)?;
        bail!("make namespaces: {}{line}{said}", unshare.wait()?);
    }

    /// Its file system, as the machine sees it.
    pub(crate) fn root(&self) -> PathBuf {
        format!("/proc/{}/root", self.pid).into()
    }

    /// The path of its network namespace, as the machine sees it.
    pub(crate) fn network(&self) -> String {
        format!("/proc/{}/ns/net", self.pid)
    }

    /// Runs a program inside to its end; what it printed.
    pub(crate) fn output(&self, command: &mut Command) -> Result<String> {
        self.run(|| output(command))
    }

    /// Starts a program inside. It is a child of the caller, and ends at the latest with the place.
    pub(crate) fn spawn(&self, command: &mut Command) -> Result<Child> {
        self.run(|| command.spawn().with_context(|| format!("start {}", command.get_program().display())))
    }

    /// Runs `work` on a thread inside; of its processes, only what `work` starts is one.
    pub(crate) fn run<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let done = std::thread::scope(|scope| {
            let inside = scope.spawn(|| {
                self.enter()?;
                work()
            });
            inside.join()
        });
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// Takes the calling thread inside; of the process namespace, its children.
    fn enter(&self) -> Result<()> {
        // setns refuses a thread whose root and working directory are shared with another one.
        unshare(CloneFlags::CLONE_FS)?;
        // Of all before one is entered: with the mounts, /proc shows other processes.
        let mut kinds = vec![("ipc", CloneFlags::CLONE_NEWIPC), ("pid", CloneFlags::CLONE_NEWPID)];
        if self.own_network {
            kinds.extend([("net", CloneFlags::CLONE_NEWNET), ("uts", CloneFlags::CLONE_NEWUTS)]);
        }
        kinds.push(("mnt", CloneFlags::CLONE_NEWNS));
        let files = kinds.iter().map(|(kind, flag)| Ok((self.namespace(kind)?, *flag)));
        for (file, flag) in files.collect::<Result<Vec<_>>>()? {
            setns(file.as_fd(), flag).context("enter a namespace of the lab")?;
        }
        Ok(())
    }

    fn namespace(&self, kind: &str) -> Result<File> {
        let path = format!("/proc/{}/ns/{kind}", self.pid);
        File::open(&path).with_context(|| format!("open {path}: the lab has ended"))
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.pipe.take());
        let _ = self.unshare.wait();
    }
}
