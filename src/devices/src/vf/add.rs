use addresses::{Candidate, Options};
use attach::lease::{self, IpamHold};
use attach::locks::acquire_all;
use attach::{Adding, Attachments, Pod, key_of, require_free};
use cni::{CniResult, Request, delegate};
use netlink::{Link, Rtnetlink};
use state::Dirs;

use super::{Device, PreparedVf, VfKind, VfSpec, VfUndo};
use crate::Site;
use crate::claim::Owner;
use crate::rdma::{self, Policy, require_exclusive};

/// ADD of a VF or SF. Its locks are held while it changes, and not while the IPAM works: then its claim keeps others away.
pub fn add(request: &Request, wanted: &VfSpec) -> Result<CniResult, cni::Error> {
    let env = &request.env;
    let netns = env.require_netns()?;
    let options = Options::of(&request.config)?;
    let mut pod = Pod::open(netns)?;
    if wanted.isolation {
        require_exclusive(Policy::Exclusive)?;
    }
    let device = wanted.find()?;
    let addressed = is_addressed(wanted.kind, &device);
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
    let host = Rtnetlink::open().map_err(attach::Error::from)?;
    let mut site = Site { dirs, host, pod, rdma: rdma::NodeRdma::default() };
    let locks = acquire_all(wanted.locks(&site.dirs, &device)?)?;
    let vf = PreparedVf::of(wanted, &mut site)?;
    let mut adding = prepared.begin(vf.undo(request, key.clone(), site.pod.netns.path()))?;
    let owner = Owner::new(wanted.kind.plugin(), key, None, &site.pod.netns);
    let moved = owner.and_then(|owner| vf.move_to_pod(&owner, &mut site));
    drop(locks);
    let mut lease = IpamHold::of(request);
    let mut build = Build { request, options, addressed, site };
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
    options: Options,
    addressed: bool,
    site: Site,
}

impl Build<'_> {
    fn finish(
        &mut self,
        vf: &PreparedVf<'_>,
        link: Option<&Link>,
        lease: &mut IpamHold<'_>,
        adding: &mut Adding<VfUndo>,
    ) -> Result<CniResult, cni::Error> {
        adding.set(|undo| undo.index = link.map(|link| link.index));
        let mut result = if self.addressed { lease.take()? } else { CniResult::default() };
        result.interfaces = vec![vf.interface(&self.request.env.ifname, link, &self.site.pod)];
        if let Some(link) = link {
            let candidate =
                Candidate { link, parent: None, options: self.options, lease, result: &mut result };
            addresses::give(&mut self.site.pod, &mut [candidate], &mut |pod| adding.wake_lo(pod))?;
        }
        vf.save(&self.site.dirs, self.request, adding.undo())?;
        adding.attached()?;
        Ok(result)
    }
}
