//! A network of several plugins, which the runtime calls one after the other.

use anyhow::{Context as _, Result, ensure};
use cni::conflist::NetworkList;
use cni::{Config, Request};
use rails::RdmaMode;
use routing::{PLUGIN as COORDINATOR, Settings};

use super::machine::{Parent, parent};
use super::{Explained, Step, of_rail, words};

const LINKS: [&str; 5] = ["macvlan", "ipvlan", "ipoib", "sriov", "ib-sriov"];

pub(super) fn explain(list: &NetworkList, chain: &[Request]) -> Result<(Explained, Vec<Parent>)> {
    ensure!(!chain.is_empty(), "it has no plugins");
    let (mut steps, mut undone, mut parents) = (Vec::new(), Vec::new(), Vec::new());
    for request in chain {
        let kind = &request.config.plugin_type;
        let part = Part::of(request).with_context(|| kind.clone())?;
        steps.extend(part.steps);
        undone.extend(part.undone.into_iter().map(|line| format!("{kind}: {line}")).rev());
        parents.extend(part.parents);
    }
    // What an ifacer makes is not there before.
    let made: Vec<String> = chain.iter().filter_map(|request| made_by_ifacer(&request.config)).collect();
    parents.retain(|parent| !parent.is_one_of(&made));
    for (number, step) in (1..).zip(&mut steps) {
        step.title = format!("{number}. {}", step.title);
    }
    undone.reverse();
    steps.push(Step::new("DEL undoes, the last plugin first, each from its own record", undone));
    let ifname = chain.first().map(|request| request.env.ifname.clone()).unwrap_or_default();
    let summary = match chain.len() {
        1 => format!("attaches {ifname} by one plugin; where it fails, its DEL takes back what there is"),
        count => format!(
            "attaches {ifname} by {count} plugins, one after the other; where one fails, the DEL of all takes back what there is"
        ),
    };
    Ok((Explained { network: list.name.clone(), summary, steps }, parents))
}

/// What one plugin does and undoes, and on what.
#[derive(Default)]
struct Part {
    steps: Vec<Step>,
    undone: Vec<String>,
    parents: Vec<Parent>,
}

impl Part {
    fn of(request: &Request) -> Result<Self> {
        match request.config.plugin_type.as_str() {
            of_rail::PLUGIN => Self::of_rails(request),
            COORDINATOR => Self::of_coordinator(request),
            "rdma" => Ok(Self::of_rdma(request)),
            "ifacer" => Ok(Self::of_ifacer(request)),
            kind if LINKS.contains(&kind) => Self::of_link(request),
            kind => Ok(Self::one(
                kind,
                vec!["not one of ours: what it does, its own manual says".to_owned()],
                "its own DEL",
            )),
        }
    }

    fn one(title: &str, lines: Vec<String>, undone: &str) -> Self {
        Self { steps: vec![Step::new(title, lines)], undone: vec![undone.to_owned()], parents: Vec::new() }
    }

    fn of_rails(request: &Request) -> Result<Self> {
        let rails = rail::rails(request)?;
        let mut steps = of_rail::added(&rails)?;
        for step in &mut steps {
            step.title = format!("{}: {}", of_rail::PLUGIN, step.title);
        }
        Ok(Self { steps, undone: of_rail::undone(&rails), parents: of_rail::parents(&rails) })
    }

    fn of_link(request: &Request) -> Result<Self> {
        let (ifname, kind) = (&request.env.ifname, request.config.plugin_type.as_str());
        let ipam = request.config.ipam_type.as_deref();
        let rdma = if words::written(&request.config, &["rdmaIsolation"]) == "true" {
            RdmaMode::Exclusive
        } else {
            RdmaMode::None
        };
        let mut lines = vec![
            format!("{ifname}: one record, written down before anything is changed"),
            words::link(request, rdma),
            format!("addresses of {}", words::addresses(ifname, ipam)),
        ];
        lines.extend(words::detection(request)?);
        let link = if words::is_vf(kind) {
            "the VF goes back to the host, with the name and the settings that it had"
        } else {
            "the link"
        };
        let undone = if ipam.is_some() { format!("{link}; its addresses") } else { link.to_owned() };
        Ok(Self { parents: parent(request).into_iter().collect(), ..Self::one(kind, lines, &undone) })
    }

    fn of_coordinator(request: &Request) -> Result<Self> {
        let settings = Settings::of(&request.config, &request.env.args)?;
        let lines = words::routing(&request.env.ifname, settings.as_ref());
        Ok(Self::one(COORDINATOR, lines, "rules, tables, moved default routes and the node's side"))
    }

    fn of_rdma(request: &Request) -> Self {
        let lines = vec![format!(
            "{}: the RDMA device of its VF or subfunction goes along (RDMA netns mode exclusive)",
            request.env.ifname
        )];
        Self::one("rdma", lines, "the RDMA device goes back to the host, with the name that it had")
    }

    fn of_ifacer(request: &Request) -> Self {
        let interfaces = words::written(&request.config, &["interfaces"]);
        let line = match made_by_ifacer(&request.config) {
            Some(name) => {
                format!("{name} on {interfaces}, unless it is there already: all pods that want it share it")
            }
            None => format!("{interfaces} as they are"),
        };
        Self::one("ifacer", vec![line], "what no pod uses any more, if it was made and `cleanup` says so")
    }
}

/// The VLAN or bond that comes to be, by the names that it has unless the config gives others.
fn made_by_ifacer(config: &Config) -> Option<String> {
    if config.plugin_type != "ifacer" {
        return None;
    }
    let written = |path: &[&str]| Some(words::written(config, path)).filter(|text| !text.is_empty());
    let names = config.at(&["interfaces"])?.as_array()?;
    let first = names.first()?.as_str()?;
    let is_bond = names.len() > 1;
    let below = if is_bond {
        written(&["bond", "name"]).unwrap_or_else(|| "sp_bond0".to_owned())
    } else {
        first.to_owned()
    };
    match written(&["vlanID"]).filter(|id| id != "0") {
        Some(id) => Some(written(&["vlanName"]).unwrap_or_else(|| format!("{below}.{id}"))),
        None => is_bond.then_some(below),
    }
}
