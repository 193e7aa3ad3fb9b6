use cni::{CniResult, Request};
use netlink::{Link, Route};
use state::{Dirs, Key};

use super::{Made, PLUGIN, Rail};
use crate::attachment::key_of;
use crate::child::{Child, Ledger, PodLink, interface, require_free};
use crate::detect::{self, Candidate};
use crate::ipam::Ipam;
use crate::lease::{self, Lease};
use crate::routing::{Attachment, Joining, result};
use crate::{Adding, Attachments, Error, Pod, addresses};

/// ADD of all rails, or of none.
pub fn add(request: &Request, rails: &[Rail], ipam: &dyn Ipam) -> Result<CniResult, cni::Error> {
    let netns = request.env.netns.as_deref().ok_or_else(|| cni::Error::netns("CNI_NETNS is empty"))?;
    let detection = rails.iter().map(|rail| detect::Settings::of(&rail.request.config));
    let detection = detection.collect::<Result<Vec<_>, _>>()?;
    let mut pod = Pod::open(netns)?;
    let mut host = Route::open().map_err(Error::from)?;
    let children =
        rails.iter().map(|rail| rail.kind.plan(&mut host, &mut pod)).collect::<Result<Vec<_>, _>>()?;
    rails.iter().try_for_each(|rail| rail.require_ipam(ipam))?;
    let dirs = Dirs::from_env().map_err(Error::from)?;
    let prepared = Attachments::open(&dirs, PLUGIN)?.prepare::<Made>(key_of(request)?, &pod.netns)?;
    for rail in rails {
        require_free(&mut pod, rail.ifname())?;
    }
    if prepared.superseded() {
        rails.iter().try_for_each(|rail| lease::release_from(ipam, &rail.request))?;
    }
    let links = rails.iter().zip(&children).map(|(rail, child)| rail.pod_link(child)).collect();
    let adding = prepared.begin(Made { links, ..Made::default() })?;
    let leases = rails.iter().map(|rail| Lease::from(&rail.request, ipam)).collect();
    Build { rails, detection, dirs, pod, host, children, leases }.run(adding)
}

impl Rail {
    fn ifname(&self) -> &str {
        &self.request.env.ifname
    }

    fn require_ipam(&self, ipam: &dyn Ipam) -> Result<(), cni::Error> {
        let plugin = self.request.config.ipam_type.as_ref();
        plugin.map_or(Ok(()), |plugin| ipam.require(&self.request, plugin))
    }

    fn pod_link(&self, child: &Child) -> PodLink {
        PodLink {
            ifname: self.ifname().to_owned(),
            kind: child.kind.name().to_owned(),
            index: None,
            staged: None,
            ipam: self.request.config.ipam_type.clone(),
        }
    }
}

struct Build<'a> {
    rails: &'a [Rail],
    detection: Vec<Option<detect::Settings>>,
    dirs: Dirs,
    pod: Pod,
    host: Route,
    children: Vec<Child>,
    leases: Vec<Lease<'a>>,
}

