//! Files that are read and replaced whole, mode 0600, never through a symbolic link. Whatever else lies at the path, a FIFO for
//! one, is an error and keeps nobody waiting, and what is read has a limit.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::mem::ManuallyDrop;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::OFlag;

use serde::Serialize;

use crate::Error;

/// What [`replace`] puts before the name until the file is whole. There is one such name for a path, so that whatever a
/// killed writer leaves is found again: by the next [`replace`], or by [`remove`].
pub(crate) const TEMPORARY: &str = ".tmp.";

/// What a file holds at most: the longest that anybody writes, a list of pools, has a hundredth of it.
pub const LIMIT: u64 = 16 << 20;

/// The whole file; `None` when there is none.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    open_to_read(path)?.map(|mut file| contents(&mut file, path, LIMIT)).transpose()
}

/// As [`read`], through symbolic links: for what an administrator puts in place, who may have it elsewhere, as a `ConfigMap` has.
pub fn read_linked(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    let opened = open_regular(path, OpenOptions::new().read(true), OFlag::O_NOCTTY);
    absent_as_none(opened)?.map(|mut file| contents(&mut file, path, LIMIT)).transpose()
}

/// As [`read_linked`], of text.
pub fn read_text(path: &Path) -> Result<Option<String>, Error> {
    let not_text = |_| Error::NotText { path: path.to_path_buf() };
    read_linked(path)?.map(|bytes| String::from_utf8(bytes).map_err(not_text)).transpose()
}

/// The file, open for reading; `None` when there is none.
pub fn open_to_read(path: &Path) -> Result<Option<File>, Error> {
    absent_as_none(open(path, OpenOptions::new().read(true), OFlag::empty()))
}

/// From where the file stands to its end, which is not further than `limit`.
pub(crate) fn contents(file: &mut File, path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    // Most fit. Asked to itself, a file first tells its size and where it stands: two system calls more than reading it takes.
    let mut bytes = Vec::with_capacity(4096);
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|error| Error::io("read", path, &error))?;
    if bytes.len() as u64 > limit {
        return Err(Error::TooLong { path: path.to_path_buf(), limit });
    }
    Ok(bytes)
}

/// Puts `bytes` at `path` so that a reader sees the old file or the new one, never less. Not kept over a power loss.
/// Writers of one path take turns.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    place(path, bytes).map(drop)
}

/// As [`replace`], with `value` as JSON.
pub fn replace_json(path: &Path, value: &impl Serialize) -> Result<(), Error> {
    let encode =
        |error: serde_json::Error| Error::Encode { path: path.to_path_buf(), reason: error.to_string() };
    replace(path, &serde_json::to_vec(value).map_err(encode)?)
}

/// As [`replace`]; the new file stays open for writing.
pub(crate) fn place(path: &Path, bytes: &[u8]) -> Result<File, Error> {
    with_temporary(path, |file| file.write_all(bytes))
}

/// Writes `bytes` at the `end` of a file. Fails without a trace, unless that fails, too.
pub(crate) fn append(file: &File, path: &Path, end: u64, bytes: &[u8]) -> Result<(), Error> {
    file.write_all_at(bytes, end).map_err(|error| {
        let _ = file.set_len(end);
        Error::io("append to", path, &error)
    })
}

/// Adds `bytes` to a file that is there by one write, unless it would be longer than `most`. The file stays open to the end of the
/// process, which is near: to close it would be a system call.
pub(crate) fn extend(path: &Path, bytes: &[u8], most: u64) -> Result<(), Error> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NOCTTY;
    let (file, length) = open_inspected(path, OpenOptions::new().append(true), flags)?;
    let file = ManuallyDrop::new(file);
    if length + bytes.len() as u64 > most {
        return Err(Error::TooLong { path: path.to_path_buf(), limit: most });
    }
    (&*file).write_all(bytes).map_err(|error| Error::io("append to", path, &error))
}

/// As [`replace`], and on return the new file survives a power loss.
pub fn replace_durable(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    place_durable(path, bytes).map(drop)
}

/// As [`replace_durable`]; the new file stays open for writing.
pub(crate) fn place_durable(path: &Path, bytes: &[u8]) -> Result<File, Error> {
    let file = with_temporary(path, |file| file.write_all(bytes).and_then(|()| file.sync_all()))?;
    sync_parent(path)?;
    Ok(file)
}

/// Removes the file, and what a killed writer left of a newer one; false when there was no file.
pub fn remove(path: &Path) -> Result<bool, Error> {
    let unlink = |path: &Path| {
        absent_as_none(fs::remove_file(path).map_err(|error| Error::io("remove", path, &error)))
    };
    let removed = unlink(path)?.is_some();
    unlink(&temporary(path))?;
    Ok(removed)
}

/// Removes what a killed writer left beside the file, which stays as it is.
pub fn remove_leftover(path: &Path) -> Result<(), Error> {
    let temporary = temporary(path);
    let removed = fs::remove_file(&temporary).map_err(|error| Error::io("remove", &temporary, &error));
    absent_as_none(removed).map(drop)
}

