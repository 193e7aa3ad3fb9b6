//! Debian kernels: image, modules and headers of one suite, extracted side by side.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::apt::{Apt, Suite};
use crate::cache::Cache;
use crate::command::output;
use crate::file;

/// A kernel in the cache.
#[derive(Debug, Clone)]
pub(crate) struct Kernel {
    /// As `uname -r` says.
    pub(crate) version: String,
    /// Root of the extracted packages; modules are in `usr/lib/modules/VERSION`.
    pub(crate) root: PathBuf,
    /// What QEMU boots.
    pub(crate) image: PathBuf,
}

const XZ: &[u8] = b"\xfd7zXZ\0";

impl Kernel {
    /// The kernel of `suite`, downloaded the first time.
    pub(crate) fn fetch(cache: &Cache, suite: Suite, busybox: &Path) -> Result<Self> {
        let name = match suite {
            Suite::Release => "linux-release",
            Suite::Backports => "linux-backports",
        };
        let root =
            cache.once(name, |dir| download(&Apt::update(cache, suite)?, dir, &cache.path(name), busybox))?;
        let version = version(&root)?;
        let packed = root.join(format!("boot/vmlinuz-{version}"));
        let image = unpacked(cache, &packed, &version)?;
        Ok(Self { version, root, image })
    }

    /// Where the modules are.
    pub(crate) fn modules(&self) -> PathBuf {
        self.root.join("usr/lib/modules").join(&self.version)
    }

    /// The headers for out-of-tree modules.
    pub(crate) fn headers(&self) -> PathBuf {
        self.root.join(format!("usr/src/linux-headers-{}", self.version))
    }

    /// Files of the named modules and of what they need, in load order; names that are built in are skipped.
    pub(crate) fn load_order(&self, names: &[&str]) -> Result<Vec<PathBuf>> {
        let modules = self.modules();
        let table = fs::read_to_string(modules.join("modules.dep")).context("read modules.dep")?;
        let mut order: Vec<PathBuf> = Vec::new();
        for line in names.iter().filter_map(|name| table.lines().find(|line| is_module(line, name))) {
            // modules.dep lists what a module needs nearest first.
            for file in line.split([':', ' ']).filter(|file| !file.is_empty()).rev() {
                let path = modules.join(file);
                if !order.contains(&path) {
                    order.push(path);
                }
            }
        }
        Ok(order)
    }
}

/// The kernel without its xz, which an emulated CPU takes longer to undo than to boot; QEMU starts it by PVH. Other ways to pack a
/// kernel are undone faster, and stay.
fn unpacked(cache: &Cache, packed: &Path, version: &str) -> Result<PathBuf> {
    let image = fs::read(packed).with_context(|| format!("read {}", packed.display()))?;
    let Some(payload) = payload(&image).filter(|payload| payload.starts_with(XZ)) else {
        return Ok(packed.to_owned());
    };
    let dir = cache.once(&format!("vmlinux-{version}"), |dir| {
        let file = dir.join("vmlinux.xz");
        file::put(&file, payload)?;
        // Busybox lacks the filter for x86.
        output(Command::new("xz").arg("--decompress").arg(&file))
            .context("unpack the kernel (package xz-utils)")
            .map(drop)
    })?;
    Ok(dir.join("vmlinux"))
}

/// What a bzImage unpacks when it starts (Documentation/arch/x86/boot.rst): the header has its place behind the real-mode sectors, and
/// its length, the last four bytes of which are the size of the result.
fn payload(image: &[u8]) -> Option<&[u8]> {
    let number = |at: usize| {
        let bytes = image.get(at..at + 4)?.try_into().ok()?;
        usize::try_from(u32::from_le_bytes(bytes)).ok()
    };
    let sectors = usize::from(*image.get(0x1f1)?);
    let start = (sectors + 1) * 512 + number(0x248)?;
    image.get(start..start + number(0x24c)?.checked_sub(4)?)
}

fn is_module(line: &str, name: &str) -> bool {
    let file = line.split(':').next().and_then(|path| path.rsplit('/').next()).unwrap_or_default();
    file.split('.').next().is_some_and(|stem| stem.replace('-', "_") == name)
}

fn download(apt: &Apt, dir: &Path, target: &Path, busybox: &Path) -> Result<()> {
    apt.extract(&packages(apt)?, dir)?;
    merge_lib(dir)?;
    let version = version(dir)?;
    // The guest's modprobe hands files to the kernel as they are, and TCG would be slow at this.
    let mut find = Command::new(busybox);
    find.arg("find")
        .arg(dir.join("usr/lib/modules"))
        .args(["-name", "*.ko.xz", "-exec"])
        .arg(busybox)
        .args(["unxz", "{}", "+"]);
    output(&mut find).context("unpack the modules")?;
    output(Command::new(busybox).args(["depmod", "-b"]).arg(dir).arg(&version))
        .context("index the modules")?;
    // The headers' Makefile names its common part by the path it would be installed at.
    let makefile = dir.join(format!("usr/src/linux-headers-{version}/Makefile"));
    let text = fs::read_to_string(&makefile).context("read the headers' Makefile")?;
    let moved = text.replace("include /usr", &format!("include {}/usr", target.display()));
    file::put(&makefile, moved.as_bytes())
}

/// The packages behind the two metapackages, whose names carry the version.
fn packages(apt: &Apt) -> Result<Vec<String>> {
    let ours = |name: &String| {
        ["linux-image-", "linux-headers-", "linux-kbuild-"].iter().any(|p| name.starts_with(p))
    };
    let mut names: Vec<String> = Vec::new();
    let mut open = vec!["linux-image-amd64".to_owned(), "linux-headers-amd64".to_owned()];
    while let Some(name) = open.pop() {
        let needed = apt.depends(&name).unwrap_or_default().into_iter().filter(ours);
        let new: Vec<_> = needed.filter(|needed| !names.contains(needed)).collect();
        names.extend(new.iter().cloned());
        open.extend(new);
    }
    names.sort();
    names.dedup();
    anyhow::ensure!(
        names.len() >= 3,
        "linux-image-amd64 and linux-headers-amd64 name no packages: {names:?}"
    );
    Ok(names)
}

/// Older packages ship `lib/modules`, newer ones `usr/lib/modules`; make both names work.
fn merge_lib(dir: &Path) -> Result<()> {
    let (lib, usr_lib) = (dir.join("lib"), dir.join("usr/lib"));
    if lib.is_dir() {
        fs::create_dir_all(&usr_lib)?;
        fs::rename(lib.join("modules"), usr_lib.join("modules"))?;
        fs::remove_dir_all(&lib)?;
    }
    symlink("usr/lib", &lib).context("link lib to usr/lib")
}

fn version(root: &Path) -> Result<String> {
    let mut entries =
        fs::read_dir(root.join("usr/lib/modules")).context("the kernel package has no modules")?;
    let entry = entries.next().context("the kernel package has no modules")??;
    Ok(entry.file_name().to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_payload_is_found_by_the_header_alone() {
        let mut image = vec![0; 2048];
        image[0x1f1] = 1;
        image[0x248] = 16;
        image[0x24c..0x24e].copy_from_slice(&[10, 0]);
        let start = 2 * 512 + 16;
        image[start..start + 6].copy_from_slice(XZ);
        assert_eq!(payload(&image), Some(XZ));
        assert_eq!(payload(&image[..start]), None, "cut short");
        assert_eq!(payload(&[]), None);
    }
}
