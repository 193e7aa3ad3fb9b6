//! The images of the pods: one static program in each.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use image::{Archive, Entry, Image, check_program};
use testkit::binary;

use crate::file::put;
use crate::suite::plugins;

/// A shell with the usual small programs, as pods name it.
pub const BUSYBOX: &str = "railcni.test/busybox:1";
const PAUSE: &str = "railcni.test/pause:1";

/// Writes the tars of both below `dir`.
pub(crate) fn write(dir: &Path) -> Result<[PathBuf; 2]> {
    let busybox = ["/usr/bin/busybox", "/bin/busybox"].into_iter().find_map(|path| fs::read(path).ok());
    let busybox = busybox.context("no busybox: `make setup` installs Debian's busybox-static")?;
    check_program(architecture(), &busybox)
        .context("busybox: install Debian's busybox-static in the place of this one")?;
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

/// The image of the plugins under test, of which `change` makes what the image has of each.
pub fn suite_image(dir: &Path, name: &str, change: impl Fn(&str, Vec<u8>) -> Vec<u8>) -> Result<PathBuf> {
    let mut files = BTreeMap::new();
    for program in ["railcni-install", "raild"] {
        files.insert(program.to_owned(), Entry::File(0o755, read_static(program)?));
    }
    for plugin in plugins()?.into_iter().chain(["railctl".to_owned()]) {
        let program = change(&plugin, read_static(&plugin)?);
        files.insert(format!("usr/bin/{plugin}"), Entry::File(0o755, program));
    }
    let image = Image {
        architecture: architecture().into(),
        files,
        entrypoint: vec!["/railcni-install".into()],
        labels: BTreeMap::new(),
    };
    let path = dir.join("suite.tar");
    put(&path, Archive::new(name, &[image])?.tar()?)?;
    Ok(path)
}

fn read_static(name: &str) -> Result<Vec<u8>> {
    let path = binary(name);
    let program = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
    check_program(architecture(), &program)
        .with_context(|| format!("{}: RAILCNI_BIN_DIR has to name what `make build` left", path.display()))?;
    Ok(program)
}

/// As Go calls that of this machine.
pub(crate) fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
