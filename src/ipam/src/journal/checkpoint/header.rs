use std::collections::BTreeMap;

use super::super::codec::Reader;
use super::super::map::Map;
use super::{BOOT_ID, COOLING_DOWN, CURSOR, HEADER, INDEX, MAGIC, VERSION};

#[derive(Debug)]
pub(super) struct Header {
    pub(super) generation: u64,
    pub(super) boot_id: String,
    pub(super) blocks: usize,
    pub(super) cursors: usize,
    pub(super) cooling_down: usize,
    pub(super) leases: usize,
    pub(super) head_crc: u32,
    pub(super) resting_crc: u32,
    /// Of the whole file.
    pub(super) length: u64,
}

impl Header {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, &'static str> {
        let header = bytes.first_chunk::<HEADER>().ok_or("its header is cut off")?;
        Self::fields(&mut Reader::new(header), header)?.ok_or("its header is cut off")
    }

    fn fields(reader: &mut Reader<'_>, all: &[u8; HEADER]) -> Result<Option<Self>, &'static str> {
        let start = (|| Some((reader.array::<8>()?, reader.u32()?, reader.u32()?)))();
        match start {
            Some((MAGIC, VERSION, crc)) if crc == crc32fast::hash(&all[16..]) => (),
            Some((MAGIC, VERSION, _)) => return Err("the checksum of its header is wrong"),
            Some((MAGIC, ..)) => return Err("it is of another version"),
            _ => return Err("it is no lease store"),
        }
        Ok((|| {
            let generation = reader.u64()?;
            let boot_id = reader.array::<BOOT_ID>()?;
            let mut count = || Some(reader.u32()? as usize);
            let (blocks, cursors, cooling_down, leases) = (count()?, count()?, count()?, count()?);
            let (head_crc, resting_crc, length) = (reader.u32()?, reader.u32()?, reader.u64()?);
            let boot_id = String::from_utf8_lossy(&boot_id).trim_end_matches('\0').to_owned();
            Some(Self {
                generation,
                boot_id,
                blocks,
                cursors,
                cooling_down,
                leases,
                head_crc,
                resting_crc,
                length,
            })
        })())
    }

    /// Bytes of everything whose length is told by a count.
    pub(super) fn least(&self) -> u64 {
        let sections = self.blocks * Map::BLOCK + self.cursors * CURSOR + self.cooling_down * COOLING_DOWN;
        (HEADER + sections + self.leases * INDEX) as u64
    }

    /// Bytes of the map and the cursors.
    pub(super) fn head(&self) -> usize {
        self.blocks * Map::BLOCK + self.cursors * CURSOR
    }

    pub(super) fn parse_head(&self, bytes: &[u8]) -> Option<(Map, BTreeMap<u64, u128>)> {
        let mut reader = Reader::new(bytes);
        let map = Map::read(&mut reader, self.blocks)?;
        let mut cursors = BTreeMap::new();
        for _ in 0..self.cursors {
            cursors.insert(reader.u64()?, reader.u128()?);
        }
        Some((map, cursors))
    }
}
