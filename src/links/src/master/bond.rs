use std::path::Path;

use attach::sysctl;
use netlink::link::{Bond, BondMode, BondOption, LinkKind, NewKind};
use netlink::{Link, LinkChange, NewLink, Rtnetlink};

use super::ledger::{Ledger, Port};
use super::provide::Masters;
use super::{BondSpec, Error};
use crate::child::child_elsewhere;
use crate::whole::{Taker, require_free_of_node};

pub(super) const KIND: &str = "bond";
/// Delays, which the kernel rounds to multiples of the monitoring interval.
const ROUNDED: [u16; 3] = [4, 5, 28];

impl Masters<'_> {
    pub(super) fn provide_bond(&mut self, wanted: &BondSpec, nics: &[Link]) -> Result<Link, attach::Error> {
        let present = self.host.link_by_name(&wanted.name)?;
        let ledger = self.record_user(&wanted.name, KIND, present.as_ref(), None, |ledger| {
            ledger.ports = nics.iter().map(|nic| ledger.port_before(nic)).collect();
        })?;
        match &present {
            Some(link) if !ledger.unfinished => self.bring_up(link)?,
            Some(link) => self.fill(wanted, link, nics)?,
            None => self.make_bond(wanted, nics)?,
        }
        self.settle(ledger)
    }

    /// With the MTU of its ports from the beginning: they take that of the bond.
    fn make_bond(&mut self, wanted: &BondSpec, nics: &[Link]) -> Result<(), attach::Error> {
        let kind = NewKind::Bond(Bond { mode: wanted.mode, options: wanted.options.clone() });
        let link = NewLink { mtu: self.mtu(nics), ..NewLink::new(&wanted.name, kind) };
        self.host.create_link(&link)?;
        let link = self.host.link_by_name(&wanted.name)?;
        let link = link.ok_or_else(|| Error::Vanished { name: wanted.name.clone() })?;
        self.fill(wanted, &link, nics)
    }

    /// The kernel takes a port only while that is down, and brings it up itself (`bond_enslave`).
    fn fill(&mut self, wanted: &BondSpec, bond: &Link, nics: &[Link]) -> Result<(), attach::Error> {
        for nic in nics.iter().filter(|nic| nic.master != Some(bond.index)) {
            self.host.set_link(nic.index, &LinkChange::DOWN)?;
            self.host
                .set_link(nic.index, &LinkChange { master: Some(bond.index), ..LinkChange::default() })?;
        }
        sysctl::trust_nothing(&bond.name)?;
        self.host.set_link(bond.index, &LinkChange::UP)?;
        for (option, port) in [("primary", &wanted.primary), ("active_slave", &wanted.active)] {
            if let Some(port) = port {
                let folder = Path::new("/sys/class/net").join(&wanted.name).join("bonding");
                sysctl::write(&folder.join(option), port)?;
            }
        }
        Ok(())
    }
}

impl Ledger {
    /// What a NIC was before it became a port. A DEL that was killed between the bond's end and its last port has left that
    /// port down: the ledger knows better.
    fn port_before(&self, nic: &Link) -> Port {
        let known = self.ports.iter().find(|port| port.index == nic.index);
        known.cloned().unwrap_or_else(|| Port { name: nic.name.clone(), index: nic.index, up: nic.is_up() })
    }
}

/// Mode and options of a bond that is there.
pub(super) fn verify(wanted: &BondSpec, link: &Link) -> Result<(), Error> {
    let differs = |found: String, wanted_is: String| Error::Differs {
        name: wanted.name.clone(),
        found,
        wanted: wanted_is,
    };
    let LinkKind::Bond(bond) = &link.kind else {
        return Err(differs(format!("is {}", kind_of(link)), "a bond".to_owned()));
    };
    if bond.mode != wanted.mode {
        return Err(differs(
            format!("has mode {}", mode_name(bond.mode)),
            format!("mode {}", mode_name(wanted.mode)),
        ));
    }
    let is_comparable = |option: &&BondOption| !ROUNDED.contains(&option.attribute);
    let other = wanted.options.iter().filter(is_comparable).find(|option| !bond.options.contains(option));
    other.map_or(Ok(()), |option| {
        let attribute = option.attribute;
        Err(differs(
            format!("has another value of a bond option (netlink attribute {attribute})"),
            format!("{:02x?}", option.value),
        ))
    })
}

