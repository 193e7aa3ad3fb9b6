//! What joining and leaving mean: pure functions of the view and the pod's record.

mod leave;
mod own_routes;

use std::net::IpAddr;

use ipnet::IpNet;

use super::changes::{Change, LinkSetting, Made};
use super::config::{Mode, Settings};
use super::limits;
use super::model::{Link, MAIN, POD_VETH, Route, View, any_of};
use super::node::OnNode;
use super::shared::{Member, Shared};
use super::undo::{Changed, Own};
use super::{PodNic, lost, nic};
pub(super) use leave::leave;
use own_routes::own_routes;

/// What an ADD is going to do.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// One for each NIC, in the order of the newcomers.
    pub(super) parts: Vec<NicPlan>,
    /// Everything for rtnetlink's rules and routes, in order.
    pub(super) changes: Vec<Change>,
}

/// What is one NIC's alone.
#[derive(Clone, Debug)]
pub(super) struct NicPlan {
    /// Table, rules, routes, link.
    pub(super) own: Own,
    pub(super) outcome: Outcome,
}

/// What the result of the ADD has to say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The NIC's table.
    pub table: Option<u32>,
    /// The MAC address that was set.
    pub mac: Option<[u8; 6]>,
    /// The default routes in the NIC's tables, as a result lists them.
    pub defaults: Vec<cni::Route>,
    /// Those of them that main has, too.
    pub in_main: Vec<IpNet>,
}

impl PodNic<'_> {
    /// A rail itself, which makes the pod's way to its node (mode underlay).
    fn is_first(&self) -> bool {
        self.key.ifname == self.settings.first_nic
    }

    fn check_mode(&self, view: &View) -> Result<(), String> {
        let Settings { mode, first_nic, .. } = self.settings;
        let ifname = &self.key.ifname;
        match (mode, view.pod_veth().is_some(), self.is_first()) {
            (Mode::Overlay, _, true) => Err(format!(
                "mode \"overlay\": {ifname} is the pod's first NIC (podDefaultCniNic), so nothing lies over another network; \
                 use auto or underlay, or disable"
            )),
            (Mode::Overlay, true, _) => Err(format!(
                "mode \"overlay\": the pod has {POD_VETH}, so its first NIC {first_nic} is coordinated in mode underlay; use auto"
            )),
            (Mode::Underlay, false, false) => Err(format!(
                "mode \"underlay\": the pod has no {POD_VETH}, its veth pair with the node, because its first NIC {first_nic} \
                 (podDefaultCniNic) is not coordinated: chain coordinator in that network, too, or use auto"
            )),
            _ => Ok(()),
        }
    }
}

