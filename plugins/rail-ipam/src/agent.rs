//! The node's agent, asked only when this node has used up what the cluster has granted to it: one line each way on a unix
//! socket, within a deadline that is the ADD's.

use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cni::Error;
use ipam::Spent;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, setsockopt, socket, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};
use state::Dirs;

use crate::failure;

/// What the agent says fits.
const LONGEST: usize = 512;
/// Before the end of our time the agent says why there is nothing: its last word goes into the error.
const LAST_WORD: Duration = Duration::from_millis(500);

/// The agent of this node, and how long an ADD still has time for it.
pub(crate) struct Agent {
    socket: PathBuf,
    patience: Duration,
    /// Since the first question.
    until: Option<Instant>,
    /// How many addresses of a pool are wanted free: one more whenever those that there were came to nothing.
    wanted: u64,
}

impl Agent {
    pub(crate) fn new(dirs: &Dirs, patience: Duration) -> Result<Self, Error> {
        let folder = dirs.state.path(&["node"]).map_err(|error| failure::of_state(&error))?;
        Ok(Self { socket: folder.join("want"), patience, until: None, wanted: 0 })
    }

    /// Waits until the agent has more of one of these pools; an error when there is no time left, or nobody to ask.
    pub(crate) fn ask_for_more(&mut self, pools: Vec<Spent>) -> Result<(), ipam::Error> {
        let until = *self.until.get_or_insert_with(|| Instant::now() + self.patience);
        self.wanted += 1;
        let mut word = format!("ipam.waitForGrant is {} s", self.patience.as_secs());
        let granted = pools.iter().filter(|pool| pool.share.is_some());
        let count = u32::try_from(granted.clone().count()).unwrap_or(u32::MAX).max(1);
        for (pool, others) in granted.zip((1..=count).rev()) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            match self.ask(&pool.pool, left / others) {
                Ok(()) => return Ok(()),
                Err(said) => word = format!("{said} (asked for {:?})", pool.pool),
            }
        }
        Err(ipam::Error::NotGranted { pools, word })
    }

    fn ask(&self, pool: &str, time: Duration) -> Result<(), String> {
        let until = Instant::now() + time;
        let answer =
            converse(&self.socket, pool, self.wanted, until).map_err(|error| self.silent(time, &error))?;
        match answer.split_once(' ').unwrap_or((&answer, "")) {
            ("granted", _) => Ok(()),
            ("none", why) => Err(why.to_owned()),
            _ => Err(format!(
                "raild agent said {answer:?}, which is none of its answers: is it of this version?"
            )),
        }
    }

    fn silent(&self, time: Duration, error: &io::Error) -> String {
        let socket = self.socket.display();
        match error.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
                format!("raild agent at {socket} did not answer within {:.1} s", time.as_secs_f64())
            }
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                format!("no raild agent listens at {socket} ({error}): look whether it runs on this node")
            }
            _ => format!("raild agent at {socket}: {error}"),
        }
    }
}

fn converse(path: &Path, pool: &str, count: u64, until: Instant) -> io::Result<String> {
    let mut stream = dial(path, left(until)?)?;
    let patience = left(until)?.saturating_sub(LAST_WORD).as_millis();
    stream.write_all(format!("want {pool} {count} {patience}\n").as_bytes())?;
    let said = line(&mut stream, until)?;
    Ok(String::from_utf8_lossy(&said).trim_end().to_owned())
}

/// Connects with a limit: a full backlog would hold a plugin for ever.
fn dial(path: &Path, time: Duration) -> io::Result<UnixStream> {
    let stream = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    limit(&stream, time)?;
    connect(stream.as_raw_fd(), &UnixAddr::new(path)?)?;
    Ok(stream.into())
}

/// Zero would be no limit.
fn limit(stream: &OwnedFd, time: Duration) -> io::Result<()> {
    let time = TimeVal::microseconds(i64::try_from(time.as_micros()).unwrap_or(i64::MAX).max(1));
    setsockopt(stream, sockopt::SendTimeout, &time)?;
    Ok(())
}

/// Up to its end, however slowly it comes.
fn line(stream: &mut UnixStream, until: Instant) -> io::Result<Vec<u8>> {
    let mut said = Vec::new();
    let mut buffer = [0; LONGEST];
    while said.len() < LONGEST && !said.ends_with(b"\n") {
        stream.set_read_timeout(Some(left(until)?))?;
        match stream.read(&mut buffer)? {
            0 if said.is_empty() => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it hung up")),
            0 => break,
            length => said.extend_from_slice(&buffer[..length]),
        }
    }
    said.truncate(LONGEST);
    Ok(said)
}

fn left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}
