//! The node's agent is asked one line, and says one, on a unix socket of root's: its limits are the plugin's, whatever it does.

use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, setsockopt, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};
use state::Dirs;

/// Where the agent of this node listens.
pub fn socket(dirs: &Dirs) -> Result<PathBuf, state::Error> {
    Ok(dirs.state.path(&["node"])?.join("want"))
}

/// What it says to a question, up to the end of the line or the longest that is heard.
pub fn ask(path: &Path, question: &str, longest: usize, until: Instant) -> io::Result<Vec<u8>> {
    let mut stream = dial(path, left(until)?)?;
    stream.set_write_timeout(Some(left(until)?))?;
    stream.write_all(format!("{question}\n").as_bytes())?;
    line(&mut stream, longest, until)
}

/// Connects with a limit: a full backlog would hold a plugin for ever.
fn dial(path: &Path, time: Duration) -> io::Result<UnixStream> {
    let stream = unconnected()?;
    limit(&stream, time)?;
    connect(stream.as_raw_fd(), &UnixAddr::new(path)?)?;
    Ok(stream.into())
}

fn unconnected() -> io::Result<OwnedFd> {
    Ok(nix::sys::socket::socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?)
}

/// Zero would be no limit.
fn limit(stream: &OwnedFd, time: Duration) -> io::Result<()> {
    let time = TimeVal::microseconds(i64::try_from(time.as_micros()).unwrap_or(i64::MAX).max(1));
    setsockopt(stream, sockopt::SendTimeout, &time)?;
    Ok(())
}

/// Up to its end, however slowly it comes.
fn line(stream: &mut UnixStream, longest: usize, until: Instant) -> io::Result<Vec<u8>> {
    let mut said = Vec::new();
    let mut buffer = [0; 512];
    while said.len() < longest && !said.ends_with(b"\n") {
        stream.set_read_timeout(Some(left(until)?))?;
        match stream.read(&mut buffer)? {
            0 if said.is_empty() => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it hung up")),
            0 => break,
            length => said.extend_from_slice(&buffer[..length]),
        }
    }
    said.truncate(longest);
    Ok(said)
}

/// The time that is left; an error when there is none.
pub fn left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}
