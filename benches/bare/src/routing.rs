//! Address, state and policy routing of a link in the namespace of the process.

use std::net::Ipv4Addr;

use anyhow::{Context, Result};
use nix::libc::{
    IFA_ADDRESS, IFA_BROADCAST, IFA_LOCAL, IFF_UP, NLM_F_CREATE, NLM_F_EXCL, RT_SCOPE_LINK,
    RT_SCOPE_UNIVERSE, RTA_DST, RTA_GATEWAY, RTA_OIF, RTM_NEWADDR, RTM_NEWLINK, RTM_NEWROUTE, RTM_NEWRULE,
    RTN_UNICAST, RTPROT_BOOT,
};

use crate::message::Message;

pub(crate) const CREATE: i32 = NLM_F_CREATE | NLM_F_EXCL;
const AF_INET: u8 = 2;
// Not in the C library, or not in the width of the message (include/uapi/linux/fib_rules.h).
const FR_ACT_TO_TBL: u8 = 1;
const FRA_SRC: u16 = 2;
const FRA_PRIORITY: u16 = 6;
const TABLE: u8 = 100;
const PRIORITY: u32 = 10_100;

/// What a link gets.
pub(crate) struct Net {
    pub(crate) index: u32,
    pub(crate) address: Ipv4Addr,
    pub(crate) prefix: u8,
    pub(crate) gateway: Ipv4Addr,
}

impl Net {
    /// `address` is ADDRESS/PREFIX.
    pub(crate) fn parse(index: u32, address: &str, gateway: &str) -> Result<Self> {
        let (address, prefix) = address.split_once('/').context("the address has no prefix length")?;
        Ok(Self { index, address: address.parse()?, prefix: prefix.parse()?, gateway: gateway.parse()? })
    }

    pub(crate) fn address_and_up(&self) -> Vec<(&'static str, Message)> {
        let up = Message::new(RTM_NEWLINK, 0, &link(self.index, IFF_UP));
        vec![("add the address", self.new_address()), ("bring it up", up)]
    }

    pub(crate) fn routes_and_rule(&self) -> Vec<(&'static str, Message)> {
        vec![
            ("add the connected route", self.connected_route()),
            ("add the default route", self.default_route()),
            ("add the rule", self.rule(RTM_NEWRULE, CREATE)),
        ]
    }

    fn new_address(&self) -> Message {
        let fixed = [[AF_INET, self.prefix, 0, 0], self.index.to_ne_bytes()].concat();
        let broadcast = self.address.to_bits() | u32::MAX.checked_shr(self.prefix.into()).unwrap_or(0);
        Message::new(RTM_NEWADDR, CREATE, &fixed)
            .with(IFA_LOCAL, &self.address.octets())
            .with(IFA_ADDRESS, &self.address.octets())
            .with(IFA_BROADCAST, &broadcast.to_be_bytes())
    }

    fn connected_route(&self) -> Message {
        let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
        let subnet = self.address.to_bits() & mask;
        route(self.prefix, RT_SCOPE_LINK)
            .with(RTA_DST, &subnet.to_be_bytes())
            .with(RTA_OIF, &self.index.to_ne_bytes())
    }

    fn default_route(&self) -> Message {
        route(0, RT_SCOPE_UNIVERSE)
            .with(RTA_GATEWAY, &self.gateway.octets())
            .with(RTA_OIF, &self.index.to_ne_bytes())
    }

    /// The fixed part is `struct fib_rule_hdr`.
    pub(crate) fn rule(&self, kind: u16, flags: i32) -> Message {
        Message::new(kind, flags, &[AF_INET, 0, 32, 0, TABLE, 0, 0, FR_ACT_TO_TBL, 0, 0, 0, 0])
            .with(FRA_SRC, &self.address.octets())
            .with(FRA_PRIORITY, &PRIORITY.to_ne_bytes())
    }
}

/// `struct ifinfomsg`
pub(crate) fn link(index: u32, flags: i32) -> Vec<u8> {
    [[0; 4], index.to_ne_bytes(), flags.to_ne_bytes(), IFF_UP.to_ne_bytes()].concat()
}

/// The same, with its state left as it is.
pub(crate) fn only(index: u32) -> Vec<u8> {
    [[0; 4], index.to_ne_bytes(), [0; 4], [0; 4]].concat()
}

/// `struct rtmsg`
fn route(prefix: u8, scope: u8) -> Message {
    Message::new(
        RTM_NEWROUTE,
        CREATE,
        &[AF_INET, prefix, 0, 0, TABLE, RTPROT_BOOT, scope, RTN_UNICAST, 0, 0, 0, 0],
    )
}
