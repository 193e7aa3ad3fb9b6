//! An append-only file of checksummed records, compacted by rename. What a killed writer left at the end is no record; what
//! is damaged otherwise is told, and costs only itself.
//!
//! Layout, little-endian: header `magic[8] version:u32 crc:u32 digest:u64`, then records
//! `len:u32 crc:u32 seq:u64 payload[len]`. Each CRC-32 covers everything else of its header or record, and `seq` counts up by one.

mod codec;
mod replay;

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{FallocateFlags, OFlag, fallocate};

pub use replay::{Damage, Records, Replay, Tail};

use crate::{Error, file};

/// Which journals a caller takes for its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Format {
    /// Says whose journal it is.
    pub magic: [u8; 8],
    /// Of the payloads; another version is refused, not guessed at.
    pub version: u32,
}

/// A million leases.
const LIMIT: u64 = 256 << 20;

/// How long the records have to last.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Durability {
    /// Until the next boot: nothing is synced.
    Boot,
    /// Over a power loss, once [`Unsynced::sync`] has returned.
    Disk,
}

/// A journal opened for appending. The caller holds its lock from [`Journal::open`] to [`Journal::finish`].
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    format: Format,
    durability: Durability,
    /// Where the next record goes: after the last good one, and after what is damaged.
    end: u64,
    seq: u64,
    torn: bool,
    appended: bool,
}

/// Replays the journal for reading only: no lock is needed and nothing is written. `None` when there is no journal.
/// A record that a writer is just appending may show as the tail.
pub fn read(path: &Path, format: Format) -> Result<Option<Replay>, Error> {
    let Some(mut file) = file::open_to_read(path)? else { return Ok(None) };
    let bytes = file::contents(&mut file, path, LIMIT)?;
    Replay::parse(path, format, bytes).map(Some)
}

impl Journal {
    /// Opens and replays; makes an empty journal (with digest 0) when there is none. Takes the lock for granted.
    pub fn open(path: &Path, format: Format, durability: Durability) -> Result<(Self, Replay), Error> {
        let (file, bytes) = match found(path)? {
            Some(found) => found,
            None => create(path, format, durability)?,
        };
        let replay = Replay::parse(path, format, bytes)?;
        let (end, seq, torn) = (replay.end() as u64, replay.last_seq(), replay.tail().is_some());
        let path = path.to_path_buf();
        Ok((Self { path, file, format, durability, end, seq, torn, appended: false }, replay))
    }

    /// Appends the payloads by one write, over what a killed writer may have left. Fails without a trace.
    pub fn append(&mut self, payloads: &[&[u8]]) -> Result<(), Error> {
        if self.torn {
            self.truncate()?;
            self.torn = false;
        }
        let mut bytes = Vec::new();
        let seq = codec::records(&mut bytes, self.seq, payloads.iter().copied());
        if let Err(error) = self.file.write_all_at(&bytes, self.end) {
            // What was written of it is a torn tail, should this fail too.
            self.torn = self.truncate().is_err();
            return Err(Error::io("append to", &self.path, &error));
        }
        self.end += bytes.len() as u64;
        self.seq = seq;
        self.appended = true;
        Ok(())
    }

    /// Puts a new journal with just these records in the place of the old one, which stays whole until then.
    pub fn rewrite<'a>(
        &mut self,
        digest: u64,
        payloads: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<(), Error> {
        let mut bytes = codec::header(self.format, digest).to_vec();
        let seq = codec::records(&mut bytes, 0, payloads);
        self.file = put(&self.path, &bytes, self.durability)?;
        (self.end, self.seq, self.torn) = (bytes.len() as u64, seq, false);
        Ok(())
    }

    /// Ends the part that needs the lock. Release it, then sync: so the syncs of concurrent writers coalesce.
    pub fn finish(self) -> Unsynced {
        let needed = self.appended && self.durability == Durability::Disk;
        Unsynced { path: self.path, file: needed.then_some(self.file) }
    }

    fn truncate(&self) -> Result<(), Error> {
        self.file.set_len(self.end).map_err(|error| Error::io("truncate", &self.path, &error))
    }
}

/// Appended records that a power loss may still take.
#[derive(Debug)]
#[must_use = "records of a durable journal are safe only after sync()"]
pub struct Unsynced {
    path: PathBuf,
    file: Option<File>,
}

impl Unsynced {
    /// Waits for the disk, where durability was asked for. After an error nothing may be said to be stored.
    pub fn sync(self) -> Result<(), Error> {
        let synced = self.file.map_or(Ok(()), |file| file.sync_data());
        synced.map_err(|error| Error::io("sync", &self.path, &error))
    }
}

/// The file and all of it; `None` when there is none, or one that never came to hold anything.
fn found(path: &Path) -> Result<Option<(File, Vec<u8>)>, Error> {
    let opened = file::open(path, OpenOptions::new().read(true).write(true), OFlag::empty());
    let Some(mut file) = file::absent_as_none(opened)? else { return Ok(None) };
    let bytes = file::contents(&mut file, path, LIMIT)?;
    Ok((!bytes.is_empty()).then_some((file, bytes)))
}

fn create(path: &Path, format: Format, durability: Durability) -> Result<(File, Vec<u8>), Error> {
    let bytes = codec::header(format, 0).to_vec();
    Ok((put(path, &bytes, durability)?, bytes))
}

fn put(path: &Path, bytes: &[u8], durability: Durability) -> Result<File, Error> {
    match durability {
        Durability::Boot => file::place(path, bytes).inspect(reserve),
        Durability::Disk => file::place_durable(path, bytes),
    }
}

/// More than is appended before the next rewrite: a record that gives something back has room when nothing else has. Without
/// it, it is as with any file.
const RESERVED: i64 = 64 << 10;

fn reserve(file: &File) {
    let _ = fallocate(file, FallocateFlags::FALLOC_FL_KEEP_SIZE, 0, RESERVED);
}

#[cfg(test)]
mod tests;
