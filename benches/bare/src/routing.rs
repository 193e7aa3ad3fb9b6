//! Address, state and policy routing of a link in the namespace of the process.

use std::net::IpAddr;

use anyhow::{Context, Result};
use nix::libc::{
    AF_INET, AF_INET6, IFA_ADDRESS, IFA_BROADCAST, IFA_LOCAL, IFF_UP, IFLA_AF_SPEC, NLM_F_CREATE, NLM_F_EXCL,
    RT_SCOPE_LINK, RT_SCOPE_UNIVERSE, RTA_DST, RTA_GATEWAY, RTA_OIF, RTM_NEWADDR, RTM_NEWLINK, RTM_NEWROUTE,
    RTM_NEWRULE, RTM_SETLINK, RTN_UNICAST, RTPROT_BOOT,
};

use crate::message::{Message, attribute};

pub(crate) const CREATE: i32 = NLM_F_CREATE | NLM_F_EXCL;
// `IPV4_DEVCONF_ARP_NOTIFY` (include/uapi/linux/ip.h)
const ARP_NOTIFY: u16 = 22;
const IFLA_INET_CONF: u16 = 1;
// Not in the C library, or not in the width of the message (include/uapi/linux/fib_rules.h).
pub(crate) const FR_ACT_TO_TBL: u8 = 1;
const FRA_SRC: u16 = 2;
pub(crate) const FRA_PRIORITY: u16 = 6;
const PRIORITY_BASE: u32 = 10_000;

/// What a link gets.
pub(crate) struct Net {
    pub(crate) index: u32,
    pub(crate) address: IpAddr,
    pub(crate) prefix: u8,
    pub(crate) gateway: IpAddr,
    pub(crate) table: u8,
}

impl Net {
    /// `address` is ADDRESS/PREFIX.
    pub(crate) fn parse(index: u32, address: &str, gateway: &str, table: u8) -> Result<Self> {
        let (address, prefix) = address.split_once('/').context("the address has no prefix length")?;
        let (address, gateway) = (address.parse()?, gateway.parse()?);
        Ok(Self { index, address, prefix: prefix.parse()?, gateway, table })
    }

    pub(crate) fn address_and_up(&self) -> Vec<(&'static str, Message)> {
        let up = Message::new(RTM_NEWLINK, 0, &link(self.index, IFF_UP));
        vec![("add the address", self.new_address()), ("bring it up", up)]
    }

    pub(crate) fn routes_and_rule(&self) -> Vec<(&'static str, Message)> {
        let mut all = self.routes(RTM_NEWROUTE, CREATE);
        all.push(("add the rule", self.rule(RTM_NEWRULE, CREATE)));
        all
    }

    pub(crate) fn routes(&self, kind: u16, flags: i32) -> Vec<(&'static str, Message)> {
        vec![
            ("the connected route", self.connected_route(kind, flags)),
            ("the default route", self.default_route(kind, flags)),
        ]
    }

    /// Has the kernel announce the addresses when the link comes up.
    pub(crate) fn announcing(&self) -> (&'static str, Message) {
        let conf = attribute(IFLA_INET_CONF, &attribute(ARP_NOTIFY, &1_u32.to_ne_bytes()));
        let message = Message::new(RTM_SETLINK, 0, &only(self.index));
        ("have it announced", message.with(IFLA_AF_SPEC, &attribute(family(AF_INET).into(), &conf)))
    }

    fn new_address(&self) -> Message {
        let fixed = [[self.family(), self.prefix, 0, 0], self.index.to_ne_bytes()].concat();
        let message = Message::new(RTM_NEWADDR, CREATE, &fixed)
            .with(IFA_LOCAL, &octets(self.address))
            .with(IFA_ADDRESS, &octets(self.address));
        match self.address {
            IpAddr::V4(ip) => {
                let broadcast = ip.to_bits() | u32::MAX.checked_shr(self.prefix.into()).unwrap_or(0);
                message.with(IFA_BROADCAST, &broadcast.to_be_bytes())
            }
            IpAddr::V6(_) => message,
        }
    }

    /// To the subnet, or where the link has an IPv4 host address only, to the gateway.
    fn connected_route(&self, kind: u16, flags: i32) -> Message {
        let (subnet, scope) = match (self.address, self.gateway) {
            (IpAddr::V4(_), gateway) if self.prefix == 32 => (octets(gateway), RT_SCOPE_LINK),
            (IpAddr::V4(ip), _) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
                ((ip.to_bits() & mask).to_be_bytes().to_vec(), RT_SCOPE_LINK)
            }
            (IpAddr::V6(ip), _) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
                ((ip.to_bits() & mask).to_be_bytes().to_vec(), RT_SCOPE_UNIVERSE)
            }
        };
        self.route(kind, flags, self.prefix, scope)
            .with(RTA_DST, &subnet)
            .with(RTA_OIF, &self.index.to_ne_bytes())
    }

    fn default_route(&self, kind: u16, flags: i32) -> Message {
        self.route(kind, flags, 0, RT_SCOPE_UNIVERSE)
            .with(RTA_GATEWAY, &octets(self.gateway))
            .with(RTA_OIF, &self.index.to_ne_bytes())
    }

    fn route(&self, kind: u16, flags: i32, prefix: u8, scope: u8) -> Message {
        Message::new(kind, flags, &rtmsg(self.family(), prefix, self.table, scope))
    }

    /// The fixed part is `struct fib_rule_hdr`.
    pub(crate) fn rule(&self, kind: u16, flags: i32) -> Message {
        let priority = PRIORITY_BASE + u32::from(self.table);
        let source = octets(self.address);
        let bits = if self.address.is_ipv4() { 32 } else { 128 };
        let fixed = [self.family(), 0, bits, 0, self.table, 0, 0, FR_ACT_TO_TBL, 0, 0, 0, 0];
        Message::new(kind, flags, &fixed).with(FRA_SRC, &source).with(FRA_PRIORITY, &priority.to_ne_bytes())
    }

    fn family(&self) -> u8 {
        family(if self.address.is_ipv4() { AF_INET } else { AF_INET6 })
    }
}

pub(crate) fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

/// As messages have it.
pub(crate) fn family(number: i32) -> u8 {
    u8::try_from(number).expect("a family is a byte in messages")
}

/// `struct rtmsg`
pub(crate) fn rtmsg(family: u8, prefix: u8, table: u8, scope: u8) -> [u8; 12] {
    [family, prefix, 0, 0, table, RTPROT_BOOT, scope, RTN_UNICAST, 0, 0, 0, 0]
}

/// `struct ifinfomsg`
pub(crate) fn link(index: u32, flags: i32) -> Vec<u8> {
    [[0; 4], index.to_ne_bytes(), flags.to_ne_bytes(), IFF_UP.to_ne_bytes()].concat()
}

/// The same, with its state left as it is.
pub(crate) fn only(index: u32) -> Vec<u8> {
    [[0; 4], index.to_ne_bytes(), [0; 4], [0; 4]].concat()
}
