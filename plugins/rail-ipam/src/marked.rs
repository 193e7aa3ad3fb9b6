//! Addresses that plugins of this suite have put on a pod, told by their mark (`IFA_PROTO` 211). A pod can write that, too, so it is
//! believed only on links that come from the host, and for no more addresses than these plugins give.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::IpAddr;

use cni::Error;
use netns::NetNs;
use nix::errno::Errno;

use crate::present::{self, LinkFacts};

/// Addresses of all that a pod has on one NIC of the host: one of each family, or of a few networks.
const MOST_OF_NIC: usize = 8;
/// Of one pod: sixteen rails with two of each family.
const MOST_OF_POD: usize = 64;
/// How many marks are looked at: who has more has made them.
const MOST_MARKS: usize = 1000;
/// The kinds of child links that plugins of this suite make on a NIC of the host.
const CHILDREN: [&[u8]; 2] = [b"macvlan", b"ipvlan"];
/// Does not say in which namespace its parent is; a pod can make one on an InfiniBand device only.
const IPOIB: &[u8] = b"ipoib";
/// Devices are on these, and what a pod makes is not.
const BUSES: [&[u8]; 2] = [b"pci", b"auxiliary"];

/// What links of a pod have in common that use one NIC.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Nic {
    /// Of the host, by its index.
    Parent(u32),
    /// A device that the pod has for its time.
    Device(Vec<u8>),
}

/// What is believed of a pod's marks.
#[derive(Debug, Default, PartialEq, Eq)]
struct Believed {
    ips: Vec<IpAddr>,
    /// Marks on links from the host that are too many.
    beyond: usize,
}

/// The addresses of a pod that plugins of this suite have put there; none where this process may not look, and so has put none.
pub(crate) fn on(pod: &NetNs, host: &NetNs) -> Result<Vec<IpAddr>, Error> {
    let found = match pod.run(|| look(host)) {
        Err(netns::Error::Enter { source, .. }) if source.kind() == std::io::ErrorKind::PermissionDenied => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(Error::netns(error.to_string())),
        Ok(found) => found,
    };
    let path = pod.path().display();
    let unseen = |errno| {
        Error::try_again(format!(
            "list the addresses of {path}, which may be leased: {}",
            std::io::Error::from(errno)
        ))
    };
    let Believed { ips, beyond } = found.map_err(unseen)?;
    if beyond > 0 {
        tracing::warn!(
            "{path}: {beyond} addresses with our mark are not left to it, beyond {MOST_OF_NIC} of one NIC and {MOST_OF_POD} of the pod"
        );
    }
    Ok(ips)
}

/// In the pod.
fn look(host: &NetNs) -> Result<Believed, Errno> {
    let mut marked = present::marked()?;
    marked.truncate(MOST_MARKS);
    let mut links = BTreeMap::new();
    for &(_, index) in &marked {
        if let Entry::Vacant(place) = links.entry(index) {
            place.insert(present::link(index)?);
        }
    }
    // The kernel gives the host a number here when it shows the first link on one of the host's.
    let host = if links.is_empty() { None } else { present::number_of(host)? };
    let nics = links.into_iter().filter_map(|(index, facts)| Some((index, nic(&facts?, host)?))).collect();
    Ok(believed(&marked, &nics))
}

/// `None` for a link that a pod can make by itself.
fn nic(link: &LinkFacts, host: Option<i32>) -> Option<Nic> {
    let kind = link.kind.as_slice();
    let is_hosts = host.is_some() && link.parent_netnsid == host;
    let is_child = kind == IPOIB || CHILDREN.contains(&kind) && is_hosts;
    if let Some(parent) = link.parent.filter(|_| is_child) {
        return Some(Nic::Parent(parent));
    }
    let is_device = kind.is_empty() || kind == IPOIB;
    (is_device && BUSES.contains(&link.bus.as_slice())).then(|| Nic::Device(link.device.clone()))
}

/// The first of each NIC.
fn believed(marked: &[(IpAddr, u32)], nics: &BTreeMap<u32, Nic>) -> Believed {
    let mut counts: BTreeMap<&Nic, usize> = BTreeMap::new();
    let mut believed = Believed::default();
    for (ip, index) in marked {
        let Some(nic) = nics.get(index) else { continue };
        let count = counts.entry(nic).or_default();
        if *count < MOST_OF_NIC && believed.ips.len() < MOST_OF_POD {
            *count += 1;
            believed.ips.push(*ip);
        } else {
            believed.beyond += 1;
        }
    }
    believed
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: Option<i32> = Some(3);

    fn link(kind: &str, parent: Option<u32>, parent_netnsid: Option<i32>, bus: &str) -> LinkFacts {
        let (kind, bus, device) = (kind.into(), bus.into(), b"0000:3b:02.1".to_vec());
        LinkFacts { kind, parent, parent_netnsid, device, bus }
    }

    #[test]
    fn marks_are_believed_on_every_kind_of_child_that_the_suite_makes() {
        let mut known: Vec<_> = CHILDREN.into_iter().chain([IPOIB]).collect();
        let mut made: Vec<_> = links::child::other_type::children().map(str::as_bytes).collect();
        known.sort_unstable();
        made.sort_unstable();
        assert_eq!(known, made, "else their addresses are given twice once leases are lost");
    }

    #[test]
    fn a_mark_counts_on_links_that_a_pod_cannot_make_and_on_no_others() {
        for (found, expected) in [
            (link("macvlan", Some(7), HOST, ""), Some(Nic::Parent(7))),
            (link("ipvlan", Some(7), HOST, ""), Some(Nic::Parent(7))),
            (link("ipoib", Some(7), None, "pci"), Some(Nic::Parent(7))),
            (link("", None, None, "pci"), Some(Nic::Device(b"0000:3b:02.1".to_vec()))),
            (link("", None, None, "auxiliary"), Some(Nic::Device(b"0000:3b:02.1".to_vec()))),
            (link("", None, None, ""), None),
            (link("", None, None, "netdevsim"), None),
            (link("dummy", None, None, ""), None),
            (link("veth", Some(7), HOST, ""), None),
            (link("macvlan", Some(7), None, ""), None),
            (link("macvlan", Some(7), Some(4), ""), None),
        ] {
            assert_eq!(nic(&found, HOST), expected, "{found:?}");
        }
        let child = link("macvlan", Some(7), None, "");
        assert_eq!(nic(&child, None), None, "the host has no number there");
    }

    #[test]
    fn one_pod_has_eight_addresses_of_a_nic_left_to_it_and_sixty_four_in_all() {
        let ip = |number: u32| IpAddr::from(number.to_be_bytes());
        // Two links on one NIC.
        let nics = BTreeMap::from([(2, Nic::Parent(7)), (3, Nic::Parent(7))]);
        let marked: Vec<_> = (0..20).map(|number| (ip(number), 1 + number % 3)).collect();
        let found = believed(&marked, &nics);
        assert_eq!((found.ips.len(), found.beyond), (8, 5), "{found:?}");
        assert!(!found.ips.contains(&ip(0)), "the first is on lo");
        let nics: BTreeMap<u32, Nic> = (0..100).map(|index| (index, Nic::Parent(index))).collect();
        let marked: Vec<_> = (0..100).map(|number| (ip(number), number)).collect();
        let found = believed(&marked, &nics);
        assert_eq!((found.ips.len(), found.beyond), (64, 36));
    }
}
