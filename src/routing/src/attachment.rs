use std::net::IpAddr;

use attach::{Adding, Attachments, Error, Pod, identity, sysctl};
use ipnet::IpNet;
use state::{AttachmentKey, Dirs};

use super::config::Settings;
use super::error::Failure;
use super::model::{NodeEnd, View};
use super::node::Claim;
use super::plan::{self, Outcome, Plan};
use super::record::PodRecord;
use super::shared::Shared;
use super::undo::{Own, RoutingUndo};
use super::veth::Pair;
use super::{PLUGIN, kernel, node};

/// A NIC that a plugin has put into a pod, to be coordinated with the others.
#[derive(Clone, Debug)]
pub struct PodNic<'a> {
    /// Network, container and interface.
    pub key: AttachmentKey,
    /// The NIC's addresses, as the plugin that made it says: what the pod itself adds is nothing to the node.
    pub addresses: Vec<Address>,
    /// What is to be done.
    pub settings: &'a Settings,
}

/// An address of a NIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// With its prefix.
    pub net: IpNet,
    /// Where its default route leads if the NIC has none in main, or has another address's.
    pub gateway: Option<IpAddr>,
}

/// Gives the NIC its table, rules and settings. Undone at once if it fails, and from its record if that fails as well.
pub fn attach(dirs: &Dirs, pod: &mut Pod, nic: &PodNic<'_>) -> Result<Outcome, cni::Error> {
    let mut host = netlink::Rtnetlink::open().map_err(Error::from)?;
    let mut prepared =
        Some(Attachments::open(dirs, PLUGIN)?.prepare::<RoutingUndo>(nic.key.clone(), &pod.netns)?);
    let mut adding: Option<Adding<RoutingUndo>> = None;
    let joined = join(dirs, &mut host, pod, std::slice::from_ref(nic), &mut |undos| {
        if let Some(adding) = &mut adding {
            return adding.persist(|undo| undo.clone_from(&undos[0]));
        }
        adding = prepared.take().map(|prepared| prepared.begin(undos[0].clone())).transpose()?;
        Ok(())
    });
    // Whoever fails before there is a record has changed nothing.
    let Some(mut adding) = adding else { return joined.map(|_| Outcome::default()) };
    let made = joined.and_then(|mut outcomes| {
        adding.attached()?;
        Ok(outcomes.pop().unwrap_or_default())
    });
    made.map_err(|error| adding.roll_back([], error))
}

