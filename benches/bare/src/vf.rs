//! One VF: its VLAN, spoof check and trust, into the pod under its name, address, up; and for a whole rail its RDMA
//! device after it, two routes in a table of its own, and the rule that leads there.

use std::fs::File;
use std::os::fd::AsRawFd;

use anyhow::{Context, Result, bail};
use netlink_sys::protocols::NETLINK_RDMA;
use nix::libc::{IFLA_IFNAME, IFLA_NET_NS_FD, IFLA_VFINFO_LIST, RTM_DELRULE, RTM_SETLINK};
use nix::sched::{CloneFlags, setns};

use crate::message::{Message, attribute};
use crate::routing::{Net, only};
use crate::socket;

// Not in the C library (include/uapi/linux/if_link.h and rdma/rdma_netlink.h).
const IFLA_VF_INFO: u16 = 1;
const IFLA_VF_SPOOFCHK: u16 = 4;
const IFLA_VF_TRUST: u16 = 9;
const IFLA_VF_VLAN_LIST: u16 = 12;
const IFLA_VF_VLAN_INFO: u16 = 1;
const DOT1Q: u16 = 0x8100;
const TABLE: u8 = 101;
const RDMA_NLDEV_SET: u16 = 5 << 10 | 2;
const RDMA_NLDEV_ATTR_DEV_INDEX: u16 = 1;
const RDMA_NLDEV_NET_NS_FD: u16 = 68;

/// Where and what, as on the command line.
pub(crate) struct Vf {
    pf: u32,
    number: u32,
    name: String,
    netns: File,
    net: Net,
    /// The index of its RDMA device; `None` for the VF alone.
    rdma: Option<u32>,
}

impl Vf {
    pub(crate) fn parse(args: &[&str]) -> Result<Self> {
        let (&[pf, number, link, name, netns, address, gateway], rdma) = args.split_at(args.len().min(7))
        else {
            bail!("expected seven arguments, and one more for a whole rail");
        };
        Ok(Self {
            pf: pf.parse().context("the PF's index")?,
            number: number.parse().context("the VF's number")?,
            name: format!("{name}\0"),
            netns: File::open(netns).with_context(|| format!("open {netns}"))?,
            net: Net::parse(link.parse().context("the VF's index")?, address, gateway, TABLE)?,
            rdma: rdma.first().map(|index| index.parse()).transpose().context("the RDMA device's index")?,
        })
    }

    pub(crate) fn add(&self) -> Result<()> {
        let into = self.to(&self.netns, "net1\0");
        socket::send(&socket::open()?, vec![("set the VF", self.set(100, true)), ("move it", into)])?;
        self.rdma_to(&self.netns)?;
        self.enter()?;
        let mut messages = self.net.address_and_up();
        if self.rdma.is_some() {
            messages.extend(self.net.routes_and_rule());
        }
        socket::send(&socket::open()?, messages)
    }

    pub(crate) fn del(&self) -> Result<()> {
        let (home, host) = (File::open("/proc/self/ns/net")?, socket::open()?);
        self.enter()?;
        self.rdma_to(&home)?;
        let mut messages = vec![("bring it home", self.to(&home, &self.name))];
        if self.rdma.is_some() {
            messages.insert(0, ("delete the rule", self.net.rule(RTM_DELRULE, 0)));
        }
        socket::send(&socket::open()?, messages)?;
        socket::send(&host, vec![("set the VF back", self.set(0, false))])
    }

    fn enter(&self) -> Result<()> {
        setns(&self.netns, CloneFlags::CLONE_NEWNET).context("enter the namespace")
    }

    fn set(&self, vlan: u32, on: bool) -> Message {
        let number = self.number.to_ne_bytes();
        let vlan = [number, vlan.to_ne_bytes(), [0; 4]].concat();
        let vlan = [vlan, DOT1Q.to_be_bytes().to_vec(), vec![0; 2]].concat();
        let switch = [number, u32::from(on).to_ne_bytes()].concat();
        let entry = [
            attribute(IFLA_VF_VLAN_LIST, &attribute(IFLA_VF_VLAN_INFO, &vlan)),
            attribute(IFLA_VF_SPOOFCHK, &switch),
            attribute(IFLA_VF_TRUST, &switch),
        ];
        Message::new(RTM_SETLINK, 0, &only(self.pf))
            .with(IFLA_VFINFO_LIST, &attribute(IFLA_VF_INFO, &entry.concat()))
    }

    fn to(&self, netns: &File, name: &str) -> Message {
        Message::new(RTM_SETLINK, 0, &only(self.net.index))
            .with(IFLA_NET_NS_FD, &netns.as_raw_fd().to_ne_bytes())
            .with(IFLA_IFNAME, name.as_bytes())
    }

    fn rdma_to(&self, netns: &File) -> Result<()> {
        let Some(index) = self.rdma else { return Ok(()) };
        let message = Message::new(RDMA_NLDEV_SET, 0, &[])
            .with(RDMA_NLDEV_ATTR_DEV_INDEX, &index.to_ne_bytes())
            .with(RDMA_NLDEV_NET_NS_FD, &netns.as_raw_fd().to_ne_bytes());
        socket::send(&socket::open_for(NETLINK_RDMA)?, vec![("move the RDMA device", message)])
    }
}
