//! The initramfs: busybox, the modules that reach the machine's root, and `init.sh`; as one "newc" archive
//! (Documentation/driver-api/early-userspace/buffer-format.rst).

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::cache::Cache;
use crate::file;
use crate::kernel::Kernel;

const INIT: &str = include_str!("init.sh");
const MODULES: [&str; 5] = ["virtio_pci", "virtio_console", "9pnet_virtio", "9p", "overlay"];

/// The initramfs for `kernel`, kept in the cache under the hash of its contents.
pub(crate) fn build(cache: &Cache, kernel: &Kernel, busybox: &Path) -> Result<PathBuf> {
    let mut archive = Archive::default();
    for dir in ["bin", "modules"] {
        archive.add(dir, 0o040_755, &[]);
    }
    archive.add("init", 0o100_755, INIT.as_bytes());
    archive.add("bin/busybox", 0o100_755, &fs::read(busybox).context("read busybox")?);
    let mut order = String::new();
    for path in kernel.load_order(&MODULES)? {
        let name = path.file_name().context("a module has a name")?.to_string_lossy().into_owned();
        archive.add(&format!("modules/{name}"), 0o100_644, &fs::read(&path)?);
        order.push_str(&name);
        order.push('\n');
    }
    archive.add("modules/order", 0o100_644, order.as_bytes());
    let bytes = archive.finish();
    // Another machine, or another working tree, may be reading its own: a new one instead of a changed one.
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    let path = cache.path(&format!("initramfs-{}-{:016x}", kernel.version, hasher.finish()));
    if !path.exists() {
        let scratch = tempfile::NamedTempFile::new_in(cache.path(""))?;
        file::put(scratch.path(), &bytes)?;
        scratch.persist(&path)?;
    }
    Ok(path)
}

#[derive(Default)]
struct Archive {
    bytes: Vec<u8>,
    inode: u32,
}

impl Archive {
    fn add(&mut self, name: &str, mode: u32, content: &[u8]) {
        self.inode += 1;
        let (size, name_size) = (content.len(), name.len() + 1);
        let inode = self.inode;
        // magic, ino, mode, uid, gid, nlink, mtime, filesize, device and rdevice numbers, namesize, check
        let header = format!(
            "070701{inode:08x}{mode:08x}{0:08x}{0:08x}{1:08x}{0:08x}{size:08x}{0:08x}{0:08x}{0:08x}{0:08x}\
             {name_size:08x}{0:08x}",
            0, 1
        );
        self.bytes.extend_from_slice(header.as_bytes());
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn finish(mut self) -> Vec<u8> {
        self.add("TRAILER!!!", 0, &[]);
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_aligned_and_the_archive_ends_with_the_trailer() {
        let mut archive = Archive::default();
        archive.add("init", 0o100_755, b"abc");
        let bytes = archive.finish();
        assert_eq!(bytes.len() % 4, 0);
        assert!(bytes.starts_with(b"070701"));
        // 110 bytes of header, "init\0" and one byte of padding.
        assert_eq!(&bytes[116..119], b"abc");
        assert!(String::from_utf8_lossy(&bytes).contains("TRAILER!!!"));
    }
}