/// Plans an ADD; `shared` becomes what has to be written down first. An error says what to change, and is no change.
pub(super) fn join(view: &View, shared: &mut Shared, newcomers: &[PodNic<'_>]) -> Result<Plan, String> {
    let firsts = newcomers.iter().map(|newcomer| newcomer.settings.first_nic.as_str());
    let names: Vec<&str> =
        newcomers.iter().map(|newcomer| newcomer.key.ifname.as_str()).chain(firsts).collect();
    limits::require_few(view, &names, &shared.first_nic)?;
    let owns =
        newcomers.iter().map(|newcomer| take_in(view, shared, newcomer)).collect::<Result<Vec<_>, _>>()?;
    let present = view.route_set();
    let of_nic = |own: &Own| {
        // What an earlier attachment left, whose record was lost, is there already.
        let missing =
            own.made.clone().retain(|route| !present.contains(route), |rule| !view.rules.contains(rule));
        own.set_link().into_iter().chain(missing.additions()).collect::<Vec<_>>()
    };
    let mut changes: Vec<Change> = owns.iter().flat_map(of_nic).collect();
    for (newcomer, own) in newcomers.iter().zip(&owns) {
        changes.extend(leftovers(view, newcomer, own).deletions());
    }
    changes.extend(shared.reconcile(view, &[]));
    let furnished = newcomers.iter().any(PodNic::is_first).then(|| furnish(view, shared, newcomers));
    let (ways, rest): (Vec<_>, Vec<_>) = changes.into_iter().partition(|change| leads_to_node(view, change));
    let changes = furnished.into_iter().flatten().chain(ways).chain(rest).collect();
    let part = |own: Own| NicPlan { outcome: outcome(view, shared, &own), own };
    Ok(Plan { parts: owns.into_iter().map(part).collect(), changes })
}

/// What an earlier attachment has in a table that was taken over, and this one has not.
fn leftovers(view: &View, newcomer: &PodNic<'_>, own: &Own) -> Made {
    let taken_over = own.table.filter(|_| newcomer.settings.table.is_none());
    let left = lost::marked(view, &taken_over.into_iter().collect::<Vec<_>>());
    left.retain(|route| !own.made.routes.contains(route), |rule| !own.made.rules.contains(rule))
}

/// IPv6 looks for the gateway of a route in main, even of one that is on the link.
fn leads_to_node(view: &View, change: &Change) -> bool {
    let by_veth = |route: &Route| view.pod_veth().is_some_and(|pod_veth| pod_veth.index == route.dev);
    matches!(change, Change::AddRoute(route, _) if route.table == MAIN && route.gateway.is_none() && by_veth(route))
}

/// What the pod's end of the pair needs before any route leads over it; all of it goes with the link. No filtering of
/// sources, because the way back is by mark, of which the filter knows nothing: even the loose one drops what a link
/// without an address hears from afar (`__fib_validate_source` in `net/ipv4/fib_frontend.c`).
fn furnish(view: &View, shared: &Shared, newcomers: &[PodNic<'_>]) -> Vec<Change> {
    let (Some(pod_veth), Some(end)) = (view.pod_veth(), &view.node) else { return Vec::new() };
    let index = pod_veth.index;
    let link = LinkSetting { index, rp_filter: Some(0), up: true, ..LinkSetting::default() };
    let mut changes = vec![Change::SetLink(link)];
    let first = newcomers.iter().filter(|newcomer| newcomer.is_first());
    let ips = first.filter_map(|newcomer| newcomer.settings.veth_address);
    let ips = ips.filter(|ip| !view.addresses.contains(&(index, IpNet::from(*ip))));
    changes.extend(ips.map(|ip| Change::AddAddress { index, net: ip.into() }));
    let hosts = shared.hosts.iter().filter(|host| view.has_family(host.is_ipv6()));
    changes.extend(hosts.map(|&ip| Change::AddNeighbour { index, ip, mac: end.mac }));
    changes
}

fn take_in(view: &View, shared: &mut Shared, newcomer: &PodNic<'_>) -> Result<Own, String> {
    let link = link_with_address(view, &newcomer.key.ifname)?;
    let settings = newcomer.settings;
    newcomer.check_mode(view)?;
    shared.remove(&newcomer.key.network, &newcomer.key.ifname);
    if shared.members.is_empty() {
        shared.first_nic.clone_from(&settings.first_nic);
        shared.hosts = view.node.as_ref().map(|end| end.hosts.clone()).unwrap_or_default();
    }
    let is_tuned = settings.tune && !newcomer.is_first();
    let table = is_tuned.then(|| newcomer.table(view, shared)).transpose()?;
    let further = if is_tuned { newcomer.further(view, shared, table) } else { Vec::new() };
    let mut member = member(view, shared, newcomer, link.index, table);
    member.further = further.iter().map(|further| further.table).collect();
    let node = member.node.clone();
    shared.join(view, member)?;
    let mut made = own_routes(view, shared, settings, link.index, table, &further)?;
    // Where an earlier first NIC has left the way to the node to the pod, it is that of the others still.
    if newcomer.is_first() && shared.way.is_none() {
        made.extend(shared.returns(view));
    }
    Ok(Own {
        index: link.index,
        table,
        made,
        node,
        rp_filter: link.ipv4.and_then(|now| Changed::of(now.rp_filter, settings.rp_filter.map(u32::from))),
        spares: shared.spares_of(link.index).cloned().collect(),
        mac: new_mac(view, link, settings),
        tx_queue_len: Changed::of(link.tx_queue_len, settings.tx_queue_len),
    })
}

fn link_with_address<'a>(view: &'a View, ifname: &str) -> Result<&'a Link, String> {
    let link = view.link(ifname).ok_or_else(|| {
        format!("the pod has no interface {ifname}: coordinator is chained after the plugin that makes it")
    })?;
    match view.addresses_of(link.index).next() {
        Some(_) => Ok(link),
        None => Err(format!(
            "{ifname} has no address to route by: give its plugin an ipam, or leave coordinator out of its chain"
        )),
    }
}

