use std::fmt;

use ipnet::IpNet;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
pub use netlink_packet_route::rule::RuleAction;
use netlink_packet_route::rule::{RuleAttribute, RuleFlags, RuleMessage};
use nix::libc::{RTM_DELRULE, RTM_GETRULE, RTM_NEWRULE};

use crate::attr::{Attribute, Attributes, u32_at};
use crate::batch::Batch;
use crate::error::Error;
use crate::handle::{Family, Rtnetlink};
use crate::message::{Message, Request};

const HEADER: usize = 12;

// include/uapi/linux/fib_rules.h; the C library has none of them.
const FRA_DST: u16 = 1;
const FRA_SRC: u16 = 2;
const FRA_IIFNAME: u16 = 3;
const FRA_PRIORITY: u16 = 6;
const FRA_FWMARK: u16 = 10;
const FRA_SUPPRESS_PREFIXLEN: u16 = 14;
const FRA_TABLE: u16 = 15;
const FRA_FWMASK: u16 = 16;
const FRA_OIFNAME: u16 = 17;
const FRA_PROTOCOL: u16 = 21;

/// A policy routing rule, as it is added, deleted and listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// IPv4 or IPv6.
    pub family: Family,
    /// The lower, the earlier; `None` lets the kernel choose.
    pub priority: Option<u32>,
    /// Source of the packet.
    pub from: Option<IpNet>,
    /// Destination of the packet.
    pub to: Option<IpNet>,
    /// Firewall mark: value and mask.
    pub fwmark: Option<(u32, u32)>,
    /// Name of the link it came in by.
    pub iif: Option<String>,
    /// Name of the link its socket is bound to.
    pub oif: Option<String>,
    /// Matches what the selectors above do not (`ip rule add not ...`).
    pub invert: bool,
    /// What to do with the packet.
    pub action: RuleAction,
    /// Table to look it up in.
    pub table: u32,
    /// Ignore routes with a prefix of that length or shorter.
    pub suppress_prefix_len: Option<u32>,
    /// Who added it (`RTPROT_*`).
    pub protocol: u8,
}

impl Rule {
    /// A rule for all packets, to look up `table`.
    pub fn new(family: Family, table: u32) -> Self {
        Self {
            family,
            priority: None,
            from: None,
            to: None,
            fwmark: None,
            iif: None,
            oif: None,
            invert: false,
            action: RuleAction::ToTable,
            table,
            suppress_prefix_len: None,
            protocol: 0,
        }
    }
}

/// As `ip rule` writes it, without mark and links.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(priority) = self.priority {
            write!(f, "{priority}: ")?;
        }
        f.write_str(if self.invert { "not from " } else { "from " })?;
        match self.from {
            Some(from) => write!(f, "{from}")?,
            None => f.write_str("all")?,
        }
        if let Some(to) = self.to {
            write!(f, " to {to}")?;
        }
        write!(f, " lookup {}", self.table)
    }
}

impl Rtnetlink {
    /// Adds a rule; [`Error::is_exists`] if there is an equal one.
    pub fn add_rule(&mut self, rule: &Rule) -> Result<(), Error> {
        self.execute(&add(rule))
    }

    /// Deletes the first rule that agrees with what `rule` says; [`Error::is_gone`] if there is none.
    pub fn delete_rule(&mut self, rule: &Rule) -> Result<(), Error> {
        self.execute(&delete(rule))
    }

    /// The rules of a family, in the order of their priorities.
    pub fn rules(&mut self, family: Family) -> Result<Vec<Rule>, Error> {
        let mut message = RuleMessage::default();
        message.header.family = family.into();
        let object = format!("of {family:?}");
        self.dump(&Request::new("list rules", object, RTM_GETRULE, 0, &message), decode)
    }
}

impl Batch<'_> {
    /// See [`Rtnetlink::add_rule`].
    pub fn add_rule(&mut self, rule: &Rule) -> &mut Self {
        self.push(add(rule))
    }

    /// See [`Rtnetlink::delete_rule`].
    pub fn delete_rule(&mut self, rule: &Rule) -> &mut Self {
        self.push(delete(rule))
    }
}

