use std::path::PathBuf;
use std::time::{Duration, Instant};

use attach::wait::{here as wait_here, millis};
use attach::{Pod, Undo, UndoContext, despite_disk};
use netlink::{Rdma, RdmaDevice};
use netns::NetNs;
use serde::{Deserialize, Serialize};
use state::{AttachmentKey, Dirs, file};
use sysfs::Root;

use super::Error;
use crate::holders::Holders;
use crate::upstream::Upstream;
use crate::vf::{self, Device, Id, VfKind, taken_by};

/// As for the VF itself.
const RETURN: Duration = Duration::from_secs(10);
/// What no driver calls a device.
const SPARE: &str = "railcni-spare";

/// An RDMA device as it was before a pod got it.
#[derive(Debug, Serialize, Deserialize)]
pub struct RdmaUndo {
    /// The owner.
    pub key: AttachmentKey,
    /// PCI address, or name of the auxiliary device.
    pub device: String,
    /// The same in every namespace until the driver is unbound; `None` if a peer's cache did not tell.
    pub index: Option<u32>,
    /// Its name on the host.
    pub name: String,
    /// Its name in the pod.
    pub pod_name: String,
    /// Namespace of the pod.
    pub netns: PathBuf,
    /// The device information file, if it was made and not only completed.
    pub device_info: Option<PathBuf>,
}

pub(super) fn holders(dirs: &Dirs) -> Holders<'_> {
    Holders::of(Upstream::Rdma, dirs)
}

impl Undo for RdmaUndo {
    fn undo(&self, context: &mut UndoContext) -> Result<(), attach::Error> {
        let id = Id::parse(&self.device)?;
        // A lock's file stays for ever: none for what is no device any more.
        let _lock = match Device::find(&Root::system(), &id)? {
            Some(_) => Some(vf::lock_file(&context.dirs, &id)?.acquire()?),
            None => None,
        };
        self.undo_locked(&id, context)
    }
}

impl RdmaUndo {
    /// The undo, by someone who has the VF's lock.
    pub(super) fn undo_locked(&self, id: &Id, context: &mut UndoContext) -> Result<(), attach::Error> {
        match self.other_user(id, context)? {
            Some(owner) => tracing::warn!(device = self.device, owner, "left alone: another pod has it now"),
            None => self.put_back(id, context)?,
        }
        if let Some(path) = &self.device_info {
            file::remove(path).map(drop).or_else(despite_disk)?;
        }
        holders(&context.dirs).forget(id, &self.key, &self.netns)
    }

    fn other_user(&self, id: &Id, context: &UndoContext) -> Result<Option<String>, attach::Error> {
        let dirs = &context.dirs;
        // Who has the VF has its RDMA device: the key differs in nothing but the plugin.
        for holders in [holders(dirs), VfKind::Ethernet.holders(dirs)] {
            if let Some(other) = taken_by(holders, id, &self.key, &self.netns)? {
                return Ok(Some(other));
            }
        }
        if self.is_at_hand(id, context)? { Ok(None) } else { holders(dirs).superseded(id, &self.key) }
    }

    /// Whether it is on the host or in the pod, so that nobody else has it.
    fn is_at_hand(&self, id: &Id, context: &UndoContext) -> Result<bool, attach::Error> {
        let Some(device) = Device::find(&Root::system(), id)? else { return Ok(true) };
        if !device.rdma()?.is_empty() {
            return Ok(true);
        }
        let inside =
            context.pod.as_ref().map(|pod| self.inside(&mut Rdma::open_in(&pod.netns)?)).transpose()?;
        Ok(inside.flatten().is_some())
    }

    fn put_back(&self, id: &Id, context: &mut UndoContext) -> Result<(), attach::Error> {
        if let Some(pod) = &context.pod {
            move_to_host(pod, |inside| self.inside(inside))?;
        }
        let Some(device) = Device::find(&Root::system(), id)? else { return Ok(()) };
        if device.driver().is_none() {
            // With the driver went its RDMA device; the next one comes with the name of its own.
            return Ok(());
        }
        let mut host = Rdma::open()?;
        let start = Instant::now();
        let away = || Error::Away { name: self.name.clone(), waited_ms: millis(start) };
        let found = wait_here(RETURN, || self.find_on_host(&mut host, &device))?.ok_or_else(away)?;
        if found.name != self.name {
            give_name(&mut host, &found, &self.name)?;
        }
        Ok(())
    }

    fn inside(&self, pod: &mut Rdma) -> Result<Option<RdmaDevice>, attach::Error> {
        match self.by_index(pod)? {
            Some(device) => Ok(Some(device)),
            None => Ok(self.among(pod.devices()?)),
        }
    }

    /// Without a list of all devices of the node.
    fn by_index(&self, namespace: &mut Rdma) -> Result<Option<RdmaDevice>, attach::Error> {
        self.index.map_or(Ok(None), |index| Ok(namespace.device(index)?))
    }

    /// On the host: by index and name, or else as the one device of the function.
    fn find_on_host(&self, host: &mut Rdma, device: &Device) -> Result<Option<RdmaDevice>, attach::Error> {
        let names = device.rdma()?;
        if let Some(found) = self.by_index(host)?.filter(|found| names == [found.name.as_str()]) {
            return Ok(Some(found));
        }
        let devices: Vec<_> =
            host.devices()?.into_iter().filter(|device| names.contains(&device.name)).collect();
        match <[RdmaDevice; 1]>::try_from(devices) {
            Ok([only]) => Ok(Some(only)),
            Err(devices) => Ok(self.among(devices)),
        }
    }

    fn among(&self, devices: Vec<RdmaDevice>) -> Option<RdmaDevice> {
        let is_called = |device: &RdmaDevice| device.name == self.name || device.name == self.pod_name;
        let by_index = devices.iter().position(|device| Some(device.index) == self.index);
        let position = by_index.or_else(|| devices.iter().position(is_called))?;
        devices.into_iter().nth(position)
    }
}

/// Moves a device that is found in the pod to the host. The kernel compares the device's namespace with the caller's, not
/// with the socket's (`rdma_dev_change_netns` in drivers/infiniband/core/device.c).
pub(crate) fn move_to_host(
    pod: &Pod,
    find: impl FnOnce(&mut Rdma) -> Result<Option<RdmaDevice>, attach::Error>,
) -> Result<(), attach::Error> {
    let host_netns = NetNs::current()?;
    pod.netns.run(|| {
        let mut inside = Rdma::open()?;
        match find(&mut inside)? {
            Some(device) => Ok(inside.move_device(device.index, host_netns.fd())?),
            None => Ok(()),
        }
    })?
}

/// Gives a device on the host its name again. No two devices of a machine have one name, in whatever namespaces they are: a pod
/// may have given it to another one of its own. If that is on the host, too, it gets the name that this one had; if not, this one
/// keeps what it has.
pub(crate) fn give_name(host: &mut Rdma, device: &RdmaDevice, wanted: &str) -> Result<(), attach::Error> {
    match host.rename(device.index, wanted) {
        Err(error) if error.is_exists() => (),
        renamed => return Ok(renamed?),
    }
    let Some(other) = host.device_by_name(wanted)? else {
        tracing::warn!(rdma = device.name, wanted, "a device in a pod has its name: it keeps the one it has");
        return Ok(());
    };
    host.rename(device.index, SPARE)?;
    host.rename(other.index, &device.name)?;
    Ok(host.rename(device.index, wanted)?)
}
