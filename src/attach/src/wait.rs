//! Waits with a deadline, for what the kernel may or may not tell of.

use std::time::{Duration, Instant};

use netlink::{Group, Monitor};

use crate::Error;

/// Not everything that is waited for has an event: drivers report a changed MAC when they like.
const PAUSE: Duration = Duration::from_millis(20);

/// Reads until there is something: at every change of a link in the monitor's namespace, and every 20 ms.
pub fn until<T>(
    monitor: &mut Monitor,
    limit: Duration,
    mut read: impl FnMut() -> Result<Option<T>, Error>,
) -> Result<Option<T>, Error> {
    let deadline = Instant::now() + limit;
    loop {
        let pause = (Instant::now() + PAUSE).min(deadline);
        if let Some(found) = monitor.wait_for(pause, &mut read)? {
            return Ok(Some(found));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
    }
}

/// The same in the calling thread's namespace; subscribes only if the first reading has nothing.
pub fn here<T>(
    limit: Duration,
    mut read: impl FnMut() -> Result<Option<T>, Error>,
) -> Result<Option<T>, Error> {
    if let Some(found) = read()? {
        return Ok(Some(found));
    }
    until(&mut Monitor::subscribe(&[Group::Link])?, limit, read)
}

/// Since `start`, for messages.
pub fn millis(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX)
}
