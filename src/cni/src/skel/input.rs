//! Reading stdin: so much at most, and not for ever.

use std::io::{self, ErrorKind, Read};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde_json::Value;

use crate::version::Dotted;
use crate::{Command, Error, lenient};

/// The longest config of an ADD.
pub(super) const LONGEST: usize = 4 << 20;
/// With what comes back to it: DEL and CHECK have the result of the ADD in theirs, a GC every attachment of a node.
pub(super) const LONGEST_WITH_RESULT: usize = 16 << 20;
/// A runtime writes at once, and closes.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// What VERSION waits for, which need not be written to.
const PATIENCE_OF_VERSION: Duration = Duration::from_millis(200);
const CHUNK: usize = 8192;

/// Something that is read to its end and can be waited for.
pub(super) trait Input: Read + AsFd {}

impl<T: Read + AsFd> Input for T {}

/// By the name of the verb.
pub(super) fn longest(command: &str) -> usize {
    let gets_more = [Command::Del, Command::Check, Command::Gc].iter().any(|verb| verb.as_str() == command);
    if gets_more { LONGEST_WITH_RESULT } else { LONGEST }
}

pub(super) fn read_all(stdin: &mut dyn Input, longest: usize, patience: Duration) -> Result<Vec<u8>, Error> {
    let (bytes, ended) = read(stdin, longest, patience);
    match ended {
        Ok(()) => Ok(bytes),
        Err(error) if error.kind() == ErrorKind::FileTooLarge => Err(Error::decode(format!(
            "the network config on stdin is longer than {} MiB: make it shorter",
            longest >> 20
        ))),
        Err(error) if error.kind() == ErrorKind::TimedOut => Err(Error::io(format!(
            "error reading from stdin: it was not closed within {} s, after {} bytes: the caller has to close it after the network config",
            patience.as_secs(),
            bytes.len()
        ))),
        Err(error) => Err(Error::io(format!("error reading from stdin: {error}"))),
    }
}

/// What came, and why there was no more.
fn read(stdin: &mut dyn Input, longest: usize, patience: Duration) -> (Vec<u8>, io::Result<()>) {
    let deadline = Instant::now() + patience;
    // Enough for most, and cleared in one go, which a growing vector is not.
    let mut piece = [0; CHUNK];
    let mut bytes = Vec::with_capacity(CHUNK);
    loop {
        if let Err(error) = wait(stdin, deadline) {
            return (bytes, Err(error));
        }
        match stdin.read(&mut piece) {
            Ok(0) => return (bytes, Ok(())),
            Ok(got) => bytes.extend_from_slice(&piece[..got]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return (bytes, Err(error)),
        }
        if bytes.len() > longest {
            return (bytes, Err(ErrorKind::FileTooLarge.into()));
        }
    }
}

/// The `cniVersion` on the stdin of VERSION, if anybody writes one: the reference never reads there, so a caller may
/// leave it open.
pub(super) fn asked_version(stdin: &mut dyn Input) -> Option<String> {
    let (bytes, _) = read(stdin, LONGEST, PATIENCE_OF_VERSION);
    let value: Value = serde_json::from_slice(&bytes).ok()?;
    let version = lenient::member(&value, "cniVersion")?.as_str()?;
    version.parse::<Dotted>().ok()?;
    Some(version.to_owned())
}

fn wait(stdin: &dyn Input, deadline: Instant) -> io::Result<()> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        // Rounded up, or the last millisecond would be spent spinning.
        let left = PollTimeout::try_from(left.as_millis() + 1).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)], left) {
            Ok(0) => return Err(ErrorKind::TimedOut.into()),
            Ok(_) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}
