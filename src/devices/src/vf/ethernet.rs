//! VFs of Ethernet PFs, and subfunctions: MAC, MTU, and the files of sriov-cni.

pub(crate) mod lock;
mod sriov_cni;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use attach::locks::LockFile;
use attach::{Error as AttachError, Pod};
use cni::Request;
use netlink::link::arphrd::INFINIBAND;
use netlink::{HwAddr, Link, Rtnetlink};
use serde::{Deserialize, Serialize};
use state::{AttachmentKey, Dirs};

use super::apply::set_own_mac;
use super::caches::{UpstreamCache, default_name, nobody};
use super::kind::{Lent, Special};
use super::netdev::{Netdev, Placement, require_on_host};
use super::{Attributes, Device, Error, Id, PreparedVf, VfKind, VfSpec, VfUndo};
use crate::allocation::Allocation;
use crate::holders::is_alive;
use crate::users::{Upstream, names};
use sriov_cni::SriovCniCache;

/// Which of sriov-cni's files belong to an attachment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SriovCniFiles {
    /// The folder below the upstream plugins' directory.
    pub folder: String,
    /// Name of the cache in it.
    pub cache: String,
    /// Whether the folder has allocation files, one per device.
    pub allocations: bool,
    /// `CNI_NETNS` of ADD, which is what an allocation file holds.
    pub netns: PathBuf,
}

impl SriovCniFiles {
    fn of(key: &AttachmentKey, netns: PathBuf) -> Self {
        let upstream = Upstream::Sriov;
        Self { folder: upstream.name().to_owned(), cache: upstream.cache(key), allocations: true, netns }
    }
}

pub(super) struct Ethernet;

impl Special for Ethernet {
    fn upstream(&self) -> Upstream {
        Upstream::Sriov
    }

    fn locks(&self, dirs: &Dirs, device: &Device) -> Result<Vec<LockFile>, AttachError> {
        Ok(vec![lock::file(dirs, device.id())?])
    }

    fn addresses_user_space(&self) -> bool {
        true
    }

    fn require_device(&self, wanted: &VfSpec, device: &Device) -> Result<(), AttachError> {
        let option = wanted.attributes.first_option().filter(|_| device.pf().is_none());
        option.map_or(Ok(()), |option| Err(Error::NoPf { device: device.id().to_string(), option }.into()))
    }

    fn require_link(&self, _: &VfSpec, device: &Device, link: &Link) -> Result<(), AttachError> {
        if link.hardware_type != INFINIBAND {
            return Ok(());
        }
        let problem = format!("its interface {} is InfiniBand: use `ib-sriov`", link.name);
        Err(Error::Device { id: device.id().to_string(), problem }.into())
    }

    fn complete(&self, _: &PreparedVf<'_>, netns: &Path, undo: &mut VfUndo) {
        undo.peer = Some(SriovCniFiles::of(&undo.key, netns.to_owned()));
    }

    fn move_to_pod(
        &self,
        vf: &PreparedVf<'_>,
        link: &Link,
        ifname: &str,
        lent: &mut Lent<'_>,
    ) -> Result<Link, AttachError> {
        let pod = &mut *lent.pod;
        let mut link = Placement { ifname, mtu: vf.wanted.mtu }.move_to_pod(lent.host, link, pod)?;
        if let Some(mac) = vf.wanted.mac {
            set_own_mac(&pod.netns, &mut pod.netlink, &link, mac)?;
            link.address = Some(mac);
        }
        Ok(link)
    }

    fn in_user_space(&self, vf: &PreparedVf<'_>) -> (Option<HwAddr>, Option<u32>) {
        let before = vf.before.and_then(|before| before.mac).filter(|mac| !mac.is_zero());
        (vf.wanted.mac.or(before), vf.pf.as_ref().map(|pf| pf.mtu))
    }

    fn save(
        &self,
        vf: &PreparedVf<'_>,
        dirs: &Dirs,
        request: &Request,
        undo: &VfUndo,
    ) -> Result<(), AttachError> {
        let pf = vf.pf.as_ref().zip(vf.device.pf()).map(|(link, pf)| (link.name.as_str(), pf.vf));
        let cache = SriovCniCache::of(request, undo, vf.wanted.mac, pf)?;
        VfKind::Ethernet.holders(dirs).save(&undo.key, &cache)
    }

