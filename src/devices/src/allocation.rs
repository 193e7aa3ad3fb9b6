//! sriov-cni's file that says who uses a device: it holds the path of a namespace.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use attach::Error;
use state::{Dirs, file};

use crate::users::{is_of_this_boot, names};
use crate::vf::Id;

/// `sriov/pci/ID` below the upstream plugins' directory.
pub(crate) struct Allocation {
    path: PathBuf,
}

impl Allocation {
    pub(crate) fn of(dirs: &Dirs, id: &Id) -> Result<Self, Error> {
        Ok(Self { path: dirs.upstream.path(&["sriov", "pci"])?.join(id.to_string()) })
    }

    /// All of them, each with its device.
    pub(crate) fn all(dirs: &Dirs) -> Result<Vec<(Id, Self)>, Error> {
        let names = names(&dirs.upstream.path(&["sriov", "pci"])?);
        let ids = names.iter().filter_map(|name| Id::parse(name).ok());
        ids.map(|id| Self::of(dirs, &id).map(|allocation| (id, allocation))).collect()
    }

    /// The namespace that it names; an empty file is a torn one and names nobody.
    pub(crate) fn user(&self) -> Result<Option<PathBuf>, Error> {
        let bytes = file::read(&self.path)?.unwrap_or_default();
        let text = bytes.trim_ascii();
        Ok((!text.is_empty()).then(|| PathBuf::from(OsStr::from_bytes(text))))
    }

    /// The same, if the kernel that it refers to still runs.
    pub(crate) fn user_of_this_boot(&self) -> Result<Option<PathBuf>, Error> {
        if is_of_this_boot(&self.path, None)? { self.user() } else { Ok(None) }
    }

    /// The lock's folder, which is made first, lies below.
    pub(crate) fn take(&self, netns: &Path) -> Result<(), Error> {
        Ok(file::replace(&self.path, netns.as_os_str().as_bytes())?)
    }

    /// Removes it if it names `netns`, or nobody.
    pub(crate) fn give_up(&self, netns: &Path) -> Result<(), Error> {
        if self.user()?.is_none_or(|user| user == netns) {
            file::remove(&self.path)?;
        }
        Ok(())
    }
}
