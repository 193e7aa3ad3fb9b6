//! VFs of a PF, through the PF's link (`IFLA_VFINFO_LIST`).

mod statistics;

use std::fmt;

pub use netlink_packet_route::link::{VfLinkState, VlanProtocol};
use nix::libc::{IFLA_ADDRESS, IFLA_VFINFO_LIST, RTM_GETLINK, RTM_NEWLINK, RTM_SETLINK};

use crate::attr::{Attribute, Attributes, u16_at, u32_at};
use crate::batch::Batch;
use crate::body::{self, Body};
use crate::error::Error;
use crate::handle::Rtnetlink;
use crate::hwaddr::{Guid, HwAddr};
use crate::link::encode;
use crate::message::{Message, Request};

const HEADER: usize = 16;

// include/uapi/linux/if_link.h
const IFLA_VF_INFO: u16 = 1;
const IFLA_VF_MAC: u16 = 1;
const IFLA_VF_VLAN: u16 = 2;
const IFLA_VF_SPOOFCHK: u16 = 4;
const IFLA_VF_LINK_STATE: u16 = 5;
const IFLA_VF_RATE: u16 = 6;
const IFLA_VF_TRUST: u16 = 9;
const IFLA_VF_IB_NODE_GUID: u16 = 10;
const IFLA_VF_IB_PORT_GUID: u16 = 11;
const IFLA_VF_VLAN_LIST: u16 = 12;
const IFLA_VF_VLAN_INFO: u16 = 1;
/// Room for a MAC in `struct ifla_vf_mac`.
const MAX_MAC: usize = 32;

/// What the PF's driver says of a VF. `None` where it says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vf {
    /// Number of the VF in its PF, as in `virtfnN`.
    pub id: u32,
    /// Administrative address, as long as the PF's own; zero if none was set.
    pub address: Option<HwAddr>,
    /// VLAN that the PF adds and takes off; id 0 is none.
    pub vlan: VfVlan,
    /// Guaranteed rate in Mbit/s; 0 is none.
    pub min_tx_rate: u32,
    /// Greatest rate in Mbit/s; 0 is unlimited.
    pub max_tx_rate: u32,
    /// Whether frames with a foreign source address are dropped.
    pub spoofchk: Option<bool>,
    /// Whether the VF may change its address and be promiscuous.
    pub trust: Option<bool>,
    /// Whether its link follows the PF's, or is fixed.
    pub link_state: Option<VfLinkState>,
    /// Node GUID (InfiniBand).
    pub node_guid: Option<Guid>,
    /// Port GUID (InfiniBand).
    pub port_guid: Option<Guid>,
}

/// A VLAN of a VF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VfVlan {
    /// 0 to 4095; 0 with `qos` 0 is none.
    pub id: u16,
    /// Priority, 0 to 7.
    pub qos: u8,
    /// 802.1Q or 802.1ad
    pub protocol: VlanProtocol,
}

/// Changes to a VF; `None` leaves things as they are.
///
/// The kernel asks the driver for them in the order of the fields, and keeps what was done before one it refuses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VfChange {
    /// Administrative address
    pub address: Option<HwAddr>,
    /// VLAN
    pub vlan: Option<VfVlan>,
    /// Least and greatest rate in Mbit/s, which the kernel knows only together.
    pub rate: Option<(u32, u32)>,
    /// Spoof check
    pub spoofchk: Option<bool>,
    /// Link state
    pub link_state: Option<VfLinkState>,
    /// Trust
    pub trust: Option<bool>,
    /// Node GUID
    pub node_guid: Option<Guid>,
    /// Port GUID
    pub port_guid: Option<Guid>,
}

impl Default for VfVlan {
    fn default() -> Self {
        Self { id: 0, qos: 0, protocol: VlanProtocol::Ieee8021Q }
    }
}

impl VfChange {
    /// Whether there is nothing to change.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Rtnetlink {
    /// The VFs of a PF, in no particular order; empty if it has none or is no PF.
    pub fn vfs(&mut self, pf: u32) -> Result<Vec<Vf>, Error> {
        let mut message = encode::header(pf);
        // What is said of all VFs together must fit into 64 KiB.
        encode::without_statistics(&mut message, true);
        let request = Request::new("list VFs", format_args!("of link {pf}"), RTM_GETLINK, 0, &Body(message));
        self.query(&request, decode)?.ok_or_else(|| request.unexpected("neither a link nor an error"))
    }