/// Gives NICs of one pod their tables, rules and settings, with one look at it. `record` is told how to undo what follows
/// before that is done, as one list for all of them: more than once where the first NIC is a rail itself, because the pod's
/// way to its node comes first then, and what follows is planned with that in sight.
pub fn join(
    dirs: &Dirs,
    host: &mut netlink::Rtnetlink,
    pod: &mut Pod,
    nics: &[PodNic<'_>],
    record: &mut dyn FnMut(&[RoutingUndo]) -> Result<(), Error>,
) -> Result<Vec<Outcome>, cni::Error> {
    let first = nics.iter().find(|nic| nic.makes_veth());
    let pair = first.map(|nic| pod_veth(dirs, host, pod, nic, record)).transpose()?;
    let Some(mut joining) = Joining::plan(dirs, host, pod, nics)? else { return Ok(Vec::new()) };
    if let Some(undo) = joining.undos.iter_mut().find(|undo| first.is_some_and(|nic| nic.key == undo.key)) {
        undo.pair.clone_from(&pair);
    }
    record(&joining.undos)?;
    let outcomes = joining.run(host, pod)?;
    pair.map_or(Ok(()), |pair| pair.wait(host))?;
    Ok(outcomes)
}

/// Makes the pod's way to its node, or takes over that of a first NIC that has left before others.
fn pod_veth(
    dirs: &Dirs,
    host: &mut netlink::Rtnetlink,
    pod: &mut Pod,
    nic: &PodNic<'_>,
    record: &mut dyn FnMut(&[RoutingUndo]) -> Result<(), Error>,
) -> Result<Pair, Error> {
    let netns = identity(&pod.netns);
    let kept = PodRecord::lock(dirs, &nic.key.container_id, &netns)?.shared().pair();
    let of = |pair: &Pair| RoutingUndo {
        key: nic.key.clone(),
        netns: netns.clone(),
        own: Some(Own::default()),
        addresses: Vec::new(),
        pair: Some(pair.clone()),
    };
    if let Some(pair) = kept.filter(|pair| pair.is_there(host)) {
        record(&[of(&pair)])?;
        return Ok(pair);
    }
    let has_v6 = kernel::addresses_of(pod, &nic.key.ifname)?.iter().any(|net| net.addr().is_ipv6());
    let pair = Pair::new(&nic.key, nic.settings.veth_mtu).unless_taken(host)?;
    pair.require_free(host, pod)?;
    record(&[of(&pair)])?;
    pair.create(host, pod, has_v6)?;
    Ok(pair)
}

/// NICs of one pod that are about to be coordinated. Nothing has changed; the pod's routing is locked for others.
struct Joining {
    dirs: Dirs,
    record: PodRecord,
    view: View,
    plan: Plan,
    /// To be written down before [`run`](Self::run), one for each NIC.
    undos: Vec<RoutingUndo>,
}

impl Joining {
    /// Looks at the pod and decides; `None` without any NIC.
    fn plan(
        dirs: &Dirs,
        host: &mut netlink::Rtnetlink,
        pod: &mut Pod,
        nics: &[PodNic<'_>],
    ) -> Result<Option<Self>, cni::Error> {
        let Some(first) = nics.first() else { return Ok(None) };
        let netns = identity(&pod.netns);
        let mut record = PodRecord::lock(dirs, &first.key.container_id, &netns)?;
        let mut view = kernel::read(pod)?;
        view.node = node_end(host, pod, &view, record.shared(), nics)?;
        nics.iter().try_for_each(|nic| nic.require_ipv6(pod, &view))?;
        let plan = plan::join(&view, record.shared(), nics).map_err(cni::Error::invalid_config)?;
        if let Some(way) = record.shared().way.as_mut().filter(|_| nics.iter().any(PodNic::makes_veth)) {
            way.pair = None;
        }
        let undo = |(nic, part): (&PodNic<'_>, &plan::NicPlan)| RoutingUndo {
            key: nic.key.clone(),
            netns: netns.clone(),
            own: Some(part.own.clone()),
            addresses: Vec::new(),
            pair: None,
        };
        let undos = nics.iter().zip(&plan.parts).map(undo).collect();
        Ok(Some(Self { dirs: dirs.clone(), record, view, plan, undos }))
    }

    /// Changes the pod; what became of each NIC.
    fn run(self, host: &mut netlink::Rtnetlink, pod: &mut Pod) -> Result<Vec<Outcome>, cni::Error> {
        let Self { dirs, mut record, view, plan, .. } = self;
        record.save()?;
        let owns = plan.parts.iter().map(|part| &part.own);
        let on_node = owns.filter_map(|own| Some((own.index, own.node.as_ref()?)));
        node::add(&dirs, host, &Claim::of(on_node, pod)?)?;
        kernel::apply(pod, &plan.changes)?;
        kernel::set_rp_filter(pod, &view, record.shared().rp_filter(&view))?;
        let before = record.shared().clone();
        record.shared().reconciled(&view);
        if *record.shared() != before {
            record.save()?;
        }
        Ok(plan.parts.into_iter().map(|part| part.outcome).collect())
    }
}

impl PodNic<'_> {
    fn makes_veth(&self) -> bool {
        self.settings.makes_veth(&self.key.ifname)
    }

    /// Its addresses may be gone, and its routes refused, because somebody has switched IPv6 off since it was made.
    fn require_ipv6(&self, pod: &Pod, view: &View) -> Result<(), Error> {
        let ifname = &self.key.ifname;
        let wanted = self.addresses.iter().map(|address| address.net.addr()).find(IpAddr::is_ipv6);
        let Some((address, link)) = wanted.zip(view.link(ifname)) else { return Ok(()) };
        if view.addresses_of(link.index).any(|net| net.addr().is_ipv6()) {
            return Ok(());
        }
        let path = sysctl::of_interface("ipv6", ifname, "disable_ipv6");
        let is_off = pod.netns.run(|| sysctl::read(&path))?.is_ok_and(|value| value == "1");
        if is_off { Err(Failure::Ipv6Off { ifname: ifname.clone(), address }.into()) } else { Ok(()) }
    }
}

/// Where the pod's way to its node ends; none if no NIC asks for it.
fn node_end(
    host: &mut netlink::Rtnetlink,
    pod: &Pod,
    view: &View,
    shared: &Shared,
    nics: &[PodNic<'_>],
) -> Result<Option<NodeEnd>, Error> {
    let is_new = shared.members.is_empty();
    let first_nic = if is_new { &nics[0].settings.first_nic } else { &shared.first_nic };
    let asked = view.pod_veth().is_some() || nics.iter().any(|nic| nic.settings.host_table.is_some());
    match view.pod_veth().or_else(|| view.link(first_nic)).filter(|_| asked) {
        Some(link) => node::look(host, pod, view, link, (!is_new).then(|| shared.hosts.clone())),
        None => Ok(None),
    }
}
