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

/// Sysctls that let a link of the host accept router advertisements and redirects, by family and name.
pub const TRUST: [(&str, &str); 4] =
    [("ipv6", "accept_ra"), ("ipv6", "autoconf"), ("ipv6", "accept_redirects"), ("ipv4", "accept_redirects")];

/// Switches them off on a link of the host before it is up: nobody on its wire gives the node a router, an address or a route.
pub fn trust_nothing(ifname: &str) -> Result<(), Error> {
    for (family, name) in TRUST {
        let written = write(&of_interface(family, ifname, name), "0");
        written.or_else(|error| if is_unknown(&error) { Ok(()) } else { Err(error) })?;
    }
    Ok(())
}

/// A kernel without IPv6 believes none of it.
fn is_unknown(error: &Error) -> bool {
    matches!(error.failure(), Failure::Sysctl { source, .. } if source.kind() == io::ErrorKind::NotFound)
}

fn failed(doing: &str, path: &Path, source: io::Error) -> Error {
    Failure::Sysctl { doing: format!("{doing} {}", path.display()), source }.into()
}
