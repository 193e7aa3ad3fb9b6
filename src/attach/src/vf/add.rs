use cni::{CniResult, Interface, Request};
use netlink::{HwAddr, Link, Route};
use state::{Dirs, Key};
use sysfs::Root;

use super::apply::{Admin, set_own_mac};
use super::device::Device;
use super::netdev::{Arrival, Netdev};
use super::peer::{Cache, Files};
use super::{Attributes, Error, Plugin, VfUndo, Wanted, lock, owner};
use crate::attachment::key_of;
use crate::child::require_free;
use crate::detect::{self, Candidate};
use crate::lease::{self, Lease};
use crate::{Adding, Attachments, Pod, Prepared};

/// `ARPHRD_INFINIBAND` (`include/uapi/linux/if_arp.h`)
const INFINIBAND: u16 = 32;

/// ADD of an Ethernet VF or SF.
pub fn add(request: &Request, plugin: Plugin, wanted: &Wanted) -> Result<CniResult, cni::Error> {
    let env = &request.env;
    let netns = env.netns.as_deref().ok_or_else(|| cni::Error::netns("CNI_NETNS is empty"))?;
    let detection = detect::Settings::of(&request.config)?;
    let mut pod = Pod::open(netns)?;
    let host = Route::open().map_err(crate::Error::from)?;
    let dirs = Dirs::from_env().map_err(crate::Error::from)?;
    let key = key_of(request)?;
    let prepared = Attachments::open(&dirs, plugin.name)?.prepare::<VfUndo>(key.clone(), &pod.netns)?;
    require_free(&mut pod, &env.ifname)?;
    if prepared.superseded() {
        lease::release(request)?;
    }
    let lease = Lease::of(request);
    let build = Build { request, plugin, wanted, detection, dirs, key, pod, host, lease };
    build.run(prepared)
}

struct Build<'a> {
    request: &'a Request,
    plugin: Plugin,
    wanted: &'a Wanted,
    detection: Option<detect::Settings>,
    dirs: Dirs,
    key: Key,
    pod: Pod,
    host: Route,
    lease: Lease<'a>,
}

/// What was found and has been judged fit.
struct Plan {
    device: Device,
    link: Option<Link>,
    /// `None` without a PF.
    before: Option<Attributes>,
    pf: Option<Link>,
}

