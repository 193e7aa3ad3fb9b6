//! One rail: macvlan, address, up, announced three times; two routes in a table of its own, and the rule that leads there;
//! the same of the pod's first NIC for IPv4 and IPv6, by which its replies leave where they came in; and the node's way to the
//! rail's address.

use std::fs::File;
use std::os::fd::AsRawFd;

use anyhow::{Context, Result, bail};
use nix::libc::{
    IFLA_ADDRESS, IFLA_IFNAME, IFLA_INFO_DATA, IFLA_INFO_KIND, IFLA_LINK, IFLA_LINKINFO, IFLA_NET_NS_FD,
    RTM_DELLINK, RTM_DELROUTE, RTM_DELRULE, RTM_NEWLINK, RTM_SETLINK,
};
use nix::sched::{CloneFlags, setns};

use crate::message::{Message, attribute};
use crate::node::Node;
use crate::routing::{CREATE, Net, link, only};
use crate::socket;

// Not in the width of the message (include/uapi/linux/if_link.h).
const IFLA_MACVLAN_MODE: u16 = 1;
const MACVLAN_MODE_BRIDGE: u32 = 4;
/// The number that the link is to have in the pod: chosen here, it need not be asked for.
const INDEX: u32 = 1_000_000;
const IFNAME: &[u8] = b"net1\0";
const FIRST: u8 = 100;
const TABLE: u8 = 101;
/// Chosen here, as the number is.
const ADDRESS: [u8; 6] = [2, 0, 0, 0, 4, 1];
/// Setting the hardware address again announces it again.
const REPEATS: usize = 2;

/// Where and what, as on the command line.
pub(crate) struct Rail {
    master: u32,
    netns: File,
    net: Net,
    /// The pod's first NIC, in IPv4 and in IPv6.
    first: [Net; 2],
    node: Node,
}

impl Rail {
    pub(crate) fn parse(args: &[&str]) -> Result<Self> {
        let &[master, netns, address, gateway, first, address4, gateway4, address6, gateway6, node, mac] =
            args
        else {
            bail!("expected eleven arguments")
        };
        let first = first.parse().context("the first NIC's index")?;
        Ok(Self {
            master: master.parse().context("the master's index")?,
            netns: File::open(netns).with_context(|| format!("open {netns}"))?,
            net: Net::parse(INDEX, address, gateway, TABLE)?,
            first: [
                Net::parse(first, address4, gateway4, FIRST)?,
                Net::parse(first, address6, gateway6, FIRST)?,
            ],
            node: Node::parse(node, mac)?,
        })
    }

    pub(crate) fn add(&self) -> Result<()> {
        let host = socket::open()?;
        socket::send(&host, vec![("create the link", self.new_link())])?;
        self.enter()?;
        let again = (0..REPEATS).map(|_| ("announce it", same_address()));
        let messages = std::iter::once(self.net.announcing()).chain(self.net.address_and_up()).chain(again);
        let first = self.first.iter().flat_map(Net::routes_and_rule);
        let messages = messages.chain(first).chain(self.net.routes_and_rule());
        socket::send(&socket::open()?, messages.collect())?;
        socket::send(&host, self.node.add(self.net.address))
    }

    pub(crate) fn del(&self) -> Result<()> {
        socket::send(&socket::open()?, self.node.del(self.net.address))?;
        self.enter()?;
        let mut messages = Vec::new();
        for net in self.first.iter().chain([&self.net]) {
            messages.push(("delete the rule", net.rule(RTM_DELRULE, 0)));
            messages.extend(net.routes(RTM_DELROUTE, 0).into_iter().rev());
        }
        messages.push(("delete the link", Message::new(RTM_DELLINK, 0, &link(INDEX, 0))));
        socket::send(&socket::open()?, messages)
    }

    fn enter(&self) -> Result<()> {
        setns(&self.netns, CloneFlags::CLONE_NEWNET).context("enter the namespace")
    }

    fn new_link(&self) -> Message {
        let mode = attribute(IFLA_MACVLAN_MODE, &MACVLAN_MODE_BRIDGE.to_ne_bytes());
        let info = [attribute(IFLA_INFO_KIND, b"macvlan"), attribute(IFLA_INFO_DATA, &mode)].concat();
        Message::new(RTM_NEWLINK, CREATE, &link(INDEX, 0))
            .with(IFLA_LINK, &self.master.to_ne_bytes())
            .with(IFLA_IFNAME, IFNAME)
            .with(IFLA_ADDRESS, &ADDRESS)
            .with(IFLA_NET_NS_FD, &self.netns.as_raw_fd().to_ne_bytes())
            .with(IFLA_LINKINFO, &info)
    }
}

fn same_address() -> Message {
    Message::new(RTM_SETLINK, 0, &only(INDEX)).with(IFLA_ADDRESS, &ADDRESS)
}
