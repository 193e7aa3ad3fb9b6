//! Looks at the leases of all nodes for as long as a story lasts: an address that two pods have at one moment is found, and one that
//! nobody can have any more.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use state::Dirs;
use testkit::pause;

use crate::node::{Node, leases};

/// How long a pod waits at most, by one call.
const PATIENCE: u64 = 30;
/// How often a call is made again, as kubelet does.
const ATTEMPTS: usize = 6;

/// Ends the auditor's looks however the story ends.
struct Over<'o>(&'o AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Plays a story on these nodes, and fails where two pods have one address at any moment. No container may come twice.
pub(crate) fn audited<T>(nodes: &[Dirs], story: impl FnOnce() -> T) -> T {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let looks = scope.spawn(|| {
            let mut looks = 0;
            while !over.load(Ordering::Relaxed) {
                assert_eq!(doubled(nodes), None);
                looks += 1;
                pause(Duration::from_millis(20));
            }
            looks
        });
        let told = {
            let _over = Over(&over);
            story()
        };
        assert!(looks.join().unwrap() > 0);
        assert_eq!(doubled(nodes), None);
        told
    })
}

/// An address that a pod of each of two nodes has at one moment. The nodes are read one after the other: so where an address is found
/// on two of them, the first must still have it for the same container when the second has been read.
pub(crate) fn doubled(nodes: &[Dirs]) -> Option<String> {
    let mut holders: BTreeMap<IpAddr, (&Dirs, String)> = BTreeMap::new();
    for node in nodes {
        for lease in leases(node) {
            let (ip, container) = (lease.ip, lease.key.container_id);
            if let Some((before, first)) = holders.insert(ip, (node, container.clone())) {
                let still = leases(before).into_iter();
                if still
                    .map(|lease| (lease.ip, lease.key.container_id))
                    .any(|lease| lease == (ip, first.clone()))
                {
                    return Some(format!("{ip} is leased to {first} and to {container}"));
                }
            }
        }
    }
    None
}

/// The story is over, and its pods end: every address is to be had again, by pods of one node.
pub(crate) fn nothing_is_lost(nodes: &[&Node], taker: &Node, addresses: usize) {
    for node in nodes {
        let left = node.leases().into_iter().map(|lease| lease.key.container_id).collect::<Vec<_>>();
        node.del(&left);
    }
    let last = pods("last", addresses);
    let had = come(taker, &last);
    assert_eq!(had.len(), addresses, "{had:?}");
    taker.del(&last);
}

/// `NAME0`, `NAME1`, ...
pub(crate) fn pods(name: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{name}-{number}")).collect()
}

/// Pods that come at once, each tried again until it has an address: their addresses, none of them twice.
pub(crate) fn come(node: &Node, pods: &[String]) -> BTreeMap<String, String> {
    let mut addresses = BTreeMap::new();
    let mut said = Vec::new();
    for _ in 0..ATTEMPTS {
        let waiting = pods.iter().filter(|pod| !addresses.values().any(|own| own == *pod));
        let waiting = waiting.cloned().collect::<Vec<_>>();
        if waiting.is_empty() {
            return addresses;
        }
        said.clear();
        for (pod, ended) in waiting.iter().zip(node.add(&waiting, PATIENCE)) {
            match ended {
                Ok(address) => {
                    let other = addresses.insert(address, pod.clone());
                    assert_eq!(other, None, "{pod} has an address of another pod of its node");
                }
                Err(failed) => said.push(failed),
            }
        }
    }
    panic!("pods without an address after {ATTEMPTS} attempts: {said:?}");
}

/// The same on several nodes at once.
pub(crate) fn come_everywhere(crowd: &[(&Node, Vec<String>)]) {
    thread::scope(|scope| {
        for (node, pods) in crowd {
            scope.spawn(move || come(node, pods));
        }
    });
}

/// Pods come one after the other on each node: so that what happens meanwhile, happens in the middle of it.
pub(crate) fn come_one_by_one(node: &Node, pods: &[String]) {
    for pod in pods {
        come(node, std::slice::from_ref(pod));
    }
}

/// Where the leases of these nodes are.
pub(crate) fn places(nodes: &[Node]) -> Vec<Dirs> {
    nodes.iter().map(|node| node.dirs.clone()).collect()
}

#[test]
fn an_address_that_two_nodes_lease_is_found() {
    let base = tempfile::tempdir().unwrap();
    let nodes = ["one", "two"].map(|name| Dirs::under(&base.path().join(name)));
    let lease = |node: &Dirs, container: &str| {
        use ipam::{AttachmentKey, Change, JournalStore, Lease, Store as _};
        let key = AttachmentKey {
            network: "rail1".to_owned(),
            container_id: container.to_owned(),
            ifname: "net1".to_owned(),
        };
        let ip = "172.16.1.7".parse().unwrap();
        let lease = Lease { key, ip, pool: "shared".to_owned(), since: 1, rest: 0 };
        let store = JournalStore::new(node, Duration::from_secs(10)).unwrap();
        store.update(&mut |_| Ok(vec![Change::Lease(lease.clone())])).unwrap();
        move || store.update(&mut |_| Ok(vec![lease.release(2)])).unwrap()
    };
    let end = lease(&nodes[0], "a");
    assert_eq!(doubled(&nodes), None);
    let _second = lease(&nodes[1], "b");
    assert_eq!(doubled(&nodes).unwrap(), "172.16.1.7 is leased to a and to b");
    end();
    assert_eq!(doubled(&nodes), None, "one after the other may have it");
}
