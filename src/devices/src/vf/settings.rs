//! What a pod can leave on an interface besides name, address, MTU and addresses: put back when it comes home.

use attach::Failure;
use netlink::link::Limits;
use netlink::{Bits, Ethtool, Link, LinkChange, LinkFlags, Rtnetlink};
use serde::{Deserialize, Serialize};

/// Flags that anyone may set who may set an interface up; those that have a key of their own left out.
const FLAGS: LinkFlags = LinkFlags::Debug
    .union(LinkFlags::Notrailers)
    .union(LinkFlags::Noarp)
    .union(LinkFlags::Dynamic)
    .union(LinkFlags::Multicast)
    .union(LinkFlags::Portsel)
    .union(LinkFlags::Automedia);

/// The settings of an interface as they were.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NetdevSettings {
    group: u32,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    alias: String,
    /// `None` is unknown.
    tx_queue_len: Option<u32>,
    link_mode: u8,
    flags: u32,
    #[serde(default)]
    limits: Limits,
    /// The offloads that were asked for; `None` is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    offloads: Option<Bits>,
}

impl NetdevSettings {
    /// But for the offloads.
    fn of(link: &Link) -> Self {
        Self {
            group: link.group,
            alias: link.alias.clone().unwrap_or_default(),
            tx_queue_len: Some(link.tx_queue_len),
            link_mode: link.link_mode,
            flags: (link.flags & FLAGS).bits(),
            limits: link.limits,
            offloads: None,
        }
    }

    /// As most drivers begin with, where nobody knows how they were.
    fn usual(link: &Link) -> Self {
        let flags = (link.flags & FLAGS & !LinkFlags::Noarp) | LinkFlags::Multicast;
        Self {
            group: 0,
            alias: String::new(),
            tx_queue_len: None,
            link_mode: 0,
            flags: flags.bits(),
            limits: link.limits.initial(),
            offloads: None,
        }
    }

    /// What has to change for `link` to have them, and to be neither promiscuous nor open to all multicast: nobody keeps an
    /// idle VF like that.
    pub(super) fn change(settings: Option<&Self>, link: &Link) -> LinkChange<'static> {
        let usual = settings.is_none().then(|| Self::usual(link));
        let Some(wanted) = settings.or(usual.as_ref()) else { return LinkChange::default() };
        let now = Self::of(link);
        let flags = LinkFlags::from_bits_truncate(wanted.flags);
        LinkChange {
            promisc: link.is_promisc().then_some(false),
            allmulti: link.is_allmulti().then_some(false),
            group: (wanted.group != now.group).then_some(wanted.group),
            alias: (wanted.alias != now.alias).then(|| wanted.alias.clone()),
            tx_queue_len: wanted.tx_queue_len.filter(|length| *length != link.tx_queue_len),
            link_mode: (wanted.link_mode != now.link_mode).then_some(wanted.link_mode),
            flags: (wanted.flags != now.flags).then_some((flags, FLAGS)),
            limits: wanted.limits.change(now.limits),
            ..LinkChange::default()
        }
    }

    /// As they are now. A driver may know no offloads, and a kernel no way to ask for them.
    pub(super) fn with_offloads(link: &Link) -> Result<Self, attach::Error> {
        let Some(mut ethtool) = ethtool()? else { return Ok(Self::of(link)) };
        match ethtool.features(link.index) {
            Err(error) if error.is_unsupported() => Ok(Self::of(link)),
            now => Ok(Self { offloads: Some(now?.wanted), ..Self::of(link) }),
        }
    }

    /// Asks for the offloads again that were asked for.
    pub(super) fn restore_offloads(&self, index: u32) -> Result<(), attach::Error> {
        let (Some(wanted), Some(mut ethtool)) = (&self.offloads, ethtool()?) else { return Ok(()) };
        let mut now = ethtool.features(index)?;
        if !wanted.agree(&now.wanted, &now.changeable) {
            now.wanted.clone_from(wanted);
            ethtool.set_features(index, &now)?;
        }
        Ok(())
    }
}

fn ethtool() -> Result<Option<Ethtool>, attach::Error> {
    match Ethtool::open() {
        Err(error) if error.is_gone() || error.is_unsupported() => Ok(None),
        other => Ok(Some(other?)),
    }
}

/// Takes off what programs a pod has put on an interface, or somebody before a pod gets it.
pub(super) fn detach_programs(host: &mut Rtnetlink, link: &Link) -> Result<(), attach::Error> {
    for mode in &link.xdp {
        tracing::warn!(ifname = link.name, %mode, "taking a program off the interface");
        match host.detach_xdp(link.index, *mode) {
            Err(error) if error.is_busy() => {
                let (ifname, mode) = (link.name.clone(), mode.to_string());
                return Err(super::Error::Program { ifname, mode, source: Box::new(error) }.into());
            }
            Err(error) if error.is_gone() => {
                return Err(Failure::Vanished { ifname: link.name.clone() }.into());
            }
            other => other?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
