//! What of a fabric contradicts itself, before anybody looks at nodes.

use api::{Fabric, FabricSpec, LinkKind, RdmaMode};
use ipnet::IpNet;

use crate::error::{Errors, Problems};
use crate::link::{has_vlan, is_infiniband, is_vf};
use crate::subnets::{Scheme, schemes};
use crate::{names, rails};

const MOST_RAILS: u32 = 64;

/// All that is wrong with a fabric, whatever its nodes are.
pub fn check(fabric: &Fabric) -> Result<(), Errors> {
    let mut problems = Problems::default();
    verify(fabric, &mut problems);
    problems.into_result()
}

/// All that is wrong with the document itself; its addressing where nothing is.
pub(crate) fn verify(fabric: &Fabric, problems: &mut Problems) -> Vec<Scheme> {
    let spec = &fabric.spec;
    if !names::is_label(&fabric.metadata.name) || fabric.metadata.name.len() > 40 {
        let problem = "must be lower-case letters, digits and inner hyphens, 40 at most: names of pools and networks begin with it";
        problems.add_at("metadata.name", Some(&fabric.metadata.name), problem);
    }
    rails::verify(&spec.rails, problems);
    link(spec, problems);
    ranges(spec, problems);
    routes(spec, problems);
    resources(spec, problems);
    schemes(spec, problems)
}

/// As the schema of the kind has them, for files that no API server has seen.
fn ranges(spec: &FabricSpec, problems: &mut Problems) {
    let mut within = |field: &str, value: Option<u32>, lowest: u32, highest: u32| {
        if let Some(value) = value.filter(|value| !(lowest..=highest).contains(value)) {
            problems.add(
                field,
                Some(&value.to_string()),
                format!("must be a number from {lowest} to {highest}"),
            );
        }
    };
    within("mtu", spec.mtu, 68, 65520);
    within("vfs", spec.vfs, 1, 4096);
    within("vlan", spec.vlan.map(u32::from), 1, 4094);
    let priority = spec.host.as_ref().and_then(|host| host.pfc_priority);
    within("host.pfcPriority", priority.map(u32::from), 0, 7);
    for (position, rail) in spec.rails.iter().enumerate() {
        within(&format!("rails[{position}].rail"), rail.rail, 1, MOST_RAILS);
    }
    let rails = u32::try_from(spec.rails.len()).unwrap_or(u32::MAX);
    if rails > MOST_RAILS {
        problems.add("rails", None, format!("has {rails} rails, and {MOST_RAILS} is the most"));
    }
}

fn link(spec: &FabricSpec, problems: &mut Problems) {
    let vf = is_vf(spec.link);
    if vf && spec.vfs.is_none() {
        problems.add("vfs", None, "is missing: how many VFs each PF gets, one per pod");
    }
    if let Some(vfs) = spec.vfs.filter(|_| !vf) {
        problems.add("vfs", Some(&vfs.to_string()), "goes with link sriov or ib-sriov only");
    }
    if !vf && spec.rdma == Some(RdmaMode::Exclusive) {
        let problem =
            "needs VFs (link sriov or ib-sriov): a child link has no RDMA device of its own; write shared";
        problems.add("rdma", Some("exclusive"), problem);
    }
    if let Some(vlan) = spec.vlan.filter(|_| !has_vlan(spec.link)) {
        let problem = "goes with link sriov only: for a child link, name the VLAN's interface as the rail's, such as ens1f0.100";
        problems.add("vlan", Some(&vlan.to_string()), problem);
    }
    if let Some(pkey) = &spec.pkey {
        partition(spec.link, pkey, problems);
    }
}

fn partition(link: LinkKind, pkey: &str, problems: &mut Problems) {
    if !is_infiniband(link) {
        problems.add("pkey", Some(pkey), "goes with link ib-sriov or ipoib only");
    }
    let number = pkey.strip_prefix("0x").and_then(|digits| u16::from_str_radix(digits, 16).ok());
    if number.is_none_or(|number| number.trailing_zeros() >= 15) {
        problems.add("pkey", Some(pkey), "must be 0x and up to four hexadecimal digits, such as 0x8001");
    }
}

fn routes(spec: &FabricSpec, problems: &mut Problems) {
    for (index, route) in spec.routes.iter().enumerate() {
        let field = |key: &str| format!("routes[{index}].{key}");
        match route.dst.parse::<IpNet>() {
            Ok(net) if net.prefix_len() == 0 => {
                problems.add(
                    field("dst"),
                    Some(&route.dst),
                    "is a default route, which each rail has in its own table anyway",
                );
            }
            Ok(net) if net.addr() != net.network() => {
                problems.add(
                    field("dst"),
                    Some(&route.dst),
                    format!("has bits behind its length; write {}", net.trunc()),
                );
            }
            Ok(_) => {}
            Err(_) => problems.add(field("dst"), Some(&route.dst), "is no ADDRESS/LENGTH"),
        }
        if let Some(rail) = route.rail.filter(|&rail| rail == 0 || rail as usize > spec.rails.len()) {
            let problem = format!("is no rail: there are {}, counted from 1", spec.rails.len());
            problems.add(field("rail"), Some(&rail.to_string()), problem);
        }
    }
}

fn resources(spec: &FabricSpec, problems: &mut Problems) {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let (prefix, name) = (text(&spec.resources.prefix), text(&spec.resources.name));
    if spec.resources.prefix.is_some() && !prefix.split('.').all(names::is_label) {
        problems.add("resources.prefix", Some(&prefix), "must be a DNS name, such as spidernet.io");
    }
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if spec.resources.name.is_some() && !(name.bytes().all(fits) && (1..=40).contains(&name.len())) {
        problems.add("resources.name", Some(&name), "must be letters, digits and _, 40 at most");
    }
}
