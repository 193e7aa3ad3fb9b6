//! The leases of the node, and whose they are.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::Result;
use ipam::{JournalStore, Store as _};
use state::{AttachmentKey, Dirs};

use crate::records::Attachment;

/// What one interface has.
#[derive(Debug)]
pub(super) struct LeasedInterface {
    pub(super) key: AttachmentKey,
    pub(super) ips: Vec<String>,
    /// Seconds since 1970.
    pub(super) since: u64,
}

#[derive(Debug, Default)]
pub(super) struct Leases {
    owned: BTreeMap<AttachmentKey, Vec<AttachmentKey>>,
    /// Of which no plugin of the suite has a record.
    pub(super) orphans: Vec<LeasedInterface>,
}

impl Leases {
    /// Takes no lock. A lease is that of the attachment with its key, or of the pod's in that network: one attachment may
    /// have several interfaces.
    pub(super) fn read(dirs: &Dirs, attachments: &[Attachment]) -> Result<Self> {
        let keys: BTreeSet<&AttachmentKey> = attachments.iter().map(|attachment| &attachment.key).collect();
        let by_pod: BTreeMap<_, &AttachmentKey> = keys.iter().rev().map(|key| (pod(key), *key)).collect();
        let mut leases = Self::default();
        for lease in all(dirs)? {
            let same = keys.get(&lease.key).copied();
            match same.or_else(|| by_pod.get(&pod(&lease.key)).copied()) {
                Some(owner) => leases.owned.entry(owner.clone()).or_default().push(lease.key),
                None => leases.orphans.push(lease),
            }
        }
        Ok(leases)
    }

    /// Those of an attachment that are leased yet.
    pub(super) fn left(&self, dirs: &Dirs, attachment: &AttachmentKey) -> Result<Vec<&AttachmentKey>> {
        let Some(owned) = self.owned.get(attachment) else { return Ok(Vec::new()) };
        let now = all(dirs)?;
        Ok(owned.iter().filter(|key| now.iter().any(|lease| lease.key == **key)).collect())
    }
}

fn pod(key: &AttachmentKey) -> (&str, &str) {
    (&key.network, &key.container_id)
}

fn all(dirs: &Dirs) -> Result<Vec<LeasedInterface>> {
    let mut found: BTreeMap<AttachmentKey, LeasedInterface> = BTreeMap::new();
    JournalStore::new(dirs, Duration::ZERO)?.view(&mut |leases| {
        for ipam::Lease { key, ip, since, .. } in leases.all()? {
            let new = LeasedInterface { key: key.clone(), ips: Vec::new(), since };
            found.entry(key).or_insert(new).ips.push(ip.to_string());
        }
        Ok(())
    })?;
    Ok(found.into_values().collect())
}
