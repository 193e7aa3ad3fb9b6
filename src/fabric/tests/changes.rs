//! A fabric that changes while pods have it: what is edited, what goes, and what stays.

use std::collections::BTreeMap;

use api::Fabric;
use fabric::{Node, Options, Plan, Slots, fabrics, is_ready, plan};
use proptest::prelude::*;
use serde_json::{Value, json};

fn fabric(link: &str, rails: usize, addressing: &Value) -> Fabric {
    let rails: Vec<_> = (1..=rails).map(|rail| json!({ "interface": format!("eno{rail}") })).collect();
    let vfs = (link == "sriov").then_some(8);
    let spec = json!({ "link": link, "vfs": vfs, "rails": rails, "addressing": addressing });
    let document = json!({
        "apiVersion": "railcni.dev/v1alpha1", "kind": "Fabric", "metadata": { "name": "gpu" }, "spec": spec,
    });
    fabrics(&[document]).expect("a fabric").remove(0)
}

fn sliced(supernet: &str, length: u8) -> Value {
    json!({ "perNode": { "supernet": supernet, "prefixLength": length } })
}

fn shared(subnet: &str) -> Value {
    json!({ "shared": { "subnet": subnet } })
}

fn planned(fabric: &Fabric, nodes: &[&str], earlier: &Slots) -> Plan {
    let nodes: Vec<_> = nodes.iter().map(|&name| Node { name: name.to_owned(), ..Node::default() }).collect();
    plan(fabric, &nodes, earlier).expect("a plan")
}

fn owned(plan: &Plan) -> Vec<Value> {
    plan.owned("u1", &Options::of_cluster("default"))
}

/// What is done, in words.
fn changes(plan: &Plan, found: &[Value]) -> Vec<String> {
    let wanted = owned(plan);
    let name = |object: &Value| object["metadata"]["name"].as_str().expect("a name").to_owned();
    let changes = plan.changes("u1", &wanted, found);
    let words = changes.iter().map(|change| match (change.wanted, change.found) {
        (Some(wanted), None) => format!("make {}", name(wanted)),
        (Some(wanted), Some(_)) => format!("edit {}", name(wanted)),
        (None, Some(found)) => format!("remove {}", name(found)),
        (None, None) => panic!("a change of nothing"),
    });
    let waits = changes.iter().map(|change| if change.waits.is_some() { ", without pods" } else { "" });
    words.zip(waits).map(|(words, waits)| format!("{words}{waits}")).collect()
}

/// What comes of the changes, where nobody is in the way: what is to be edited into something else goes, and is made again.
fn made(plan: &Plan, mut found: Vec<Value>) -> Vec<Value> {
    let (wanted, identity) =
        (owned(plan), |object: &Value| (object["kind"].clone(), object["metadata"]["name"].clone()));
    for _ in 0..2 {
        let mut next = found.clone();
        for change in plan.changes("u1", &wanted, &found) {
            next.retain(|object| change.found.is_none_or(|found| identity(object) != identity(found)));
            next.extend(change.wanted.cloned());
        }
        found = next;
    }
    found
}

#[test]
fn a_rail_that_is_gone_takes_its_pool_at_once_and_its_network_without_pods() {
    let of = |rails| planned(&fabric("sriov", rails, &shared("10.0.1.0/24")), &[], &Slots::default());
    let (whole, one) = (owned(&of(2)), of(1));
    assert_eq!(changes(&one, &whole), ["remove gpu-rail2", "remove gpu-rail2, without pods"]);
    assert_eq!(changes(&one, &owned(&one)), [""; 0]);
    // Of another fabric, and of nobody: theirs.
    let mut others = whole.clone();
    for object in &mut others {
        object["metadata"]["ownerReferences"] = Value::Null;
    }
    let words = changes(&one, &others);
    assert!(words.iter().all(|word| word.starts_with("edit")), "{words:?}");
}

#[test]
fn the_pools_of_vfs_name_the_nics_of_their_rail_and_others_none() {
    let addressing = json!({ "shared": { "subnet": "10.0.1.0/24" }, "shared6": { "subnet": "fd00::/64" } });
    let vfs = planned(&fabric("sriov", 2, &addressing), &[], &Slots::default());
    let nics = |objects: &[Value]| {
        let named = |object: &Value| {
            let nics = object["metadata"]["annotations"]["railcni.dev/nics"].as_str()?;
            Some(format!("{} {}: {nics}", object["kind"].as_str()?, object["metadata"]["name"].as_str()?))
        };
        objects.iter().filter_map(named).collect::<Vec<_>>()
    };
    let pools = ["gpu-rail1: eno1", "gpu-rail1v6: eno1", "gpu-rail2: eno2", "gpu-rail2v6: eno2"];
    assert_eq!(nics(&owned(&vfs)), pools.map(|pool| format!("SpiderIPPool {pool}")));
    let children = planned(&fabric("macvlan", 2, &addressing), &[], &Slots::default());
    assert_eq!(nics(&owned(&children)), [""; 0]);
    // Where pods get children of the NICs from now on, its VFs say nothing of how many there may be.
    let words = changes(&children, &owned(&vfs));
    assert!(words.contains(&"edit gpu-rail1".to_owned()), "{words:?}");
}

