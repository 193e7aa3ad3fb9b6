use attach::sysctl;
use netlink::link::{LinkKind, NewKind, Vlan, VlanProtocol};
use netlink::{Link, NewLink, Rtnetlink};

use super::bond::kind_of;
use super::provide::Masters;
use super::{Error, VlanSpec};

pub(super) const KIND: &str = "vlan";

impl Masters<'_> {
    pub(super) fn provide_vlan(&mut self, wanted: &VlanSpec, below: &Link) -> Result<(), attach::Error> {
        let present = self.host.link_by_name(&wanted.name)?;
        let on = Some(below.name.clone());
        let ledger =
            self.record_user(&wanted.name, KIND, present.as_ref(), Some(below), |ledger| ledger.on = on)?;
        self.bring_up(below)?;
        match &present {
            Some(link) if !ledger.unfinished => self.bring_up(link)?,
            Some(_) => self.finish_vlan(wanted)?,
            None => self.make_vlan(wanted, below)?,
        }
        self.settle(ledger).map(drop)
    }

    fn make_vlan(&mut self, wanted: &VlanSpec, below: &Link) -> Result<(), attach::Error> {
        let mut link = NewLink::new(&wanted.name, NewKind::Vlan(kind(wanted)));
        link.parent = Some(below.index);
        link.mtu = self.wanted.mtu;
        self.host.create_link(&link)?;
        self.finish_vlan(wanted)
    }

    /// Whoever is on that VLAN is no router of the node's.
    fn finish_vlan(&mut self, wanted: &VlanSpec) -> Result<(), attach::Error> {
        sysctl::trust_nothing(&wanted.name)?;
        let link = self.host.link_by_name(&wanted.name)?;
        let link = link.ok_or_else(|| Error::Vanished { name: wanted.name.clone() })?;
        self.bring_up(&link)
    }
}

fn kind(wanted: &VlanSpec) -> Vlan {
    Vlan { id: wanted.id, protocol: VlanProtocol::Ieee8021Q }
}

/// A link of the wanted name has to be that VLAN.
pub(super) fn verify(wanted: &VlanSpec, link: &Link, below: &Link) -> Result<(), Error> {
    let same = link.kind == LinkKind::Vlan(kind(wanted)) && link.parent == Some(below.index);
    if same { Ok(()) } else { Err(differs(wanted, link, &below.name)) }
}

pub(super) fn differs(wanted: &VlanSpec, link: &Link, below: &str) -> Error {
    let found = match &link.kind {
        LinkKind::Vlan(vlan) => format!("is VLAN {} of link {}", vlan.id, link.parent.unwrap_or_default()),
        _ => format!("is {}", kind_of(link)),
    };
    Error::Differs { name: wanted.name.clone(), found, wanted: format!("VLAN {} of {below}", wanted.id) }
}

/// A NIC has one link for a VLAN: no other may be it under another name.
pub(super) fn require_free(
    wanted: &VlanSpec,
    below: &Link,
    host: &mut Rtnetlink,
) -> Result<(), attach::Error> {
    let is_it = |link: &Link| link.kind == LinkKind::Vlan(kind(wanted)) && link.parent == Some(below.index);
    match host.links()?.into_iter().find(is_it) {
        Some(other) => Err(Error::OtherName {
            id: wanted.id,
            parent: below.name.clone(),
            name: other.name,
            wanted: wanted.name.clone(),
        }
        .into()),
        None => Ok(()),
    }
}
