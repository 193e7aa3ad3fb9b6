//! Who holds which address, as lines of a snapshot.

use std::path::Path;
use std::time::Duration;

use ipam::{JournalStore, Lease, Store};

use crate::mounts::must;

/// The leases below `base`, where `state/`, `durable/` and the others are.
pub(crate) fn lines(base: &Path) -> Vec<String> {
    let store = must("open the lease store", JournalStore::new(&state::Dirs::under(base), Duration::ZERO));
    let mut found = Vec::new();
    let looked = store.view(&mut |leases| {
        found = leases.all()?;
        Ok(())
    });
    must("read the leases", looked);
    found.iter().map(line).collect()
}

fn line(lease: &Lease) -> String {
    let ipam::Key { network, container_id, ifname } = &lease.key;
    format!("lease {} of {} to {network} {container_id} {ifname}", lease.ip, lease.pool)
}
