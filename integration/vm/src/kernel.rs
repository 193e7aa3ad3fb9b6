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
}

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
        Ok(Self { version, root })
    }

    /// The bootable image.
    pub(crate) fn image(&self) -> PathBuf {
        self.root.join(format!("boot/vmlinuz-{}", self.version))
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