/// Removes what killed writers left in a directory, of files that were there before or never came to be. The caller keeps
/// others from writing there.
pub fn remove_unfinished(directory: &Path) -> Result<(), Error> {
    for name in names(directory)?.into_iter().filter(|name| is_unfinished(name)) {
        let path = directory.join(name);
        absent_as_none(fs::remove_file(&path).map_err(|error| Error::io("remove", &path, &error)))?;
    }
    Ok(())
}

/// Whether a writer is still at the file of that name, or was killed there.
pub fn is_unfinished(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(TEMPORARY.as_bytes())
}

/// Opens without following a link in the last component; a file that `options` create gets mode 0600.
pub(crate) fn open(path: &Path, options: &mut OpenOptions, flags: OFlag) -> Result<File, Error> {
    open_regular(path, options, flags | OFlag::O_NOFOLLOW | OFlag::O_NOCTTY)
}

/// Whatever lies at the path is opened without waiting for somebody at its other end, and is no file unless it is a regular one.
fn open_regular(path: &Path, options: &mut OpenOptions, flags: OFlag) -> Result<File, Error> {
    Ok(open_inspected(path, options, flags)?.0)
}

/// The same, and how long it is.
fn open_inspected(path: &Path, options: &mut OpenOptions, flags: OFlag) -> Result<(File, u64), Error> {
    let flags = flags | OFlag::O_NONBLOCK;
    let opened = options.mode(0o600).custom_flags(flags.bits()).open(path);
    let file = opened.map_err(|error| Error::io("open", path, &error))?;
    let metadata = file.metadata().map_err(|error| Error::io("inspect", path, &error))?;
    if metadata.is_file() {
        return Ok((file, metadata.len()));
    }
    Err(Error::NotAFile { path: path.to_path_buf() })
}

/// Refuses a symbolic link in the place of `path`, or of anything between it and `root`, which it is below. Need not exist.
pub fn refuse_links(root: &Path, path: &Path) -> Result<(), Error> {
    let below = path.ancestors().take_while(|part| *part != root);
    for part in below {
        if fs::symlink_metadata(part).is_ok_and(|found| found.file_type().is_symlink()) {
            return Err(Error::Symlink { path: part.to_path_buf() });
        }
    }
    Ok(())
}

/// The file to append lines to, made with its directories if need be, for nobody but us to read.
pub fn open_to_append(path: &Path) -> Result<File, Error> {
    path.parent().map_or(Ok(()), create_folder)?;
    open(path, OpenOptions::new().append(true).create(true), OFlag::empty())
}

/// Makes a directory and those above it that are missing, for nobody but us to enter.
pub fn create_folder(path: &Path) -> Result<(), Error> {
    if path.is_dir() {
        return Ok(());
    }
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| Error::io("create directory", path, &error))
}

pub(crate) fn absent_as_none<T>(outcome: Result<T, Error>) -> Result<Option<T>, Error> {
    match outcome {
        Err(Error::Io { errno: Errno::ENOENT, .. }) => Ok(None),
        outcome => outcome.map(Some),
    }
}

pub(crate) fn sync_parent(path: &Path) -> Result<(), Error> {
    let parent = path.parent().unwrap_or(Path::new("/"));
    let synced = File::open(parent).and_then(|directory| directory.sync_all());
    synced.map_err(|error| Error::io("sync directory", parent, &error))
}

fn with_temporary(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> Result<File, Error> {
    let temporary = temporary(path);
    let mut file =
        open(&temporary, OpenOptions::new().write(true).create(true).truncate(true), OFlag::empty())?;
    let written = write(&mut file).map_err(|error| Error::io("write", path, &error));
    let renamed = written.and_then(|()| rename(&temporary, path));
    if renamed.is_err() {
        // Best effort: the first error says more than this one would.
        let _ = fs::remove_file(&temporary);
    }
    renamed.map(|()| file)
}

fn temporary(path: &Path) -> PathBuf {
    let mut name = OsString::from(TEMPORARY);
    name.push(path.file_name().unwrap_or_default());
    path.with_file_name(name)
}

pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    fs::rename(from, to).map_err(|error| Error::io("replace", to, &error))
}

/// The names in a directory, sorted; none when there is no directory.
pub(crate) fn names(directory: &Path) -> Result<Vec<OsString>, Error> {
    let entries = fs::read_dir(directory).map_err(|error| Error::io("list", directory, &error));
    let Some(entries) = absent_as_none(entries)? else {
        return Ok(Vec::new());
    };
    let names = entries.map(|entry| entry.map(|entry| entry.file_name())).collect::<io::Result<Vec<_>>>();
    let mut names = names.map_err(|error| Error::io("list", directory, &error))?;
    names.sort_unstable();
    Ok(names)
}

#[cfg(test)]
mod tests;
