use std::net::IpAddr;

use state::{Dirs, Key};

use super::config::Settings;
use super::model::View;
use super::plan::{self, Newcomer, Outcome, Plan};
use super::record::PodRecord;
use super::undo::Undo;
use super::{PLUGIN, kernel};
use crate::attachment::identity;
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
    let prepared = Attachments::open(dirs, PLUGIN)?.prepare::<Undo>(nic.key.clone(), &pod.netns)?;
    let Some(joining) = Joining::plan(dirs, pod, std::slice::from_ref(nic))? else {
        return Ok(Outcome::default());
    };
    let mut adding = prepared.begin(joining.undos[0].clone())?;
    let made = joining.run(pod).and_then(|mut outcomes| {
        adding.attached()?;
        Ok(outcomes.remove(0))
    });
    made.map_err(|error| roll_back(adding, error))
}

/// NICs of one pod that are about to be coordinated. Nothing has changed; the pod's routing is locked for others.
#[derive(Debug)]
pub struct Joining {
    record: PodRecord,
    view: View,
    plan: Plan,
    undos: Vec<Undo>,
}

impl Joining {
    /// Looks at the pod and decides; `None` without any NIC.
    pub fn plan(dirs: &Dirs, pod: &mut Pod, nics: &[Attachment<'_>]) -> Result<Option<Self>, cni::Error> {
        let Some(first) = nics.first() else { return Ok(None) };
        let netns = identity(&pod.netns);
        let mut record = PodRecord::lock(dirs, &first.key.container_id, &netns)?;
        let view = kernel::read(pod)?;
        let newcomers: Vec<_> = nics.iter().map(Attachment::newcomer).collect();
        let plan = plan::join(&view, record.shared(), &newcomers).map_err(cni::Error::invalid_config)?;
        let undo = |(nic, part): (&Attachment<'_>, &plan::Part)| Undo {
            key: nic.key.clone(),
            netns: netns.clone(),
            own: Some(part.own.clone()),
        };
        let undos = nics.iter().zip(&plan.parts).map(undo).collect();
        Ok(Some(Self { record, view, plan, undos }))
    }

    /// To be written down before [`run`](Self::run), one for each NIC.
    pub fn undos(&self) -> &[Undo] {
        &self.undos
    }

    /// Changes the pod; what became of each NIC.
    pub fn run(self, pod: &mut Pod) -> Result<Vec<Outcome>, Error> {
        let Self { mut record, view, plan, .. } = self;
        record.save()?;
        kernel::apply(pod, &plan.changes)?;
        kernel::set_rp_filter(pod, &view, record.shared().rp_filter())?;
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

/// The first error is what the caller has to know; what could not be undone stays on record.
fn roll_back(adding: Adding<Undo>, error: Error) -> cni::Error {
    let left: Vec<String> = adding.fail().iter().map(ToString::to_string).collect();
    let error = cni::Error::from(error);
    if left.is_empty() {
        error
    } else {
        error.with_details(format!("and not all of it could be undone: {}", left.join("; ")))
    }
}
