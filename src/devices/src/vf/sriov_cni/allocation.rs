use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use attach::Error;
use state::{AttachmentKey, Dirs, file};

use super::{Files, SriovCniCache, written_since_boot};
use crate::vf::FOLDER;
use crate::vf::device::Id;

/// The file that says who uses a device: it holds the path of a namespace.
pub(in crate::vf) struct Allocation {
    /// `None` where the peer has no such files.
    path: Option<PathBuf>,
}

impl Allocation {
    pub(in crate::vf) fn of(dirs: &Dirs, files: &Files, id: &Id) -> Result<Self, Error> {
        let directory = files.allocations.then(|| dirs.upstream.path(&[&files.folder, "pci"])).transpose()?;
        Ok(Self { path: directory.map(|directory| directory.join(id.to_string())) })
    }

    /// The namespace that it names; an empty file is a torn one and names nobody.
    pub(in crate::vf) fn user(&self) -> Result<Option<PathBuf>, Error> {
        let Some(path) = &self.path else { return Ok(None) };
        let bytes = file::read(path)?.unwrap_or_default();
        let text = bytes.trim_ascii();
        Ok((!text.is_empty()).then(|| PathBuf::from(std::ffi::OsStr::from_bytes(text))))
    }

    /// The same, if the kernel that it speaks of still runs.
    pub(in crate::vf) fn user_of_this_boot(&self) -> Result<Option<PathBuf>, Error> {
        let current = self.path.as_deref().is_some_and(written_since_boot);
        if current { self.user() } else { Ok(None) }
    }

    /// The lock's folder, which is made first, lies below.
    pub(in crate::vf) fn take(&self, netns: &Path) -> Result<(), Error> {
        let Some(path) = &self.path else { return Ok(()) };
        Ok(file::replace(path, netns.as_os_str().as_bytes())?)
    }

    /// Removes it if it names `netns`, or nobody.
    pub(in crate::vf) fn give_up(&self, netns: &Path) -> Result<(), Error> {
        let Some(path) = &self.path else { return Ok(()) };
        if self.user()?.is_none_or(|user| user == netns) {
            file::remove(path)?;
        }
        Ok(())
    }
}

/// The namespace that sriov-cni's file names for a device.
pub(crate) fn allocated_to(dirs: &Dirs, id: &Id) -> Result<Option<PathBuf>, Error> {
    let files = Files { folder: FOLDER.to_owned(), allocations: true, ..Files::default() };
    Allocation::of(dirs, &files, id)?.user()
}

/// The namespace that has the VF of an attachment, as its cache and the allocation say.
pub(crate) fn allocated_by(dirs: &Dirs, key: &AttachmentKey) -> Result<Option<PathBuf>, Error> {
    let cache = format!("{}-{}", key.container_id, key.ifname);
    let path = dirs.upstream.path(&[FOLDER])?.join(cache);
    let cache = file::read(&path)?.as_deref().and_then(SriovCniCache::parse);
    let id = cache.and_then(|cache| Id::parse(&cache.device).ok());
    id.map_or(Ok(None), |id| allocated_to(dirs, &id))
}