    /// The VF with that number, wherever it is in the answer.
    pub fn vf(&mut self, pf: u32, id: u32) -> Result<Option<Vf>, Error> {
        Ok(self.vfs(pf)?.into_iter().find(|vf| vf.id == id))
    }

    /// Makes all changes to a VF in one request.
    pub fn set_vf(&mut self, pf: u32, id: u32, change: &VfChange) -> Result<(), Error> {
        self.execute(&request(pf, id, change))
    }
}

impl Batch<'_> {
    /// See [`Rtnetlink::set_vf`].
    pub fn set_vf(&mut self, pf: u32, id: u32, change: &VfChange) -> &mut Self {
        self.push(request(pf, id, change))
    }
}

fn request(pf: u32, id: u32, change: &VfChange) -> Request {
    let mut message = encode::header(pf);
    body::nest(&mut message, IFLA_VFINFO_LIST, |list| {
        for entry in entries(change) {
            body::nest(list, IFLA_VF_INFO, |info| put(info, id, &entry));
        }
    });
    Request::new("change VF", format_args!("{id} of link {pf} ({change})"), RTM_SETLINK, 0, &Body(message))
}

/// The kernel returns from an entry after its node GUID, without a word about what follows (`do_setvfinfo` in
/// net/core/rtnetlink.c): the port's has an entry of its own.
fn entries(change: &VfChange) -> impl Iterator<Item = VfChange> {
    let port = change.port_guid.filter(|_| change.node_guid.is_some());
    let first = VfChange { port_guid: change.port_guid.filter(|_| port.is_none()), ..*change };
    let second = port.map(|guid| VfChange { port_guid: Some(guid), ..VfChange::default() });
    std::iter::once(first).chain(second)
}

fn put(info: &mut Vec<u8>, id: u32, change: &VfChange) {
    if let Some(address) = change.address {
        let mut mac = [0; MAX_MAC];
        mac[..address.as_bytes().len()].copy_from_slice(address.as_bytes());
        put_field(info, IFLA_VF_MAC, id, &mac);
    }
    if let Some(vlan) = change.vlan {
        let numbers = [vlan.id.into(), vlan.qos.into()].map(u32::to_ne_bytes);
        let [a, b] = u16::from(vlan.protocol).to_be_bytes();
        let entry = [numbers.as_flattened(), &[a, b, 0, 0]].concat();
        body::nest(info, IFLA_VF_VLAN_LIST, |list| put_field(list, IFLA_VF_VLAN_INFO, id, &entry));
    }
    if let Some((min, max)) = change.rate {
        put_field(info, IFLA_VF_RATE, id, [min, max].map(u32::to_ne_bytes).as_flattened());
    }
    let numbers = [
        (IFLA_VF_SPOOFCHK, change.spoofchk.map(u32::from)),
        (IFLA_VF_LINK_STATE, change.link_state.map(u32::from)),
        (IFLA_VF_TRUST, change.trust.map(u32::from)),
    ];
    for (kind, number) in numbers {
        if let Some(number) = number {
            put_field(info, kind, id, &number.to_ne_bytes());
        }
    }
    for (kind, guid) in [(IFLA_VF_IB_NODE_GUID, change.node_guid), (IFLA_VF_IB_PORT_GUID, change.port_guid)] {
        // The number of the VF is padded to the alignment of what follows.
        let aligned = |guid: Guid| [[0; 4].as_slice(), &guid.0.to_ne_bytes()].concat();
        if let Some(guid) = guid.map(aligned) {
            put_field(info, kind, id, &guid);
        }
    }
}

/// Each attribute is a struct that starts with the number of the VF.
fn put_field(into: &mut Vec<u8>, kind: u16, id: u32, rest: &[u8]) {
    body::nest(into, kind, |value| {
        value.extend_from_slice(&id.to_ne_bytes());
        value.extend_from_slice(rest);
    });
}