impl Build<'_> {
    fn run(mut self, prepared: Prepared) -> Result<CniResult, cni::Error> {
        let (dirs, id) = (self.dirs.clone(), &self.wanted.device);
        let files = self.files();
        // A lock's file stays for ever: none for what is no device.
        Device::require(&Root::system(), id)?;
        let lock = lock::acquire(&dirs, self.plugin.name, id)?;
        owner::vacate(&dirs, id, &files)?;
        let plan = self.plan()?;
        let mut adding = prepared.begin(VfUndo { lock: Some(lock), ..self.undo(&plan, files) })?;
        let built = self.build(&plan, &mut adding).and_then(|result| {
            adding.attached()?;
            Ok(result)
        });
        built.map_err(|error| self.lease.roll_back(error, adding.fail()))
    }

    fn files(&self) -> Files {
        let env = &self.request.env;
        Files {
            folder: self.plugin.name.to_owned(),
            cache: format!("{}-{}", env.container_id, env.ifname),
            allocations: true,
            netns: self.pod.netns.path().to_owned(),
        }
    }

    fn plan(&mut self) -> Result<Plan, crate::Error> {
        let device = Device::require(&Root::system(), &self.wanted.device)?;
        let link = device.require_link(&mut self.host)?;
        if let Some(link) = &link {
            fit(&device, link)?;
        }
        let (pf, before) = match device.pf() {
            Some(pf) => {
                let admin = Admin::open(device.id(), pf, &mut self.host)?;
                (Some(admin.link().clone()), Some(admin.read(&mut self.host)?))
            }
            None => (None, self.without_pf(&device).map(|()| None)?),
        };
        self.check_mtu(pf.as_ref().or(link.as_ref()))?;
        Ok(Plan { device, link, before, pf })
    }

    fn without_pf(&self, device: &Device) -> Result<(), Error> {
        match self.wanted.attributes.first_option() {
            Some(option) => Err(Error::NoPf { device: device.id().to_string(), option }),
            None => Ok(()),
        }
    }

    fn check_mtu(&self, limit: Option<&Link>) -> Result<(), Error> {
        match (self.wanted.mtu, limit) {
            (Some(mtu), Some(pf)) if mtu > pf.mtu => {
                Err(Error::Mtu { mtu, pf: pf.name.clone(), pf_mtu: pf.mtu })
            }
            _ => Ok(()),
        }
    }

    fn undo(&self, plan: &Plan, peer: Files) -> VfUndo {
        VfUndo {
            key: self.key.clone(),
            device: plan.device.id().to_string(),
            driver: plan.device.driver().map(str::to_owned),
            ifname: self.request.env.ifname.clone(),
            index: None,
            netdev: plan.link.as_ref().map(Netdev::of),
            before: plan.before,
            ipam: self.request.config.ipam_type.clone(),
            peer,
            lock: None,
        }
    }

    fn build(&mut self, plan: &Plan, adding: &mut Adding<VfUndo>) -> Result<CniResult, cni::Error> {
        let (id, netns) = (plan.device.id(), &self.pod.netns);
        owner::take(&self.dirs, self.plugin.name, id, &self.key, netns, &adding.undo().peer)?;
        self.administer(plan)?;
        let arrived = plan.link.as_ref().map(|link| self.arrive(link)).transpose()?;
        adding.note(|undo| undo.index = arrived.as_ref().map(|link| link.index));
        let mut result = self.lease.take()?;
        result.interfaces = vec![self.interface(plan, arrived.as_ref())];
        if let Some(link) = &arrived {
            let (settings, lease, result) = (self.detection, &mut self.lease, &mut result);
            detect::configure(&mut self.pod, Candidate { link, parent: None, settings, lease, result })?;
        }
        let pf = plan.pf.as_ref().zip(plan.device.pf()).map(|(link, pf)| (link.name.as_str(), pf.vf));
        let undo = adding.undo();
        undo.peer.save(&self.dirs, &Cache::of(self.request, undo, self.wanted.mac, pf)?)?;
        Ok(result)
    }

    fn administer(&mut self, plan: &Plan) -> Result<(), crate::Error> {
        let (Some(pf), Some(before)) = (plan.device.pf(), &plan.before) else { return Ok(()) };
        let admin = Admin::open(plan.device.id(), pf, &mut self.host)?;
        admin.apply(&mut self.host, &self.wanted.attributes, before)?;
        admin.settle(&mut self.host, self.wanted.attributes.mac.filter(|mac| before.mac != Some(*mac)))
    }

    fn arrive(&mut self, link: &Link) -> Result<Link, crate::Error> {
        let arrival = Arrival { ifname: &self.request.env.ifname, mtu: self.wanted.mtu };
        let mut link = arrival.enter(&mut self.host, link, &mut self.pod)?;
        if let Some(mac) = self.wanted.mac {
            set_own_mac(&self.pod.netns, &mut self.pod.route, &link, mac)?;
            link.address = Some(mac);
        }
        Ok(link)
    }

    fn interface(&self, plan: &Plan, arrived: Option<&Link>) -> Interface {
        let mac = self.wanted.mac.or_else(|| match arrived {
            Some(link) => link.address,
            None => plan.before.and_then(|before| before.mac).filter(|mac: &HwAddr| !mac.is_zero()),
        });
        Interface {
            name: self.request.env.ifname.clone(),
            mac: mac.map(|mac| mac.to_string()),
            mtu: arrived.or(plan.pf.as_ref()).map(|link| link.mtu),
            sandbox: Some(self.pod.netns.path().display().to_string()),
            pci_id: Some(plan.device.id().to_string()).filter(|_| plan.device.is_pci()),
            ..Interface::default()
        }
    }
}

/// Whether the host can do without the interface, and `sriov` with it.
fn fit(device: &Device, link: &Link) -> Result<(), Error> {
    let problem = match link {
        Link { hardware_type: INFINIBAND, name, .. } => {
            format!("its interface {name} is InfiniBand: use `ib-sriov`")
        }
        Link { master: Some(_), name, .. } => {
            format!(
                "its interface {name} is a port of a bond or bridge on the host: take it out of that first"
            )
        }
        _ => return Ok(()),
    };
    Err(Error::Device { id: device.id().to_string(), problem })
}
