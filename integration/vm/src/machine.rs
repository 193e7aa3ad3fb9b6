//! One boot of the guest, from QEMU's command line to its last words.

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use serde::Serialize;

use crate::command::tail;
use crate::lab_image::Image;
use crate::qemu;
use crate::wire::{Action, Event, Job, Next, Rails};

/// A guest that shows no life for so long after power-on is not coming.
const BOOT_LIMIT: Duration = Duration::from_secs(240);
/// QEMU is gone this soon after the guest's last words.
const POWER_OFF_LIMIT: Duration = Duration::from_secs(60);
/// `USER_HZ`, which the kernel's interface fixes.
const TICK: Duration = Duration::from_millis(10);
const LOG_LINES: usize = 80;
const LOG_BYTES: usize = 16 * 1024;

/// Why a boot did not end as it should; every kind carries the end of the guest's console.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The kernel gave up.
    #[error("the guest's kernel panicked; its console ends with:\n{0}")]
    Panic(String),
    /// Time ran out.
    #[error("the guest was stopped after {} s; its console ends with:\n{console}", limit.as_secs())]
    Timeout {
        /// The limit that ran out.
        limit: Duration,
        /// End of the console.
        console: String,
    },
    /// QEMU ended before the guest had said its last words.
    #[error("QEMU ended early ({status}); it said:\n{stderr}the guest's console ends with:\n{console}")]
    Died {
        /// QEMU's exit status.
        status: String,
        /// End of QEMU's own messages.
        stderr: String,
        /// End of the console.
        console: String,
    },
    /// The agent could not set the guest up.
    #[error("the guest could not do its job: {message}; its console ends with:\n{console}")]
    Agent {
        /// What the agent said.
        message: String,
        /// End of the console.
        console: String,
    },
}

/// What to boot, and for how long at most.
#[derive(Debug, Clone)]
pub struct Boot {
    /// The NICs.
    pub rails: Rails,
    /// What the guest does.
    pub action: Action,
    /// Time limit from power-on to power-off; none for a shell.
    pub limit: Option<Duration>,
}

impl Boot {
    fn job(&self) -> Result<Job> {
        let kept = |name: &str| {
            name == "PATH" || ["RAILCNI_", "CARGO", "RUST", "LAB_"].iter().any(|p| name.starts_with(p))
        };
        let env: BTreeMap<_, _> = env::vars().filter(|(name, _)| kept(name)).collect();
        Ok(Job { rails: self.rails.clone(), action: self.action.clone(), env, dir: env::current_dir()? })
    }
}

/// A running guest. Dropping it ends QEMU.
#[derive(Debug)]
pub struct Machine {
    child: Child,
    events: BufReader<UnixStream>,
    console: File,
    stderr: File,
    limit: Option<Duration>,
    started: Instant,
    alive: bool,
}

impl Machine {
    /// Powers the guest on and hands it its job.
    pub fn boot(image: &Image, boot: &Boot) -> Result<Self> {
        // Files without a name: whoever is killed, nothing is left in /tmp.
        let (console, stderr) = (tempfile::tempfile()?, tempfile::tempfile()?);
        let (ours, theirs) = UnixStream::pair()?;
        let mut command = image.qemu.command(Some(&["setpriv", "--pdeathsig", "KILL"]));
        command.args(image.arguments(console.as_raw_fd(), theirs.as_raw_fd()));
        command.args(qemu::rail_devices(&boot.rails));
        command.args(match boot.action {
            Action::Shell => vec!["-chardev", "stdio,id=shell,signal=off", "-serial", "chardev:shell"],
            _ => vec!["-serial", "null"],
        });
        command.args(["-append", &image.command_line()?]);
        if !matches!(boot.action, Action::Shell) {
            command.stdin(Stdio::null()).stdout(Stdio::null());
        }
        command.stderr(stderr.try_clone()?);
        let child = spawn(&mut command, theirs.into(), &console)?;
        send(&ours, &boot.job()?).context("hand the job to the guest")?;
        let events = BufReader::new(ours);
        Ok(Self { child, events, console, stderr, limit: boot.limit, started: Instant::now(), alive: false })
    }

    /// Hands the next test over. A guest that is gone shows by the event that does not come.
    pub fn hand(&mut self, next: &Next) {
        let _ = send(self.events.get_ref(), next);
    }

    /// Moves the time limit to this much from now.
    pub fn allow(&mut self, more: Duration) {
        self.limit = Some(self.started.elapsed() + more);
    }

