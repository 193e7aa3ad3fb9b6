use addresses::{Candidate, Options};
use attach::ipam::Ipam;
use attach::lease::{self, IpamHold};
use attach::{Adding, Attachments, Error, Pod, key_of, locks, merge_dns, require_free};
use cni::{CniResult, Request};
use devices::{Site, rdma};
use netlink::{Link, Rtnetlink};
use routing::{self, PodNic, RoutingUndo, result};
use state::{Dirs, Lock};

use super::link::{Found, Step};
use super::{PLUGIN, Rail, RailsUndo, require_rdma};

/// ADD of all rails, or of none.
pub fn add(request: &Request, rails: &[Rail], ipam: &dyn Ipam) -> Result<CniResult, cni::Error> {
    let netns = request.env.require_netns()?;
    let options = rails.iter().map(|rail| Options::of(&rail.request.config));
    let options = options.collect::<Result<Vec<_>, _>>()?;
    let pod = Pod::open(netns)?;
    let host = Rtnetlink::open().map_err(Error::from)?;
    let dirs = Dirs::from_env().map_err(Error::from)?;
    let mut site = Site { dirs, host, pod, rdma: rdma::NodeRdma::default() };
    require_rdma(rails)?;
    let found = rails.iter().map(|rail| rail.link.find(&mut site));
    let found = found.collect::<Result<Vec<_>, _>>()?;
    rails.iter().try_for_each(|rail| rail.require_ipam(ipam))?;
    let prepared =
        Attachments::open(&site.dirs, PLUGIN)?.prepare::<RailsUndo>(key_of(request)?, &site.pod.netns)?;
    for rail in rails {
        require_free(&mut site.pod, rail.ifname())?;
    }
    if prepared.superseded() {
        rails.iter().try_for_each(|rail| lease::release_from(ipam, &rail.request))?;
    }
    let made = rails.iter().zip(&found).map(|(rail, found)| found.planned(&rail.request));
    let adding =
        prepared.begin(RailsUndo { rails: made.collect::<Result<_, _>>()?, ..RailsUndo::default() })?;
    let leases = rails.iter().map(|rail| IpamHold::from(&rail.request, ipam)).collect();
    Build { rails, options, site, leases }.run(found, adding)
}

impl Rail {
    fn require_ipam(&self, ipam: &dyn Ipam) -> Result<(), cni::Error> {
        let plugin = self.request.config.ipam_type.as_ref();
        plugin.map_or(Ok(()), |plugin| ipam.require(&self.request, plugin))
    }
}

struct Build<'a> {
    rails: &'a [Rail],
    options: Vec<Options>,
    site: Site,
    leases: Vec<IpamHold<'a>>,
}

impl<'a> Build<'a> {
    fn run(mut self, found: Vec<Found<'a>>, mut adding: Adding<RailsUndo>) -> Result<CniResult, cni::Error> {
        let built = self.build(found, &mut adding).and_then(|result| {
            adding.attached()?;
            Ok(result)
        });
        built.map_err(|error| adding.roll_back(self.leases, error))
    }

    fn build(
        &mut self,
        found: Vec<Found<'a>>,
        adding: &mut Adding<RailsUndo>,
    ) -> Result<CniResult, cni::Error> {
        let mut results = self.leases.iter_mut().map(IpamHold::take).collect::<Result<Vec<_>, _>>()?;
        let attached = self.attach(found, adding)?;
        // Before they have them: the pod may take one away or rename it meanwhile.
        adding.persist(|made| made.promised(&results))?;
        self.addresses(adding, &attached, &mut results)?;
        for ((rail, (step, link)), result) in self.rails.iter().zip(&attached).zip(&mut results) {
            result.interfaces = vec![step.interface(&rail.request, link, &self.site)];
            name_gateways(result);
        }
        self.route(adding, &mut results)?;
        for ((rail, (step, _)), made) in self.rails.iter().zip(&attached).zip(&adding.undo().rails) {
            step.finish(&rail.request, &self.site, made)?;
        }
        let all = together(&results);
        adding.set(|made| made.given(results));
        Ok(all)
    }

