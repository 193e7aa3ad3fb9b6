use std::net::IpAddr;

use state::{Dirs, Key};

use super::config::Settings;
use super::plan::{self, Newcomer, Outcome};
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
    let netns = identity(&pod.netns);
    let mut record = PodRecord::lock(dirs, &nic.key.container_id, &netns)?;
    let view = kernel::read(pod)?;
    let newcomer = Newcomer {
        network: &nic.key.network,
        ifname: &nic.key.ifname,
        gateways: &nic.gateways,
        settings: nic.settings,
    };
    let plan = plan::join(&view, record.shared(), &newcomer).map_err(cni::Error::invalid_config)?;
    let undo = Undo { key: nic.key.clone(), netns, own: Some(plan.own.clone()) };
    let mut adding = prepared.begin(undo)?;
    let made = record.save().and_then(|()| {
        kernel::apply(pod, &plan.changes)?;
        kernel::set_rp_filter(pod, &view, record.shared().rp_filter())?;
        let before = record.shared().clone();
        record.shared().reconciled(&view);
        if *record.shared() != before {
            record.save()?;
        }
        adding.attached()
    });
    drop(record);
    made.map_err(|error| roll_back(adding, error))?;
    Ok(plan.outcome)
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
