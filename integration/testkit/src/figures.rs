//! Figures for the table of what was tried, and whether to try all of it.

use std::io::Write;

const EFFORT: &str = "RAILCNI_TORTURE";

/// Whether `RAILCNI_TORTURE` asks for every point, with every way out and every error; in a guest, whose CPU is emulated, for
/// every kill once and for more of the failures.
pub fn torture() -> bool {
    std::env::var(EFFORT).is_ok_and(|value| !matches!(value.as_str(), "" | "0"))
}

/// Whether it says `all`: a guest is spared nothing, either. That takes days.
pub(crate) fn spares_no_guest() -> bool {
    std::env::var(EFFORT).is_ok_and(|value| value == "all")
}

/// Whether this is a bounded run in a guest, whose CPU is emulated: it tries a part of what the namespaces try in full.
pub fn in_part() -> bool {
    in_guest() && !torture()
}

/// Whether this is a guest of the VM lab.
pub(crate) fn in_guest() -> bool {
    std::env::var_os("RAILCNI_VM_GUEST").is_some()
}

/// Counts `amount` of `what` (such as `points killed`) in `subject`, out of `of` that a full run has. `scripts/figures` adds the
/// lines up. They pass by the capture of libtest, so a run that passes shows them.
pub fn figure(what: &str, subject: &str, amount: usize, of: usize) {
    let line = format!("figure: {what} | {subject} | {amount} | {of}\n");
    // Whole lines, as several tests write at once. A test without a stderr has nobody to tell.
    let _ = std::io::stderr().write_all(line.as_bytes());
}
