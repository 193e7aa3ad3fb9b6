//! Waiting with a deadline for what the kernel does on its own time.

use nix::poll::{PollTimeout, poll};
use std::time::{Duration, Instant};

const STEP_MS: u8 = 2;

/// Probes until `probe` gives a value; `None` once `limit` has passed.
pub fn eventually<T>(limit: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = probe() {
            return Some(found);
        }
        if Instant::now() >= deadline {
            return None;
        }
        pause(Duration::from_millis(STEP_MS.into()));
    }
}

/// Lets `time` pass: only for tests that show that something does not happen.
pub fn pause(time: Duration) {
    let timeout = PollTimeout::try_from(time).unwrap_or(PollTimeout::MAX);
    // A signal that ends the wait early does no harm: every caller looks at the clock or at the world again.
    let _ = poll(&mut [], timeout);
}
