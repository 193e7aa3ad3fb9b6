//! The archive for those who have no package manager, or do not want it.

use anyhow::Result;
use image::{Entry, Tar};

use crate::contents::{Built, File};
use crate::gzip::gzip;
use crate::{Arch, Release};

/// `NAME.tar.gz` with everything below `NAME/`; its name without the ending, and its bytes.
pub fn tarball(release: &Release, arch: Arch, built: &Built) -> Result<(String, Vec<u8>)> {
    let name = format!("railcni-{}-linux-{}", release.version, arch.name());
    let groups = [
        ("cni/", &built.plugins),
        ("bin/", &built.tools),
        ("man/", &built.man),
        ("completions/", &built.completions),
        ("systemd/", &built.units),
        ("", &built.docs),
    ];
    let below = |(directory, files): (&str, &Vec<File>)| {
        let place = |file: &File| File { path: format!("{name}/{directory}{}", file.path), ..file.clone() };
        files.iter().map(place).collect::<Vec<_>>()
    };
    let mut files: Vec<_> = groups.into_iter().flat_map(below).collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let bytes = tar(&files, release.time, "")?;
    Ok((name, gzip(&bytes)?))
}

/// The files, each after the directories above it, with `prefix` before every path.
pub(crate) fn tar(files: &[File], time: u64, prefix: &str) -> Result<Vec<u8>> {
    let mut tar = Tar::at(time);
    let mut directory = String::new();
    for file in files {
        for (at, _) in file.path.match_indices('/') {
            let above = &file.path[..at];
            if !format!("{directory}/").starts_with(&format!("{above}/")) {
                tar.add(&format!("{prefix}{above}/"), &Entry::Directory)?;
                above.clone_into(&mut directory);
            }
        }
        tar.add(&format!("{prefix}{}", file.path), &Entry::File(file.mode, file.bytes.clone()))?;
    }
    Ok(tar.finish())
}
