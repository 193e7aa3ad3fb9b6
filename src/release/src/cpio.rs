//! The payload of an RPM: a cpio(5) archive in the "new" format.

use std::iter::repeat_n;

use crate::contents::File;

/// The files under `./`, numbered from 1.
pub(crate) fn cpio(files: &[File], time: u64) -> Vec<u8> {
    let mut archive = Vec::new();
    for (inode, file) in (1..).zip(files) {
        let path = format!("./{}", file.path);
        entry(&mut archive, &path, inode, 0o100_000 | file.mode, time, &file.bytes);
    }
    entry(&mut archive, "TRAILER!!!", 0, 0, 0, &[]);
    archive
}

fn entry(archive: &mut Vec<u8>, path: &str, inode: u32, mode: u32, time: u64, bytes: &[u8]) {
    let (size, name) = (bytes.len(), path.len() + 1);
    // Inode, mode, owner, group, links, time, size, device, the file's own device, length of the name, checksum.
    let header = format!(
        "070701{inode:08x}{mode:08x}{0:08x}{0:08x}{1:08x}{time:08x}{size:08x}{0:08x}{0:08x}{0:08x}{0:08x}{name:08x}{0:08x}",
        0, 1
    );
    archive.extend(header.as_bytes());
    archive.extend(path.as_bytes());
    archive.push(0);
    pad(archive);
    archive.extend(bytes);
    pad(archive);
}

fn pad(archive: &mut Vec<u8>) {
    let missing = archive.len().next_multiple_of(4) - archive.len();
    archive.extend(repeat_n(0, missing));
}
