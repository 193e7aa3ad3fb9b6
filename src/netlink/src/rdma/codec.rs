use std::fmt::{self, Display};

use netlink_packet_core::DefaultNla;

use crate::attr::{Attribute, Attributes, u64_at};
use crate::hwaddr::Guid;
use crate::message::{Message, Request};

/// `RDMA_NL_NLDEV`, the client in the upper six bits of a message's type.
const CLIENT: u16 = 5;

// enum rdma_nldev_command
pub(super) const GET: u16 = 1;
pub(super) const SET: u16 = 2;
pub(super) const PORT_GET: u16 = 5;
pub(super) const SYS_GET: u16 = 6;
pub(super) const SYS_SET: u16 = 7;
pub(super) const RES_GET: u16 = 9;

// enum rdma_nldev_attr
const DEV_INDEX: u16 = 1;
pub(super) const DEV_NAME: u16 = 2;
const PORT_INDEX: u16 = 3;
const FW_VERSION: u16 = 5;
const NODE_GUID: u16 = 6;
const SYS_IMAGE_GUID: u16 = 7;
const PORT_STATE: u16 = 12;
const PORT_PHYS_STATE: u16 = 13;
const RES_SUMMARY: u16 = 15;
const RES_SUMMARY_ENTRY_NAME: u16 = 17;
const RES_SUMMARY_ENTRY_CURR: u16 = 18;
const NDEV_INDEX: u16 = 50;
const NDEV_NAME: u16 = 51;
pub(super) const NETNS_MODE: u16 = 66;
const DEV_PROTOCOL: u16 = 67;
pub(super) const NET_NS_FD: u16 = 68;

/// An RDMA device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RdmaDevice {
    /// Index, the same in every namespace, for as long as the device is registered.
    pub index: u32,
    /// Name, unique on the node.
    pub name: String,
    /// How many ports it has.
    pub ports: u32,
    /// Node GUID; 0 on a VF that has not been given one, and then RDMA CM does not work.
    pub node_guid: Guid,
    /// GUID of the device that it is a part of.
    pub sys_image_guid: Guid,
    /// Version of the firmware; empty if the driver does not say.
    pub fw_version: String,
    /// `ib`, `roce`, `iw`, `opa` or `usnic`; empty before Linux 5.1.
    pub protocol: String,
}

/// A port of an RDMA device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RdmaPort {
    /// Index of the device.
    pub device: u32,
    /// Number of the port, from 1.
    pub number: u32,
    /// `IB_PORT_*`: 1 down, 4 active.
    pub state: u8,
    /// `IB_PORT_PHYS_STATE_*`: 3 disabled, 5 link up.
    pub phys_state: u8,
    /// Index of its link in this namespace; InfiniBand ports have none.
    pub link: Option<u32>,
    /// Name of that link.
    pub link_name: Option<String>,
}

/// How many objects of a device are in use, by whomever.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RdmaResources {
    /// Name of the device.
    pub device: String,
    /// By what the kernel calls them: `qp`, `cq`, `mr`, `pd`, `cm_id`, `ctx`.
    pub counts: Vec<(String, u64)>,
}

/// Who sees which RDMA devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum NetnsMode {
    /// Each namespace has devices of its own.
    Exclusive = 0,
    /// Every namespace sees all devices.
    Shared = 1,
}

impl Display for NetnsMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exclusive => "exclusive",
            Self::Shared => "shared",
        })
    }
}

pub(super) fn request(
    operation: &'static str,
    object: impl Display,
    command: u16,
    attributes: &[DefaultNla],
) -> Request {
    Request::new(operation, object, kind(command), 0, &attributes)
}

pub(super) fn index(device: u32) -> DefaultNla {
    DefaultNla::new(DEV_INDEX, device.to_ne_bytes().to_vec())
}

pub(super) fn string(kind: u16, text: &str) -> DefaultNla {
    let mut bytes = text.as_bytes().to_vec();
    bytes.push(0);
    DefaultNla::new(kind, bytes)
}

fn kind(command: u16) -> u16 {
    (CLIENT << 10) + command
}

/// The attributes of an answer to `command`, which follow the header at once.
fn answer<'a>(message: &Message<'a>, command: u16) -> Option<Attributes<'a>> {
    (message.kind == kind(command)).then_some(Attributes(message.payload))
}

pub(crate) fn device(message: &Message<'_>) -> Option<RdmaDevice> {
    let attributes = answer(message, GET)?;
    let field = |kind| attributes.clone().find(|attribute| attribute.kind == kind);
    let text = |kind| field(kind).map(Attribute::string);
    Some(RdmaDevice {
        index: field(DEV_INDEX)?.u32()?,
        name: text(DEV_NAME)?,
        // In the answer to GET this is the last port's number.
        ports: field(PORT_INDEX).and_then(Attribute::u32).unwrap_or_default(),
        node_guid: field(NODE_GUID).and_then(guid).unwrap_or_default(),
        sys_image_guid: field(SYS_IMAGE_GUID).and_then(guid).unwrap_or_default(),
        fw_version: text(FW_VERSION).unwrap_or_default(),
        protocol: text(DEV_PROTOCOL).unwrap_or_default(),
    })
}

pub(crate) fn port(message: &Message<'_>) -> Option<RdmaPort> {
    let attributes = answer(message, PORT_GET)?;
    let field = |kind| attributes.clone().find(|attribute| attribute.kind == kind);
    Some(RdmaPort {
        device: field(DEV_INDEX)?.u32()?,
        number: field(PORT_INDEX)?.u32()?,
        state: field(PORT_STATE).and_then(Attribute::u8).unwrap_or_default(),
        phys_state: field(PORT_PHYS_STATE).and_then(Attribute::u8).unwrap_or_default(),
        link: field(NDEV_INDEX).and_then(Attribute::u32),
        link_name: field(NDEV_NAME).map(Attribute::string),
    })
}

pub(crate) fn resources(message: &Message<'_>) -> Option<RdmaResources> {
    let attributes = answer(message, RES_GET)?;
    let field = |kind| attributes.clone().find(|attribute| attribute.kind == kind);
    let count = |entry: Attribute<'_>| {
        let field = |kind| entry.nested().find(|attribute| attribute.kind == kind);
        Some((field(RES_SUMMARY_ENTRY_NAME)?.string(), u64_at(field(RES_SUMMARY_ENTRY_CURR)?.value, 0)?))
    };
    Some(RdmaResources {
        device: field(DEV_NAME)?.string(),
        counts: field(RES_SUMMARY)?.nested().filter_map(count).collect(),
    })
}

pub(crate) fn netns_mode(message: &Message<'_>) -> Option<NetnsMode> {
    let mode = answer(message, SYS_GET)?.find(|attribute| attribute.kind == NETNS_MODE)?;
    match mode.u8()? {
        0 => Some(NetnsMode::Exclusive),
        1 => Some(NetnsMode::Shared),
        _ => None,
    }
}

/// The kernel hands GUIDs over as numbers of its own byte order.
fn guid(attribute: Attribute<'_>) -> Option<Guid> {
    Some(Guid(u64::from_ne_bytes(*attribute.value.first_chunk()?)))
}
