//! VFs of Ethernet PFs, and subfunctions: MAC, MTU, and the files of sriov-cni.

mod sriov_cni;
#[cfg(test)]
mod tests;
mod torn;

use std::path::{Path, PathBuf};
use std::time::Duration;

use attach::Error as AttachError;
use attach::locks::LockFile;
use cni::Request;
use netlink::link::arphrd::INFINIBAND;
use netlink::{HwAddr, Link, Rtnetlink};
use serde::{Deserialize, Serialize};
use state::{AttachmentKey, Dirs};

use self::sriov_cni::SriovCniCache;
use super::apply::set_own_mac;
use super::caches::UpstreamCache;
use super::kind::Special;
use super::netdev::move_to_pod;
use super::{Device, Error, Id, PreparedVf, VfKind, VfSpec, VfUndo};
use crate::Site;
use crate::upstream::Upstream;

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
    /// Those of an Ethernet VF; sriov-cni has no others.
    pub(super) fn of(kind: VfKind, key: &AttachmentKey, netns: PathBuf) -> Option<Self> {
        let upstream = kind.upstream();
        (kind == VfKind::Ethernet).then(|| Self {
            folder: upstream.name().to_owned(),
            cache: upstream.cache(key),
            allocations: true,
            netns,
        })
    }
}

/// As long as sriov-cni waits.
const PATIENCE: Duration = Duration::from_secs(60);

/// The lock on one VF that every plugin takes which changes it or its RDMA device, sriov-cni's processes included: below the
/// upstream plugins' directory, `sriov/pci/vf_lock/ID.lock`.
pub(crate) fn lock_file(dirs: &Dirs, id: &Id) -> Result<LockFile, AttachError> {
    let directory = dirs.upstream.create(&[Upstream::Sriov.name(), "pci", "vf_lock"])?;
    Ok(LockFile { path: directory.join(format!("{id}.lock")), shared: false, patience: PATIENCE })
}

pub(super) struct Ethernet;

impl Special for Ethernet {
    fn upstream(&self) -> Upstream {
        Upstream::Sriov
    }

    fn locks(&self, dirs: &Dirs, device: &Device) -> Result<Vec<LockFile>, AttachError> {
        Ok(vec![lock_file(dirs, device.id())?])
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

    fn move_to_pod(
        &self,
        vf: &PreparedVf<'_>,
        link: &Link,
        ifname: &str,
        site: &mut Site,
    ) -> Result<Link, AttachError> {
        let mut link = move_to_pod(link, ifname, vf.wanted.mtu, site)?;
        if let Some(mac) = vf.wanted.mac {
            set_own_mac(&site.pod.netns, &mut site.pod.netlink, &link, mac)?;
            link.address = Some(mac);
        }
        Ok(link)
    }

    fn in_user_space(&self, vf: &PreparedVf<'_>) -> (Option<HwAddr>, Option<u32>) {
        let before = vf.pf.as_ref().and_then(|pf| pf.before.mac).filter(|mac| !mac.is_zero());
        (vf.wanted.mac.or(before), vf.pf.as_ref().map(|pf| pf.link.mtu))
    }

    fn differences(&self, wanted: &VfSpec, link: &Link) -> Vec<String> {
        let mtu = wanted.mtu.filter(|mtu| *mtu != link.mtu);
        let mtu = mtu.map(|mtu| format!("its MTU is {}, expected {mtu}", link.mtu));
        let mac = wanted.mac.filter(|mac| link.address != Some(*mac)).map(|mac| {
            let now = link.address.map_or("none".to_owned(), |address| address.to_string());
            format!("its own MAC is {now}, expected {mac}")
        });
        mtu.into_iter().chain(mac).collect()
    }

    fn save(
        &self,
        vf: &PreparedVf<'_>,
        dirs: &Dirs,
        request: &Request,
        undo: &VfUndo,
    ) -> Result<(), AttachError> {
        let cache = SriovCniCache::of(request, undo, vf.wanted.mac, vf.on_pf())?;
        VfKind::Ethernet.holders(dirs).save(&undo.key, &cache)
    }

    fn parse(&self, cache: &[u8]) -> Option<UpstreamCache> {
        SriovCniCache::parse(cache).map(UpstreamCache::from)
    }

    /// The allocation file stays as long as the device was not put back.
    fn is_repairable(&self, dirs: &Dirs, id: &Id) -> Result<bool, AttachError> {
        Ok(VfKind::Ethernet.holders(dirs).user(id)?.is_some())
    }

    fn find_on_host(
        &self,
        dirs: &Dirs,
        key: &AttachmentKey,
        netns: &Path,
        host: &mut Rtnetlink,
    ) -> Result<Option<Device>, AttachError> {
        torn::find_on_host(dirs, key, netns, host)
    }

    fn unknown(&self, id: &Id, name: String) -> UpstreamCache {
        torn::unknown(id, name)
    }

    fn guess_user(
        &self,
        dirs: &Dirs,
        device: &Device,
        host: &mut Rtnetlink,
    ) -> Result<Option<VfUndo>, AttachError> {
        torn::guess_user(dirs, device, host)
    }
}
