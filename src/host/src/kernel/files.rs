//! Files of the kernel and of the node's disk.

use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink as make_symlink};
use std::path::Path;

use state::file as whole;

use crate::Error;
use crate::key::Value;

/// Everybody reads what modprobe and systemd read. `NetworkManager` and netplan, whose files may hold passwords, take none that others
/// may read.
fn mode(path: &Path) -> u32 {
    let is_private = path.extension().is_some_and(|ending| ending == "nmconnection" || ending == "yaml");
    if is_private { 0o600 } else { 0o644 }
}

fn failed(op: &'static str, path: &Path, reason: io::Error) -> Error {
    Error::File { op, path: path.to_owned(), reason }
}

fn present<T>(outcome: io::Result<T>) -> io::Result<Option<T>> {
    match outcome {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

/// A configfs directory has gone with its content, and so has nothing to set back.
pub(super) fn attribute(path: &Path) -> Result<Value, Error> {
    let text = whole::read_text(path)?;
    Ok(text.map_or(Value::Absent, |text| Value::Text(text.trim().to_owned())))
}

pub(super) fn set_attribute(path: &Path, value: &Value) -> Result<(), Error> {
    let Value::Text(text) = value else { return Ok(()) };
    let written = File::options().write(true).open(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|reason| failed("write", path, reason))
}

pub(super) fn file(path: &Path) -> Result<Value, Error> {
    Ok(whole::read_text(path)?.map_or(Value::Absent, Value::Text))
}

pub(super) fn set_file(path: &Path, value: &Value) -> Result<(), Error> {
    let Value::Text(text) = value else { return Ok(whole::remove(path).map(drop)?) };
    create_parent(path)?;
    whole::replace_durable(path, text.as_bytes())?;
    fs::set_permissions(path, Permissions::from_mode(mode(path)))
        .map_err(|reason| failed("make readable", path, reason))
}

pub(super) fn symlink(path: &Path) -> Result<Value, Error> {
    let target = present(fs::read_link(path)).map_err(|reason| failed("read the link", path, reason))?;
    Ok(target.map_or(Value::Absent, |target| Value::Text(target.display().to_string())))
}

pub(super) fn set_symlink(path: &Path, value: &Value) -> Result<(), Error> {
    present(fs::remove_file(path)).map_err(|reason| failed("remove", path, reason))?;
    let Value::Text(target) = value else { return Ok(()) };
    create_parent(path)?;
    make_symlink(target, path).map_err(|reason| failed("link", path, reason))
}

pub(super) fn set_directory(path: &Path, present: bool) -> Result<(), Error> {
    let outcome = if present { fs::create_dir(path) } else { self::present(fs::remove_dir(path)).map(drop) };
    outcome
        .map_err(|reason| failed(if present { "make directory" } else { "remove directory" }, path, reason))
}

fn create_parent(path: &Path) -> Result<(), Error> {
    let parent = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(parent).map_err(|reason| failed("make directory", parent, reason))
}
