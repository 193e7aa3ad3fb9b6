use addresses::advertisements;
use addresses::detect::{self, Candidate};
use attach::claim::Claimant;
use attach::lease::{self, Lease};
use attach::{Adding, Attachments, Pod, Prepared, key_of, require_free};
use cni::{CniResult, Request};
use netlink::Rtnetlink;
use state::{AttachmentKey, Dirs};
use sysfs::Root;

use super::device::Device;
use super::prepared::PreparedVf;
use super::sriov_cni::Files;
use super::{Plugin, VfSpec, VfUndo, lock};

/// ADD of an Ethernet VF or SF.
pub fn add(request: &Request, plugin: Plugin, wanted: &VfSpec) -> Result<CniResult, cni::Error> {
    let env = &request.env;
    let netns = env.require_netns()?;
    let detection = detect::Settings::of(&request.config)?;
    let accept_ra = advertisements::asked_for(&request.config)?;
    let mut pod = Pod::open(netns)?;
    let host = Rtnetlink::open().map_err(attach::Error::from)?;
    let dirs = Dirs::from_env().map_err(attach::Error::from)?;
    let key = key_of(request)?;
    let prepared = Attachments::open(&dirs, plugin.name)?.prepare::<VfUndo>(key.clone(), &pod.netns)?;
    require_free(&mut pod, &env.ifname)?;
    if prepared.superseded() {
        lease::release(request)?;
    }
    let lease = Lease::of(request);
    let build = Build { request, plugin, wanted, detection, accept_ra, dirs, key, pod, host, lease };
    build.run(prepared)
}

struct Build<'a> {
    request: &'a Request,
    plugin: Plugin,
    wanted: &'a VfSpec,
    detection: Option<detect::Settings>,
    accept_ra: bool,
    dirs: Dirs,
    key: AttachmentKey,
    pod: Pod,
    host: Rtnetlink,
    lease: Lease<'a>,
}

impl Build<'_> {
    fn run(mut self, prepared: Prepared) -> Result<CniResult, cni::Error> {
        let id = &self.wanted.device;
        let files = Files::of(self.plugin.name, self.request, self.pod.netns.path());
        // A lock's file stays for ever: none for what is no device.
        Device::require(&Root::system(), id)?;
        let lock = lock::acquire(&self.dirs, self.plugin.name, id)?;
        let vf = PreparedVf::find(&self.dirs, self.wanted, files, &mut self.host)?;
        let undo = vf.undo(self.request, self.key.clone());
        let mut adding = prepared.begin(VfUndo { lock: Some(lock), ..undo })?;
        let built = self.build(&vf, &mut adding).and_then(|result| {
            adding.attached()?;
            Ok(result)
        });
        built.map_err(|error| self.lease.roll_back(error, adding.fail()))
    }

    fn build(&mut self, vf: &PreparedVf<'_>, adding: &mut Adding<VfUndo>) -> Result<CniResult, cni::Error> {
        let Self { dirs, key, request, pod, host, .. } = self;
        let claimant = Claimant { dirs, plugin: self.plugin.name, record: None, key };
        let arrived = vf.move_to_pod(&claimant, host, pod)?;
        adding.set(|undo| undo.index = arrived.as_ref().map(|link| link.index));
        let mut result = self.lease.take()?;
        result.interfaces = vec![vf.interface(&request.env.ifname, arrived.as_ref(), pod)];
        if addresses::has_ipv6(&result) {
            adding.wake_lo(pod)?;
        }
        if let Some(link) = &arrived {
            let (settings, lease, result) = (self.detection, &mut self.lease, &mut result);
            advertisements::set(pod, &[(link, self.accept_ra)])?;
            detect::configure(pod, Candidate { link, parent: None, settings, lease, result })?;
            advertisements::wait(pod, &[(link, self.accept_ra)])?;
        }
        vf.save(dirs, request, adding.undo())?;
        Ok(result)
    }
}
