use addresses::advertisements;
use addresses::detect::{self, Candidate};
use attach::claim::Claimant;
use attach::lease::{self, Lease};
use attach::locks::acquire_all;
use attach::{Adding, Attachments, Pod, key_of, require_free};
use cni::{CniResult, Request, delegate};
use netlink::{Link, Rtnetlink};
use state::Dirs;

use super::{Device, PreparedVf, VfKind, VfSpec, VfUndo};
use crate::rdma::{Policy, require_exclusive};

/// ADD of a VF or SF. Its locks are held while it changes, and not while the IPAM works: then its claim keeps others away.
pub fn add(request: &Request, wanted: &VfSpec) -> Result<CniResult, cni::Error> {
    let env = &request.env;
    let netns = env.require_netns()?;
    let detection = detect::Settings::of(&request.config)?;
    let accept_ra = advertisements::asked_for(&request.config)?;
    let mut pod = Pod::open(netns)?;
    if wanted.isolation {
        require_exclusive(Policy::Exclusive)?;
    }
    let mut vf = PreparedVf::find(wanted)?;
    let addressed = is_addressed(wanted.kind, vf.device());
    if let Some(ipam) = request.config.ipam_type.as_ref().filter(|_| addressed) {
        delegate::require(request, ipam)?;
    }
    let dirs = Dirs::from_env().map_err(attach::Error::from)?;
    let key = key_of(request)?;
    let attachments = Attachments::open(&dirs, wanted.kind.plugin())?;
    let prepared = attachments.prepare::<VfUndo>(key.clone(), &pod.netns)?;
    require_free(&mut pod, &env.ifname)?;
    if prepared.superseded() {
        lease::release(request)?;
    }
    let mut host = Rtnetlink::open().map_err(attach::Error::from)?;
    let locks = acquire_all(vf.locks(&dirs)?)?;
    vf.prepare(&dirs, &mut host)?;
    let mut adding = prepared.begin(vf.undo(request, key.clone(), pod.netns.path()))?;
    let claimant = Claimant { dirs: &dirs, plugin: wanted.kind.plugin(), record: None, key: &key };
    let moved = vf.move_to_pod(&claimant, &mut host, &mut pod);
    drop(locks);
    let mut lease = Lease::of(request);
    let mut build = Build { request, detection, accept_ra, addressed, dirs: &dirs, pod };
    let outcome = moved
        .map_err(cni::Error::from)
        .and_then(|link| build.finish(&vf, link.as_ref(), &mut lease, &mut adding));
    outcome.map_err(|error| adding.roll_back([lease], error))
}

/// Whether the IPAM is asked for addresses.
pub(super) fn is_addressed(kind: VfKind, device: &Device) -> bool {
    !device.is_userspace() || kind.special().addresses_user_space()
}

struct Build<'a> {
    request: &'a Request,
    detection: Option<detect::Settings>,
    accept_ra: bool,
    addressed: bool,
    dirs: &'a Dirs,
    pod: Pod,
}

impl Build<'_> {
    fn finish(
        &mut self,
        vf: &PreparedVf<'_>,
        link: Option<&Link>,
        lease: &mut Lease<'_>,
        adding: &mut Adding<VfUndo>,
    ) -> Result<CniResult, cni::Error> {
        adding.set(|undo| undo.index = link.map(|link| link.index));
        let mut result = if self.addressed { lease.take()? } else { CniResult::default() };
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
        vf.save(self.dirs, self.request, adding.undo())?;
        adding.attached()?;
        Ok(result)
    }
}