fn member(view: &View, shared: &Shared, newcomer: &PodNic<'_>, index: u32, table: Option<u32>) -> Member {
    let settings = newcomer.settings;
    let has_default = |is_v6| view.main_defaults().any(|route| route.dev == index && route.is_v6() == is_v6);
    let gateways = [false, true].into_iter().filter_map(|is_v6| newcomer.gateway(is_v6));
    let without =
        gateways.filter(|gateway| settings.gateways.contains(gateway) || !has_default(gateway.is_ipv6()));
    let spare = |gateway: IpAddr| nic::in_main(view, index, any_of(gateway.is_ipv6()), gateway);
    let default_nic = settings.default_nic.clone().filter(|_| table.is_some() || newcomer.is_first());
    let own_table = settings.host_table.zip(view.node.as_ref());
    let node = own_table
        .filter(|_| !newcomer.addresses.is_empty())
        .map(|(table, end)| OnNode::new(table, end, newcomer.addresses.iter().map(|own| own.net.addr())));
    let hosts = if node.is_some() || view.pod_veth().is_some() { shared.hosts.as_slice() } else { &[] };
    let hosts = hosts
        .iter()
        .filter(|host| newcomer.addresses.iter().all(|own| own.gateway != Some(**host)))
        .map(|&host| IpNet::from(host));
    if default_nic.is_none() && settings.default_nic.is_some() {
        tracing::warn!("podDefaultRouteNic has no effect while tunePodRoutes is false");
    }
    if settings.first_nic != shared.first_nic {
        tracing::warn!(
            configured = settings.first_nic,
            pod = shared.first_nic,
            "the pod's podDefaultCniNic is settled already"
        );
    }
    Member {
        network: newcomer.key.network.clone(),
        ifname: newcomer.key.ifname.clone(),
        container_id: newcomer.key.container_id.clone(),
        index,
        table,
        default_nic,
        detours: hosts.chain(settings.detours.iter().copied()).collect(),
        rp_filter: settings.rp_filter,
        further: Vec::new(),
        node,
        spares: if table.is_some() { without.map(spare).collect() } else { Vec::new() },
    }
}

fn new_mac(view: &View, link: &Link, settings: &Settings) -> Option<Changed<[u8; 6]>> {
    let prefix = settings.mac_prefix?;
    let addresses = || view.addresses_of(link.index).map(|net| net.addr());
    let address = addresses().find(IpAddr::is_ipv4).or_else(|| addresses().next())?;
    Changed::of(link.mac?, Some(prefix.with(address)))
}

fn outcome(view: &View, shared: &Shared, own: &Own) -> Outcome {
    let owners = shared.owners(view);
    let defaults = || own.made.routes.iter().filter(|route| own.table.is_some() && route.is_default());
    let in_main = |route: &&Route| owners[usize::from(route.is_v6())] == Some(own.index);
    Outcome {
        table: own.table,
        mac: own.mac.as_ref().map(|mac| mac.to),
        defaults: defaults().map(as_listed).collect(),
        in_main: defaults().filter(in_main).map(|route| route.dst).collect(),
    }
}

/// A metric that is anybody's is not worth a word.
fn as_listed(route: &Route) -> cni::Route {
    let listed = cni::Route::new(route.dst, route.gateway);
    let priority = Some(route.priority).filter(|priority| *priority != 0 && !route.is_v6());
    cni::Route { table: Some(route.table), priority, ..listed }
}
