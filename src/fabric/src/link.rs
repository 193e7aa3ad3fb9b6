//! What the kind of a pod's interface means for the objects of a Fabric. Each match names every kind: with a new one, the
//! compiler asks for all of it.

use api::LinkKind;

/// Whether it is a VF.
pub(crate) fn is_vf(link: LinkKind) -> bool {
    match link {
        LinkKind::Sriov | LinkKind::IbSriov => true,
        LinkKind::Macvlan | LinkKind::Ipvlan | LinkKind::Ipoib => false,
    }
}

/// Whether its NIC is one of `InfiniBand`, whose partitions have a key.
pub(crate) fn is_infiniband(link: LinkKind) -> bool {
    match link {
        LinkKind::IbSriov | LinkKind::Ipoib => true,
        LinkKind::Macvlan | LinkKind::Ipvlan | LinkKind::Sriov => false,
    }
}

/// Whether it has an MTU of its own: that of a VF is its PF's, which the operator or the host sets.
pub(crate) fn has_mtu(link: LinkKind) -> bool {
    match link {
        LinkKind::Macvlan | LinkKind::Ipvlan => true,
        LinkKind::Sriov | LinkKind::IbSriov | LinkKind::Ipoib => false,
    }
}

/// Whether its VLAN is a key of it: a child link gets one by its master.
pub(crate) fn has_vlan(link: LinkKind) -> bool {
    match link {
        LinkKind::Sriov => true,
        LinkKind::Macvlan | LinkKind::Ipvlan | LinkKind::IbSriov | LinkKind::Ipoib => false,
    }
}

/// Whether the NIC cannot have links of both kinds: macvlan and ipvlan each take all that it receives.
pub(crate) fn exclude(one: LinkKind, other: LinkKind) -> bool {
    let takes_all = |link| match link {
        LinkKind::Macvlan | LinkKind::Ipvlan => true,
        LinkKind::Sriov | LinkKind::IbSriov | LinkKind::Ipoib => false,
    };
    one != other && takes_all(one) && takes_all(other)
}
