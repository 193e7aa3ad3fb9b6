//! Reading stdin.

use std::io::Read;
use std::os::fd::AsFd;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde_json::Value;

use crate::version::Dotted;
use crate::{Error, lenient};

/// Something that is read to its end and can be waited for.
pub(super) trait Input: Read + AsFd {}

impl<T: Read + AsFd> Input for T {}

pub(super) fn read_all(stdin: &mut dyn Input) -> Result<Vec<u8>, Error> {
    // Enough for most: the standard library would begin with 32 bytes.
    let mut bytes = Vec::with_capacity(4096);
    stdin.read_to_end(&mut bytes).map_err(|e| Error::io(format!("error reading from stdin: {e}")))?;
    Ok(bytes)
}

/// The `cniVersion` on the stdin of VERSION, if anybody writes one: the reference never reads there, so a caller may
/// leave it open.
pub(super) fn asked_version(stdin: &mut dyn Input) -> Option<String> {
    if !is_readable(stdin) {
        return None;
    }
    let value: Value = serde_json::from_slice(&read_all(stdin).ok()?).ok()?;
    let version = lenient::member(&value, "cniVersion")?.as_str()?;
    version.parse::<Dotted>().ok()?;
    Some(version.to_owned())
}

fn is_readable(stdin: &dyn Input) -> bool {
    const PATIENCE: u16 = 200;
    let mut fds = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
    matches!(poll(&mut fds, PollTimeout::from(PATIENCE)), Ok(1))
}