impl Build<'_> {
    fn run(mut self, mut adding: Adding<Made>) -> Result<CniResult, cni::Error> {
        let built = self.build(&mut adding).and_then(|result| {
            adding.attached()?;
            Ok(result)
        });
        built.map_err(|error| lease::roll_back(self.leases, error, adding.fail()))
    }

    fn build(&mut self, adding: &mut Adding<Made>) -> Result<CniResult, cni::Error> {
        let mut results = self.leases.iter_mut().map(Lease::take).collect::<Result<Vec<_>, _>>()?;
        let links = self.links(adding)?;
        self.avoid_conflicts(&links, &mut results)?;
        for ((rail, link), result) in self.rails.iter().zip(&links).zip(&mut results) {
            result.interfaces = vec![interface(link, &rail.request)];
            name_gateways(result);
        }
        let configured: Vec<_> = links.iter().zip(&results).collect();
        addresses::configure_all(&mut self.pod, &configured)?;
        let asked: Vec<_> =
            configured.iter().zip(&self.detection).map(|(&(link, result), of)| (link, result, *of)).collect();
        detect::require_gateways(&mut self.pod, &asked)?;
        self.route(adding, &mut results)?;
        let all = together(&results);
        adding.note(|made| made.results = results);
        Ok(all)
    }

    fn links(&mut self, adding: &mut Adding<Made>) -> Result<Vec<Link>, Error> {
        let mut links = Vec::with_capacity(self.rails.len());
        for (position, (rail, child)) in self.rails.iter().zip(&self.children).enumerate() {
            let mut entry = Entry { key: key_of(&rail.request)?, position, adding: &mut *adding };
            let link = child.create(&mut self.host, &mut self.pod, rail.ifname(), &mut entry)?;
            adding.note(|made| made.links[position].index = Some(link.index));
            links.push(link);
        }
        Ok(links)
    }

    fn avoid_conflicts(&mut self, links: &[Link], results: &mut [CniResult]) -> Result<(), cni::Error> {
        let rails = links.iter().zip(&self.children).zip(&self.detection).zip(&mut self.leases).zip(results);
        let mut candidates: Vec<_> = rails
            .map(|((((link, child), settings), lease), result)| Candidate {
                link,
                parent: child.hears_for(),
                settings: *settings,
                lease,
                result,
            })
            .collect();
        detect::avoid_conflicts(&mut self.pod, &mut candidates)
    }

    /// One look at the pod, one plan and one batch of changes for all rails.
    fn route(&mut self, adding: &mut Adding<Made>, results: &mut [CniResult]) -> Result<(), cni::Error> {
        let nics = self.rails.iter().zip(&*results).filter_map(|(rail, result)| rail.nic(result));
        let nics = nics.collect::<Result<Vec<_>, _>>()?;
        let Some(joining) = Joining::plan(&self.dirs, &mut self.pod, &nics)? else { return Ok(()) };
        adding.amend(|made| made.routing = joining.undos().to_vec())?;
        let outcomes = joining.run(&mut self.pod)?;
        let coordinated = self.rails.iter().zip(results).filter(|(rail, _)| rail.routing.is_some());
        for ((rail, result), outcome) in coordinated.zip(&outcomes) {
            *result = result::with(std::mem::take(result), rail.ifname(), outcome);
        }
        Ok(())
    }
}

impl Rail {
    fn nic(&self, result: &CniResult) -> Option<Result<Attachment<'_>, Error>> {
        let settings = self.routing.as_ref()?;
        let gateways = result::gateways(result, self.ifname());
        Some(key_of(&self.request).map(|key| Attachment { key, gateways, settings }))
    }
}

/// One link's part of the record of all.
struct Entry<'a> {
    key: Key,
    position: usize,
    adding: &'a mut Adding<Made>,
}

impl Ledger for Entry<'_> {
    fn key(&self) -> &Key {
        &self.key
    }

    fn stage(&mut self, name: &str) -> Result<(), Error> {
        self.adding.amend(|made| made.links[self.position].staged = Some(name.to_owned()))
    }

    fn staged(&mut self) {
        self.adding.note(|made| made.links[self.position].staged = None);
    }
}

/// Beside other rails a route without a next hop would take whichever gateway comes first.
fn name_gateways(result: &mut CniResult) {
    let mut routes = std::mem::take(&mut result.routes);
    for route in routes.iter_mut().filter(|route| route.scope != Some(netlink::scope::LINK)) {
        route.gw = route.gw.or_else(|| addresses::gateway_for(route.dst.addr(), result));
    }
    result.routes = routes;
}

fn together(results: &[CniResult]) -> CniResult {
    let mut all = CniResult::default();
    for (position, result) in results.iter().enumerate() {
        all.interfaces.extend(result.interfaces.iter().cloned());
        let ips = result.ips.iter().cloned();
        all.ips.extend(ips.map(|ip| cni::IpConfig { interface: Some(position), ..ip }));
        let is_new = |route: &&cni::Route| !all.routes.contains(route);
        let routes: Vec<_> = result.routes.iter().filter(is_new).cloned().collect();
        all.routes.extend(routes);
        all.dns = addresses::merge_dns(all.dns, result.dns.clone());
    }
    all
}
