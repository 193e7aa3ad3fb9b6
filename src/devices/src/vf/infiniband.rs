//! VFs of `InfiniBand` PFs: GUIDs, link state, the `IPoIB` interface and, if wished, the RDMA device.
//!
//! A GUID takes effect when the driver is rebound. That makes the kernel build RDMA device and interface again, so it
//! is done only when the GUID really changes, and what comes back is waited for and compared with what went.

mod error;
mod ib_sriov_cni;
mod rebind;
mod torn;

pub use error::Error;
pub use rebind::RdmaBefore;

use std::path::Path;
use std::time::{Duration, Instant};

use attach::locks::LockFile;
use attach::wait::{here as wait_here, millis};
use attach::{Error as AttachError, Pod};
use cni::Request;
use netlink::link::arphrd::INFINIBAND;
use netlink::{Link, LinkChange, Rdma, Rtnetlink};
use state::{AttachmentKey, Dirs};
use sysfs::Root;

use self::ib_sriov_cni::IbSriovCniCache;
use super::caches::UpstreamCache;
use super::kind::Special;
use super::netdev::{Netdev, in_pod, move_to_pod};
use super::torn::named;
use super::{Attributes, Device, Id, PreparedVf, VfKind, VfSpec, VfUndo};
use crate::Site;
use crate::holders::is_on_host;
use crate::rdma;
use crate::upstream::Upstream;
use rebind::{guid_of, rdma_anywhere, rdma_of, rebind};

/// As for an interface that comes back to the host.
const REBUILD: Duration = Duration::from_secs(10);

/// A rebind takes seconds on a busy node, and several VFs of one PF may want one.
const PATIENCE: Duration = Duration::from_secs(60);
/// Where ib-sriov-cni has its one lock of the node, wherever its caches are.
const UPSTREAM: &str = "/var/run/cni/ib-sriov";
/// Our own locks, below the state directory.
const FOLDER: &str = "ib";

/// VFs of different PFs do not wait for each other; processes of ib-sriov-cni and ours keep each other away.
fn lock_files(dirs: &Dirs, device: &Device) -> Result<Vec<LockFile>, AttachError> {
    let upstream = Path::new(UPSTREAM);
    state::file::create_folder(upstream)?;
    let pf = device.pf().map_or_else(|| device.id().to_string(), |pf| pf.function.bdf().to_string());
    let directory = dirs.state.create(&[FOLDER])?;
    Ok(vec![
        LockFile { path: upstream.join("cni.lock"), shared: true, patience: PATIENCE },
        LockFile { path: directory.join(format!("{pf}.lock")), shared: false, patience: PATIENCE },
    ])
}

pub(super) struct InfiniBand;

impl Special for InfiniBand {
    fn upstream(&self) -> Upstream {
        Upstream::IbSriov
    }

    fn locks(&self, dirs: &Dirs, device: &Device) -> Result<Vec<LockFile>, AttachError> {
        lock_files(dirs, device)
    }

    fn addresses_user_space(&self) -> bool {
        false
    }

    fn require_device(&self, wanted: &VfSpec, device: &Device) -> Result<(), AttachError> {
        let id = device.id().to_string();
        if wanted.vfio && !device.is_userspace() {
            let driver = device.driver().unwrap_or("none").to_owned();
            return Err(Error::NotVfio { device: id, driver }.into());
        }
        if device.pf().is_some() {
            return Ok(());
        }
        if !device.is_userspace() {
            return Err(Error::Pf { device: id }.into());
        }
        if wanted.attributes != Attributes::default() {
            tracing::warn!(
                device = id,
                "a PF has no PF that would set its GUID or link state: they stay what they are"
            );
        }
        Ok(())
    }

    fn require_link(&self, wanted: &VfSpec, device: &Device, link: &Link) -> Result<(), AttachError> {
        if link.hardware_type != INFINIBAND {
            return Err(Error::Ethernet { device: device.id().to_string(), ifname: link.name.clone() }.into());
        }
        require_guid(wanted, device, link)?;
        if wanted.isolation {
            rdma_of(device)?;
        }
        warn_of_partition(wanted, link);
        Ok(())
    }

    fn rdma(&self, device: &Device) -> Result<Option<RdmaBefore>, AttachError> {
        RdmaBefore::of(device)
    }

    /// Only what is to change is put back.
    fn complete(&self, vf: &PreparedVf<'_>, undo: &mut VfUndo) {
        let change = &vf.wanted.attributes;
        undo.before = undo.before.map(|before| Attributes {
            link_state: before.link_state.filter(|_| change.link_state.is_some()),
            node_guid: before.node_guid.filter(|_| change.node_guid.is_some()),
            port_guid: before.port_guid.filter(|_| change.port_guid.is_some()),
            ..Attributes::default()
        });
        // The address of an IPoIB interface is its port's and its queue pair's: nobody sets it.
        undo.netdev = undo.netdev.take().map(|netdev| Netdev { mac: None, ..netdev });
        undo.guid = vf.link.as_ref().and_then(guid_of);
        undo.rdma.clone_from(&vf.rdma);
        undo.isolated = Some(vf.wanted.isolation);
    }

    /// Moving the RDMA device builds its interface again, so that goes second.
    fn move_to_pod(
        &self,
        vf: &PreparedVf<'_>,
        link: &Link,
        ifname: &str,
        site: &mut Site,
    ) -> Result<Link, AttachError> {
        let mut link = link.clone();
        if let Some(guid) = vf.wanted.guid().filter(|guid| guid_of(&link) != Some(*guid)) {
            let driver = vf.device.driver().unwrap_or_default();
            let Site { dirs, host, .. } = &mut *site;
            link = rebind(dirs, vf.device.id(), driver, Some(guid), vf.rdma.as_ref(), host)?;
        }
        if vf.wanted.isolation {
            let rdma = rdma_of(&vf.device)?;
            let moved = Rdma::open()?.move_device(rdma.index, site.pod.netns.fd());
            moved.map_err(|source| rdma::immovable(&rdma, source))?;
            link = match rebuilt(&vf.device, ifname, site)? {
                Rebuilt::OnHost(link) => link,
                Rebuilt::InPod(link) => return Ok(link),
            };
        }
        move_to_pod(&link, ifname, None, site)
    }