/// Exactly the wanted ports, or some of them while it is `unfinished`.
pub(super) fn verify_ports(
    wanted: &BondSpec,
    bond: &Link,
    nics: &[Link],
    unfinished: bool,
    host: &mut Rtnetlink,
) -> Result<(), attach::Error> {
    let mut have: Vec<_> = host.links()?.into_iter().filter(|link| link.master == Some(bond.index)).collect();
    have.sort_by_key(|link| link.index);
    let foreign = have.iter().any(|link| !nics.iter().any(|nic| nic.index == link.index));
    if foreign || (!unfinished && have.len() != nics.len()) {
        let names =
            |links: &[Link]| links.iter().map(|link| link.name.as_str()).collect::<Vec<_>>().join(", ");
        let (found, wanted_is) = (format!("has the ports [{}]", names(&have)), format!("[{}]", names(nics)));
        return Err(Error::Differs { name: wanted.name.clone(), found, wanted: wanted_is }.into());
    }
    let missing: Vec<_> = nics.iter().filter(|nic| nic.master != Some(bond.index)).cloned().collect();
    require_free(&missing, host)
}

/// The NIC and the host's VLANs on it: what is on these goes down with them.
fn with_vlans(nic: u32, links: &[Link]) -> Vec<u32> {
    let mut below = vec![nic];
    let mut next = 0;
    while let Some(&parent) = below.get(next) {
        let is_vlan = |link: &&Link| link.parent_netnsid.is_none() && matches!(link.kind, LinkKind::Vlan(_));
        let on_it =
            links.iter().filter(is_vlan).filter(|link| link.parent == Some(parent)).map(|link| link.index);
        let on_it: Vec<u32> = on_it.filter(|index| !below.contains(index)).collect();
        below.extend(on_it);
        next += 1;
    }
    below
}

/// No NIC is a port of something else, or the node's own, or under links of pods: it goes down before the kernel says whether it
/// becomes a port, and all that is on it with it.
pub(super) fn require_free(nics: &[Link], host: &mut Rtnetlink) -> Result<(), attach::Error> {
    for nic in nics {
        if let Some(index) = nic.master {
            let port_of = host.link_by_index(index)?.map_or_else(|| index.to_string(), |link| link.name);
            return Err(Error::Port { name: nic.name.clone(), port_of }.into());
        }
    }
    nics.iter().try_for_each(|nic| require_free_of_node(Taker::Bond, nic, host))?;
    if nics.is_empty() {
        return Ok(());
    }
    let links = host.links()?;
    for nic in nics {
        let name = || nic.name.clone();
        let unseen = |netns| Error::Unseen { name: name(), netns };
        let below = with_vlans(nic.index, &links);
        let mut in_a_pod = false;
        for &index in &below {
            in_a_pod |= child_elsewhere(index).map_err(unseen)?;
        }
        let is_on_it = |link: &&Link| {
            link.parent_netnsid.is_none() && link.parent.is_some_and(|parent| below.contains(&parent))
        };
        let on_it = links.iter().filter(is_on_it).map(|link| (link.name.as_str(), link.kind.name()));
        if let Some(child) = child(on_it, in_a_pod) {
            return Err(Error::HasChild { name: name(), child }.into());
        }
    }
    Ok(())
}

/// What would go down with the NIC: of the host's links, by name and kind, all but VLANs, which come up again with it, and what only
/// names it as the other end. An administrator who lets it be taken whole lets nobody take it from pods.
fn child<'l>(mut on_it: impl Iterator<Item = (&'l str, &'l str)>, in_a_pod: bool) -> Option<String> {
    let own = on_it.find(|(_, kind)| !["vlan", "veth"].contains(kind)).map(|(name, _)| name.to_owned());
    own.or_else(|| in_a_pod.then(|| "a link in a pod".to_owned()))
}

/// Brings up again what was up before it became a port, once the bond is gone.
pub(super) fn restore_ports(ledger: &Ledger, host: &mut Rtnetlink) -> Vec<attach::Error> {
    let mut errors = Vec::new();
    for port in ledger.ports.iter().filter(|port| port.up) {
        match host.link_by_index(port.index) {
            Ok(Some(link)) if link.master.is_none() && !link.is_up() => {
                errors.extend(host.set_link(port.index, &LinkChange::UP).err().map(Into::into));
            }
            Ok(_) => (),
            Err(error) => errors.push(error.into()),
        }
    }
    errors
}

pub(super) fn kind_of(link: &Link) -> String {
    match link.kind.name() {
        "" => "a NIC".to_owned(),
        kind => format!("a {kind}"),
    }
}

fn mode_name(mode: BondMode) -> String {
    mode.to_string()
}

#[cfg(test)]
mod tests {
    use super::child;

    #[test]
    fn a_nic_with_links_of_pods_on_it_becomes_no_port_and_one_with_vlans_does() {
        for (on_it, in_a_pod, expected) in [
            (vec![], false, None),
            (vec![], true, Some("a link in a pod")),
            (vec![("eno6.7", "vlan"), ("switch", "veth")], false, None),
            (vec![("eno6.7", "vlan")], true, Some("a link in a pod")),
            (vec![("eno6.7", "vlan"), ("shim", "macvlan")], false, Some("shim")),
        ] {
            assert_eq!(child(on_it.iter().copied(), in_a_pod).as_deref(), expected, "{on_it:?}");
        }
    }
}
