//! Several NICs in one subnet. Of itself the kernel answers ARP for any of the pod's addresses on whichever NIC hears
//! the question, and asks with any of them: what is meant for one rail arrives on another.

use serde::{Deserialize, Serialize};

use super::changes::{Change, LinkSetting};
use super::model::View;

/// Asks with an address of the NIC itself.
const ANNOUNCE: u32 = 2;
/// Answers for an address of the NIC itself.
const IGNORE: u32 = 1;

/// A link whose settings were changed, and how they were.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Arp {
    pub(super) index: u32,
    /// `arp_announce` and `arp_ignore`
    was: (u32, u32),
}

impl Arp {
    fn to(self) -> (u32, u32) {
        (self.was.0.max(ANNOUNCE), self.was.1.max(IGNORE))
    }
}

/// Those of `links` that share an IPv4 subnet with another of them. IPv6 asks by multicast that only the right NIC hears.
pub(super) fn wanted(view: &View, links: &[u32]) -> Vec<u32> {
    let nets = |index: u32| view.addresses_of(index).filter(|net| net.addr().is_ipv4());
    let meet = |a: u32, b: u32| {
        a != b
            && nets(a)
                .any(|net| nets(b).any(|other| net.contains(&other.addr()) || other.contains(&net.addr())))
    };
    links.iter().copied().filter(|&link| links.iter().any(|&other| meet(link, other))).collect()
}

/// Changes the links that now need it, and puts back those that do not any more unless somebody else has changed them.
pub(super) fn reconcile(known: &mut Vec<Arp>, wanted: &[u32], view: &View) -> Vec<Change> {
    let now = |index: u32| {
        let ipv4 = view.links.iter().find(|link| link.index == index)?.ipv4?;
        Some((ipv4.arp_announce, ipv4.arp_ignore))
    };
    for &index in wanted {
        if let Some(was) = now(index).filter(|_| known.iter().all(|arp| arp.index != index)) {
            known.push(Arp { index, was });
        }
    }
    let change = |arp: &Arp| {
        let now = now(arp.index)?;
        let to = if wanted.contains(&arp.index) { arp.to() } else { arp.was };
        let is_ours = now == arp.to() || now == arp.was;
        LinkSetting {
            index: arp.index,
            arp: Some(to).filter(|to| is_ours && *to != now),
            ..LinkSetting::default()
        }
        .change()
    };
    known.iter().filter_map(change).collect()
}

/// For CHECK.
pub(super) fn differences(known: &[Arp], view: &View) -> Vec<String> {
    let line = |arp: &Arp| {
        let link = view.links.iter().find(|link| link.index == arp.index)?;
        let (now, to) = (link.ipv4?, arp.to());
        ((now.arp_announce, now.arp_ignore) != to).then(|| {
            format!(
                "arp_announce and arp_ignore of {} are {} and {}, expected {} and {}",
                link.name, now.arp_announce, now.arp_ignore, to.0, to.1
            )
        })
    };
    known.iter().filter_map(line).collect()
}
