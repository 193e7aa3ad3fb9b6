//! Single files, links and directories of sysfs.

use crate::Error;
use nix::errno::Errno;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;
use std::str::FromStr;

/// The longest attribute: the kernel has one page for it (`sysfs_kf_seq_show` in fs/sysfs/file.c), and hands it out in one read.
const PAGE: usize = 4096;

/// The trimmed content; `None` where the attribute is missing, or the driver does not implement it.
pub(crate) fn optional(path: &Path) -> Result<Option<String>, Error> {
    match contents(path) {
        Ok(text) => Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty())),
        Err(source) if is_unimplemented(&source) => Ok(None),
        Err(source) => Err(unreadable(path, source)),
    }
}

/// Without asking for a size, which is a page whatever the attribute holds, or for an end.
fn contents(path: &Path) -> io::Result<String> {
    let mut bytes = vec![0; PAGE];
    let size = File::open(path)?.read(&mut bytes)?;
    bytes.truncate(size);
    String::from_utf8(bytes).map_err(io::Error::other)
}

pub(crate) fn text(path: &Path, expected: &'static str) -> Result<String, Error> {
    optional(path)?.ok_or_else(|| Error::Absent { path: path.into(), expected })
}

/// Decimal, as almost everything in sysfs.
pub(crate) fn number<T: FromStr>(path: &Path) -> Result<T, Error> {
    optional_number(path)?.ok_or_else(|| Error::Absent { path: path.into(), expected: NUMBER })
}

pub(crate) fn optional_number<T: FromStr>(path: &Path) -> Result<Option<T>, Error> {
    let Some(value) = optional(path)? else { return Ok(None) };
    match value.parse() {
        Ok(number) => Ok(Some(number)),
        Err(_) => Err(Error::Content { path: path.into(), value, expected: NUMBER }),
    }
}

const NUMBER: &str = "a decimal number";

/// The last component of where a link points; `None` where there is no link.
pub(crate) fn link_name(path: &Path) -> Result<Option<String>, Error> {
    match fs::read_link(path) {
        Ok(target) => Ok(target.file_name().map(|name| name.to_string_lossy().into_owned())),
        Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(unreadable(path, source)),
    }
}

/// Sorted names; empty where there is no directory.
pub(crate) fn names(path: &Path) -> Result<Vec<String>, Error> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(unreadable(path, source)),
    };
    let names = entries.map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()));
    let mut names: Vec<String> =
        names.collect::<Result<_, _>>().map_err(|source| unreadable(path, source))?;
    names.sort_unstable();
    Ok(names)
}

/// One write call, as sysfs wants it; never creates a file.
pub(crate) fn write(path: &Path, value: &str) -> Result<(), Error> {
    let written =
        File::options().write(true).open(path).and_then(|mut file| file.write_all(value.as_bytes()));
    let action = || format!("write `{}` to", value.trim_end());
    written.map_err(|source| Error::Io { action: action(), path: path.into(), source })
}

/// `EOPNOTSUPP` from `phys_port_name` and its like, `EINVAL` from an interface that is down.
fn is_unimplemented(error: &io::Error) -> bool {
    let unimplemented = [Errno::ENOENT, Errno::EOPNOTSUPP, Errno::EINVAL];
    error.raw_os_error().is_some_and(|errno| unimplemented.contains(&Errno::from_raw(errno)))
}

pub(crate) fn unreadable(path: &Path, source: io::Error) -> Error {
    Error::Io { action: "read".into(), path: path.into(), source }
}
