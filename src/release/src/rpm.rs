//! An RPM: a lead that nobody reads any more, a header of digests, the header proper, and the files. See
//! <https://rpm-software-management.github.io/rpm/manual/format_v4.html>.

mod header;

use anyhow::{Context as _, Result};

use crate::contents::File;
use crate::cpio::cpio;
use crate::gzip::gzip;
use crate::{Arch, Release, scripts, sha256};
use header::{Header, Value};

/// The tag of the region that a header's digest covers: of the digests, and of the header proper.
const SIGNATURES: u32 = 62;
const IMMUTABLE: u32 = 63;
/// `RPMSENSE_LESS | RPMSENSE_EQUAL | RPMSENSE_RPMLIB`: what rpm itself has to be able to do.
const RPMLIB: u32 = 1 << 1 | 1 << 3 | 1 << 24;
/// `RPMSENSE_EQUAL`
const EQUAL: u32 = 1 << 3;
/// `RPMSENSE_INTERP` with `RPMSENSE_SCRIPT_POST` and `RPMSENSE_SCRIPT_PREUN`.
const SHELL: u32 = 1 << 8 | 1 << 10 | 1 << 11;
/// `PGPHASHALGO_SHA256`
const SHA256: u32 = 8;

/// The package with these files, which are sorted by path; its name and its bytes.
pub fn rpm(release: &Release, arch: Arch, files: &[File]) -> Result<(String, Vec<u8>)> {
    let time = u32::try_from(release.time).context("SOURCE_DATE_EPOCH is beyond what RPM can say")?;
    let plain = cpio(files, release.time);
    let payload = gzip(&plain)?;
    let mut header = about(release, arch, time);
    header.extend(listed(files, time)?);
    header.extend(relations(release));
    header.extend([
        (5062, Value::text("utf-8")),
        (5092, Value::texts([sha256(&payload)])),
        (5093, Value::Int32(vec![SHA256])),
    ]);
    let header = Header::new(IMMUTABLE, header).bytes()?;
    let digests = [
        (273, Value::text(&sha256(&header))),
        (1000, Value::Int32(vec![u32::try_from(header.len() + payload.len())?])),
        (1007, Value::Int32(vec![u32::try_from(plain.len())?])),
    ];
    let name = format!("railcni-{}-1", release.version);
    let mut package = lead(&name);
    package.extend(Header::new(SIGNATURES, digests.into()).bytes()?);
    package.resize(package.len().next_multiple_of(8), 0);
    package.extend(header);
    package.extend(payload);
    Ok((format!("{name}.{}.rpm", arch.machine()), package))
}

fn lead(name: &str) -> Vec<u8> {
    // Magic, format 3.0, a binary package, any machine.
    let mut lead = vec![0xed, 0xab, 0xee, 0xdb, 3, 0, 0, 0, 0, 1];
    lead.extend(name.as_bytes().iter().take(65));
    lead.resize(10 + 66, 0);
    // Linux; digests follow as a header.
    lead.extend([0, 1, 0, 5]);
    lead.resize(96, 0);
    lead
}

type Tags = Vec<(u32, Value)>;

fn about(release: &Release, arch: Arch, time: u32) -> Tags {
    let text = Value::text;
    vec![
        (100, Value::texts(["C".to_owned()])),
        (1000, text("railcni")),
        (1001, text(&release.version)),
        (1002, text("1")),
        (1004, Value::I18n(crate::SUMMARY.to_owned())),
        (1005, Value::I18n(crate::DESCRIPTION.to_owned())),
        (1006, Value::Int32(vec![time])),
        (1007, text("localhost")),
        (1014, text("Apache-2.0")),
        (1016, Value::I18n("Unspecified".to_owned())),
        (1021, text("linux")),
        (1022, text(arch.machine())),
        (1024, text(&scripts::place())),
        (1025, text(&format!("[ \"$1\" = 0 ] || exit 0\n{}", scripts::remove()))),
        (1044, text(&format!("railcni-{}-1.src.rpm", release.version))),
        (1086, text("/bin/sh")),
        (1087, text("/bin/sh")),
        (1124, text("cpio")),
        (1125, text("gzip")),
        (1126, text("9")),
    ]
}

/// What is said of each file, a list for each thing that is said.
fn listed(files: &[File], time: u32) -> Result<Tags> {
    let all = |value: u32| Value::Int32(vec![value; files.len()]);
    let sizes = files.iter().map(|file| Ok(u32::try_from(file.bytes.len())?)).collect::<Result<Vec<_>>>()?;
    let modes = files.iter().map(|file| Ok(u16::try_from(0o100_000 | file.mode)?)).collect::<Result<_>>()?;
    let texts = |text: fn(&File) -> String| Value::texts(files.iter().map(text));
    let split = |file: &File| file.path.rsplit_once('/').map_or((String::new(), file.path.clone()), owned);
    let mut directories: Vec<_> = files.iter().map(|file| format!("/{}/", split(file).0)).collect();
    let of: Vec<String> = directories.clone();
    directories.dedup();
    let index = |directory: &String| {
        let at = directories.iter().position(|other| other == directory);
        Ok(u32::try_from(at.context("a directory that is not listed")?)?)
    };
    Ok(vec![
        (1009, Value::Int32(vec![sizes.iter().sum()])),
        (1028, Value::Int32(sizes)),
        (1030, Value::Int16(modes)),
        (1033, Value::Int16(vec![0; files.len()])),
        (1034, all(time)),
        (1035, texts(|file| sha256(&file.bytes))),
        (1036, texts(|_| String::new())),
        (1037, all(0)),
        (1039, texts(|_| "root".to_owned())),
        (1040, texts(|_| "root".to_owned())),
        (1045, all(u32::MAX)),
        (1095, all(1)),
        (1096, Value::Int32((1..).take(files.len()).collect())),
        (1097, texts(|_| String::new())),
        (1116, Value::Int32(of.iter().map(index).collect::<Result<_>>()?)),
        (1117, Value::texts(files.iter().map(|file| split(file).1))),
        (1118, Value::texts(directories.iter().cloned())),
        (5011, Value::Int32(vec![SHA256])),
    ])
}

fn owned((directory, name): (&str, &str)) -> (String, String) {
    (directory.to_owned(), name.to_owned())
}

fn relations(release: &Release) -> Tags {
    let requires = [
        ("/bin/sh", "", SHELL),
        ("rpmlib(CompressedFileNames)", "3.0.4-1", RPMLIB),
        ("rpmlib(FileDigests)", "4.6.0-1", RPMLIB),
        ("rpmlib(PayloadFilesHavePrefix)", "4.0-1", RPMLIB),
    ];
    vec![
        (1047, Value::texts(["railcni".to_owned()])),
        (1112, Value::Int32(vec![EQUAL])),
        (1113, Value::texts([format!("{}-1", release.version)])),
        (1048, Value::Int32(requires.iter().map(|(.., flags)| *flags).collect())),
        (1049, Value::texts(requires.iter().map(|(name, ..)| (*name).to_owned()))),
        (1050, Value::texts(requires.iter().map(|(_, version, _)| (*version).to_owned()))),
    ]
}
