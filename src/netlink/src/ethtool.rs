//! Offloads that a link can be told to do or not (`NETLINK_GENERIC`, family `ethtool`, Linux 5.7).

mod bits;
#[cfg(test)]
mod tests;

use netlink_packet_core::NLA_F_NESTED;
use netlink_sys::protocols::NETLINK_GENERIC;
use netns::NetNs;

pub use bits::Bits;

use crate::attr::{Attribute, Attributes};
use crate::body::{self, Body};
use crate::error::Error;
use crate::message::{Message, Request};
use crate::socket::{self, Socket};

// include/uapi/linux/genetlink.h
const GENL_ID_CTRL: u16 = 16;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;
/// `struct genlmsghdr`
const HEADER: usize = 4;

// include/uapi/linux/ethtool_netlink.h
const FEATURES_GET: u8 = 11;
const FEATURES_SET: u8 = 12;
const FEATURES_HEADER: u16 = 1;
const FEATURES_HW: u16 = 2;
const FEATURES_WANTED: u16 = 3;
const HEADER_DEV_INDEX: u16 = 1;
const HEADER_FLAGS: u16 = 3;
/// `ETHTOOL_FLAG_COMPACT_BITSETS | ETHTOOL_FLAG_OMIT_REPLY`
const COMPACT: u32 = 1;
const OMIT_REPLY: u32 = 2;

/// An ethtool socket, in one namespace. [`Error::is_unsupported`] or [`Error::is_gone`] where the kernel has none.
#[derive(Debug)]
pub struct Ethtool {
    socket: Socket<Generic>,
    family: u16,
}

#[derive(Debug)]
struct Generic;

impl socket::Family for Generic {
    const PROTOCOL: isize = NETLINK_GENERIC;
    const NAME: &'static str = "NETLINK_GENERIC";
}

/// The offloads of a link, a bit each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// Those that can be asked for.
    pub changeable: Bits,
    /// Those that are.
    pub wanted: Bits,
}

impl Ethtool {
    /// Opens a socket in the namespace of the calling thread.
    pub fn open() -> Result<Self, Error> {
        let mut socket = Socket::open()?;
        let request = family("ethtool");
        let mut found = None;
        socket.transact(&request, |message| found = family_id(message).or(found))?;
        let family = found.ok_or_else(|| request.unexpected("no family"))?;
        Ok(Self { socket, family })
    }

    /// Opens a socket in `netns`; the calling thread visits it for that.
    pub fn open_in(netns: &NetNs) -> Result<Self, Error> {
        netns.run(Self::open)?
    }

    /// The offloads of a link.
    pub fn features(&mut self, index: u32) -> Result<Features, Error> {
        let request = get(self.family, index);
        let mut found = None;
        self.socket.transact(&request, |message| found = features(message).or(found.take()))?;
        found.ok_or_else(|| request.unexpected("no features"))
    }

    /// Asks for those offloads, of `changeable` ones.
    pub fn set_features(&mut self, index: u32, features: &Features) -> Result<(), Error> {
        self.socket.transact(&set(self.family, index, features), |_| {})
    }
}

fn message(command: u8) -> Vec<u8> {
    vec![command, 1, 0, 0]
}

fn family(name: &str) -> Request {
    let mut body = message(CTRL_CMD_GETFAMILY);
    body::text(&mut body, CTRL_ATTR_FAMILY_NAME, name);
    Request::new("look up generic netlink family", name, GENL_ID_CTRL, 0, &Body(body))
}

fn family_id(message: &Message<'_>) -> Option<u16> {
    attributes(message)?.find(|attribute| attribute.kind == CTRL_ATTR_FAMILY_ID)?.u16()
}

fn about(into: &mut Vec<u8>, index: u32, flags: u32) {
    body::nest(into, FEATURES_HEADER | NLA_F_NESTED, |header| {
        body::u32(header, HEADER_DEV_INDEX, index);
        body::u32(header, HEADER_FLAGS, flags);
    });
}

fn get(family: u16, index: u32) -> Request {
    let mut body = message(FEATURES_GET);
    about(&mut body, index, COMPACT);
    Request::new("read offloads", format_args!("of link {index}"), family, 0, &Body(body))
}

fn set(family: u16, index: u32, features: &Features) -> Request {
    let mut body = message(FEATURES_SET);
    about(&mut body, index, COMPACT | OMIT_REPLY);
    body::nest(&mut body, FEATURES_WANTED | NLA_F_NESTED, |set| {
        features.wanted.put(set, &features.changeable);
    });
    Request::new("set offloads", format_args!("of link {index}"), family, 0, &Body(body))
}

fn features(message: &Message<'_>) -> Option<Features> {
    let bits = |kind| attributes(message)?.find(|attribute| attribute.kind == kind).map(Bits::read);
    Some(Features { changeable: bits(FEATURES_HW)?, wanted: bits(FEATURES_WANTED)? })
}

fn attributes<'a>(message: &Message<'a>) -> Option<impl Iterator<Item = Attribute<'a>>> {
    Some(Attributes(message.payload.get(HEADER..)?))
}
