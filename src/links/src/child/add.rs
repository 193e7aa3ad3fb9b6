use addresses::{Candidate, Options};
use attach::lease::{self, IpamHold};
use attach::{Adding, Attachments, Error, Pod, key_of, merge_dns, require_free};
use cni::{CniResult, Interface, IpConfig, Request, delegate};
use netlink::{Link, Rtnetlink};
use state::Dirs;

use super::{Child, Kind, PodLink};

/// ADD of a child link.
pub(super) fn add(request: &Request, plugin: &str, kind: &dyn Kind) -> Result<CniResult, cni::Error> {
    let env = &request.env;
    let netns = env.require_netns()?;
    let options = Options::of(&request.config)?;
    let mut pod = Pod::open(netns)?;
    let mut host = Rtnetlink::open().map_err(Error::from)?;
    let child = kind.plan(&mut host, &mut pod)?;
    child.require_parent_free(&mut host)?;
    if let Some(ipam) = &request.config.ipam_type {
        delegate::require(request, ipam)?;
    }
    let attachments = Attachments::open(&Dirs::from_env().map_err(Error::from)?, plugin)?;
    let key = key_of(request)?;
    let prepared = attachments.prepare::<PodLink>(key.clone(), &pod.netns)?;
    require_free(&mut pod, &env.ifname)?;
    if prepared.superseded() {
        lease::release(request)?;
    }
    let adding = prepared.begin(PodLink::planned(&key, &child, request.config.ipam_type.clone()))?;
    Build { request, options, pod, host, child, lease: IpamHold::of(request) }.run(adding)
}

struct Build<'a> {
    request: &'a Request,
    options: Options,
    pod: Pod,
    host: Rtnetlink,
    child: Child,
    lease: IpamHold<'a>,
}

impl Build<'_> {
    fn run(mut self, mut adding: Adding<PodLink>) -> Result<CniResult, cni::Error> {
        let built = self.build(&mut adding).and_then(|result| {
            adding.attached()?;
            Ok(result)
        });
        built.map_err(|error| adding.roll_back([self.lease], error))
    }

    fn build(&mut self, adding: &mut Adding<PodLink>) -> Result<CniResult, cni::Error> {
        let (key, mut undo) = (adding.key().clone(), adding.undo().clone());
        let persist = &mut |undo: &PodLink| adding.persist(|recorded| recorded.clone_from(undo));
        let link = self.child.create(&mut self.host, &mut self.pod, &key, &mut undo, persist)?;
        // By its name alone nobody finds it once the pod has renamed it.
        adding.persist(|recorded| *recorded = undo)?;
        let mut result = self.addresses()?;
        // Before it has them: the pod may take it away meanwhile.
        adding.persist(|undo| undo.given(result.ips.iter().map(|ip| ip.address.addr())))?;
        result.interfaces = vec![interface(&link, self.request)];
        let candidate = Candidate {
            link: &link,
            parent: self.child.hears_for(),
            options: self.options,
            lease: &mut self.lease,
            result: &mut result,
        };
        addresses::give(&mut self.pod, &mut [candidate], &mut |pod| adding.wake_lo(pod))?;
        adding.set(|undo| undo.given(result.ips.iter().map(|ip| ip.address.addr())));
        Ok(result)
    }

    fn addresses(&mut self) -> Result<CniResult, cni::Error> {
        let Some(inherited) = self.child.inherited.take() else { return self.lease.take() };
        let ips = inherited.ips.into_iter().map(|ip| IpConfig { interface: Some(0), ..ip }).collect();
        let dns = merge_dns(self.request.config.dns.clone(), inherited.dns);
        Ok(CniResult { ips, dns, ..inherited })
    }
}

/// As the result has it.
pub fn interface(link: &Link, request: &Request) -> Interface {
    Interface {
        name: link.name.clone(),
        mac: link.address.map(|address| address.to_string()),
        mtu: Some(link.mtu),
        sandbox: request.env.netns.as_ref().map(|path| path.display().to_string()),
        ..Interface::default()
    }
}
