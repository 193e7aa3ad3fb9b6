use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{AttachmentKey, Record, VERSION};
use crate::{BootId, Error};

/// What there is at the place of a record.
#[derive(Debug, PartialEq)]
pub enum Loaded<T> {
    /// No file: never attached, or undone to the end.
    Absent,
    /// A whole record of this boot.
    Present(Record<T>),
    /// A record of the older boot named: the kernel objects it refers to are gone, only the file is left to remove.
    Void(BootId),
    /// What it says cannot be trusted; the file name still gives the key.
    Damaged(Damage),
}

impl<T> Loaded<T> {
    /// With what `read` makes of the body; what that does not understand is damage.
    pub fn and_then<U>(self, read: impl FnOnce(T) -> Result<U, Damage>) -> Loaded<U> {
        let Record { version, plugin, key, netns, boot_id, created, body } = match self {
            Self::Absent => return Loaded::Absent,
            Self::Void(boot_id) => return Loaded::Void(boot_id),
            Self::Damaged(damage) => return Loaded::Damaged(damage),
            Self::Present(record) => record,
        };
        match read(body) {
            Ok(body) => Loaded::Present(Record { version, plugin, key, netns, boot_id, created, body }),
            Err(damage) => Loaded::Damaged(damage),
        }
    }
}

/// Why a record cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Damage {
    /// Its writer was killed, before the first change to the kernel or after the last.
    #[error("it is incomplete: its writer was killed")]
    Unfinished,
    /// Cut short, or changed by someone else.
    #[error("its checksum is wrong or missing")]
    Checksum,
    /// Written by another version of the plugin.
    #[error("it has format {0}, this version of the plugin reads {VERSION}")]
    Version(u32),
    /// A copy under another name.
    #[error("it is the record of {0}")]
    OtherKey(String),
    /// Good JSON of another shape.
    #[error("its contents are not understood: {0}")]
    Contents(String),
}

/// One file of a listing.
#[derive(Debug)]
pub enum Entry<T> {
    /// A record of this plugin, with the key from its file name.
    Ours {
        /// From the file name.
        key: AttachmentKey,
        /// Never `Absent`.
        loaded: Loaded<T>,
    },
    /// A record of this plugin that could not be read.
    Unreadable {
        /// From the file name.
        key: AttachmentKey,
        /// Why.
        error: Error,
    },
    /// Something that no plugin of this suite wrote; to be left alone.
    Foreign {
        /// Where it lies.
        path: PathBuf,
    },
}

/// A version of the record: a line of JSON, then a line with its CRC-32 in hex. A file holds one or more, each standing for all
/// before it: `tail -2 FILE | head -1 | jq` shows what counts.
pub(super) fn encode<T: Serialize>(path: &Path, record: &Record<T>) -> Result<Vec<u8>, Error> {
    // Most fit: growing there would copy them five times.
    let mut text = Text(Vec::with_capacity(4096));
    serde_json::to_writer(&mut text, record)
        .map_err(|error| Error::Encode { path: path.to_path_buf(), reason: error.to_string() })?;
    let Text(mut bytes) = text;
    let crc = crc32fast::hash(&bytes);
    bytes.extend_from_slice(format!("\n{crc:08x}\n").as_bytes());
    Ok(bytes)
}

/// JSON comes in pieces, two thousand for a rail and most of a few bytes. `Vec` copies each with musl's `memcpy`, which is
/// `rep movs`: to get that going takes longer than to push the bytes, and was a tenth of an ADD.
struct Text(Vec<u8>);

/// From here on `memcpy` wins.
const LONG: usize = 64;

impl Write for Text {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        if piece.len() < LONG {
            for &byte in piece {
                self.0.push(byte);
            }
        } else {
            self.0.extend_from_slice(piece);
        }
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn write_all(&mut self, piece: &[u8]) -> io::Result<()> {
        self.write(piece).map(drop)
    }
}

pub(super) fn decode<T: DeserializeOwned>(
    bytes: &[u8],
    plugin: &str,
    key: &AttachmentKey,
    boot_id: &BootId,
) -> Result<Loaded<T>, Damage> {
    let json = latest(bytes).ok_or(Damage::Checksum)?;
    let contents = |error: serde_json::Error| Damage::Contents(error.to_string());
    // The undo part comes last: in a void or newer record it may have a shape unknown here.
    let Record { version, plugin: writer, key: written, boot_id: boot, .. } =
        serde_json::from_slice::<Record<serde::de::IgnoredAny>>(json).map_err(contents)?;
    if writer != plugin || written != *key {
        return Err(Damage::OtherKey(format!("{written} by {writer}")));
    }
    if boot != *boot_id {
        return Ok(Loaded::Void(boot));
    }
    if version != VERSION {
        return Err(Damage::Version(version));
    }
    serde_json::from_slice(json).map(Loaded::Present).map_err(contents)
}

/// The JSON of the last version. An incomplete one behind it is ignored: its writer was killed before it did what it was about
/// to write down. A complete one with a wrong checksum makes the record damaged.
fn latest(bytes: &[u8]) -> Option<&[u8]> {
    let mut lines = bytes.split_inclusive(|&byte| byte == b'\n');
    let mut latest = None;
    while let (Some(json), Some(line)) = (whole(lines.next()), whole(lines.next())) {
        if format!("{:08x}", crc32fast::hash(json)).as_bytes() != line {
            return None;
        }
        latest = Some(json);
    }
    latest
}

/// Without its end, if it has one. JSON has no line breaks inside.
fn whole(line: Option<&[u8]>) -> Option<&[u8]> {
    line?.strip_suffix(b"\n")
}
