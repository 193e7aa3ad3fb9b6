//! A network of `rail`: all rails at once, under one record.

use anyhow::Result;
use attach::ipam::is_ours;
use cni::Request;
use cni::conflist::NetworkList;
use rails::Rail;

use super::machine::{Parent, parent};
use super::{Explained, Step, words};

pub(super) const PLUGIN: &str = "rail";

/// The network has no other plugin.
pub(super) fn alone(list: &NetworkList, request: &Request) -> Result<(Explained, Vec<Parent>)> {
    let rails = rail::rails(request)?;
    let summary = format!("attaches {} at once, all or none", names(&rails));
    let mut steps = added(&rails)?;
    for (number, step) in (1..).zip(&mut steps) {
        step.title = format!("{number}. {}", step.title);
    }
    steps.push(Step::new("DEL undoes, from the record alone", undone(&rails)));
    Ok((Explained { network: list.name.clone(), summary, steps }, parents(&rails)))
}

/// What ADD does.
pub(super) fn added(rails: &[Rail]) -> Result<Vec<Step>> {
    let mut up =
        vec!["addresses and the IPAM's routes on every link; each is announced to its neighbours".to_owned()];
    let detection: Vec<_> =
        rails.iter().map(|rail| words::detection(&rail.request)).collect::<Result<_>>()?;
    if detection.iter().any(Option::is_some) {
        up.push("detection before and after that, on all rails at the same time".to_owned());
        up.extend(detection.into_iter().flatten());
    }
    let routing = |rail: &Rail| words::routing(&rail.request.env.ifname, rail.routing.as_deref());
    Ok(vec![
        Step::new("written down before anything is changed", vec![format!("one record of {}", names(rails))]),
        Step::new("addresses", rails.iter().map(of_ipam).collect()),
        Step::new("interfaces", rails.iter().map(|rail| words::link(&rail.request, rail.rdma)).collect()),
        Step::new("up, in one batch", up),
        Step::new("policy routing, in one batch", rails.iter().flat_map(routing).collect()),
    ])
}

/// What DEL does.
pub(super) fn undone(rails: &[Rail]) -> Vec<String> {
    vec![
        format!("rules, tables, moved default routes and the node's side of {}", names(rails)),
        of_end(rails).to_owned(),
        "the leases; then the record goes".to_owned(),
    ]
}

pub(super) fn parents(rails: &[Rail]) -> Vec<Parent> {
    rails.iter().filter_map(|rail| parent(&rail.request)).collect()
}

pub(super) fn names(rails: &[Rail]) -> String {
    let names: Vec<_> = rails.iter().map(|rail| rail.request.env.ifname.as_str()).collect();
    names.join(", ")
}

fn of_ipam(rail: &Rail) -> String {
    let ifname = &rail.request.env.ifname;
    match rail.request.config.ipam_type.as_deref() {
        Some(plugin) if is_ours(plugin) => format!("{ifname}: a lease of rail-ipam, in the same process"),
        plugin => words::addresses(ifname, plugin),
    }
}

/// A network has interfaces of one kind.
fn of_end(rails: &[Rail]) -> &'static str {
    match rails.first().map(|rail| rail.request.config.plugin_type.as_str()) {
        Some("sriov" | "ib-sriov") => {
            "RDMA devices and VFs go back to the host, each with the name and the settings that it had"
        }
        _ => "the links, all within one grace period of the kernel",
    }
}
