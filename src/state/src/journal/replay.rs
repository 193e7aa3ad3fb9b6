use std::path::Path;

use super::codec::{HEADER, RECORD, header_crc, number, record_crc};
use super::{Error, Format};

/// The good records of a journal, in one piece of memory.
#[derive(Debug)]
pub struct Replay {
    /// The header, and the good records one after another.
    bytes: Vec<u8>,
    count: usize,
    last_seq: u64,
    /// Where in the file the next record goes.
    end: usize,
    tail: Option<Tail>,
    damage: Option<Damage>,
}

/// The beginning of a record after the last good one: what a killed writer left.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Tail {
    /// Offset in the file.
    pub at: usize,
    /// How many bytes follow from there.
    pub bytes: usize,
}

/// Bytes that no writer left so, however it ended: what they said is lost.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{bytes} bytes from byte {at} on are not what was written")]
pub struct Damage {
    /// Offset in the file, of the first of them.
    pub at: usize,
    /// How many there are in all.
    pub bytes: usize,
}

impl Replay {
    pub(super) fn parse(path: &Path, format: Format, bytes: Vec<u8>) -> Result<Self, Error> {
        let foreign = |found| Error::Foreign { path: path.to_path_buf(), found };
        check_header(format, &bytes).map_err(foreign)?;
        let mut scan =
            Scan { bytes: &bytes, good: Vec::new(), at: HEADER, last_seq: 0, tail: None, damage: None };
        scan.run();
        let Scan { good, at: end, last_seq, tail, damage, .. } = scan;
        let count = good.len();
        let bytes = match damage {
            None => bytes,
            Some(_) => [&bytes[..HEADER]]
                .into_iter()
                .chain(good.iter().map(|span| &bytes[span.clone()]))
                .flatten()
                .copied()
                .collect(),
        };
        Ok(Self { bytes, count, last_seq, end, tail, damage })
    }

    /// The payloads, oldest first.
    pub fn records(&self) -> Records<'_> {
        Records { bytes: &self.bytes[HEADER..], left: self.count }
    }

    /// The number that the last rewrite stored.
    pub fn digest(&self) -> u64 {
        u64::from_le_bytes(number(&self.bytes[16..HEADER]))
    }

    /// What follows the last good record, if a killed writer can have left it.
    pub fn tail(&self) -> Option<Tail> {
        self.tail
    }

    /// What is lost between the good records, or after them.
    pub fn damage(&self) -> Option<Damage> {
        self.damage
    }

    pub(super) fn end(&self) -> usize {
        self.end
    }

    pub(super) fn last_seq(&self) -> u64 {
        self.last_seq
    }
}

/// On the way through a file.
struct Scan<'a> {
    bytes: &'a [u8],
    good: Vec<std::ops::Range<usize>>,
    at: usize,
    last_seq: u64,
    tail: Option<Tail>,
    damage: Option<Damage>,
}

impl Scan<'_> {
    fn run(&mut self) {
        loop {
            while self.take(|seq, last| seq == last + 1) {}
            let rest = &self.bytes[self.at..];
            if rest.is_empty() {
                return;
            }
            if let Some(next) = self.next_good() {
                self.lose(next);
                self.take(|seq, last| seq > last);
            } else if is_torn(rest) {
                self.tail = Some(Tail { at: self.at, bytes: rest.len() });
                return;
            } else {
                // Kept where it is, so that the next reader sees it, too.
                return self.lose(self.bytes.len());
            }
        }
    }

    fn take(&mut self, follows: impl Fn(u64, u64) -> bool) -> bool {
        match check_record(&self.bytes[self.at..]) {
            Some((seq, len)) if follows(seq, self.last_seq) => {
                self.good.push(self.at..self.at + len);
                (self.at, self.last_seq) = (self.at + len, seq);
                true
            }
            _ => false,
        }
    }

    fn lose(&mut self, until: usize) {
        let before = self.damage.unwrap_or(Damage { at: self.at, bytes: 0 });
        self.damage = Some(Damage { bytes: before.bytes + until - self.at, ..before });
        self.at = until;
    }

    /// The offset of the next record that its checksum proves, with a number that it can have.
    fn next_good(&self) -> Option<usize> {
        let most = self.last_seq + 1 + self.bytes.len() as u64;
        let is_good = |at: &usize| {
            let rest = &self.bytes[*at..];
            // Almost every offset is told by this, without a checksum.
            let seq = rest.get(8..RECORD).map(|seq| u64::from_le_bytes(number(seq)));
            seq.is_some_and(|seq| self.last_seq < seq && seq <= most) && check_record(rest).is_some()
        };
        (self.at..self.bytes.len()).find(is_good)
    }
}

/// Whether a writer of whole records, killed on the way, can have left these bytes: a record that is cut off. One whose
/// checksum fits all that is there is whole, and it is its length that has changed.
fn is_torn(rest: &[u8]) -> bool {
    let Some(len) = payload_len(rest) else { return true };
    let there = rest.len() - RECORD;
    let crc = u32::from_le_bytes(number(&rest[4..]));
    let is_whole =
        |len: usize| u32::try_from(len).is_ok_and(|len| crc == record_crc(len.to_le_bytes(), &rest[8..]));
    len > there && !is_whole(there)
}

/// Iterates over the payloads of a [`Replay`]; their checksums have been checked.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    bytes: &'a [u8],
    left: usize,
}

impl<'a> Iterator for Records<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let len = payload_len(self.bytes)?;
        let (record, rest) = self.bytes.split_at_checked(RECORD + len)?;
        self.bytes = rest;
        self.left -= 1;
        Some(&record[RECORD..])
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Records<'_> {}

fn check_header(format: Format, bytes: &[u8]) -> Result<(), String> {
    let header = bytes.first_chunk::<HEADER>().ok_or_else(|| format!("{} bytes long", bytes.len()))?;
    if header[..8] != format.magic {
        return Err(format!("it begins with {:?}", String::from_utf8_lossy(&header[..8])));
    }
    if header_crc(header).to_le_bytes() != header[12..16] {
        return Err("the checksum of its header is wrong".to_owned());
    }
    match u32::from_le_bytes(number(&header[8..])) {
        version if version == format.version => Ok(()),
        version => Err(format!("format {version} instead of {}", format.version)),
    }
}

/// The sequence number and the whole length of the record at the start of `bytes`, if it is good.
fn check_record(bytes: &[u8]) -> Option<(u64, usize)> {
    let len = RECORD.checked_add(payload_len(bytes)?)?;
    let rest = bytes.get(8..len)?;
    let seq = u64::from_le_bytes(number(rest));
    let crc = u32::from_le_bytes(number(&bytes[4..]));
    (crc == record_crc(number(bytes), rest)).then_some((seq, len))
}

fn payload_len(bytes: &[u8]) -> Option<usize> {
    let header = bytes.first_chunk::<RECORD>()?;
    usize::try_from(u32::from_le_bytes(number(header))).ok()
}
