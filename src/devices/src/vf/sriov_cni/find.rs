use std::path::{Path, PathBuf};

use attach::{Error, Failure, UndoContext};
use netlink::Rtnetlink;
use netns::NetNs;
use state::{AttachmentKey, Dirs, file};
use sysfs::Root;

use super::{Allocation, Files, SriovCniCache};
use crate::users::{Peers, Users};
use crate::vf::device::{Device, Id};
use crate::vf::netdev::{Netdev, SPARE_NAME, require_home};
use crate::vf::owner::holders;
use crate::vf::{self, Attributes, VfUndo};

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

/// The device whose interface has the attachment's name: in the pod or, when that is gone, on the host, if it is allocated
/// to the pod. What it was called on the host, and how its PF had it, nobody knows.
fn guess(dirs: &Dirs, key: &AttachmentKey, files: &Files, context: &mut UndoContext) -> Result<Found, Error> {
    context.attachment = Some(key.clone());
    let is_anothers = context.is_anothers(&key.ifname)?;
    let found = match &mut context.pod {
        Some(_) if is_anothers => None,
        Some(pod) => named(&key.ifname, &mut pod.netlink)?,
        None => allocated(dirs, key, files, context.host()?)?,
    };
    let Some(device) = found else { return unknown(dirs, files) };
    if holders(dirs).is_others(device.id(), key)? {
        return Ok(Found::Stale);
    }
    let name = default_name(&device, context.host()?)?;
    Ok(Found::Undo(Box::new(to_defaults(key.clone(), &device, files.clone(), name))))
}

fn to_defaults(key: AttachmentKey, device: &Device, files: Files, name: String) -> VfUndo {
    tracing::warn!(
        device = %device.id(),
        "what it was is not known: it gets the usual name, and its PF's defaults: no VLAN, no MAC, no rates, no trust, link \
         state auto; spoofchk stays what it is"
    );
    let mut undo = SriovCniCache::default().undo(key, device.id(), files);
    undo.netdev = Some(Netdev { name, ..Netdev::default() });
    undo.before = Some(Attributes::defaults());
    undo
}

/// Puts back a device that is allocated to a pod that is gone, and that no cache which can be read is about.
pub(in crate::vf) fn repair_unknown(
    dirs: &Dirs,
    files: &Files,
    id: &Id,
    netns: PathBuf,
) -> Result<(), Error> {
    let Some(device) = Device::find(&Root::system(), id)? else { return Ok(()) };
    let mut context = UndoContext::default();
    let host = context.host()?;
    require_home(&device, host)?;
    let name = device.link(host)?.map_or_else(String::new, |link| link.name);
    // The name that it had in the pod, or its own.
    let is_pods = names(&dirs.upstream.path(&[&files.folder])?)
        .iter()
        .any(|cache| cache.strip_suffix(&name).is_some_and(|container| container.ends_with('-')));
    let name = if is_pods { default_name(&device, host)? } else { name };
    let nobody = AttachmentKey { network: String::new(), container_id: String::new(), ifname: String::new() };
    let undo = to_defaults(nobody, &device, Files { netns, ..files.clone() }, name);
    Error::join(undo.undo_locked(dirs, id, &mut context)?).map_or(Ok(()), Err)
}

/// The device of the link of that name.
pub(crate) fn named(ifname: &str, route: &mut Rtnetlink) -> Result<Option<Device>, Error> {
    let id = route.link_by_name(ifname)?.and_then(|link| Id::parse(&link.device?).ok());
    id.map_or(Ok(None), |id| Device::find(&Root::system(), &id))
}

/// Without `CNI_NETNS` the device of a living pod cannot be told from those of others.
fn unknown(dirs: &Dirs, files: &Files) -> Result<Found, Error> {
    if !files.netns.as_os_str().is_empty() {
        return Ok(Found::Stale);
    }
    for (id, netns) in allocations(dirs, files)? {
        if NetNs::open(&netns).is_ok() && Users::find(dirs, Peers::Sriov, &id)?.caches().next().is_none() {
            return Err(vf::Error::Unnamed { device: id.to_string(), netns }.into());
        }
    }
    Ok(Found::Stale)
}

/// As most drivers and rules name a VF.
pub(crate) fn default_name(device: &Device, host: &mut Rtnetlink) -> Result<String, Error> {
    match device.pf() {
        Some(pf) => Ok(format!("{}v{}", pf.link(device.id(), host)?.name, pf.vf)),
        None => Ok(SPARE_NAME.to_owned()),
    }
}

fn allocated(
    dirs: &Dirs,
    key: &AttachmentKey,
    files: &Files,
    host: &mut Rtnetlink,
) -> Result<Option<Device>, Error> {
    let is_users = |(_, user): &(Id, PathBuf)| *user == files.netns;
    for (id, _) in allocations(dirs, files)?.into_iter().filter(is_users) {
        let Some(device) = Device::find(&Root::system(), &id)? else { continue };
        // A dying namespace hands it over late.
        require_home(&device, host)?;
        if device.link(host)?.is_some_and(|link| link.name == key.ifname) {
            return Ok(Some(device));
        }
    }
    Ok(None)
}

/// All devices that are allocated, each with the namespace.
fn allocations(dirs: &Dirs, files: &Files) -> Result<Vec<(Id, PathBuf)>, Error> {
    let mut found = Vec::new();
    for id in
        names(&dirs.upstream.path(&[&files.folder, "pci"])?).iter().filter_map(|name| Id::parse(name).ok())
    {
        found.extend(Allocation::of(dirs, files, &id)?.user()?.map(|user| (id, user)));
    }
    Ok(found)
}

/// Puts back a device whose allocation is stale, from the caches that its users left but for the `spared` one, whose
/// record says more. The caller has the lock.
pub(in crate::vf) fn repair(dirs: &Dirs, files: &Files, id: &Id, spared: Option<&str>) -> Result<(), Error> {
    let users = Users::find(dirs, Peers::Sriov, id)?;
    for name in users.caches().filter(|name| Some(*name) != spared) {
        let path = dirs.upstream.path(&[&files.folder])?.join(name);
        let Some(cache) = file::read(&path)?.as_deref().and_then(SriovCniCache::parse) else { continue };
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
