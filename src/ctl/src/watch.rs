//! The same again, for as long as anybody reads: whenever it changes, or every so often.

use std::io::stdout;
use std::os::fd::AsFd as _;
use std::time::Duration;

use anyhow::Result;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::output;

/// Between two looks at what changes seldom. One of the cluster's pools is a list by kubectl.
pub(crate) const EVERY: Duration = Duration::from_secs(2);

/// Looks once, or every so often for as long as anybody reads. A look that fails later than the first is said, and is not the end.
pub(crate) fn follow<T: PartialEq>(
    every: Option<Duration>,
    look: impl Fn() -> Result<T>,
    mut show: impl FnMut(&T) -> Result<()>,
) -> Result<()> {
    let mut shown = None;
    let mut failed = String::new();
    loop {
        match look() {
            Ok(now) => {
                failed.clear();
                if shown.as_ref() != Some(&now) {
                    if shown.is_some() {
                        output::line("")?;
                    }
                    show(&now)?;
                    shown = Some(now);
                }
            }
            Err(error) if shown.is_none() => return Err(error),
            Err(error) => {
                let error = format!("{error:#}");
                if error != failed {
                    output::warn(&error);
                }
                failed = error;
            }
        }
        match every {
            Some(every) if is_read(every)? => {}
            _ => return Ok(()),
        }
    }
}

/// Waits; not any longer when nobody reads what is printed.
pub(crate) fn is_read(wait: Duration) -> Result<bool> {
    let stdout = stdout();
    let mut reader = [PollFd::new(stdout.as_fd(), PollFlags::empty())];
    match poll(&mut reader, PollTimeout::try_from(wait).unwrap_or(PollTimeout::MAX)) {
        Ok(0) | Err(Errno::EINTR) => Ok(true),
        Ok(_) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}
