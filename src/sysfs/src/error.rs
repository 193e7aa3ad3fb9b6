use nix::errno::Errno;
use std::io;
use std::path::PathBuf;

/// What sysfs did not have or did not take, with the path that was looked at.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not a PCI address.
    #[error(
        "`{0}` is not a PCI address: expected DOMAIN:BUS:DEVICE.FUNCTION in hexadecimal, such as 0000:3b:02.5"
    )]
    Address(String),
    /// A name that would leave its directory.
    #[error("`{0}` is not the name of a {1}: expected one path component")]
    Name(String, &'static str),
    /// The object is not there.
    #[error("{} does not exist: expected {expected}", path.display())]
    Absent {
        /// What was looked at.
        path: PathBuf,
        /// What should be there.
        expected: &'static str,
    },
    /// The attribute holds something else.
    #[error("{} holds `{value}`: expected {expected}", path.display())]
    Content {
        /// What was read.
        path: PathBuf,
        /// What it holds.
        value: String,
        /// What it should hold.
        expected: &'static str,
    },
    /// The kernel refused to read or write.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// `read` or `write VALUE to`.
        action: String,
        /// What was opened.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// Several interfaces of one device that nothing tells apart.
    #[error("{} has several interfaces that nothing tells apart ({}): name the interface instead of the device",
        path.display(), names.join(", "))]
    Ambiguous {
        /// The device.
        path: PathBuf,
        /// The interfaces that are left after representors, children and other ports.
        names: Vec<String>,
    },
    /// The kernel took the request, but another driver (or none) has the device.
    #[error("{} has driver {}: expected {wanted}; is the module loaded?", path.display(),
        found.as_deref().unwrap_or("none"))]
    Driver {
        /// The device.
        path: PathBuf,
        /// The driver it has.
        found: Option<String>,
        /// The driver it should have.
        wanted: String,
    },
}

impl Error {
    /// Whether the object is gone, which for an undo is as good as done.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent { .. })
    }

    /// ENODEV: the device is not there, or not one for the driver that was asked.
    pub(crate) fn is_no_device(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.raw_os_error() == Some(Errno::ENODEV as i32))
    }
}
