use netlink_packet_route::link::{LinkFlags, State};
use nix::libc::{
    IFLA_ADDRESS, IFLA_AF_SPEC, IFLA_BROADCAST, IFLA_GROUP, IFLA_IFALIAS, IFLA_IFNAME, IFLA_INFO_DATA,
    IFLA_INFO_KIND, IFLA_LINK, IFLA_LINK_NETNSID, IFLA_LINKINFO, IFLA_LINKMODE, IFLA_MASTER, IFLA_MAX_MTU,
    IFLA_MTU, IFLA_OPERSTATE, IFLA_PHYS_PORT_NAME, IFLA_PROMISCUITY, IFLA_TXQLEN, IFLA_XDP, RTM_DELLINK,
    RTM_NEWLINK,
};

use super::ipv4;
use super::kind::{
    Bond, BondOption, IFLA_BOND_MODE, IFLA_IPOIB_MODE, IFLA_IPOIB_PKEY, IFLA_IPOIB_UMCAST, IFLA_IPVLAN_FLAGS,
    IFLA_IPVLAN_MODE, IFLA_MACVLAN_BC_QUEUE_LEN, IFLA_MACVLAN_MODE, IFLA_VLAN_ID, IFLA_VLAN_PROTOCOL, Ipoib,
    Ipvlan, LinkKind, Macvlan, Vlan,
};
use super::offload::{self, Limits};
use super::view::Link;
use crate::attr::{Attribute, Attributes, u16_at, u32_at};
use crate::hwaddr::HwAddr;
use crate::message::Message;

const HEADER: usize = 16;

// include/uapi/linux/if_link.h; some are younger than the C library's list.
const IFLA_PROP_LIST: u16 = 52;
const IFLA_ALT_IFNAME: u16 = 53;
const IFLA_PERM_ADDRESS: u16 = 54;
const IFLA_PARENT_DEV_NAME: u16 = 56;

/// The link of an `RTM_NEWLINK` or `RTM_DELLINK`.
pub(crate) fn decode(message: &Message<'_>) -> Option<Link> {
    if !matches!(message.kind, RTM_NEWLINK | RTM_DELLINK) {
        return None;
    }
    let mut link = from_header(message.payload)?;
    for attribute in Attributes(message.payload.get(HEADER..)?) {
        read(&mut link, attribute);
    }
    // A link on itself, as lo and many devices say, sits on none.
    link.parent =
        link.parent.filter(|&parent| parent != 0 && (parent != link.index || link.parent_netnsid.is_some()));
    Some(link)
}

fn from_header(payload: &[u8]) -> Option<Link> {
    Some(Link {
        index: u32_at(payload, 4)?,
        name: String::new(),
        alt_names: Vec::new(),
        alias: None,
        kind: LinkKind::Device,
        hardware_type: u16_at(payload, 2)?,
        mtu: 0,
        max_mtu: None,
        address: None,
        broadcast: None,
        perm_address: None,
        flags: LinkFlags::from_bits_retain(u32_at(payload, 8)?),
        oper_state: State::Unknown,
        parent: None,
        parent_netnsid: None,
        master: None,
        group: 0,
        tx_queue_len: 0,
        link_mode: 0,
        limits: Limits::default(),
        xdp: Vec::new(),
        promiscuity: 0,
        device: None,
        ipv4_conf: None,
        phys_port_name: None,
    })
}

