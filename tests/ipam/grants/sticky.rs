//! A sticky pool of the cluster: a pod takes no other address before it is known where its own is.

use std::io::Write;

use ipam::Granted;
use serde_json::json;
use state::Dirs;

use super::{agent, granted, node, shared, write};
use crate::node::{Node, Outcome};

/// The pool is sticky, and these are to have addresses of it again.
fn sticky(epoch: i64, ips: &[&str], pins: &str) -> Granted {
    let mut granted = granted(epoch, ips);
    granted.pools[0]["spec"]["sticky"] = true.into();
    granted.pools[0]["status"]["pins"] = pins.into();
    granted
}

/// An ADD of the pod `ai/train-0`.
fn named(node: &Node, wait: u64) -> Outcome {
    let args = "IgnoreUnknown=1;K8S_POD_NAMESPACE=ai;K8S_POD_NAME=train-0";
    node.call("ADD", "named", &shared(wait)).args(args).run()
}

#[test]
fn a_pod_of_a_sticky_pool_asks_where_its_address_is_before_it_takes_another() {
    let node = node(&[]);
    write(&node, &sticky(1, &["172.16.1.7"], ""));
    let dirs = Dirs::under(&node.path(""));
    let asked = agent(&node, move |line, stream| {
        let own = "172.16.1.20=ai/train-0/net1";
        sticky(2, &["172.16.1.7", "172.16.1.20"], own).write(&dirs).unwrap();
        writeln!(stream, "pinned 2").unwrap();
        line
    });
    assert_eq!(named(&node, 10).ips(), ["172.16.1.20/24"]);
    let line = asked.join().unwrap();
    assert!(line.starts_with("pin shared ai/train-0/net1 "), "{line}");
}

#[test]
fn a_pod_that_has_none_anywhere_takes_one_that_is_nobodys_and_what_is_here_asks_nobody() {
    let node = node(&[]);
    write(&node, &sticky(1, &["172.16.1.7-172.16.1.8"], "172.16.1.7=ai/train-9/net1"));
    let asked = agent(&node, |_, stream| writeln!(stream, "unpinned 1").unwrap());
    assert_eq!(named(&node, 10).ips(), ["172.16.1.8/24"]);
    asked.join().unwrap();
    node.del("named", &shared(10));
    // No agent listens any more.
    write(&node, &sticky(2, &["172.16.1.7-172.16.1.9"], "172.16.1.9=ai/train-0/net1"));
    assert_eq!(named(&node, 10).ips(), ["172.16.1.9/24"]);
    node.del("named", &shared(10));
    // A controller that keeps nobody's address over nodes: the node's own memory counts.
    let mut older = sticky(3, &["172.16.1.7-172.16.1.9"], "");
    older.pools[0]["status"] = json!({"free": 3});
    write(&node, &older);
    assert_eq!(named(&node, 10).ips(), ["172.16.1.9/24"]);
}

#[test]
fn a_pod_whose_address_does_not_come_gets_no_other_and_is_told_why() {
    let node = node(&[]);
    write(&node, &sticky(1, &["172.16.1.7"], ""));
    let asked =
        agent(&node, |_, stream| writeln!(stream, "none 172.16.1.9 is still with node worker-2").unwrap());
    let refused = named(&node, 10);
    asked.join().unwrap();
    let (code, message) = refused.error();
    let expected = "ai/train-0/net1 is given no other address of sticky pool \"shared\" than the one that it had: 172.16.1.9 is still \
                    with node worker-2";
    assert_eq!((code, message.as_str()), (11, expected));
    // Nobody to ask.
    std::fs::remove_file(node.path("state/node/want")).unwrap();
    let (code, message) = named(&node, 10).error();
    assert!(code == 11 && message.contains("no raild agent listens at"), "{message}");
}
