//! What reads bytes that others wrote, as bodies for fuzzing: `fuzz/` runs them under libFuzzer, `tests/bounded.rs` on
//! the corpus and on what a seeded [`Mutator`] makes of it; `make fuzz` does that for longer.
//!
//! A body panics when something is wrong; whatever it is given, it leaves no trace outside of its own directory.

mod files;
mod mutate;
mod protocol;

pub use files::leases;
pub use mutate::Mutator;

/// Takes any bytes.
pub type Body = fn(&[u8]);

/// Name, which is that of its corpus, and body.
pub const TARGETS: [(&str, Body); 9] = [
    ("config", protocol::config),
    ("conf", protocol::conf),
    ("result", protocol::result),
    ("cni_args", protocol::cni_args),
    ("pools", files::pools),
    ("state", files::record),
    ("journal", files::journal),
    ("host_local", files::host_local),
    ("netlink", netlink),
];

/// The body of that name.
///
/// # Panics
/// When there is none.
pub fn target(name: &str) -> Body {
    let found = TARGETS.iter().find(|(target, _)| *target == name);
    found.unwrap_or_else(|| panic!("no target {name}")).1
}

/// Replies of the kernel, of rtnetlink and `NETLINK_RDMA`: read or passed over, never trusted with a length.
fn netlink(bytes: &[u8]) {
    let _ = netlink::replies::read(bytes);
}