fn read(link: &mut Link, attribute: Attribute<'_>) {
    match attribute.kind {
        IFLA_IFNAME => link.name = attribute.string(),
        IFLA_PROP_LIST => link.alt_names = alt_names(attribute),
        IFLA_IFALIAS => link.alias = Some(attribute.string()),
        IFLA_LINKINFO => link.kind = kind(attribute),
        IFLA_MTU => link.mtu = attribute.u32().unwrap_or_default(),
        IFLA_MAX_MTU => link.max_mtu = attribute.u32().filter(|&mtu| mtu != 0),
        IFLA_ADDRESS => link.address = HwAddr::new(attribute.value),
        IFLA_BROADCAST => link.broadcast = HwAddr::new(attribute.value),
        IFLA_PERM_ADDRESS => link.perm_address = HwAddr::new(attribute.value),
        IFLA_OPERSTATE => link.oper_state = attribute.u8().unwrap_or_default().into(),
        IFLA_LINK => link.parent = attribute.u32(),
        IFLA_LINK_NETNSID => link.parent_netnsid = attribute.i32(),
        IFLA_MASTER => link.master = attribute.u32(),
        IFLA_GROUP => link.group = attribute.u32().unwrap_or_default(),
        IFLA_TXQLEN => link.tx_queue_len = attribute.u32().unwrap_or_default(),
        IFLA_LINKMODE => link.link_mode = attribute.u8().unwrap_or_default(),
        IFLA_XDP => link.xdp = offload::xdp(attribute),
        IFLA_PROMISCUITY => link.promiscuity = attribute.u32().unwrap_or_default(),
        IFLA_PARENT_DEV_NAME => link.device = Some(attribute.string()),
        IFLA_AF_SPEC => link.ipv4_conf = ipv4::read(attribute),
        IFLA_PHYS_PORT_NAME => link.phys_port_name = Some(attribute.string()),
        _ => link.limits.read(attribute),
    }
}

fn alt_names(list: Attribute<'_>) -> Vec<String> {
    list.nested().filter(|property| property.kind == IFLA_ALT_IFNAME).map(Attribute::string).collect()
}

fn kind(info: Attribute<'_>) -> LinkKind {
    let part = |kind| info.nested().find(|attribute| attribute.kind == kind);
    let Some(name) = part(IFLA_INFO_KIND).map(Attribute::string) else { return LinkKind::Device };
    let data = part(IFLA_INFO_DATA).map_or(Attributes(&[]), Attribute::nested);
    typed(&name, &data).unwrap_or(LinkKind::Other(name))
}

fn typed(name: &str, data: &Attributes<'_>) -> Option<LinkKind> {
    let field = |kind| data.clone().find(|field| field.kind == kind);
    Some(match name {
        "macvlan" => LinkKind::Macvlan(Macvlan {
            mode: field(IFLA_MACVLAN_MODE)?.u32()?.into(),
            bc_queue_len: field(IFLA_MACVLAN_BC_QUEUE_LEN).and_then(Attribute::u32),
        }),
        "ipvlan" => LinkKind::Ipvlan(Ipvlan {
            mode: field(IFLA_IPVLAN_MODE)?.u16()?.into(),
            flags: super::IpVlanFlags::from_bits_retain(field(IFLA_IPVLAN_FLAGS)?.u16()?),
        }),
        "vlan" => LinkKind::Vlan(Vlan {
            id: field(IFLA_VLAN_ID)?.u16()?,
            protocol: field(IFLA_VLAN_PROTOCOL)?.u16_be()?.into(),
        }),
        "bond" => LinkKind::Bond(Bond {
            mode: field(IFLA_BOND_MODE)?.u8()?.into(),
            options: data.clone().filter(|option| option.kind != IFLA_BOND_MODE).map(bond_option).collect(),
        }),
        "ipoib" => LinkKind::Ipoib(Ipoib {
            pkey: field(IFLA_IPOIB_PKEY).and_then(Attribute::u16),
            mode: field(IFLA_IPOIB_MODE).and_then(Attribute::u16).map(Into::into),
            umcast: field(IFLA_IPOIB_UMCAST).and_then(Attribute::u16).map(|on| on != 0),
        }),
        "veth" => LinkKind::Veth,
        "bridge" => LinkKind::Bridge,
        "dummy" => LinkKind::Dummy,
        _ => return None,
    })
}

fn bond_option(option: Attribute<'_>) -> BondOption {
    BondOption { attribute: option.kind, value: option.value.to_vec() }
}
