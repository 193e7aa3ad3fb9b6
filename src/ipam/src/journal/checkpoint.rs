//! The leases at one moment in a file of which an ADD reads a few pages, however many leases there are.
//!
//! | section | bytes | content |
//! | --- | --- | --- |
//! | header | 128 | magic, version, CRC; generation, boot id, counts and CRCs of the next sections, length of the file |
//! | map | 48 each | which addresses are leased or cool down, as blocks of 256 bits |
//! | cursors | 24 each | hash of a pool's name, the address that it gave last |
//! | cooling down | 32 each | released addresses, the first released first |
//! | index | 16 each | hash of an owner, offset of a lease; sorted by hash |
//! | leases | various | length, CRC, lease |
//!
//! Header, map and cursors are read at once, those that cool down when the map is full, and of the leases those of one
//! owner by a binary search. The file is only ever replaced by a rename.

mod content;
mod header;
mod packed;

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use state::file;

use super::codec::{Reader, key_hash};
use super::map::Map;
use crate::{AttachmentKey, CoolingDown, Lease, StoreError};

use header::Header;

pub(super) use content::Content;
pub(super) use packed::Packed;

const MAGIC: [u8; 8] = *b"RAILIPAM";
const VERSION: u32 = 1;
const HEADER: usize = 128;
const CURSOR: usize = 24;
const COOLING_DOWN: usize = 32;
const INDEX: usize = 16;
const BOOT_ID: usize = 40;
/// The header, the map and the cursors of a full /16 in one read.
const FIRST_READ: usize = 16 * 1024;
/// Index entries that are read at once when the search has come so far: one page.
const WINDOW: usize = 256;

#[derive(Debug)]
pub(super) struct Checkpoint {
    path: PathBuf,
    file: File,
    header: Header,
    pub(super) map: Map,
    pub(super) cursors: BTreeMap<u64, u128>,
    cooling_down: OnceCell<Vec<CoolingDown>>,
}

impl Checkpoint {
    /// `None` when there is no file.
    pub(super) fn open(path: &Path) -> Result<Option<Self>, StoreError> {
        let Some(file) = file::open_to_read(path)? else { return Ok(None) };
        let length = file.metadata().map_err(|error| failed("inspect", path, &error))?.len();
        let mut head = vec![0; usize::try_from(length).map_or(FIRST_READ, |length| length.min(FIRST_READ))];
        let got = read_some(&file, &mut head).map_err(|error| failed("read", path, &error))?;
        head.truncate(got);
        let header = Header::parse(&head).map_err(|what| damaged(path, what))?;
        if length != header.length || length < header.least() {
            return Err(damaged(path, "it is cut off"));
        }
        let end = HEADER + header.head();
        if head.len() < end {
            let begin = head.len();
            head.resize(end, 0);
            file.read_exact_at(&mut head[begin..], begin as u64)
                .map_err(|error| failed("read", path, &error))?;
        }
        let head = &head[HEADER..end];
        if crc32fast::hash(head) != header.head_crc {
            return Err(damaged(path, "the checksum of the map is wrong"));
        }
        let (map, cursors) = header.parse_head(head).ok_or_else(|| damaged(path, "the map is cut off"))?;
        Ok(Some(Self { path: path.to_path_buf(), file, header, map, cursors, cooling_down: OnceCell::new() }))
    }

    pub(super) fn generation(&self) -> u64 {
        self.header.generation
    }

    pub(super) fn is_of_boot(&self, boot_id: &str) -> bool {
        self.header.boot_id == boot_id
    }

    /// Released addresses that cool down, the first released first.
    pub(super) fn cooling_down(&self) -> Result<&[CoolingDown], StoreError> {
        if let Some(cooling_down) = self.cooling_down.get() {
            return Ok(cooling_down);
        }
        let bytes = self.bytes(HEADER + self.header.head(), self.header.cooling_down * COOLING_DOWN)?;
        if crc32fast::hash(&bytes) != self.header.resting_crc {
            return Err(self.damaged("the checksum of the addresses that cool down is wrong"));
        }
        let mut reader = Reader::new(&bytes);
        let cooling_down =
            (0..self.header.cooling_down).map(|_| reader.cooling_down()).collect::<Option<Vec<_>>>();
        let cooling_down =
            cooling_down.ok_or_else(|| self.damaged("the addresses that cool down are cut off"))?;
        Ok(self.cooling_down.get_or_init(|| cooling_down))
    }

    /// The leases of one owner.
    pub(super) fn of(&self, key: &AttachmentKey) -> Result<Vec<Lease>, StoreError> {
        let hash = key_hash(key);
        let mut found = Vec::new();
        let mut at = self.first_of(hash)?;
        while at < self.header.leases {
            let window = self.entries(at, WINDOW.min(self.header.leases - at))?;
            for &(entry, offset) in &window {
                if entry != hash {
                    return Ok(found);
                }
                let lease = self.lease(offset)?;
                found.extend((lease.key == *key).then_some(lease));
            }
            at += window.len();
        }
        Ok(found)
    }

