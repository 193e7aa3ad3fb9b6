//! Settings below /proc/sys/net, which shows the network namespace of the thread that looks.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::{Error, Failure};

/// A setting of one interface, or of `all` or `default`; dots in an interface's name are no separators here.
pub fn of_interface(family: &str, ifname: &str, name: &str) -> PathBuf {
    Path::new("/proc/sys/net").join(family).join("conf").join(ifname).join(name)
}

/// The value, without its line end. Call it inside the namespace.
pub fn read(path: &Path) -> Result<String, Error> {
    let text = fs::read_to_string(path).map_err(|source| failed("read", path, source))?;
    Ok(text.trim_end().to_owned())
}

/// Sets the value. Call it inside the namespace.
pub fn write(path: &Path, value: &str) -> Result<(), Error> {
    let file = OpenOptions::new().write(true).open(path);
    file.and_then(|mut file| file.write_all(value.as_bytes())).map_err(|source| failed("write", path, source))
}

fn failed(doing: &str, path: &Path, source: io::Error) -> Error {
    Failure::Sysctl { doing: format!("{doing} {}", path.display()), source }.into()
}
