//! Who holds which address, as lines of a snapshot.

use std::path::Path;
use std::time::Duration;

use ipam::{JournalStore, Lease, Store};
use state::BootId;

use crate::mounts::must;

/// The leases below `base`, where `state/`, `durable/` and the others are.
pub(crate) fn lines(base: &Path) -> Vec<String> {
    // Read each time: a test may play another boot, and `BootId::current` is read once in a process.
    let boot = must("read the boot's id", std::fs::read_to_string("/proc/sys/kernel/random/boot_id"));
    let boot = BootId::new(boot.trim());
    let store = JournalStore::of_boot(&state::Dirs::under(base), Duration::ZERO, &boot);
    let mut found = Vec::new();
    let looked = store.view(&mut |leases| {
        found = leases.all()?;
        Ok(())
    });
    must("read the leases", looked);
    found.iter().map(line).collect()
}

fn line(lease: &Lease) -> String {
    let ipam::AttachmentKey { network, container_id, ifname } = &lease.key;
    format!("lease {} of {} to {network} {container_id} {ifname}", lease.ip, lease.pool)
}
