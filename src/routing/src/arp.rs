//! Several NICs in one subnet. Of itself the kernel answers ARP for any of the pod's addresses on whichever NIC hears
//! the question, and asks with any of them: what is meant for one rail arrives on another.

use std::collections::BTreeSet;

use ipnet::{IpNet, Ipv4Net};
use serde::{Deserialize, Serialize};

use super::changes::{Change, LinkSetting};
use super::model::{View, is_link_local};

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
    let together = sharing(&subnets(view, links));
    links.iter().copied().filter(|link| together.contains(link)).collect()
}

/// Each subnet once per link, however many addresses a pod puts there, and behind those that it is part of.
fn subnets(view: &View, links: &[u32]) -> BTreeSet<(Ipv4Net, u32)> {
    let of_links = view.addresses.iter().filter(|(index, _)| links.contains(index));
    let subnet = |&(index, net): &(u32, IpNet)| match net {
        IpNet::V4(v4) if !is_link_local(net.addr()) => Some((v4.trunc(), index)),
        _ => None,
    };
    of_links.filter_map(subnet).collect()
}

/// The links with a subnet that another one has, too, or a part of it. Two subnets have nothing in common, or one is part of
/// the other: those that the present one is part of are as many as there are lengths.
fn sharing(subnets: &BTreeSet<(Ipv4Net, u32)>) -> BTreeSet<u32> {
    let (mut around, mut sharing) = (Vec::<(Ipv4Net, u32)>::new(), BTreeSet::new());
    for &(net, link) in subnets {
        around.retain(|(outer, _)| outer.contains(&net));
        let others: Vec<u32> =
            around.iter().map(|&(_, other)| other).filter(|other| *other != link).collect();
        if !others.is_empty() {
            sharing.insert(link);
            sharing.extend(others);
        }
        around.push((net, link));
    }
    sharing
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

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn together(addresses: &[(u32, &str)]) -> Vec<u32> {
        let addresses = addresses.iter().map(|&(index, net)| (index, net.parse().unwrap())).collect();
        wanted(&View { addresses, ..View::default() }, &[1, 2, 3])
    }

    #[test]
    fn subnets_that_meet_are_equal_or_one_is_part_of_the_other() {
        assert_eq!(together(&[(1, "10.0.0.1/24"), (2, "10.0.0.2/24"), (3, "10.0.1.1/24")]), [1, 2]);
        assert_eq!(together(&[(1, "10.0.0.1/24"), (2, "10.0.9.1/16"), (3, "10.1.0.1/16")]), [1, 2]);
        assert_eq!(together(&[(1, "10.0.1.1/16"), (2, "10.0.0.1/32"), (3, "10.0.200.1/25")]), [1, 2, 3]);
        assert_eq!(together(&[(1, "10.0.0.1/24"), (1, "10.0.0.2/16"), (2, "10.2.0.1/16")]), [0; 0]);
        assert_eq!(together(&[(1, "169.254.0.1/16"), (2, "169.254.0.2/16"), (3, "fd00::1/64")]), [0; 0]);
        assert_eq!(together(&[(1, "10.0.0.1/24"), (4, "10.0.0.2/24")]), [0; 0], "4 is none of ours");
    }

    /// Each compared with each, these are minutes.
    #[test]
    fn a_hundred_thousand_addresses_on_each_of_two_links_are_looked_at_once() {
        let host = |n: u32| IpNet::from(std::net::IpAddr::from(Ipv4Addr::from(0x0a00_0000 + n)));
        let addresses = (0..100_000).flat_map(|n| [(1, host(2 * n)), (2, host(2 * n + 1))]).collect();
        let view = View { addresses, ..View::default() };
        let begun = std::time::Instant::now();
        assert_eq!(wanted(&view, &[1, 2]), [0; 0]);
        assert!(begun.elapsed() < std::time::Duration::from_secs(20), "{:?}", begun.elapsed());
    }
}
