//! What prevents the settings, told before anything is changed. Pure.

#[cfg(test)]
mod tests;

use crate::inventory::{Inventory, NicFacts};
use crate::key::Key;
use crate::plan::Picture;
use crate::record::Record;
use crate::settings::{LinkType, Nic, Settings};
use crate::wants::Want;

/// One line each, with the cure.
pub(crate) fn problems(
    settings: &Settings,
    inventory: &Inventory,
    wanted: &[Want],
    picture: &Picture,
    record: &Record,
) -> Vec<String> {
    let mut problems = Vec::new();
    for nic in &settings.nics {
        let Some(facts) = inventory.nic(&nic.name) else {
            if nic.pci.is_some_and(|pci| inventory.misnamed(&pci.to_string()).is_some()) {
                continue;
            }
            problems.push(format!("{}: no such link here; `ip link` lists those that are", nic.name));
            continue;
        };
        problems.extend(of_link(nic, facts));
        let is_ours =
            |route: &&Key| wanted.iter().any(|want| want.key == **route) || record.entry(route).is_some();
        let others = facts.routes.iter().filter(|route| !is_ours(route));
        problems.extend(others.map(|route| taken(nic, route)));
    }
    for want in wanted {
        problems.extend(of_dcb(want, picture));
    }
    problems
}

fn of_link(nic: &Nic, facts: &NicFacts) -> Vec<String> {
    let name = &nic.name;
    let mut problems = Vec::new();
    if let (Some(mtu), Some(max)) = (nic.mtu, facts.max_mtu.filter(|max| *max > 0))
        && mtu > max
    {
        problems.push(format!("{name}: mtu {mtu} is more than its driver takes, which is {max}"));
    }
    match (nic.vfs, facts.total_vfs) {
        (Some(1..), None) => problems.push(format!(
            "{name}: vfs: it has no sriov_totalvfs, so it is no PF or SR-IOV is off in its firmware (`mlxconfig -d PCI set SRIOV_EN=1 NUM_OF_VFS=N`, then a cold boot)"
        )),
        (Some(vfs), Some(total)) if vfs > total => problems.push(format!(
            "{name}: vfs {vfs} is more than the {total} of its firmware (`mlxconfig -d PCI set NUM_OF_VFS={vfs}`, then a cold boot)"
        )),
        _ => {}
    }
    problems.extend(another_function(nic, facts));
    problems.extend(another_type(nic, facts));
    if facts.dcb_by_firmware {
        problems.push(format!(
            "{name}: roce: its firmware runs DCBX and refuses what the host wants (`mlxconfig -d PCI set LLDP_NB_DCBX_P1=0`, or `mlnx_qos -i {name} -d os`)"
        ));
    }
    problems
}

/// Somebody else has the name.
fn another_function(nic: &Nic, facts: &NicFacts) -> Option<String> {
    let wanted = nic.pci?.to_string();
    let is = facts.pci.as_deref().unwrap_or("no PCI function");
    (is != wanted).then(|| {
        format!("{}: pci: the link of this name is of {is}, not of {wanted}; rename it first, or give another name", nic.name)
    })
}

/// Firmware decides, at its next start: no message of the kernel changes it on a ConnectX-4 or later.
fn another_type(nic: &Nic, facts: &NicFacts) -> Option<String> {
    let (is, wanted, number) = match (nic.link_type?, facts.is_infiniband) {
        (LinkType::Ethernet, true) => ("InfiniBand", "Ethernet", 2),
        (LinkType::InfiniBand, false) => ("Ethernet", "InfiniBand", 1),
        _ => return None,
    };
    let pci = facts.pci.as_deref().unwrap_or("PCI");
    Some(format!(
        "{}: linkType: its port is {is}, wanted is {wanted} (`mlxconfig -d {pci} set LINK_TYPE_P1={number}`, then a cold boot)",
        nic.name
    ))
}

/// A table leads one way, and main leads to the rails by one NIC.
fn taken(nic: &Nic, route: &Key) -> String {
    match route {
        Key::Route { table, .. } if Some(*table) == nic.table => {
            format!(
                "{}: table {table} is in use: it has `{route}`, which is not ours; name another by `table`",
                nic.name
            )
        }
        _ => format!(
            "{}: rdmaRoute: main has `{route}` already, which is not ours; delete it, or leave rdmaRoute out",
            nic.name
        ),
    }
}

fn of_dcb(want: &Want, picture: &Picture) -> Option<String> {
    let (link, lacks, key) = match &want.key {
        Key::Pfc { link } => (link, "priority flow control", "roce"),
        Key::Ets { link } => (link, "traffic classes to set (ETS)", "roce.ets"),
        Key::Buffers { link } => (link, "buffers to set", "roce.buffers"),
        _ => return None,
    };
    picture
        .of(&want.key)
        .is_none()
        .then(|| format!("{link}: {key}: its driver has no {lacks} (DCB) here; leave {key} out on this node"))
}