pub(crate) fn decode(message: &Message<'_>) -> Option<Vec<Vf>> {
    if message.kind != RTM_NEWLINK {
        return None;
    }
    let attributes = Attributes(message.payload.get(HEADER..)?);
    let part = |kind| attributes.clone().find(|attribute| attribute.kind == kind);
    let address_len = part(IFLA_ADDRESS).map_or(6, |address| address.value.len());
    let list = part(IFLA_VFINFO_LIST).map_or(Attributes(&[]), Attribute::nested);
    Some(
        list.filter(|entry| entry.kind == IFLA_VF_INFO)
            .filter_map(|entry| vf(entry.nested(), address_len))
            .collect(),
    )
}

fn vf(attributes: Attributes<'_>, address_len: usize) -> Option<Vf> {
    let mut vf = Vf {
        id: attributes.clone().find_map(Attribute::u32)?,
        address: None,
        vlan: VfVlan::default(),
        min_tx_rate: 0,
        max_tx_rate: 0,
        spoofchk: None,
        trust: None,
        link_state: None,
        node_guid: None,
        port_guid: None,
    };
    for attribute in attributes {
        read(&mut vf, attribute, address_len)?;
    }
    Some(vf)
}

/// Each attribute is a struct that starts with the number of the VF.
fn read(vf: &mut Vf, attribute: Attribute<'_>, address_len: usize) -> Option<()> {
    let word = |at| u32_at(attribute.value, at);
    match attribute.kind {
        IFLA_VF_MAC => vf.address = HwAddr::new(attribute.value.get(4..4 + address_len)?),
        IFLA_VF_VLAN => vf.vlan = vlan(attribute.value, vf.vlan.protocol)?,
        IFLA_VF_VLAN_LIST => vf.vlan = listed_vlan(attribute.nested())?,
        IFLA_VF_RATE => (vf.min_tx_rate, vf.max_tx_rate) = (word(4)?, word(8)?),
        IFLA_VF_SPOOFCHK => vf.spoofchk = switch(word(4)?),
        IFLA_VF_TRUST => vf.trust = switch(word(4)?),
        IFLA_VF_LINK_STATE => vf.link_state = word(4).map(Into::into),
        IFLA_VF_IB_NODE_GUID => vf.node_guid = guid(attribute.value),
        IFLA_VF_IB_PORT_GUID => vf.port_guid = guid(attribute.value),
        _ => {}
    }
    Some(())
}

fn listed_vlan(mut list: Attributes<'_>) -> Option<VfVlan> {
    let entry = list.next()?;
    vlan(entry.value, u16::from_be(u16_at(entry.value, 12)?).into())
}

fn vlan(value: &[u8], protocol: VlanProtocol) -> Option<VfVlan> {
    Some(VfVlan { id: u32_at(value, 4)?.try_into().ok()?, qos: u32_at(value, 8)?.try_into().ok()?, protocol })
}

/// All ones is what the kernel says where the driver says nothing.
fn switch(setting: u32) -> Option<bool> {
    (setting != u32::MAX).then_some(setting != 0)
}

fn guid(value: &[u8]) -> Option<Guid> {
    Some(Guid(u64::from_ne_bytes(*value.get(8..)?.first_chunk()?)))
}

/// The driver's errno alone would not tell which change it did not like.
impl fmt::Display for VfChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let on = |on: bool| if on { "on" } else { "off" };
        let parts = [
            self.address.map(|address| format!("mac {address}")),
            self.vlan.map(|vlan| format!("vlan {} qos {} proto {}", vlan.id, vlan.qos, vlan.protocol)),
            self.rate.map(|(min, max)| format!("min_tx_rate {min} max_tx_rate {max}")),
            self.spoofchk.map(|state| format!("spoofchk {}", on(state))),
            self.link_state.map(|state| format!("state {state:?}").to_lowercase()),
            self.trust.map(|state| format!("trust {}", on(state))),
            self.node_guid.map(|guid| format!("node_guid {guid}")),
            self.port_guid.map(|guid| format!("port_guid {guid}")),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        f.write_str(&parts.join(", "))
    }
}

#[cfg(test)]
mod tests;
