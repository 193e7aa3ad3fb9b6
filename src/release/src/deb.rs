//! A package of Debian: an ar(5) archive of two tar archives. See deb(5).

use std::fmt::Write as _;

use anyhow::{Result, ensure};

use crate::archive::tar;
use crate::contents::File;
use crate::gzip::gzip;
use crate::{Arch, Release, scripts};

/// The package with these files; its name and its bytes.
pub fn deb(release: &Release, arch: Arch, files: &[File]) -> Result<(String, Vec<u8>)> {
    let script = |name: &str, text: String| File { path: name.into(), mode: 0o755, bytes: text.into_bytes() };
    let control = [
        File { path: "control".into(), mode: 0o644, bytes: control(release, arch, files).into_bytes() },
        script(
            "postinst",
            format!("#!/bin/sh\nset -e\n[ \"$1\" = configure ] || exit 0\n{}", scripts::place()),
        ),
        script("prerm", format!("#!/bin/sh\nset -e\n[ \"$1\" = remove ] || exit 0\n{}", scripts::remove())),
    ];
    let members = [
        ("debian-binary", b"2.0\n".to_vec()),
        ("control.tar.gz", gzip(&tar(&control, release.time, "./")?)?),
        ("data.tar.gz", gzip(&tar(files, release.time, "./")?)?),
    ];
    let name = format!("railcni_{}-1_{}.deb", release.version, arch.name());
    Ok((name, ar(&members, release.time)?))
}

fn control(release: &Release, arch: Arch, files: &[File]) -> String {
    let kib: usize = files.iter().map(|file| file.bytes.len().div_ceil(1024)).sum();
    let mut text = String::new();
    for (key, value) in [
        ("Package", "railcni"),
        ("Version", &format!("{}-1", release.version)),
        ("Architecture", arch.name()),
        ("Maintainer", "The railcni authors <noreply@railcni.dev>"),
        ("Installed-Size", &kib.to_string()),
        ("Section", "net"),
        ("Priority", "optional"),
        ("Description", &format!("{}\n {}", crate::SUMMARY, crate::DESCRIPTION)),
    ] {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{key}: {value}");
    }
    text
}

fn ar(members: &[(&str, Vec<u8>)], time: u64) -> Result<Vec<u8>> {
    let mut archive = b"!<arch>\n".to_vec();
    for (name, bytes) in members {
        let header = format!("{name:<16}{time:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, "100644", bytes.len());
        ensure!(header.len() == 60, "{name} does not fit into an ar archive");
        archive.extend(header.as_bytes());
        archive.extend(bytes);
        archive.resize(archive.len().next_multiple_of(2), b'\n');
    }
    Ok(archive)
}
