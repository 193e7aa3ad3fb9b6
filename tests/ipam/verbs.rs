use std::fs;
use std::time::Duration;

use ipam::{Change, JournalStore, Lease, Store};
use serde_json::{Value, json};
use state::{AttachmentKey, Dirs, Records};

use crate::node::{Node, Outcome, network, pool, using};

fn node() -> Node {
    Node::with_pools(&pool("rail", "{subnet: 10.0.0.0/24, ips: [10.0.0.2-10.0.0.4]}"))
}

fn check(node: &Node, container: &str, previous: &Value) -> Outcome {
    let mut config = using(&["rail"]);
    config["prevResult"] = previous.clone();
    node.run("CHECK", container, &config)
}

#[test]
fn an_add_that_is_repeated_gets_the_same_address() {
    let node = node();
    assert_eq!(node.add("a", &using(&["rail"])), ["10.0.0.2/24"]);
    assert_eq!(node.add("a", &using(&["rail"])), ["10.0.0.2/24"]);
    assert_eq!(node.add("b", &using(&["rail"])), ["10.0.0.3/24"]);
}

/// Hazard 4: with the peer, two NICs of one pod get the same address of a pool.
#[test]
fn every_interface_of_a_pod_has_its_own() {
    let node = node();
    let add = |ifname: &str| node.call("ADD", "pod", &using(&["rail"])).env("CNI_IFNAME", ifname).run().ips();
    assert_eq!(add("net1"), ["10.0.0.2/24"]);
    assert_eq!(add("net2"), ["10.0.0.3/24"]);
    node.del("pod", &using(&["rail"]));
    assert_eq!(add("net2"), ["10.0.0.3/24"], "the other interface keeps its own");
}

#[test]
fn two_networks_share_a_pool_and_never_an_address() {
    let node = node();
    let mut other = using(&["rail"]);
    other["name"] = "rail2".into();
    assert_eq!(node.add("pod", &using(&["rail"])), ["10.0.0.2/24"]);
    assert_eq!(node.add("pod", &other), ["10.0.0.3/24"]);
}

#[test]
fn del_needs_no_pool_no_netns_and_no_valid_config() {
    let node = node();
    node.add("a", &using(&["rail"]));
    fs::remove_dir_all(node.path("config")).unwrap();
    let broken = json!({"cniVersion": "1.1.0", "name": "rail1", "type": "macvlan", "ipam": {"type": 7, "pools": "x", "dataDir": []}});
    let outcome = node.call("DEL", "a", &broken).env("CNI_NETNS", "").run();
    assert!(outcome.ok && outcome.answer.is_null(), "{} {}", outcome.answer, outcome.log);
    node.del("a", &using(&["rail"]));
    node.put("config/pools.d/p.yaml", &pool("rail", "{subnet: 10.0.0.0/24, ips: [10.0.0.2]}"));
    assert_eq!(node.add("b", &using(&["rail"])), ["10.0.0.2/24"]);
}

#[test]
fn del_of_what_was_never_added_touches_nothing() {
    let node = node();
    node.del("a", &using(&["rail"]));
    assert!(node.is_untouched());
}

#[test]
fn check_finds_each_difference() {
    let node = node();
    let result = node.run("ADD", "a", &using(&["rail"])).answer;
    assert!(check(&node, "a", &result).ok);
    let other = json!({"cniVersion": "1.1.0", "ips": [{"address": "10.0.0.99/24"}]});
    let (_, message) = check(&node, "a", &other).error();
    assert_eq!(
        message,
        "address 10.0.0.99 of net1 of container a in network \"rail1\" has no lease; \
         lease 10.0.0.2 of net1 of container a in network \"rail1\" is not an address of prevResult"
    );
    node.del("a", &using(&["rail"]));
    let (_, message) = check(&node, "a", &result).error();
    assert_eq!(message, "address 10.0.0.2 of net1 of container a in network \"rail1\" has no lease");
    assert_eq!(
        node.run("CHECK", "a", &using(&["rail"])).error(),
        (7, "required prevResult missing".to_owned())
    );
}

#[test]
fn check_looks_at_the_addresses_of_its_own_interface() {
    let node = node();
    node.add("a", &using(&["rail"]));
    let result = json!({
        "cniVersion": "1.1.0",
        "interfaces": [{"name": "eth0", "sandbox": "/n"}, {"name": "net1", "sandbox": "/n"}],
        "ips": [{"address": "192.168.0.7/24", "interface": 0}, {"address": "10.0.0.2/24", "interface": 1}],
    });
    assert!(check(&node, "a", &result).ok);
}

/// A link plugin has this on record.
fn on_record(node: &Node, plugin: &str, container: &str, ifname: &str) {
    let records = Records::open(&Dirs::under(&node.path("")), plugin).unwrap();
    let key = AttachmentKey::new("rail1", container, ifname).unwrap();
    records.save(&records.draft(key, None, json!({}))).unwrap();
}

