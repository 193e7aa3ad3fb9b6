//! How this call ended and how long it took, for an agent that counts: written once, after the answer.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use state::Dirs;
use state::calls::{self, Call};

use super::Plugin;
use crate::Command;

static BEGUN: OnceLock<Begun> = OnceLock::new();
static ENDED: AtomicBool = AtomicBool::new(false);

struct Begun {
    plugin: &'static str,
    command: Command,
    at: Instant,
}

/// A call of a verb that there is.
pub(super) fn begin(plugin: &dyn Plugin, command: &str) {
    if let Ok(command) = command.parse() {
        // Only the first call counts, and there is one call per process.
        let _ = BEGUN.set(Begun { plugin: name(plugin.about()), command, at: Instant::now() });
    }
}

/// `code` is that of the error.
pub(super) fn end(code: Option<u32>) {
    let Some(Begun { plugin, command, at }) = BEGUN.get() else { return };
    if ENDED.swap(true, Ordering::Relaxed) {
        return;
    }
    // Where the state cannot be, nobody counts.
    let Ok(dirs) = Dirs::from_env() else { return };
    let (plugin, command) = ((*plugin).to_owned(), command.as_str().to_owned());
    calls::note(&dirs, &Call { plugin, command, code, took: at.elapsed() });
}

/// Of `railcni macvlan: ...`, whatever the binary is called.
fn name(about: &'static str) -> &'static str {
    let name = about.split(':').next().unwrap_or_default();
    name.strip_prefix("railcni ").unwrap_or(name)
}