#[test]
fn a_subnet_becomes_another_by_way_of_none_and_what_is_alike_stays() {
    let before = planned(&fabric("macvlan", 2, &sliced("172.16.0.0/16", 27)), &["a", "b"], &Slots::default());
    let found = owned(&before);
    let moved = planned(&fabric("macvlan", 2, &sliced("172.17.0.0/16", 27)), &["a", "b"], &before.slots);
    let words = ["remove gpu-rail1.a", "remove gpu-rail2.a", "remove gpu-rail1.b", "remove gpu-rail2.b"];
    assert_eq!(changes(&moved, &found), words);
    let bare: Vec<Value> = found.iter().filter(|object| object["kind"] != "SpiderIPPool").cloned().collect();
    assert_eq!(changes(&moved, &bare), words.map(|word| word.replace("remove", "make")));
    // Another gateway is an edit: its address is taken from the pool, and another one given back.
    let gateway = json!({ "perNode": { "supernet": "172.16.0.0/16", "prefixLength": 27, "gateway": -1 } });
    let edited = planned(&fabric("macvlan", 2, &gateway), &["a", "b"], &before.slots);
    assert_eq!(changes(&edited, &found), words.map(|word| word.replace("remove", "edit")));
    // A further rail moves nobody until the next power of two is passed: two rails have the room of two.
    let three = planned(&fabric("macvlan", 3, &sliced("172.16.0.0/16", 27)), &["a", "b"], &before.slots);
    let words = changes(&three, &found);
    assert!(words.contains(&"remove gpu-rail1.b".to_owned()), "{words:?}");
    assert!(!words.contains(&"remove gpu-rail1.a".to_owned()), "{words:?}");
}

#[test]
fn a_pool_of_the_name_that_is_not_the_fabrics_is_never_removed_whatever_its_subnet_is() {
    let of = |subnet: &str| planned(&fabric("macvlan", 1, &shared(subnet)), &[], &Slots::default());
    let (before, after) = (owned(&of("10.0.1.0/24")), of("10.0.2.0/24"));
    assert!(changes(&after, &before).contains(&"remove gpu-rail1".to_owned()));
    // An admin's, which the API server lets nobody else change; and one that he has taken over.
    for taken in ["labels", "ownerReferences"] {
        let mut theirs = before.clone();
        for object in &mut theirs {
            object["metadata"].as_object_mut().expect("metadata").remove(taken);
        }
        let words = changes(&after, &theirs);
        assert!(words.contains(&"edit gpu-rail1".to_owned()), "{taken}: {words:?}");
        assert!(words.iter().all(|words| !words.starts_with("remove")), "{taken}: {words:?}");
    }
}

#[test]
fn a_node_that_is_away_keeps_its_slices_until_they_are_others() {
    let before = planned(&fabric("macvlan", 2, &sliced("172.16.0.0/16", 27)), &["a", "b"], &Slots::default());
    let found = owned(&before);
    let of = |length| planned(&fabric("macvlan", 2, &sliced("172.16.0.0/16", length)), &["b"], &before.slots);
    assert_eq!(changes(&of(27), &found), [""; 0]);
    // b is number 1: its slices of twice the length begin where those of 2 began, and those of a meet nobody's.
    let words = changes(&of(26), &found);
    assert!(words.iter().all(|word| word.rsplit('.').next() == Some("b")), "{words:?}");
    // Slices of half the length put b where a was.
    let words = changes(&of(28), &found);
    assert!(words.contains(&"remove gpu-rail2.a".to_owned()), "{words:?}");
    // Out of the supernet, or where nodes share subnets, they are of no use.
    for addressing in [sliced("10.0.0.0/16", 27), shared("10.1.0.0/24")] {
        let words = changes(&planned(&fabric("macvlan", 2, &addressing), &["b"], &before.slots), &found);
        assert!(words.contains(&"remove gpu-rail1.a".to_owned()), "{words:?}");
    }
}

#[test]
fn a_nic_never_has_two_kinds_of_children() {
    let found = owned(&planned(&fabric("macvlan", 1, &shared("10.0.1.0/24")), &[], &Slots::default()));
    let to = |link: &str| {
        let fabric = fabric(link, 1, &shared("10.0.1.0/24"));
        changes(&planned(&fabric, &[], &Slots::default()), &found)
    };
    assert_eq!(to("ipvlan"), ["edit gpu, without pods"]);
    assert_eq!(to("ipoib"), ["edit gpu"]);
}