/// The runtime's list has an attachment only after its ADD, and not any more while its link may still answer.
#[test]
fn gc_keeps_what_is_under_way_or_could_not_be_undone() {
    let node = node();
    for container in ["under-way", "damaged", "gone"] {
        node.add(container, &using(&["rail"]));
    }
    on_record(&node, "macvlan", "under-way", "net1");
    // Of which the first interface has the name.
    on_record(&node, "rail", "damaged", "net0");
    node.put("state/attachments/rail1/damaged,rail,net0", "not what was written");
    // No link that could answer.
    on_record(&node, "coordinator", "gone", "net1");
    let mut config = using(&["rail"]);
    config["cni.dev/valid-attachments"] = json!([]);
    assert!(node.run("GC", "", &config).ok);
    assert_eq!(node.add("next", &using(&["rail"])), ["10.0.0.4/24"], "only that of the gone is free");
    assert_eq!(node.refusal("after", &using(&["rail"])).0, 100);
}

/// No record tells of those of a plugin that is none of ours: a lease that is younger than an ADD may be of one.
#[test]
fn gc_leaves_young_leases_of_foreign_link_plugins_to_the_next() {
    let node = node();
    let mut config = using(&["rail"]);
    config["type"] = "bridge".into();
    node.add("young", &config);
    let key = AttachmentKey::new("rail1", "old", "net1").unwrap();
    let (ip, pool) = ("10.0.0.3".parse().unwrap(), "rail".to_owned());
    let old = Lease { key, ip, pool, since: ipam::journal::now() - 300, rest: 0 };
    let store = JournalStore::new(&Dirs::under(&node.path("")), Duration::ZERO).unwrap();
    store.update(&mut |_| Ok(vec![Change::Lease(old.clone())])).unwrap();
    config["cni.dev/valid-attachments"] = json!([]);
    assert!(node.run("GC", "", &config).ok);
    let mut held = Vec::new();
    let look = &mut |leases: &dyn ipam::Leases| {
        held = leases.all()?;
        Ok(())
    };
    store.view(look).unwrap();
    assert_eq!(held.iter().map(|lease| lease.key.container_id.as_str()).collect::<Vec<_>>(), ["young"]);
}

#[test]
fn gc_keeps_the_valid_and_other_networks() {
    let node = node();
    let mut other = using(&["rail"]);
    other["name"] = "rail2".into();
    node.add("a", &using(&["rail"]));
    node.add("b", &using(&["rail"]));
    node.add("c", &other);
    let mut config = using(&["rail"]);
    let forgotten = node.run("GC", "", &config);
    assert!(forgotten.ok && forgotten.log.contains("nothing was released"), "{}", forgotten.log);
    assert_eq!(node.refusal("e", &using(&["rail"])).0, 100, "who forgets the list does not lose everything");
    config["cni.dev/valid-attachments"] =
        json!([{"containerID": "a", "ifname": "net1"}, {"containerID": "b", "ifname": "net9"}]);
    assert!(node.run("GC", "", &config).ok);
    assert_eq!(node.add("d", &using(&["rail"])), ["10.0.0.3/24"], "only b's is free");
    assert_eq!(node.refusal("e", &using(&["rail"])).0, 100);
    config["cni.dev/valid-attachments"] = Value::Null;
    assert!(node.run("GC", "", &config).ok);
    assert_eq!(node.add("c", &other), ["10.0.0.4/24"]);
}

#[test]
fn status_tells_whether_an_add_would_be_served_and_leaves_no_trace() {
    let node = node();
    assert!(node.run("STATUS", "", &using(&["rail"])).ok);
    assert!(node.is_untouched());
    for container in ["a", "b", "c"] {
        node.add(container, &using(&["rail"]));
    }
    let (code, message) = node.run("STATUS", "", &using(&["rail"])).error();
    let exhausted = "no address is left in pool \"rail\" (10.0.0.0/24); `railctl gc --dry-run` shows ";
    assert!(code == 50 && message.starts_with(exhausted), "{message}");
    node.del("b", &using(&["rail"]));
    assert!(node.run("STATUS", "", &using(&["rail"])).ok);
    assert_eq!(node.run("STATUS", "", &using(&["gone"])).error().0, 50);
}

#[test]
fn old_versions_get_their_results_and_no_more_than_fits() {
    let node = Node::new();
    let range = |subnet: &str| json!([{"subnet": subnet}]);
    let mut config = network(
        &json!({"ranges": [range("10.1.0.0/24"), range("fd53:a::/64")], "routes": [{"dst": "0.0.0.0/0"}]}),
    );
    config["cniVersion"] = "0.2.0".into();
    let answer = node.run("ADD", "a", &config).answer;
    assert_eq!(answer["ip4"]["ip"], "10.1.0.2/24");
    assert_eq!(answer["ip6"]["ip"], "fd53:a::2/64");
    config["ipam"]["ranges"] = json!([range("10.1.0.0/24"), range("10.2.0.0/24")]);
    let message =
        "cniVersion 0.2.0 has room for one IPv4 address, and the config asks for more: use 0.3.0 or later";
    assert_eq!(node.refusal("b", &config), (7, message.to_owned()));
    config["cniVersion"] = "0.4.0".into();
    assert_eq!(node.add("b", &config), ["10.1.0.3/24", "10.2.0.2/24"]);
}