    /// Every lease, in no particular order.
    pub(super) fn leases(&self) -> Result<Vec<Lease>, StoreError> {
        let records = self.records()?;
        let mut reader = Reader::new(&records);
        let leases =
            (0..self.header.leases).map(|_| payload(&mut reader)?.lease()).collect::<Option<Vec<_>>>();
        leases.ok_or_else(|| self.bad_lease())
    }

    /// Adds the leases that are to be kept, by address and beginning, as they are: taking them apart would cost ten times as
    /// much. Returns the addresses of the others.
    pub(super) fn copy(
        &self,
        keep: impl Fn(IpAddr, u64) -> bool,
        packed: &mut Packed,
    ) -> Result<Vec<IpAddr>, StoreError> {
        let records = self.records()?;
        packed.reserve(records.len());
        let mut others = Vec::new();
        for (hash, offset) in self.entries(0, self.header.leases)? {
            let record = usize::try_from(offset).ok().and_then(|offset| records.get(offset..));
            let record = record.ok_or_else(|| self.bad_lease())?;
            let mut reader = Reader::new(record);
            let start = payload(&mut reader).and_then(|mut payload| Some((payload.ip()?, payload.u64()?)));
            let (ip, since) = start.ok_or_else(|| self.bad_lease())?;
            if keep(ip, since) {
                packed.push_record(hash, &record[..record.len() - reader.len()]);
            } else {
                others.push(ip);
            }
        }
        Ok(others)
    }

    fn records(&self) -> Result<Vec<u8>, StoreError> {
        let begin = self.leases_begin();
        self.bytes(begin, usize::try_from(self.header.length).unwrap_or(usize::MAX).saturating_sub(begin))
    }

    fn bad_lease(&self) -> StoreError {
        self.damaged("a lease is not what was written")
    }

    /// The place of the first index entry whose hash is not below.
    fn first_of(&self, hash: u64) -> Result<usize, StoreError> {
        let (mut low, mut high) = (0, self.header.leases);
        while high - low > WINDOW {
            let middle = low + (high - low) / 2;
            if self.entries(middle, 1)?[0].0 < hash {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low + self.entries(low, high - low)?.partition_point(|(entry, _)| *entry < hash))
    }

    fn entries(&self, at: usize, count: usize) -> Result<Vec<(u64, u64)>, StoreError> {
        let bytes = self.bytes(self.index_begin() + at * INDEX, count * INDEX)?;
        let mut reader = Reader::new(&bytes);
        let entries = (0..count).map(|_| Some((reader.u64()?, reader.u64()?))).collect::<Option<_>>();
        entries.ok_or_else(|| self.damaged("the index is cut off"))
    }

    fn lease(&self, offset: u64) -> Result<Lease, StoreError> {
        let begin = usize::try_from(offset).ok().and_then(|offset| self.leases_begin().checked_add(offset));
        let begin = begin.ok_or_else(|| self.damaged("the index points out of the file"))?;
        let mut record = self.bytes(begin, 8)?;
        let len = Reader::new(&record).u32().unwrap_or(0) as usize;
        if (begin + 8 + len) as u64 > self.header.length {
            return Err(self.bad_lease());
        }
        record.extend(self.bytes(begin + 8, len)?);
        let lease = payload(&mut Reader::new(&record)).and_then(|mut payload| payload.lease());
        lease.ok_or_else(|| self.bad_lease())
    }

    fn index_begin(&self) -> usize {
        HEADER + self.header.head() + self.header.cooling_down * COOLING_DOWN
    }

    fn leases_begin(&self) -> usize {
        self.index_begin() + self.header.leases * INDEX
    }

    fn bytes(&self, begin: usize, len: usize) -> Result<Vec<u8>, StoreError> {
        let mut bytes = vec![0; len];
        self.file
            .read_exact_at(&mut bytes, begin as u64)
            .map_err(|error| failed("read", &self.path, &error))?;
        Ok(bytes)
    }

    fn damaged(&self, what: &str) -> StoreError {
        damaged(&self.path, what)
    }
}

pub(super) fn damaged(path: &Path, what: &str) -> StoreError {
    StoreError::Damaged { path: path.display().to_string(), what: what.to_owned() }
}

/// What the disk or the rights do not allow is no damage. Less than there has to be is.
fn failed(op: &'static str, path: &Path, error: &io::Error) -> StoreError {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(errno) => state::Error::Io { op, path: path.to_path_buf(), errno }.into(),
        None => damaged(path, &error.to_string()),
    }
}

fn read_some(file: &File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut got = 0;
    while got < buffer.len() {
        match file.read_at(&mut buffer[got..], got as u64)? {
            0 => break,
            more => got += more,
        }
    }
    Ok(got)
}

/// The content of the next record, if it is what was written.
fn payload<'a>(reader: &mut Reader<'a>) -> Option<Reader<'a>> {
    let (len, crc) = (reader.u32()?, reader.u32()?);
    let payload = reader.bytes(len as usize)?;
    (crc32fast::hash(payload) == crc).then(|| Reader::new(payload))
}