fn add(rule: &Rule) -> Request {
    Request::about("add rule", rule.clone(), RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, &encode(rule))
}

fn delete(rule: &Rule) -> Request {
    Request::about("delete rule", rule.clone(), RTM_DELRULE, 0, &encode(rule))
}

fn encode(rule: &Rule) -> RuleMessage {
    let mut message = RuleMessage::default();
    let header = &mut message.header;
    header.family = rule.family.into();
    header.src_len = rule.from.map_or(0, |from| from.prefix_len());
    header.dst_len = rule.to.map_or(0, |to| to.prefix_len());
    header.action = rule.action;
    header.flags.set(RuleFlags::Invert, rule.invert);
    let optional = [
        rule.from.filter(|from| from.prefix_len() != 0).map(|from| RuleAttribute::Source(from.network())),
        rule.to.filter(|to| to.prefix_len() != 0).map(|to| RuleAttribute::Destination(to.network())),
        rule.priority.map(RuleAttribute::Priority),
        rule.fwmark.map(|(mark, _)| RuleAttribute::FwMark(mark)),
        rule.fwmark.map(|(_, mask)| RuleAttribute::FwMask(mask)),
        rule.iif.clone().map(RuleAttribute::Iifname),
        rule.oif.clone().map(RuleAttribute::Oifname),
        (rule.table != 0).then_some(RuleAttribute::Table(rule.table)),
        rule.suppress_prefix_len.map(RuleAttribute::SuppressPrefixLen),
        (rule.protocol != 0).then(|| RuleAttribute::Protocol(rule.protocol.into())),
    ];
    message.attributes = optional.into_iter().flatten().collect();
    message
}

pub(crate) fn decode(message: &Message<'_>) -> Option<Rule> {
    if !matches!(message.kind, RTM_NEWRULE | RTM_DELRULE) {
        return None;
    }
    let &[family, dst_len, src_len, _, table, _, _, action, ..] = message.payload else { return None };
    let mut rule = Rule::new(Family::from_raw(family)?, table.into());
    rule.action = action.into();
    rule.invert = RuleFlags::from_bits_retain(u32_at(message.payload, 8)?).contains(RuleFlags::Invert);
    rule.priority = Some(0);
    for attribute in Attributes(message.payload.get(HEADER..)?) {
        match attribute.kind {
            FRA_SRC => rule.from = prefix(attribute, src_len),
            FRA_DST => rule.to = prefix(attribute, dst_len),
            _ => read(&mut rule, attribute)?,
        }
    }
    Some(rule)
}

fn prefix(attribute: Attribute<'_>, length: u8) -> Option<IpNet> {
    IpNet::new(attribute.ip()?, length).ok()
}

fn read(rule: &mut Rule, attribute: Attribute<'_>) -> Option<()> {
    match attribute.kind {
        FRA_PRIORITY => rule.priority = attribute.u32(),
        FRA_TABLE => rule.table = attribute.u32()?,
        FRA_FWMARK => rule.fwmark = Some((attribute.u32()?, rule.fwmark.map_or(u32::MAX, |(_, mask)| mask))),
        FRA_FWMASK => rule.fwmark = Some((rule.fwmark.map_or(0, |(mark, _)| mark), attribute.u32()?)),
        FRA_IIFNAME => rule.iif = Some(attribute.string()),
        FRA_OIFNAME => rule.oif = Some(attribute.string()),
        // All ones is what the kernel says where nothing is suppressed.
        FRA_SUPPRESS_PREFIXLEN => {
            rule.suppress_prefix_len = attribute.u32().filter(|&length| length != u32::MAX);
        }
        FRA_PROTOCOL => rule.protocol = attribute.u8()?,
        _ => {}
    }
    Some(())
}

#[cfg(test)]
mod tests;
