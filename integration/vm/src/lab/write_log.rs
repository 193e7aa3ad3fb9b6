//! What reached a disk, in the order in which it did: the log of dm-log-writes (Linux, drivers/md/dm-log-writes.c).
//!
//! The kernel logs a write once it is complete *and* flushed, so the log is what a disk holds that forgets whatever nobody has
//! synced; each of its entries is a point at which the power may go.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

const MAGIC: u64 = 0x006a_7366_7773_6872;
const DISCARD: u64 = 1 << 2;
const MARK: u64 = 1 << 3;
/// In which sectors are counted, whatever the size of the log's own.
const SECTOR: usize = 512;
const PAGE: usize = 4096;

/// One thing that happened to the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// These bytes came to be at this offset; a flush alone has none.
    Write {
        /// In bytes.
        offset: usize,
        /// What was written.
        bytes: Vec<u8>,
    },
    /// The range is empty from then on.
    Discard {
        /// In bytes.
        offset: usize,
        /// In bytes.
        length: usize,
    },
    /// `dmsetup message ... mark TEXT` came here.
    Mark(String),
}

/// Every entry of a log, in order.
pub fn write_log(path: &Path) -> io::Result<Vec<Entry>> {
    parse(&mut io::BufReader::new(File::open(path)?))
}

fn parse(log: &mut impl Read) -> io::Result<Vec<Entry>> {
    let mut head = [0; 28];
    log.read_exact(&mut head)?;
    let (magic, entries) = (number(&head, 0), number(&head, 16));
    let sector = u32::from_le_bytes([head[24], head[25], head[26], head[27]]) as usize;
    if magic != MAGIC || sector < SECTOR {
        return Err(io::Error::other("not a log of dm-log-writes"));
    }
    take(log, sector - head.len())?;
    (0..entries).map(|_| entry(log, sector)).collect()
}

/// Header and a mark's text share the entry's first sector; data is in sectors of its own.
fn entry(log: &mut impl Read, sector: usize) -> io::Result<Entry> {
    let head = take(log, sector)?;
    let [start, count, flags, text] = [0, 8, 16, 24].map(|at| number(&head, at));
    let (offset, length) = (bytes(start)?, bytes(count)?);
    if flags & MARK != 0 {
        let text = head.get(32..32 + usize::try_from(text).map_err(io::Error::other)?);
        let text = text.ok_or_else(|| io::Error::other("a mark is longer than its sector"))?;
        return Ok(Entry::Mark(String::from_utf8_lossy(text).trim_end_matches('\0').to_owned()));
    }
    if flags & DISCARD != 0 {
        return Ok(Entry::Discard { offset, length });
    }
    let mut bytes = take(log, length.next_multiple_of(sector))?;
    bytes.truncate(length);
    Ok(Entry::Write { offset, bytes })
}

fn number(bytes: &[u8], at: usize) -> u64 {
    bytes[at..at + 8].iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn bytes(sectors: u64) -> io::Result<usize> {
    usize::try_from(sectors).map(|sectors| sectors * SECTOR).map_err(io::Error::other)
}

fn take(log: &mut impl Read, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    log.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// The content of a disk at one point of its log. Pages without a content are zero.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    pages: BTreeMap<usize, Box<[u8; PAGE]>>,
    size: u64,
}

impl Disk {
    /// As an image of it is.
    pub fn read(image: &Path) -> io::Result<Self> {
        let file = File::open(image)?;
        let mut disk = Self { size: file.metadata()?.len(), ..Self::default() };
        let mut chunk = vec![0; 256 * PAGE];
        let mut at = 0;
        while let count @ 1.. = file.read_at(&mut chunk, at as u64)? {
            disk.write(at, &chunk[..count]);
            at += count;
        }
        Ok(disk)
    }

    /// Goes on by one entry.
    pub fn apply(&mut self, entry: &Entry) {
        match entry {
            Entry::Write { offset, bytes } => self.write(*offset, bytes),
            Entry::Discard { offset, length } => self.write(*offset, &vec![0; *length]),
            Entry::Mark(_) => (),
        }
    }

    fn write(&mut self, offset: usize, bytes: &[u8]) {
        let mut done = 0;
        while done < bytes.len() {
            let (page, within) = ((offset + done) / PAGE, (offset + done) % PAGE);
            let count = (PAGE - within).min(bytes.len() - done);
            let part = &bytes[done..done + count];
            if self.pages.contains_key(&page) || part.iter().any(|byte| *byte != 0) {
                let page = self.pages.entry(page).or_insert_with(|| Box::new([0; PAGE]));
                page[within..within + count].copy_from_slice(part);
            }
            done += count;
        }
    }

    /// Puts an image of it in the place of `image`: a new file, as a loop device may have the old one for a moment more.
    pub fn save(&self, image: &Path) -> io::Result<()> {
        match std::fs::remove_file(image) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => (),
        }
        let file = File::create(image)?;
        file.set_len(self.size)?;
        self.pages.iter().try_for_each(|(page, bytes)| file.write_all_at(&bytes[..], (page * PAGE) as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the kernel lays it out, for a log with sectors of 512 bytes.
    fn log(entries: &[(u64, u64, u64, &[u8])]) -> Vec<u8> {
        let sector = |numbers: &[u64], rest: &[u8]| {
            let mut bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
            bytes.extend_from_slice(rest);
            bytes.resize(bytes.len().next_multiple_of(SECTOR), 0);
            bytes
        };
        let mut log = sector(&[MAGIC, 1, entries.len() as u64, SECTOR as u64], &[]);
        for (start, count, flags, data) in entries {
            if flags & MARK != 0 {
                log.extend(sector(&[*start, *count, *flags, data.len() as u64], data));
            } else {
                log.extend(sector(&[*start, *count, *flags, 0], &[]));
                log.extend_from_slice(data);
            }
        }
        log
    }

    #[test]
    fn writes_flushes_discards_and_marks_are_told_apart() {
        let data = [7; 1024];
        let bytes = log(&[(8, 2, 0, &data), (0, 0, 1, &[]), (0, 0, MARK, b"one"), (8, 1, DISCARD, &[])]);
        let entries = parse(&mut &bytes[..]).expect("a log");
        let expected = [
            Entry::Write { offset: 4096, bytes: data.to_vec() },
            Entry::Write { offset: 0, bytes: Vec::new() },
            Entry::Mark("one".to_owned()),
            Entry::Discard { offset: 4096, length: 512 },
        ];
        assert_eq!(entries, expected);
        assert!(parse(&mut &bytes[..bytes.len() - 1]).is_err(), "cut off");
        assert!(parse(&mut &[0; 512][..]).is_err(), "something else");
    }

    #[test]
    fn a_disk_is_what_was_written_last() {
        let folder = tempfile::tempdir().expect("a folder");
        let image = folder.path().join("image");
        let file = File::create(&image).expect("an image");
        file.set_len(3 * PAGE as u64).expect("its size");
        file.write_all_at(b"before", 10).expect("its content");
        let mut disk = Disk::read(&image).expect("a disk");
        disk.apply(&Entry::Write { offset: PAGE - 2, bytes: b"across".to_vec() });
        disk.apply(&Entry::Discard { offset: 0, length: 12 });
        disk.save(&image).expect("the image");
        let bytes = std::fs::read(&image).expect("its content");
        assert_eq!(
            (bytes.len(), &bytes[8..16], &bytes[PAGE - 2..PAGE + 4]),
            (3 * PAGE, &b"\0\0\0\0fore"[..], &b"across"[..])
        );
    }
}
