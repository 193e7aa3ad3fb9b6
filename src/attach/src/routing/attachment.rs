use std::net::IpAddr;

use state::{Dirs, Key};

use super::config::Settings;
use super::model::{NodeEnd, View};
use super::plan::{self, Newcomer, Outcome, Plan};
use super::record::PodRecord;
use super::shared::Shared;
use super::undo::{Own, Undo};
use super::uplink::Pair;
use super::{PLUGIN, kernel, node};
use crate::attachment::{Prepared, identity};
use crate::{Adding, Attachments, Error, Pod};

/// A NIC that a plugin has put into a pod, to be coordinated with the others.
#[derive(Clone, Debug)]
pub struct Attachment<'a> {
    /// Network, container and interface.
    pub key: Key,
    /// Gateways of the NIC's addresses: the default routes of its table if it has none in main.
    pub gateways: Vec<IpAddr>,
    /// What is to be done.
    pub settings: &'a Settings,
}

/// Gives the NIC its table, rules and settings. Undone at once if it fails, and from its record if that fails as well.
pub fn attach(dirs: &Dirs, pod: &mut Pod, nic: &Attachment<'_>) -> Result<Outcome, cni::Error> {
    let mut host = netlink::Route::open().map_err(Error::from)?;
    let prepared = Attachments::open(dirs, PLUGIN)?.prepare::<Undo>(nic.key.clone(), &pod.netns)?;
    if nic.settings.makes_uplink(&nic.key.ifname) {
        return attach_first(prepared, dirs, &mut host, pod, nic);
    }
    let Some(joining) = Joining::plan(dirs, &mut host, pod, std::slice::from_ref(nic))? else {
        return Ok(Outcome::default());
    };
    let adding = prepared.begin(joining.undos[0].clone())?;
    finish(adding, |_| joining.run(&mut host, pod))
}

/// The first NIC is a rail itself: the pod's way to its node comes first, and what follows is planned with that in sight.
fn attach_first(
    prepared: Prepared,
    dirs: &Dirs,
    host: &mut netlink::Route,
    pod: &mut Pod,
    nic: &Attachment<'_>,
) -> Result<Outcome, cni::Error> {
    let has_v6 = kernel::addresses_of(pod, &nic.key.ifname)?.iter().any(|net| net.addr().is_ipv6());
    let pair = Pair::new(&nic.key, nic.settings.uplink_mtu);
    pair.require_free(host, pod)?;
    let own = Some(Own::default());
    let undo = Undo { key: nic.key.clone(), netns: identity(&pod.netns), own, pair: Some(pair.clone()) };
    finish(prepared.begin(undo)?, |adding| {
        pair.create(host, pod, has_v6)?;
        let joining = Joining::plan(dirs, host, pod, std::slice::from_ref(nic))?;
        let Some(joining) = joining else { return Ok(Vec::new()) };
        adding.amend(|undo| undo.own.clone_from(&joining.undos[0].own))?;
        let outcomes = joining.run(host, pod)?;
        pair.wait(host)?;
        Ok(outcomes)
    })
}

fn finish(
    mut adding: Adding<Undo>,
    work: impl FnOnce(&mut Adding<Undo>) -> Result<Vec<Outcome>, cni::Error>,
) -> Result<Outcome, cni::Error> {
    let made = work(&mut adding).and_then(|mut outcomes| {
        adding.attached()?;
        Ok(outcomes.pop().unwrap_or_default())
    });
    made.map_err(|error| roll_back(adding, error))
}

/// NICs of one pod that are about to be coordinated. Nothing has changed; the pod's routing is locked for others.
#[derive(Debug)]
pub struct Joining {
    dirs: Dirs,
    record: PodRecord,
    view: View,
    plan: Plan,
    undos: Vec<Undo>,
}

impl Joining {
    /// Looks at the pod and decides; `None` without any NIC.
    pub fn plan(
        dirs: &Dirs,
        host: &mut netlink::Route,
        pod: &mut Pod,
        nics: &[Attachment<'_>],
    ) -> Result<Option<Self>, cni::Error> {
        let Some(first) = nics.first() else { return Ok(None) };
        let netns = identity(&pod.netns);
        let mut record = PodRecord::lock(dirs, &first.key.container_id, &netns)?;
        let mut view = kernel::read(pod)?;
        view.node = node_end(host, pod, &view, record.shared(), nics)?;
        let newcomers: Vec<_> = nics.iter().map(Attachment::newcomer).collect();
        let plan = plan::join(&view, record.shared(), &newcomers).map_err(cni::Error::invalid_config)?;
        let undo = |(nic, part): (&Attachment<'_>, &plan::Part)| Undo {
            key: nic.key.clone(),
            netns: netns.clone(),
            own: Some(part.own.clone()),
            pair: None,
        };
        let undos = nics.iter().zip(&plan.parts).map(undo).collect();
        Ok(Some(Self { dirs: dirs.clone(), record, view, plan, undos }))
    }

    /// To be written down before [`run`](Self::run), one for each NIC.
    pub fn undos(&self) -> &[Undo] {
        &self.undos
    }

    /// Changes the pod; what became of each NIC.
    pub fn run(self, host: &mut netlink::Route, pod: &mut Pod) -> Result<Vec<Outcome>, cni::Error> {
        let Self { dirs, mut record, view, plan, .. } = self;
        record.save()?;
        kernel::apply(pod, &plan.changes)?;
        let on_node: Vec<_> = plan.parts.iter().filter_map(|part| part.own.node.clone()).collect();
        node::add(&dirs, host, &on_node)?;
        kernel::set_rp_filter(pod, &view, record.shared().rp_filter(&view))?;
        let before = record.shared().clone();
        record.shared().reconciled(&view);
        if *record.shared() != before {
            record.save()?;
        }
        Ok(plan.parts.into_iter().map(|part| part.outcome).collect())
    }
}

impl Attachment<'_> {
    fn newcomer(&self) -> Newcomer<'_> {
        Newcomer {
            network: &self.key.network,
            ifname: &self.key.ifname,
            gateways: &self.gateways,
            settings: self.settings,
        }
    }
}

/// Where the pod's way to its node ends; none if no NIC asks for it.
fn node_end(
    host: &mut netlink::Route,
    pod: &Pod,
    view: &View,
    shared: &Shared,
    nics: &[Attachment<'_>],
) -> Result<Option<NodeEnd>, Error> {
    let is_new = shared.members.is_empty();
    let first_nic = if is_new { &nics[0].settings.first_nic } else { &shared.first_nic };
    let asked = view.uplink().is_some() || nics.iter().any(|nic| nic.settings.host_table.is_some());
    match view.uplink().or_else(|| view.link(first_nic)).filter(|_| asked) {
        Some(link) => node::look(host, pod, view, link, (!is_new).then(|| shared.hosts.clone())),
        None => Ok(None),
    }
}

/// The first error is what the caller has to know; what could not be undone stays on record.
fn roll_back(adding: Adding<Undo>, error: cni::Error) -> cni::Error {
    let left: Vec<String> = adding.fail().iter().map(ToString::to_string).collect();
    if left.is_empty() {
        error
    } else {
        error.with_details(format!("and not all of it could be undone: {}", left.join("; ")))
    }
}
