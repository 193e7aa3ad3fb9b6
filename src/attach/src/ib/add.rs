use cni::{CniResult, Interface, Request, delegate};
use netlink::{Link, Rdma, Route};
use state::{Dirs, Key};
use sysfs::Root;

use super::rebind::{RdmaBefore, guid_of, rdma_of, rebind};
use super::undo::claims;
use super::{Error, IbUndo, NAME, Wanted, lock, peer};
use crate::attachment::key_of;
use crate::child::require_free;
use crate::claim::Evicted;
use crate::detect::{self, Candidate};
use crate::lease::{self, Lease};
use crate::rdma::{Policy, require_exclusive};
use crate::vf::{self, Admin, Arrival, Attributes, Device, Netdev, await_home};
use crate::{Adding, Attachments, Pod};

/// `ARPHRD_INFINIBAND` (`include/uapi/linux/if_arp.h`)
const INFINIBAND: u16 = 32;

/// ADD of an InfiniBand VF. The lock is held while devices change, and not while the IPAM works.
pub fn add(request: &Request, wanted: &Wanted) -> Result<CniResult, cni::Error> {
    let env = &request.env;
    let netns = env.netns.as_deref().ok_or_else(|| cni::Error::netns("CNI_NETNS is empty"))?;
    let detection = detect::Settings::of(&request.config)?;
    let mut pod = Pod::open(netns)?;
    if wanted.isolation {
        require_exclusive(Policy::Exclusive)?;
    }
    let device = Device::require(&Root::system(), &wanted.device)?;
    if let Some(ipam) = request.config.ipam_type.as_ref().filter(|_| !device.is_userspace()) {
        delegate::require(request, ipam)?;
    }
    let dirs = Dirs::from_env().map_err(crate::Error::from)?;
    let key = key_of(request)?;
    let prepared = Attachments::open(&dirs, NAME)?.prepare::<IbUndo>(key.clone(), &pod.netns)?;
    require_free(&mut pod, &env.ifname)?;
    if prepared.superseded() {
        lease::release(request)?;
    }
    let host = Route::open().map_err(crate::Error::from)?;
    let mut build = Build { request, wanted, detection, dirs, pod, host };
    let lock = lock::acquire(&build.dirs, &device)?;
    build.vacate()?;
    let plan = build.plan()?;
    let mut adding = prepared.begin(build.undo(&plan, key))?;
    let attached = build.attach(&plan, &mut adding);
    drop(lock);
    let mut lease = Lease::of(request);
    let outcome = attached
        .map_err(cni::Error::from)
        .and_then(|link| build.finish(&plan, link.as_ref(), &mut lease, &mut adding));
    outcome.map_err(|error| lease.roll_back(error, adding.fail()))
}

struct Build<'a> {
    request: &'a Request,
    wanted: &'a Wanted,
    detection: Option<detect::Settings>,
    dirs: Dirs,
    pod: Pod,
    host: Route,
}

/// What was found and has been judged fit.
struct Plan {
    device: Device,
    link: Option<Link>,
    before: Option<Attributes>,
    change: Attributes,
    rdma: Option<RdmaBefore>,
}

