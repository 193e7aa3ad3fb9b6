//! The images of the pods: one static program in each.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use image::{Archive, Entry, Image};

use crate::file::put;

/// A shell with the usual small programs, as pods name it.
pub const BUSYBOX: &str = "railcni.test/busybox:1";
const PAUSE: &str = "railcni.test/pause:1";

/// Writes the tars of both below `dir`.
pub(crate) fn write(dir: &Path) -> Result<[PathBuf; 2]> {
    let busybox = ["/usr/bin/busybox", "/bin/busybox"].into_iter().find_map(|path| fs::read(path).ok());
    let busybox = busybox.context("no busybox: `make setup` installs Debian's busybox-static")?;
    ensure!(is_static(&busybox), "busybox is not static: install Debian's busybox-static in its place");
    let pause = dir.join("pause.tar");
    write_one(&pause, PAUSE, &busybox, &["/bin/busybox", "sleep", "2147483647"])?;
    let shell = dir.join("busybox.tar");
    write_one(&shell, BUSYBOX, &busybox, &["/bin/busybox"])?;
    Ok([pause, shell])
}

fn write_one(path: &Path, name: &str, busybox: &[u8], entrypoint: &[&str]) -> Result<()> {
    let image = Image {
        architecture: architecture().into(),
        files: [("bin/busybox".to_owned(), Entry::File(0o755, busybox.to_vec()))].into(),
        entrypoint: entrypoint.iter().map(ToString::to_string).collect(),
        labels: BTreeMap::new(),
    };
    put(path, Archive::new(name, &[image])?.tar()?)
}

/// A dynamic program names its interpreter.
fn is_static(program: &[u8]) -> bool {
    let head = &program[..program.len().min(4096)];
    !head.windows(7).any(|window| window == b"ld-linu" || window == b"ld-musl")
}

/// As Go calls that of this machine.
pub(crate) fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
