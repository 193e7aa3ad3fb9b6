use std::path::{Path, PathBuf};

use attach::{Error, Failure, UndoContext};
use netlink::Rtnetlink;
use state::{AttachmentKey, Dirs, file};
use sysfs::Root;

use super::{Allocation, Files, SriovCniCache};
use crate::vf::VfUndo;
use crate::vf::device::{Device, Id};
use crate::vf::netdev::{Netdev, in_pod};

/// What the peer's files say of an attachment that has no record.
#[derive(Debug)]
pub enum Found {
    /// No cache: never attached, or detached to the end.
    Nothing,
    /// Enough for an undo.
    Undo(Box<VfUndo>),
    /// Of an older boot, or of nothing that can be told: only the files are left to remove.
    Stale,
}

/// Looks for the cache of `key`, which an older release may have left without the VF's fields, and a crash torn.
pub fn find(
    dirs: &Dirs,
    key: &AttachmentKey,
    files: &Files,
    context: &mut UndoContext,
) -> Result<Found, Error> {
    let path = files.cache_path(dirs)?;
    let Some(bytes) = file::read(&path)? else { return Ok(Found::Nothing) };
    let Some(cache) = SriovCniCache::parse(&bytes) else {
        tracing::warn!(path = %path.display(), "this cache does not say which device it is about");
        return guess(dirs, key, files, context);
    };
    if !cache.is_of_this_boot(&path)? {
        return Ok(Found::Stale);
    }
    let Ok(id) = Id::parse(&cache.device) else { return Ok(Found::Stale) };
    Ok(Found::Undo(Box::new(cache.undo(key.clone(), &id, files.clone()))))
}

/// The device that is allocated to the pod and whose interface has the pod's name: what it was called on the host,
/// nobody knows.
fn guess(dirs: &Dirs, key: &AttachmentKey, files: &Files, context: &mut UndoContext) -> Result<Found, Error> {
    for id in allocated(dirs, files)? {
        let Some(device) = Device::find(&Root::system(), &id)? else { continue };
        if !is_called(&device, &key.ifname, context)? {
            continue;
        }
        let name = default_name(&device, context.host()?)?;
        let netdev = Netdev { name, alt_names: Vec::new(), mac: None, mtu: None, up: false };
        let mut undo = SriovCniCache::default().undo(key.clone(), &id, files.clone());
        undo.netdev = Some(netdev);
        return Ok(Found::Undo(Box::new(undo)));
    }
    Ok(Found::Stale)
}

/// In the pod or, when that is gone, back on the host.
fn is_called(device: &Device, ifname: &str, context: &mut UndoContext) -> Result<bool, Error> {
    let link = match &mut context.pod {
        Some(pod) => in_pod(&mut pod.netlink, device.id(), None, ifname)?,
        None => device.link(context.host()?)?,
    };
    Ok(link.is_some_and(|link| link.name == ifname))
}

/// As most drivers and rules name a VF.
fn default_name(device: &Device, host: &mut Rtnetlink) -> Result<String, Error> {
    match device.pf() {
        Some(pf) => Ok(format!("{}v{}", pf.link(device.id(), host)?.name, pf.vf)),
        None => Ok("dev%d".to_owned()),
    }
}

fn allocated(dirs: &Dirs, files: &Files) -> Result<Vec<Id>, Error> {
    let ids = names(&dirs.upstream.path(&[&files.folder, "pci"])?);
    let ids = ids.iter().filter_map(|name| Id::parse(name).ok());
    let mut ours = Vec::new();
    for id in ids {
        if Allocation::of(dirs, files, &id)?.user()?.is_some_and(|user| user == files.netns) {
            ours.push(id);
        }
    }
    Ok(ours)
}

/// Puts back a device whose allocation is stale, from the cache that its last user left. The caller has the lock.
pub(in crate::vf) fn repair(dirs: &Dirs, files: &Files, id: &Id) -> Result<(), Error> {
    for (path, cache) in caches(dirs, &files.folder)? {
        if Id::parse(&cache.device).ok().as_ref() != Some(id) || !cache.is_of_this_boot(&path)? {
            continue;
        }
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some(key) = cache.key(name) else { continue };
        tracing::info!(device = %id, cache = name, "putting back what a pod that is gone had");
        let netns = Allocation::of(dirs, files, id)?.user()?.unwrap_or_default();
        let files = Files { cache: name.to_owned(), netns, ..files.clone() };
        let errors = cache.undo(key.clone(), id, files).undo_locked(dirs, id, &mut UndoContext::default())?;
        if let Some(error) = Error::join(errors) {
            return Err(Failure::Leftover { key, source: error }.into());
        }
    }
    Ok(())
}

/// All caches of a folder that can be read, with their paths.
pub fn caches(dirs: &Dirs, folder: &str) -> Result<Vec<(PathBuf, SriovCniCache)>, Error> {
    let directory = dirs.upstream.path(&[folder])?;
    let mut found = Vec::new();
    for name in names(&directory) {
        let path = directory.join(name);
        if path.is_file()
            && let Some(cache) = file::read(&path)?.as_deref().and_then(SriovCniCache::parse)
        {
            found.push((path, cache));
        }
    }
    Ok(found)
}

/// Sorted; none where there is no directory.
fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort_unstable();
    names
}

impl SriovCniCache {
    /// Whose it is. The peer's file name is `<container>-<ifname>`, and names of interfaces seldom have a dash.
    pub fn key(&self, file_name: &str) -> Option<AttachmentKey> {
        if let Some(ours) = &self.railcni {
            return Some(ours.key.clone());
        }
        let (container, ifname) = file_name.rsplit_once('-')?;
        AttachmentKey::new(&self.name, container, ifname).ok()
    }
}