    /// The guest's next event.
    pub fn event(&mut self) -> Result<Event, Failure> {
        let mut line = Vec::new();
        let boot_limit = || self.limit.map_or(BOOT_LIMIT, |limit| limit.min(BOOT_LIMIT));
        let limit = if self.alive { self.limit } else { Some(boot_limit()) };
        loop {
            self.set_timeout(limit)?;
            match self.events.read_until(b'\n', &mut line) {
                Ok(_) if line.ends_with(b"\n") => break,
                Err(error) if is_passing(&error) => {}
                Ok(_) | Err(_) => return Err(self.death()),
            }
        }
        self.alive = true;
        match serde_json::from_slice(&line) {
            Ok(Event::Failed(message)) => Err(Failure::Agent { message, console: self.console() }),
            Ok(event) => Ok(event),
            Err(_) => {
                let message = format!("unreadable event {:?}", String::from_utf8_lossy(&line));
                Err(Failure::Agent { message, console: self.console() })
            }
        }
    }

    fn set_timeout(&self, limit: Option<Duration>) -> Result<(), Failure> {
        let left = limit.map(|limit| limit.saturating_sub(self.started.elapsed()));
        if left == Some(Duration::ZERO) {
            let limit = limit.unwrap_or_default();
            return Err(Failure::Timeout { limit, console: self.console() });
        }
        // Fails only for a zero timeout, which was excluded.
        let _ = self.events.get_ref().set_read_timeout(left);
        Ok(())
    }

    /// Time that QEMU has had a CPU for, zero when it has ended: unlike the clock's, comparable between busy and quiet machines.
    pub fn cpu_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        // proc_pid_stat(5): the name, in parentheses, is the second field; utime and stime are the 14th and 15th.
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let ticks: u32 = fields.skip(11).take(2).filter_map(|field| field.parse::<u32>().ok()).sum();
        TICK * ticks
    }

    /// Waits until QEMU has ended after [`Event::Done`], and returns how long the guest was on.
    pub fn finish(mut self) -> Result<Duration, Failure> {
        self.allow(POWER_OFF_LIMIT);
        match self.event() {
            Err(Failure::Died { .. }) => Ok(self.started.elapsed()),
            Err(failure) => Err(failure),
            Ok(event) => {
                let message = format!("{event:?} after its last words");
                Err(Failure::Agent { message, console: self.console() })
            }
        }
    }

    /// The end of the console.
    pub fn console(&self) -> String {
        end_of(&self.console)
    }

    fn death(&mut self) -> Failure {
        let status =
            self.child.wait().map_or("no status".to_owned(), |status: ExitStatus| status.to_string());
        let console = self.console();
        if console.contains("Kernel panic") {
            return Failure::Panic(console);
        }
        Failure::Died { status, stderr: end_of(&self.stderr), console }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Both fail only when the process has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn send(mut socket: &UnixStream, message: &impl Serialize) -> Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    Ok(socket.write_all(&line)?)
}

/// A read that ran into its timeout or a signal, after which the deadline decides.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

/// The last lines of a log that is still being written.
pub(crate) fn end_of(log: &File) -> String {
    let mut bytes = vec![0; LOG_BYTES];
    let length = log.metadata().map_or(0, |metadata| metadata.len());
    let size = log.read_at(&mut bytes, length.saturating_sub(LOG_BYTES as u64)).unwrap_or_default();
    tail(&String::from_utf8_lossy(&bytes[..size]).replace('\r', ""), LOG_LINES)
}

/// Spawns with both files open under their present numbers.
pub(crate) fn spawn(command: &mut Command, socket: OwnedFd, console: &File) -> Result<Child> {
    // Another guest that is started meanwhile would inherit them, too.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let inherit = |fd: BorrowedFd<'_>| fcntl(fd, FcntlArg::F_SETFD(FdFlag::empty()));
    inherit(socket.as_fd()).and(inherit(console.as_fd())).context("hand files to QEMU")?;
    let child = command.spawn().context("start QEMU through setpriv (package util-linux)");
    // QEMU must be the only one that holds it, or its end would not be seen.
    drop(socket);
    child
}

/// The agent is this very program, or the `vm` binary beside the running test.
pub(crate) fn agent() -> Result<PathBuf> {
    let own = env::current_exe()?;
    if own.file_name().is_some_and(|name| name == "vm") {
        return Ok(own);
    }
    let dir =
        own.parent().and_then(|deps| deps.parent()).context("a test binary lives in target/PROFILE/deps")?;
    Ok(dir.join("vm"))
}