    fn differences(
        &self,
        wanted: &VfSpec,
        _: Option<&VfUndo>,
        link: Option<&Link>,
        _: &Pod,
    ) -> Result<Vec<String>, AttachError> {
        let Some(link) = link else { return Ok(Vec::new()) };
        let mtu = wanted.mtu.filter(|mtu| *mtu != link.mtu);
        let mtu = mtu.map(|mtu| format!("its MTU is {}, expected {mtu}", link.mtu));
        let mac = wanted.mac.filter(|mac| link.address != Some(*mac)).map(|mac| {
            let now = link.address.map_or("none".to_owned(), |address| address.to_string());
            format!("its own MAC is {now}, expected {mac}")
        });
        Ok(mtu.into_iter().chain(mac).collect())
    }

    fn parse(&self, cache: &[u8]) -> Option<Box<dyn UpstreamCache>> {
        SriovCniCache::parse(cache).map(|cache| Box::new(cache) as _)
    }

    /// The allocation file stays as long as the device was not put back.
    fn is_repairable(&self, dirs: &Dirs, id: &Id) -> Result<bool, AttachError> {
        Ok(VfKind::Ethernet.holders(dirs).user(id)?.is_some())
    }

    /// If it is allocated to the pod.
    fn find_on_host(
        &self,
        dirs: &Dirs,
        key: &AttachmentKey,
        netns: &Path,
        host: &mut Rtnetlink,
    ) -> Result<Option<Device>, AttachError> {
        for (id, allocation) in Allocation::all(dirs)? {
            if allocation.user()?.as_deref() != Some(netns) {
                continue;
            }
            let Some(device) = Device::find(&sysfs::Root::system(), &id)? else { continue };
            // A dying namespace hands it over late.
            require_on_host(&device, host)?;
            if device.link(host)?.is_some_and(|link| link.name == key.ifname) {
                return Ok(Some(device));
            }
        }
        Ok(None)
    }

    /// Without `CNI_NETNS` the device of a living pod cannot be told from those of others.
    fn require_named(&self, dirs: &Dirs, netns: &Path) -> Result<(), AttachError> {
        if !netns.as_os_str().is_empty() {
            return Ok(());
        }
        let holders = VfKind::Ethernet.holders(dirs);
        for (id, allocation) in Allocation::all(dirs)? {
            let Some(netns) = allocation.user()?.filter(|user| is_alive(user)) else { continue };
            if holders.users(&id)?.caches().next().is_none() {
                return Err(Error::Unnamed { device: id.to_string(), netns }.into());
            }
        }
        Ok(())
    }

    fn guess(&self, key: AttachmentKey, id: &Id, name: String, netns: PathBuf) -> VfUndo {
        tracing::warn!(
            device = %id,
            "what it was is not known: it gets the usual name, and its PF's defaults: no VLAN, no MAC, no rates, no trust, \
             link state auto; spoofchk stays what it is"
        );
        VfUndo {
            netdev: Some(Netdev { name, ..Netdev::default() }),
            before: Some(Attributes::defaults()),
            ..SriovCniCache::default().undo(key, id, netns)
        }
    }

    /// If it is allocated yet: no word is left of what it was.
    fn guess_user(
        &self,
        dirs: &Dirs,
        device: &Device,
        host: &mut Rtnetlink,
    ) -> Result<Option<VfUndo>, AttachError> {
        let Some(netns) = Allocation::of(dirs, device.id())?.user_of_this_boot()? else { return Ok(None) };
        require_on_host(device, host)?;
        let name = device.link(host)?.map_or_else(String::new, |link| link.name);
        // The name that it had in the pod, or its own.
        let is_pods = names(&VfKind::Ethernet.holders(dirs).folder()?)
            .iter()
            .any(|cache| cache.strip_suffix(&name).is_some_and(|container| container.ends_with('-')));
        let name = if is_pods { default_name(device, host)? } else { name };
        Ok(Some(self.guess(nobody(String::new(), String::new()), device.id(), name, netns)))
    }
}
