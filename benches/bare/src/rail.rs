//! One rail: macvlan, address, up, two routes in a table of its own, and the rule that leads there.

use std::fs::File;
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;

use anyhow::{Context, Result, bail};
use nix::libc::{
    IFA_ADDRESS, IFA_BROADCAST, IFA_LOCAL, IFF_UP, IFLA_IFNAME, IFLA_INFO_DATA, IFLA_INFO_KIND, IFLA_LINK,
    IFLA_LINKINFO, IFLA_NET_NS_FD, NLM_F_CREATE, NLM_F_EXCL, RT_SCOPE_LINK, RT_SCOPE_UNIVERSE, RTA_DST,
    RTA_GATEWAY, RTA_OIF, RTM_DELLINK, RTM_DELRULE, RTM_NEWADDR, RTM_NEWLINK, RTM_NEWROUTE, RTM_NEWRULE,
    RTN_UNICAST, RTPROT_BOOT,
};
use nix::sched::{CloneFlags, setns};

use crate::message::{Message, attribute};
use crate::socket;

const CREATE: i32 = NLM_F_CREATE | NLM_F_EXCL;
const AF_INET: u8 = 2;
// Not in the C library, or not in the width of the message (include/uapi/linux/if_link.h and fib_rules.h).
const FR_ACT_TO_TBL: u8 = 1;
const FRA_SRC: u16 = 2;
const FRA_PRIORITY: u16 = 6;
const IFLA_MACVLAN_MODE: u16 = 1;
const MACVLAN_MODE_BRIDGE: u32 = 4;
const TABLE: u8 = 100;
const PRIORITY: u32 = 10_100;
/// The number that the link is to have in the pod: chosen here, it need not be asked for.
const INDEX: u32 = 1_000_000;
const IFNAME: &[u8] = b"net1\0";

/// Where and what, as on the command line.
pub(crate) struct Rail {
    master: u32,
    netns: File,
    address: Ipv4Addr,
    prefix: u8,
    gateway: Ipv4Addr,
}

impl Rail {
    pub(crate) fn parse(args: &[&str]) -> Result<Self> {
        let &[master, netns, address, gateway] = args else { bail!("expected four arguments") };
        let (address, prefix) = address.split_once('/').context("the address has no prefix length")?;
        Ok(Self {
            master: master.parse().context("the master's index")?,
            netns: File::open(netns).with_context(|| format!("open {netns}"))?,
            address: address.parse()?,
            prefix: prefix.parse()?,
            gateway: gateway.parse()?,
        })
    }

    pub(crate) fn add(&self) -> Result<()> {
        socket::send(&socket::open()?, vec![("create the link", self.new_link())])?;
        self.enter()?;
        let messages = vec![
            ("add the address", self.new_address()),
            ("bring it up", Message::new(RTM_NEWLINK, 0, &link(IFF_UP))),
            ("add the connected route", self.connected_route()),
            ("add the default route", self.default_route()),
            ("add the rule", self.rule(RTM_NEWRULE, CREATE)),
        ];
        socket::send(&socket::open()?, messages)
    }

    pub(crate) fn del(&self) -> Result<()> {
        self.enter()?;
        let messages = vec![
            ("delete the rule", self.rule(RTM_DELRULE, 0)),
            ("delete the link", Message::new(RTM_DELLINK, 0, &link(0))),
        ];
        socket::send(&socket::open()?, messages)
    }

    fn enter(&self) -> Result<()> {
        setns(&self.netns, CloneFlags::CLONE_NEWNET).context("enter the namespace")
    }

    fn new_link(&self) -> Message {
        let mode = attribute(IFLA_MACVLAN_MODE, &MACVLAN_MODE_BRIDGE.to_ne_bytes());
        let info = [attribute(IFLA_INFO_KIND, b"macvlan"), attribute(IFLA_INFO_DATA, &mode)].concat();
        Message::new(RTM_NEWLINK, CREATE, &link(0))
            .with(IFLA_LINK, &self.master.to_ne_bytes())
            .with(IFLA_IFNAME, IFNAME)
            .with(IFLA_NET_NS_FD, &self.netns.as_raw_fd().to_ne_bytes())
            .with(IFLA_LINKINFO, &info)
    }

    fn new_address(&self) -> Message {
        let fixed = [[AF_INET, self.prefix, 0, 0], INDEX.to_ne_bytes()].concat();
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
            .with(RTA_OIF, &INDEX.to_ne_bytes())
    }

    fn default_route(&self) -> Message {
        route(0, RT_SCOPE_UNIVERSE)
            .with(RTA_GATEWAY, &self.gateway.octets())
            .with(RTA_OIF, &INDEX.to_ne_bytes())
    }

    /// The fixed part is `struct fib_rule_hdr`.
    fn rule(&self, kind: u16, flags: i32) -> Message {
        Message::new(kind, flags, &[AF_INET, 0, 32, 0, TABLE, 0, 0, FR_ACT_TO_TBL, 0, 0, 0, 0])
            .with(FRA_SRC, &self.address.octets())
            .with(FRA_PRIORITY, &PRIORITY.to_ne_bytes())
    }
}

/// `struct ifinfomsg`
fn link(flags: i32) -> Vec<u8> {
    [[0; 4], INDEX.to_ne_bytes(), flags.to_ne_bytes(), IFF_UP.to_ne_bytes()].concat()
}

/// `struct rtmsg`
fn route(prefix: u8, scope: u8) -> Message {
    Message::new(
        RTM_NEWROUTE,
        CREATE,
        &[AF_INET, prefix, 0, 0, TABLE, RTPROT_BOOT, scope, RTN_UNICAST, 0, 0, 0, 0],
    )
}