impl Build<'_> {
    fn vacate(&self) -> Result<(), crate::Error> {
        let id = &self.wanted.device;
        let evicted =
            claims(&self.dirs).evict::<IbUndo>(id, |undo, scene| undo.undo_locked(&self.dirs, id, scene))?;
        match evicted {
            Evicted::Free => Ok(()),
            Evicted::Alive(owner) => {
                let (name, netns) = (owner.key.to_string(), owner.netns());
                Err(vf::Error::Allocated { device: id.to_string(), owner: name, netns }.into())
            }
        }
    }

    fn plan(&mut self) -> Result<Plan, crate::Error> {
        let device = Device::require(&Root::system(), &self.wanted.device)?;
        let id = device.id().to_string();
        if self.wanted.vfio && !device.is_userspace() {
            let driver = device.driver().unwrap_or("none").to_owned();
            return Err(Error::NotVfio { device: id, driver }.into());
        }
        if device.pf().is_none() && !device.is_userspace() {
            return Err(Error::Pf { device: id }.into());
        }
        let link = device.require_link(&mut self.host)?;
        if let Some(link) = link.as_ref().filter(|link| link.hardware_type != INFINIBAND) {
            return Err(Error::Ethernet { device: id, ifname: link.name.clone() }.into());
        }
        self.require_guid(&device, link.as_ref())?;
        if self.wanted.isolation && link.is_some() {
            rdma_of(&device)?;
        }
        let before = match device.pf() {
            Some(pf) => Some(Admin::open(device.id(), pf, &mut self.host)?.read(&mut self.host)?),
            None => None,
        };
        let rdma = RdmaBefore::of(&device)?;
        let plan = Plan { device, link, before, change: self.change(), rdma };
        self.warn_of_partition(&plan);
        Ok(plan)
    }

    fn change(&self) -> Attributes {
        let guid = self.wanted.guid;
        Attributes {
            link_state: self.wanted.link_state,
            node_guid: guid,
            port_guid: guid,
            ..Attributes::default()
        }
    }

    fn require_guid(&self, device: &Device, link: Option<&Link>) -> Result<(), Error> {
        let own = link.and_then(guid_of).filter(|guid| guid.is_reserved());
        match (self.wanted.guid, own) {
            (None, Some(guid)) => {
                Err(Error::NoGuid { device: device.id().to_string(), guid: guid.to_string() })
            }
            _ => Ok(()),
        }
    }

    fn warn_of_partition(&self, plan: &Plan) {
        let (Some(pkey), Some(link)) = (self.wanted.pkey, &plan.link) else { return };
        if pkey.is_in_table_of(&link.name) == Some(false) {
            tracing::warn!(
                %pkey,
                device = %plan.device.id(),
                "its port is not in this partition: there is no traffic in it until the subnet manager gives it to the GUID"
            );
        }
    }

    /// Only what is to change is put back.
    fn undo(&self, plan: &Plan, key: Key) -> IbUndo {
        let before = plan.before.map(|before| Attributes {
            link_state: before.link_state.filter(|_| plan.change.link_state.is_some()),
            node_guid: before.node_guid.filter(|_| plan.change.node_guid.is_some()),
            port_guid: before.port_guid.filter(|_| plan.change.port_guid.is_some()),
            ..Attributes::default()
        });
        // The address of an IPoIB interface is its port's and its queue pair's: nobody sets it.
        let netdev = plan.link.as_ref().map(|link| Netdev { mac: None, ..Netdev::of(link) });
        IbUndo {
            key,
            device: plan.device.id().to_string(),
            driver: plan.device.driver().map(str::to_owned),
            ifname: self.request.env.ifname.clone(),
            index: None,
            netdev,
            guid: plan.link.as_ref().and_then(guid_of),
            before,
            rdma: plan.rdma.clone(),
            isolated: self.wanted.isolation,
            ipam: self.request.config.ipam_type.clone(),
        }
    }

    /// Moving the RDMA device builds its interface anew, so that goes second.
    fn attach(&mut self, plan: &Plan, adding: &mut Adding<IbUndo>) -> Result<Option<Link>, crate::Error> {
        let id = plan.device.id();
        claims(&self.dirs).take(NAME, id, adding.key(), &self.pod.netns)?;
        self.administer(plan)?;
        let Some(link) = &plan.link else { return Ok(None) };
        let mut link = link.clone();
        if let Some(guid) = self.wanted.guid.filter(|guid| guid_of(&link) != Some(*guid)) {
            let driver = plan.device.driver().unwrap_or_default();
            link = rebind(&self.dirs, id, driver, Some(guid), plan.rdma.as_ref(), &mut self.host)?;
        }
        if self.wanted.isolation {
            let rdma = rdma_of(&plan.device)?;
            Rdma::open()?.move_device(rdma.index, self.pod.netns.fd())?;
            link = await_home(&plan.device, &mut self.host)?;
        }
        let arrival = Arrival { ifname: &self.request.env.ifname, mtu: None };
        let arrived = arrival.enter(&mut self.host, &link, &mut self.pod)?;
        adding.note(|undo| undo.index = Some(arrived.index));
        Ok(Some(arrived))
    }

    fn administer(&mut self, plan: &Plan) -> Result<(), crate::Error> {
        let (Some(pf), Some(before)) = (plan.device.pf(), &plan.before) else { return Ok(()) };
        let admin = Admin::open(plan.device.id(), pf, &mut self.host)?;
        admin.apply(&mut self.host, &plan.change, before)
    }

    fn finish(
        &mut self,
        plan: &Plan,
        link: Option<&Link>,
        lease: &mut Lease<'_>,
        adding: &mut Adding<IbUndo>,
    ) -> Result<CniResult, cni::Error> {
        let mut result = match link {
            Some(_) => lease.take()?,
            None => CniResult::default(),
        };
        result.interfaces = vec![self.interface(plan, link)];
        if let Some(link) = link {
            let (settings, result) = (self.detection, &mut result);
            detect::configure(&mut self.pod, Candidate { link, parent: None, settings, lease, result })?;
        }
        let pf = plan
            .device
            .pf()
            .map(|pf| Ok::<_, crate::Error>((pf.link(plan.device.id(), &mut self.host)?.name, pf.vf)));
        peer::save(&self.dirs, self.request, self.wanted, adding.undo(), pf.transpose()?)?;
        adding.attached()?;
        Ok(result)
    }

    /// The GUIDs are in the address: its last 8 bytes.
    fn interface(&self, plan: &Plan, link: Option<&Link>) -> Interface {
        Interface {
            name: self.request.env.ifname.clone(),
            mac: link.and_then(|link| link.address).map(|address| address.to_string()),
            mtu: link.map(|link| link.mtu),
            sandbox: Some(self.pod.netns.path().display().to_string()),
            pci_id: Some(plan.device.id().to_string()),
            ..Interface::default()
        }
    }
}
