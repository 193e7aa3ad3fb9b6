//! `-w`: the same table again whenever it changes.

use std::io::stdout;
use std::os::fd::AsFd as _;

use anyhow::Result;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::output;

/// Between two looks, in milliseconds. One of the cluster's pools is a list by kubectl.
const EVERY: u16 = 2_000;

/// Looks once, or for as long as anybody reads. A look that fails later than the first is said, and is not the end.
pub(crate) fn follow<T: PartialEq>(
    watch: bool,
    look: impl Fn() -> Result<T>,
    show: impl Fn(&T) -> Result<()>,
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
        if !watch || !is_read()? {
            return Ok(());
        }
    }
}

/// Waits; not any longer when nobody reads what is printed.
fn is_read() -> Result<bool> {
    let stdout = stdout();
    let mut reader = [PollFd::new(stdout.as_fd(), PollFlags::empty())];
    match poll(&mut reader, PollTimeout::from(EVERY)) {
        Ok(0) | Err(Errno::EINTR) => Ok(true),
        Ok(_) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}
