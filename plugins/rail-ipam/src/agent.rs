//! The node's agent, asked only when this node has used up what the cluster has granted to it, or when the pod may have an address
//! of a sticky pool on another node; within a deadline that is the ADD's.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cni::Error;
use ipam::Spent;
use state::Dirs;

use crate::failure;
use crate::line::{ask, left};

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

/// Where the address is that a pod had in a sticky pool.
pub(crate) enum Own {
    /// On this node by now.
    Here,
    /// On none: it never had one.
    Nowhere,
}

impl Agent {
    pub(crate) fn new(dirs: &Dirs, patience: Duration) -> Result<Self, Error> {
        let socket = crate::line::socket(dirs).map_err(|error| failure::of_state(&error))?;
        Ok(Self { socket, patience, until: None, wanted: 0 })
    }

    /// Waits until the agent has more of one of these pools; an error when there is no time left, or nobody to ask.
    pub(crate) fn ask_for_more(&mut self, pools: Vec<Spent>) -> Result<(), ipam::Error> {
        let until = self.until();
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

    /// Waits until the address that the owner had in a sticky pool is on this node, or he is known to have none.
    pub(crate) fn ask_for_own(&mut self, pool: &str, owner: &str) -> Result<Own, ipam::Error> {
        let left = self.until().saturating_duration_since(Instant::now());
        let refused = |word| ipam::Error::NotPinned { pool: pool.to_owned(), owner: owner.to_owned(), word };
        if left.is_zero() {
            return Err(refused(format!("ipam.waitForGrant is {} s", self.patience.as_secs())));
        }
        let answer = self.say(&format!("pin {pool} {owner}"), left).map_err(refused)?;
        match answer.split_once(' ').unwrap_or((&answer, "")) {
            ("pinned", _) => Ok(Own::Here),
            ("unpinned", _) => Ok(Own::Nowhere),
            ("none", why) => Err(refused(why.to_owned())),
            _ => Err(refused(nonsense(&answer))),
        }
    }

    fn ask(&self, pool: &str, time: Duration) -> Result<(), String> {
        let answer = self.say(&format!("want {pool} {}", self.wanted), time)?;
        match answer.split_once(' ').unwrap_or((&answer, "")) {
            ("granted", _) => Ok(()),
            ("none", why) => Err(why.to_owned()),
            _ => Err(nonsense(&answer)),
        }
    }

    fn say(&self, question: &str, time: Duration) -> Result<String, String> {
        converse(&self.socket, question, Instant::now() + time).map_err(|error| self.silent(time, &error))
    }

    /// The end of our time, which begins with the first question.
    fn until(&mut self) -> Instant {
        *self.until.get_or_insert_with(|| Instant::now() + self.patience)
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

fn nonsense(answer: &str) -> String {
    format!("raild agent said {answer:?}, which is none of its answers: is it of this version?")
}

fn converse(path: &Path, question: &str, until: Instant) -> io::Result<String> {
    let patience = left(until)?.saturating_sub(LAST_WORD).as_millis();
    let said = ask(path, &format!("{question} {patience}"), LONGEST, until)?;
    Ok(String::from_utf8_lossy(&said).trim_end().to_owned())
}
