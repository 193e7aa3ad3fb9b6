//! The chart as Helm packages it: everything below its directory, under its name.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::Release;
use crate::archive::tar;
use crate::contents::File;
use crate::gzip::gzip;

const NAME: &str = "railcni";

/// `railcni-VERSION.tgz` and its bytes, from the tree of sources.
pub fn chart(release: &Release, root: &Path) -> Result<(String, Vec<u8>)> {
    let directory = root.join("deploy/chart").join(NAME);
    let mut files = Vec::new();
    collect(&directory, NAME, &mut files)?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let about = files.iter().find(|file| file.path == format!("{NAME}/Chart.yaml"));
    let about = about.with_context(|| format!("{} has no Chart.yaml", directory.display()))?;
    ensure!(
        says(about, "version", release) && says(about, "appVersion", release),
        "Chart.yaml of {}: version and appVersion have to be {}",
        directory.display(),
        release.version
    );
    Ok((format!("{NAME}-{}.tgz", release.version), gzip(&tar(&files, release.time, "")?)?))
}

fn says(about: &File, key: &str, release: &Release) -> bool {
    let line = format!("{key}: {}", release.version);
    String::from_utf8_lossy(&about.bytes).lines().any(|own| own == line)
}

fn collect(directory: &Path, prefix: &str, files: &mut Vec<File>) -> Result<()> {
    let entries = fs::read_dir(directory).with_context(|| format!("list {}", directory.display()))?;
    for path in entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let below = format!("{prefix}/{name}");
        if path.is_dir() {
            collect(&path, &below, files)?;
        } else {
            let bytes = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
            files.push(File { path: below, mode: 0o644, bytes });
        }
    }
    Ok(())
}
