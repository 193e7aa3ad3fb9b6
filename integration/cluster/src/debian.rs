//! A package of this machine's Debian, extracted and not installed: apt works with lists and caches of its own, and dpkg's database
//! does not hear of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::command::output;
use crate::file::put;

/// The name of the machine's release, such as `bookworm`.
pub(crate) fn codename() -> Result<String> {
    let release = fs::read_to_string("/etc/os-release").context("read the name of Debian's release")?;
    let value = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    value.map(str::to_owned).context("/etc/os-release has no VERSION_CODENAME: this needs Debian")
}

/// Fetches `package` and extracts it into `root`; apt's own files are below `scratch`, which goes with them.
pub(crate) fn extract(package: &str, root: &Path, scratch: &Path) -> Result<()> {
    let apt = Apt::below(scratch)?;
    output(apt.run().arg("update")).context("fetch the lists of Debian's packages")?;
    output(apt.run().args(["download", package])).with_context(|| format!("download {package}"))?;
    let archive = archive(&apt.root)?;
    output(Command::new("dpkg-deb").arg("-x").args([&archive, root]))?;
    fs::remove_dir_all(scratch).context("remove what apt needed")
}

struct Apt {
    root: PathBuf,
}

impl Apt {
    fn below(root: &Path) -> Result<Self> {
        let _ = fs::remove_dir_all(root);
        for dir in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(root.join(dir))?;
        }
        // The sources stay those of /etc/apt.
        let shown = root.display();
        put(
            &root.join("apt.conf"),
            format!(
                "Dir::State::lists \"{shown}/lists\";\nDir::Cache \"{shown}/cache\";\n\
                 APT::Sandbox::User \"root\";\nAcquire::Retries \"3\";\n"
            ),
        )?;
        Ok(Self { root: root.into() })
    }

    fn run(&self) -> Command {
        let mut command = Command::new("apt-get");
        command.env("APT_CONFIG", self.root.join("apt.conf")).current_dir(&self.root).arg("-q");
        command
    }
}

/// The only package in a directory.
fn archive(dir: &Path) -> Result<PathBuf> {
    let entries = fs::read_dir(dir)?.flatten().map(|entry| entry.path());
    let mut archives = entries.filter(|path| path.extension().is_some_and(|ext| ext == "deb"));
    archives.next().with_context(|| format!("apt-get download left no package in {}", dir.display()))
}
