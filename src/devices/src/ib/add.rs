use addresses::advertisements;
use addresses::detect::{self, Candidate};
use attach::claim::Claimant;
use attach::lease::{self, Lease};
use attach::{Adding, Attachments, Pod, key_of, require_free};
use cni::{CniResult, Request, delegate};
use netlink::{Link, Rtnetlink};
use state::Dirs;
use sysfs::Root;

use super::prepared::PreparedIb;
use super::{IbSpec, IbUndo, NAME, lock};
use crate::rdma::{Policy, require_exclusive};
use crate::vf::Device;

/// ADD of an InfiniBand VF. The lock is held while devices change, and not while the IPAM works.
pub fn add(request: &Request, wanted: &IbSpec) -> Result<CniResult, cni::Error> {
    let env = &request.env;
    let netns = env.require_netns()?;
    let detection = detect::Settings::of(&request.config)?;
    let accept_ra = advertisements::asked_for(&request.config)?;
    let mut pod = Pod::open(netns)?;
    if wanted.isolation {
        require_exclusive(Policy::Exclusive)?;
    }
    let device = Device::require(&Root::system(), &wanted.device)?;
    if let Some(ipam) = request.config.ipam_type.as_ref().filter(|_| !device.is_userspace()) {
        delegate::require(request, ipam)?;
    }
    let dirs = Dirs::from_env().map_err(attach::Error::from)?;
    let key = key_of(request)?;
    let prepared = Attachments::open(&dirs, NAME)?.prepare::<IbUndo>(key.clone(), &pod.netns)?;
    require_free(&mut pod, &env.ifname)?;
    if prepared.superseded() {
        lease::release(request)?;
    }
    let mut host = Rtnetlink::open().map_err(attach::Error::from)?;
    let lock = lock::acquire(&dirs, &device)?;
    let vf = PreparedIb::find(&dirs, wanted, &mut host)?;
    let mut adding = prepared.begin(vf.undo(request, key.clone()))?;
    let claimant = Claimant { dirs: &dirs, plugin: NAME, record: None, key: &key };
    let attached = vf.move_to_pod(&claimant, &mut host, &mut pod);
    drop(lock);
    let mut lease = Lease::of(request);
    let mut build = Build { request, detection, accept_ra, dirs: &dirs, pod, host };
    let outcome = attached
        .map_err(cni::Error::from)
        .and_then(|link| build.finish(&vf, link.as_ref(), &mut lease, &mut adding));
    outcome.map_err(|error| lease.roll_back(error, adding.fail()))
}

struct Build<'a> {
    request: &'a Request,
    detection: Option<detect::Settings>,
    accept_ra: bool,
    dirs: &'a Dirs,
    pod: Pod,
    host: Rtnetlink,
}

impl Build<'_> {
    fn finish(
        &mut self,
        vf: &PreparedIb<'_>,
        link: Option<&Link>,
        lease: &mut Lease<'_>,
        adding: &mut Adding<IbUndo>,
    ) -> Result<CniResult, cni::Error> {
        adding.set(|undo| undo.index = link.map(|link| link.index));
        let mut result = match link {
            Some(_) => lease.take()?,
            None => CniResult::default(),
        };
        result.interfaces = vec![vf.interface(&self.request.env.ifname, link, &self.pod)];
        if addresses::has_ipv6(&result) {
            adding.wake_lo(&self.pod)?;
        }
        if let Some(link) = link {
            let (settings, result) = (self.detection, &mut result);
            advertisements::set(&self.pod, &[(link, self.accept_ra)])?;
            detect::configure(&mut self.pod, Candidate { link, parent: None, settings, lease, result })?;
            advertisements::wait(&mut self.pod, &[(link, self.accept_ra)])?;
        }
        vf.save(self.dirs, self.request, adding.undo(), &mut self.host)?;
        adding.attached()?;
        Ok(result)
    }
}
