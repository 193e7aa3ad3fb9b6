use std::collections::BTreeMap;

use super::super::codec::{key_hash, put_lease, put_resting};
use super::super::map::Map;
use super::{BOOT_ID, HEADER, MAGIC, RESTING, VERSION};
use crate::{Lease, Resting};

/// What a new checkpoint is written from.
pub(in crate::journal) struct Content<'a> {
    pub(in crate::journal) generation: u64,
    pub(in crate::journal) boot_id: &'a str,
    pub(in crate::journal) map: &'a Map,
    pub(in crate::journal) cursors: &'a BTreeMap<u64, u128>,
    /// Sorted by the time of the release.
    pub(in crate::journal) resting: &'a [Resting],
    pub(in crate::journal) leases: &'a [Lease],
}

impl Content<'_> {
    pub(in crate::journal) fn bytes(&self) -> Vec<u8> {
        let mut head = Vec::new();
        self.map.write(&mut head);
        for (pool, ip) in self.cursors {
            head.extend_from_slice(&pool.to_le_bytes());
            head.extend_from_slice(&ip.to_le_bytes());
        }
        let mut resting = Vec::with_capacity(self.resting.len() * RESTING);
        self.resting.iter().for_each(|entry| put_resting(&mut resting, entry));
        let (index, leases) = self.leases();
        let length = HEADER + head.len() + resting.len() + index.len() + leases.len();
        [self.header(&head, &resting, length), head, resting, index, leases].concat()
    }

    fn header(&self, head: &[u8], resting: &[u8], length: usize) -> Vec<u8> {
        let mut rest = self.generation.to_le_bytes().to_vec();
        let mut boot_id = self.boot_id.as_bytes().to_vec();
        boot_id.resize(BOOT_ID, 0);
        rest.extend(boot_id);
        for count in [self.map.blocks(), self.cursors.len(), self.resting.len(), self.leases.len()] {
            rest.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
        }
        rest.extend_from_slice(&crc32fast::hash(head).to_le_bytes());
        rest.extend_from_slice(&crc32fast::hash(resting).to_le_bytes());
        rest.extend_from_slice(&(length as u64).to_le_bytes());
        rest.resize(HEADER - 16, 0);
        let crc = crc32fast::hash(&rest);
        [&MAGIC[..], &VERSION.to_le_bytes(), &crc.to_le_bytes(), &rest].concat()
    }

    fn leases(&self) -> (Vec<u8>, Vec<u8>) {
        let mut entries = Vec::with_capacity(self.leases.len());
        let mut records = Vec::new();
        let mut payload = Vec::new();
        for lease in self.leases {
            entries.push((key_hash(&lease.key), records.len() as u64));
            payload.clear();
            put_lease(&mut payload, lease);
            let len = u32::try_from(payload.len()).unwrap_or(u32::MAX);
            records.extend_from_slice(&len.to_le_bytes());
            records.extend_from_slice(&crc32fast::hash(&payload).to_le_bytes());
            records.extend_from_slice(&payload);
        }
        entries.sort_unstable();
        let index =
            entries.iter().flat_map(|(hash, offset)| [hash.to_le_bytes(), offset.to_le_bytes()]).flatten();
        (index.collect(), records)
    }
}