#[test]
fn a_node_without_rdma_is_ready_for_fabrics_that_want_none() {
    let mut spec = fabric("macvlan", 1, &shared("10.0.1.0/24")).spec;
    let ready = |spec: &api::FabricSpec| {
        [Some("True"), Some("Unknown"), Some("False"), None].map(|status| is_ready(spec, status))
    };
    assert_eq!(ready(&spec), [true, true, false, false]);
    spec.rdma = Some(api::RdmaMode::Shared);
    assert_eq!(ready(&spec), [true, false, false, false]);
}

/// Addresses by themselves, with a gateway and exceptions or not.
fn bare(gateway: bool, exclude: bool) -> Value {
    let mut addressing = json!({ "subnet": "172.16.1.0/24", "ips": ["172.16.1.10-172.16.1.20"] });
    if gateway {
        addressing["gateway"] = "172.16.1.254".into();
    }
    if exclude {
        addressing["excludeIPs"] = json!(["172.16.1.12"]);
    }
    json!({ "shared": addressing })
}

fn with_routes(mut fabric: Fabric, number: usize) -> Fabric {
    let route = |net: usize| json!({ "dst": format!("10.{net}.0.0/16") });
    fabric.spec.routes = serde_json::from_value((0..number).map(route).collect()).expect("routes");
    fabric
}

#[test]
fn what_a_fabric_no_longer_says_of_a_pool_goes() {
    let of = |gateway, exclude, routes| {
        let fabric = with_routes(fabric("macvlan", 1, &bare(gateway, exclude)), routes);
        planned(&fabric, &[], &Slots::default())
    };
    let whole = owned(&of(true, true, 1));
    for less in [of(false, true, 1), of(true, false, 1), of(true, true, 0)] {
        assert_eq!(changes(&less, &whole), ["edit gpu-rail1"]);
        assert_eq!(changes(&less, &owned(&less)), [""; 0]);
    }
}

const NODES: [&str; 4] = ["a", "b", "c", "d"];

fn any_addressing() -> impl Strategy<Value = Value> {
    prop_oneof![
        (20u8..=28).prop_map(|length| sliced("172.16.0.0/16", length)),
        (20u8..=28).prop_map(|length| sliced("172.17.0.0/16", length)),
        (1u8..3).prop_map(|net| shared(&format!("172.16.{net}.0/24"))),
        (any::<bool>(), any::<bool>()).prop_map(|(gateway, exclude)| bare(gateway, exclude)),
    ]
}

proptest! {
    /// Whatever a fabric was and becomes: what is done once leaves nothing to be done, takes nothing that is somebody else's, and
    /// moves no slice that is the same before and after.
    #[test]
    fn changes_lead_to_the_plan_and_stop_there(
        was in any_addressing(), is in any_addressing(), rails in 1usize..5, rails_later in 1usize..5,
        links in (0usize..3, 0usize..3), routes in (0usize..3, 0usize..3),
        nodes in 0u8..16, later in 0u8..16,
    ) {
        let link = |index: usize| ["macvlan", "ipvlan", "ipoib"][index];
        let names = |nodes: &'static [&str], bits: u8| -> Vec<&'static str> {
            nodes.iter().enumerate().filter(|(place, _)| bits & (1 << place) != 0).map(|(_, name)| *name).collect()
        };
        let (nodes, later) = (names(&NODES, nodes), names(&NODES, later));
        let before = planned(&with_routes(fabric(link(links.0), rails, &was), routes.0), &nodes, &Slots::default());
        let after = planned(&with_routes(fabric(link(links.1), rails_later, &is), routes.1), &later, &before.slots);
        let mut found = owned(&before);
        found.push(json!({
            "apiVersion": "spiderpool.spidernet.io/v2beta1", "kind": "SpiderIPPool", "metadata": { "name": "own" }, "spec": {},
        }));
        let end = made(&after, found.clone());
        prop_assert_eq!(changes(&after, &end), Vec::<String>::new());
        let by_name = |objects: &[Value]| -> BTreeMap<String, Value> {
            let pools = objects.iter().filter(|object| object["kind"] == "SpiderIPPool");
            pools.map(|pool| (pool["metadata"]["name"].as_str().expect("a name").to_owned(), pool["spec"].clone())).collect()
        };
        let (start, last, wanted) = (by_name(&found), by_name(&end), by_name(&owned(&after)));
        prop_assert!(last.contains_key("own"));
        let words = changes(&after, &found);
        for (name, spec) in &wanted {
            prop_assert_eq!(&last[name], spec);
            let is_moved = words.iter().any(|word| *word == format!("remove {name}"));
            prop_assert!(!(is_moved && start.get(name) == Some(spec)), "{} is moved: {:?}", name, words);
        }
    }
}
