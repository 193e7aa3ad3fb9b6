use std::collections::BTreeMap;

use super::super::codec::put_cooling_down;
use super::super::map::Map;
use super::{BOOT_ID, COOLING_DOWN, HEADER, MAGIC, Packed, VERSION};
use crate::CoolingDown;

/// What a new checkpoint is written from.
pub(in crate::journal) struct Content<'a> {
    pub(in crate::journal) map: &'a Map,
    pub(in crate::journal) cursors: &'a BTreeMap<u64, u128>,
    /// Sorted by the time of the release.
    pub(in crate::journal) cooling_down: &'a [CoolingDown],
    pub(in crate::journal) leases: &'a Packed,
}

impl Content<'_> {
    pub(in crate::journal) fn bytes(&self, generation: u64, boot_id: &str) -> Vec<u8> {
        let mut head = Vec::new();
        self.map.write(&mut head);
        for (pool, ip) in self.cursors {
            head.extend_from_slice(&pool.to_le_bytes());
            head.extend_from_slice(&ip.to_le_bytes());
        }
        let mut cooling_down = Vec::with_capacity(self.cooling_down.len() * COOLING_DOWN);
        self.cooling_down.iter().for_each(|entry| put_cooling_down(&mut cooling_down, entry));
        let (index, leases) = (self.leases.index(), self.leases.records());
        let length = HEADER + head.len() + cooling_down.len() + index.len() + leases.len();
        let mut start = generation.to_le_bytes().to_vec();
        start.extend_from_slice(boot_id.as_bytes());
        start.resize(size_of_val(&generation) + BOOT_ID, 0);
        [&self.header(start, &head, &cooling_down, length), &head, &cooling_down, &index, leases].concat()
    }

    fn header(&self, mut rest: Vec<u8>, head: &[u8], cooling_down: &[u8], length: usize) -> Vec<u8> {
        for count in [self.map.blocks(), self.cursors.len(), self.cooling_down.len(), self.leases.len()] {
            rest.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
        }
        rest.extend_from_slice(&crc32fast::hash(head).to_le_bytes());
        rest.extend_from_slice(&crc32fast::hash(cooling_down).to_le_bytes());
        rest.extend_from_slice(&(length as u64).to_le_bytes());
        rest.resize(HEADER - 16, 0);
        let crc = crc32fast::hash(&rest);
        [&MAGIC[..], &VERSION.to_le_bytes(), &crc.to_le_bytes(), &rest].concat()
    }
}
