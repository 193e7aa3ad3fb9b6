//! Tar archives in the POSIX format, whose bytes depend on nothing but what is in them.

use anyhow::{Context, Result, ensure};

const BLOCK: usize = 512;

/// One thing in an archive.
#[derive(Debug, Clone)]
pub enum Entry {
    /// A directory.
    Directory,
    /// A file with its mode.
    File(u32, Vec<u8>),
    /// A symbolic link with its target.
    Link(String),
}

/// An archive that grows in memory.
#[derive(Debug, Default)]
pub struct Tar {
    bytes: Vec<u8>,
    /// Of every entry, in seconds since 1970.
    time: u64,
}

impl Tar {
    /// One whose entries are of this time, where that of [`Tar::default`] have none.
    pub fn at(time: u64) -> Self {
        Self { bytes: Vec::new(), time }
    }

    /// Adds `entry` under `path`, which is relative.
    pub fn add(&mut self, path: &str, entry: &Entry) -> Result<()> {
        let (kind, mode, target, content): (u8, u32, &str, &[u8]) = match entry {
            Entry::Directory => (b'5', 0o755, "", &[]),
            Entry::File(mode, content) => (b'0', *mode, "", content),
            Entry::Link(target) => (b'2', 0o777, target, &[]),
        };
        let header = Header { kind, mode, target, size: content.len(), time: self.time };
        self.bytes.extend(header.of(path).with_context(|| path.to_owned())?);
        self.bytes.extend(content);
        self.bytes.resize(self.bytes.len().next_multiple_of(BLOCK), 0);
        Ok(())
    }

    /// The archive: two empty blocks end it.
    pub fn finish(mut self) -> Vec<u8> {
        self.bytes.resize(self.bytes.len() + 2 * BLOCK, 0);
        self.bytes
    }
}

struct Header<'a> {
    kind: u8,
    mode: u32,
    target: &'a str,
    size: usize,
    time: u64,
}

impl Header<'_> {
    /// Owner and group are 0: who makes the archive is no part of it.
    fn of(&self, path: &str) -> Result<[u8; BLOCK]> {
        ensure!(!path.starts_with('/') && !path.split('/').any(|part| part == ".."), "not below the root");
        let mut header = [0; BLOCK];
        let mut put = |at: usize, width: usize, text: &str| -> Result<()> {
            ensure!(text.len() <= width, "'{text}' is longer than {width} bytes");
            header[at..at + text.len()].copy_from_slice(text.as_bytes());
            Ok(())
        };
        put(0, 100, path)?;
        put(100, 8, &format!("{:07o}", self.mode))?;
        put(108, 8, "0000000")?;
        put(116, 8, "0000000")?;
        put(124, 12, &format!("{:011o}", self.size))?;
        put(136, 12, &format!("{:011o}", self.time))?;
        // The checksum counts itself as blanks.
        put(148, 8, "        ")?;
        put(157, 100, self.target)?;
        put(257, 8, "ustar\x0000")?;
        header[156] = self.kind;
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        Ok(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_out_or_do_not_fit_are_refused() {
        for path in ["/etc/passwd", "../up", "a/../../b", &"x".repeat(101)] {
            assert!(Tar::default().add(path, &Entry::Directory).is_err(), "{path}");
        }
    }
}
