//! The node's way to the pod's address: a route in a table of its own, the rule that leads there, and a neighbour.

use std::net::IpAddr;

use anyhow::{Context, Result, bail};
use nix::libc::{
    AF_INET, NDA_DST, NDA_LLADDR, NLM_F_CREATE, NLM_F_REPLACE, NUD_PERMANENT, RT_SCOPE_LINK, RT_TABLE_UNSPEC,
    RTA_DST, RTA_OIF, RTA_TABLE, RTM_DELNEIGH, RTM_DELROUTE, RTM_DELRULE, RTM_NEWNEIGH, RTM_NEWROUTE,
    RTM_NEWRULE,
};

use crate::message::Message;
use crate::routing::{CREATE, FR_ACT_TO_TBL, FRA_PRIORITY, family, octets, rtmsg};

const REPLACE: i32 = NLM_F_CREATE | NLM_F_REPLACE;
const TABLE: u32 = 500;
const PRIORITY: u32 = 1000;
/// `include/uapi/linux/fib_rules.h`
const FRA_TABLE: u16 = 15;

/// The node's end of the pod's first NIC.
pub(crate) struct Node {
    index: u32,
    /// Of the pod's end.
    mac: Vec<u8>,
}

impl Node {
    pub(crate) fn parse(index: &str, mac: &str) -> Result<Self> {
        let mac = mac.split(':').map(|byte| u8::from_str_radix(byte, 16)).collect::<Result<Vec<_>, _>>();
        let mac = mac.context("the first NIC's hardware address")?;
        if mac.len() != 6 {
            bail!("a hardware address has six bytes");
        }
        Ok(Self { index: index.parse().context("the index of the node's end")?, mac })
    }

    pub(crate) fn add(&self, address: IpAddr) -> Vec<(&'static str, Message)> {
        vec![
            ("add the node's rule", rule(RTM_NEWRULE, CREATE)),
            ("add the node's route", self.route(RTM_NEWROUTE, REPLACE, address)),
            ("add the node's neighbour", self.neighbour(RTM_NEWNEIGH, REPLACE, NUD_PERMANENT, address)),
        ]
    }

    pub(crate) fn del(&self, address: IpAddr) -> Vec<(&'static str, Message)> {
        vec![
            ("delete the node's neighbour", self.neighbour(RTM_DELNEIGH, 0, 0, address)),
            ("delete the node's route", self.route(RTM_DELROUTE, 0, address)),
            ("delete the node's rule", rule(RTM_DELRULE, 0)),
        ]
    }

    fn route(&self, kind: u16, flags: i32, address: IpAddr) -> Message {
        Message::new(kind, flags, &rtmsg(family(AF_INET), 32, RT_TABLE_UNSPEC, RT_SCOPE_LINK))
            .with(RTA_TABLE, &TABLE.to_ne_bytes())
            .with(RTA_DST, &octets(address))
            .with(RTA_OIF, &self.index.to_ne_bytes())
    }

    /// The fixed part is `struct ndmsg`.
    fn neighbour(&self, kind: u16, flags: i32, state: u16, address: IpAddr) -> Message {
        let [low, high] = state.to_ne_bytes();
        let fixed = [[family(AF_INET), 0, 0, 0], self.index.to_ne_bytes(), [low, high, 0, 0]].concat();
        let message = Message::new(kind, flags, &fixed).with(NDA_DST, &octets(address));
        if state == NUD_PERMANENT { message.with(NDA_LLADDR, &self.mac) } else { message }
    }
}

fn rule(kind: u16, flags: i32) -> Message {
    Message::new(kind, flags, &[family(AF_INET), 0, 0, 0, 0, 0, 0, FR_ACT_TO_TBL, 0, 0, 0, 0])
        .with(FRA_PRIORITY, &PRIORITY.to_ne_bytes())
        .with(FRA_TABLE, &TABLE.to_ne_bytes())
}