    /// Devices change under their locks only, which nobody else has to wait for while the IPAM works.
    fn attach(
        &mut self,
        found: Vec<Found<'a>>,
        adding: &mut Adding<RailsUndo>,
    ) -> Result<Vec<(Step<'a>, Link)>, Error> {
        let (steps, _locks) = self.lock_and_prepare(found, adding)?;
        let mut attached = Vec::with_capacity(steps.len());
        for (position, (rail, step)) in self.rails.iter().zip(steps).enumerate() {
            let link = step.attach(&rail.request, position, &mut self.site, adding)?;
            attached.push((step, link));
        }
        Ok(attached)
    }

    /// Writes down what could not be known without the locks.
    fn lock_and_prepare(
        &mut self,
        found: Vec<Found<'a>>,
        adding: &mut Adding<RailsUndo>,
    ) -> Result<(Vec<Step<'a>>, Vec<Lock>), Error> {
        let mut files = Vec::new();
        for found in &found {
            files.extend(found.locks(&self.site)?);
        }
        let locks = locks::acquire_all(files)?;
        let steps = found.into_iter().map(|found| found.prepare(&mut self.site));
        let steps = steps.collect::<Result<Vec<_>, _>>()?;
        if locks.is_empty() {
            return Ok((steps, locks));
        }
        let made = self.rails.iter().zip(&steps).map(|(rail, step)| step.undo(&rail.request, &self.site));
        let rails = made.collect::<Result<Vec<_>, _>>()?;
        adding.persist(|made| made.rails = rails)?;
        Ok((steps, locks))
    }

    fn addresses(
        &mut self,
        adding: &mut Adding<RailsUndo>,
        attached: &[(Step<'_>, Link)],
        results: &mut [CniResult],
    ) -> Result<(), cni::Error> {
        let rails = attached.iter().zip(&self.options).zip(&mut self.leases).zip(results);
        let mut candidates: Vec<_> = rails
            .map(|((((step, link), options), lease), result)| Candidate {
                link,
                parent: step.hears_for(),
                options: *options,
                lease,
                result,
            })
            .collect();
        addresses::give(&mut self.site.pod, &mut candidates, &mut |pod| adding.wake_lo(pod))
    }

    /// One look at the pod, one plan and one batch of changes for all rails.
    fn route(&mut self, adding: &mut Adding<RailsUndo>, results: &mut [CniResult]) -> Result<(), cni::Error> {
        let Site { dirs, host, pod, .. } = &mut self.site;
        let nics = self.rails.iter().zip(&*results).filter_map(|(rail, result)| rail.nic(result));
        let nics = nics.collect::<Result<Vec<_>, _>>()?;
        let mut record = |undos: &[RoutingUndo]| adding.persist(|made| made.routing = undos.to_vec());
        let outcomes = routing::join(dirs, host, pod, &nics, &mut record)?;
        let coordinated = self.rails.iter().zip(results).filter(|(rail, _)| rail.routing.is_some());
        for ((rail, result), outcome) in coordinated.zip(&outcomes) {
            *result = result::with(std::mem::take(result), rail.ifname(), outcome);
        }
        Ok(())
    }
}

impl Rail {
    fn nic(&self, result: &CniResult) -> Option<Result<PodNic<'_>, Error>> {
        let settings = self.routing.as_ref()?;
        let addresses = result::addresses(result, self.ifname());
        Some(key_of(&self.request).map(|key| PodNic { key, addresses, settings }))
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
        // Whoever reads the result takes every default route for one of each interface, whatever its table: a rail's own is
        // in the record.
        let of_own = |route: &cni::Route| route.dst.prefix_len() == 0 && route.table.is_some();
        let is_new =
            |route: &&cni::Route| !(all.routes.contains(route) || results.len() > 1 && of_own(route));
        let routes: Vec<_> = result.routes.iter().filter(is_new).cloned().collect();
        all.routes.extend(routes);
        all.dns = merge_dns(all.dns, result.dns.clone());
    }
    all
}
