use std::path::Path;

use super::codec::{HEADER, RECORD, header_crc, number, record_crc};
use super::{Error, Format};

/// The good records of a journal, in one piece of memory.
#[derive(Debug)]
pub struct Replay {
    bytes: Vec<u8>,
    end: usize,
    count: usize,
    last_seq: u64,
}

/// Bytes after the last good record: what a killed writer left, or damage.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Tail {
    /// Offset in the file.
    pub at: usize,
    /// How many bytes follow from there.
    pub bytes: usize,
}

impl Replay {
    pub(super) fn parse(path: &Path, format: Format, bytes: Vec<u8>) -> Result<Self, Error> {
        let foreign = |found| Error::Foreign { path: path.to_path_buf(), found };
        check_header(format, &bytes).map_err(foreign)?;
        let (mut end, mut last_seq, mut count) = (HEADER, None, 0);
        while let Some((seq, len)) = check_record(&bytes[end..], last_seq) {
            end += len;
            count += 1;
            last_seq = Some(seq);
        }
        Ok(Self { bytes, end, count, last_seq: last_seq.unwrap_or(0) })
    }

    /// The payloads, oldest first.
    pub fn records(&self) -> Records<'_> {
        Records { bytes: &self.bytes[HEADER..self.end], left: self.count }
    }

    /// The number that the last rewrite stored.
    pub fn digest(&self) -> u64 {
        u64::from_le_bytes(number(&self.bytes[16..HEADER]))
    }

    /// What follows the last good record, if anything does.
    pub fn tail(&self) -> Option<Tail> {
        let bytes = self.bytes.len() - self.end;
        (bytes > 0).then_some(Tail { at: self.end, bytes })
    }

    pub(super) fn end(&self) -> usize {
        self.end
    }

    pub(super) fn last_seq(&self) -> u64 {
        self.last_seq
    }
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

/// The sequence number and the whole length of the record at the start of `bytes`, if it is good and in turn.
fn check_record(bytes: &[u8], last_seq: Option<u64>) -> Option<(u64, usize)> {
    let len = RECORD.checked_add(payload_len(bytes)?)?;
    let rest = bytes.get(8..len)?;
    let seq = u64::from_le_bytes(number(rest));
    let in_turn = seq == last_seq.unwrap_or(0) + 1;
    let crc = u32::from_le_bytes(number(&bytes[4..]));
    (in_turn && crc == record_crc(number(bytes), rest)).then_some((seq, len))
}

fn payload_len(bytes: &[u8]) -> Option<usize> {
    let header = bytes.first_chunk::<RECORD>()?;
    usize::try_from(u32::from_le_bytes(number(header))).ok()
}
