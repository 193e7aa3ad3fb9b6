use super::super::codec::{key_hash, put_lease};
use super::INDEX;
use crate::Lease;

/// Leases as a checkpoint has them: index entries, and records with their length and checksum.
#[derive(Default)]
pub(in crate::journal) struct Packed {
    index: Vec<(u64, u64)>,
    records: Vec<u8>,
}

impl Packed {
    pub(in crate::journal) fn len(&self) -> usize {
        self.index.len()
    }

    /// Room for records of so many bytes, and a few new ones.
    pub(super) fn reserve(&mut self, bytes: usize) {
        self.records.reserve(bytes + bytes / 16);
    }

    pub(in crate::journal) fn push(&mut self, lease: &Lease) {
        let mut payload = Vec::new();
        put_lease(&mut payload, lease);
        let len = u32::try_from(payload.len()).expect("a lease is far smaller than 4 GiB");
        let crc = crc32fast::hash(&payload);
        self.push_record(
            key_hash(&lease.key),
            &[&len.to_le_bytes(), &crc.to_le_bytes(), payload.as_slice()].concat(),
        );
    }

    /// A record of another checkpoint.
    pub(super) fn push_record(&mut self, hash: u64, record: &[u8]) {
        self.index.push((hash, self.records.len() as u64));
        self.records.extend_from_slice(record);
    }

    pub(super) fn records(&self) -> &[u8] {
        &self.records
    }

    pub(super) fn index(&self) -> Vec<u8> {
        let mut sorted = self.index.clone();
        sorted.sort_unstable();
        let mut bytes = Vec::with_capacity(sorted.len() * INDEX);
        for (hash, offset) in sorted {
            bytes.extend_from_slice(&hash.to_le_bytes());
            bytes.extend_from_slice(&offset.to_le_bytes());
        }
        bytes
    }
}