    fn differences(&self, wanted: &VfSpec, link: &Link) -> Vec<String> {
        let guid = wanted.guid().filter(|guid| guid_of(link) != Some(*guid));
        let difference = guid.map(|guid| {
            let has = guid_of(link).map_or_else(|| "none".to_owned(), |guid| guid.to_string());
            format!("the GUID in its address is {has}, expected {guid}")
        });
        difference.into_iter().collect()
    }

    /// The interface leaves the pod before the RDMA device does, whose move builds it again.
    fn leave_pod(&self, undo: &VfUndo, device: &Device, pod: &Pod) -> Result<(), AttachError> {
        let Some(rdma) = undo.rdma.as_ref().filter(|_| undo.isolated == Some(true)) else { return Ok(()) };
        let name = rdma_anywhere(device).unwrap_or_else(|| rdma.name.clone());
        rdma::move_to_host(pod, |inside| Ok(inside.device_by_name(&name)?))
    }

    /// Bound again before the PF has its own GUID back, it would have the pod's again, and be waited for in vain. The rebind of
    /// an ADD that was killed in it, too, is made up for here.
    fn rebuild(
        &self,
        undo: &VfUndo,
        device: &Device,
        link: Link,
        restored: bool,
        (dirs, host): (&Dirs, &mut Rtnetlink),
    ) -> Result<Link, AttachError> {
        let guid = undo.guid.filter(|guid| restored && guid_of(&link) != Some(*guid));
        // ib-sriov-cni's cache does not tell which driver it was.
        let driver = undo.driver.as_deref().or(device.driver());
        if let (Some(driver), Some(_)) = (driver, guid) {
            return rebind(dirs, device.id(), driver, guid, undo.rdma.as_ref(), host);
        }
        undo.rdma.as_ref().map_or(Ok(()), |rdma| rdma.restore(device))?;
        Ok(link)
    }

    fn save(
        &self,
        vf: &PreparedVf<'_>,
        dirs: &Dirs,
        request: &Request,
        undo: &VfUndo,
    ) -> Result<(), AttachError> {
        let cache = IbSriovCniCache::of(request, vf.wanted, undo, vf.on_pf());
        VfKind::InfiniBand.holders(dirs).save(&undo.key, &cache)
    }

    fn parse(&self, cache: &[u8]) -> Option<UpstreamCache> {
        IbSriovCniCache::parse(cache).map(UpstreamCache::from)
    }

    /// If no pod has its interface, as far as the host can see: ib-sriov-cni does not write down who lives.
    fn is_repairable(&self, _: &Dirs, id: &Id) -> Result<bool, AttachError> {
        let device = Device::find(&Root::system(), id)?;
        Ok(device.is_some_and(|device| device.is_userspace()) || is_on_host(id)?)
    }

    fn find_on_host(
        &self,
        _: &Dirs,
        key: &AttachmentKey,
        _: &Path,
        host: &mut Rtnetlink,
    ) -> Result<Option<Device>, AttachError> {
        named(&key.ifname, host)
    }

    fn is_guessable(&self, device: &Device) -> bool {
        device.pf().is_some()
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

/// Where an interface came back.
enum Rebuilt {
    OnHost(Link),
    InPod(Link),
}

/// Waits for the interface of an RDMA device that has moved, which from Linux 6.17 on `ib_ipoib` builds where the device
/// is. There it has a name of the kernel's choice.
fn rebuilt(device: &Device, ifname: &str, site: &mut Site) -> Result<Rebuilt, AttachError> {
    match await_either(device, site)? {
        Rebuilt::InPod(link) if link.name != ifname => {
            let name = Some(ifname.to_owned());
            site.pod.netlink.set_link(link.index, &LinkChange { name, ..LinkChange::default() })?;
            Ok(Rebuilt::InPod(Link { name: ifname.to_owned(), ..link }))
        }
        found => Ok(found),
    }
}

fn await_either(device: &Device, site: &mut Site) -> Result<Rebuilt, AttachError> {
    let start = Instant::now();
    let found = wait_here(REBUILD, || match device.link(&mut site.host)? {
        Some(link) => Ok(Some(Rebuilt::OnHost(link))),
        None => Ok(in_pod(&mut site.pod.netlink, device.id(), None, "")?.map(Rebuilt::InPod)),
    })?;
    let away = || super::Error::Away { device: device.id().to_string(), waited_ms: millis(start) };
    Ok(found.ok_or_else(away)?)
}

fn require_guid(wanted: &VfSpec, device: &Device, link: &Link) -> Result<(), Error> {
    let own = guid_of(link).filter(|guid| guid.is_reserved());
    match (wanted.guid(), own) {
        (None, Some(guid)) => Err(Error::NoGuid { device: device.id().to_string(), guid: guid.to_string() }),
        _ => Ok(()),
    }
}

fn warn_of_partition(wanted: &VfSpec, link: &Link) {
    let Some(pkey) = wanted.pkey else { return };
    if pkey.is_in_table_of(&link.name) == Some(false) {
        tracing::warn!(
            %pkey,
            device = %wanted.device,
            "its port is not in this partition: there is no traffic in it until the subnet manager gives it to the GUID"
        );
    }
}
