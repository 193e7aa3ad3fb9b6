//! Fabrics as people write them, and what follows.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use api::Fabric;
use fabric::{Lack, Networks, Nic, Node, Options, Plan, Slots, fabrics, plan};
use proptest::prelude::*;
use serde_json::{Value, json};

const MACVLAN: &str = include_str!("../../../conf-examples/fabric/macvlan-shared.yaml");
const ROCE: &str = include_str!("../../../conf-examples/fabric/sriov-roce-per-node.yaml");
const INFINIBAND: &str = include_str!("../../../conf-examples/fabric/infiniband.yaml");

fn read(text: &str) -> Fabric {
    fabrics(&yaml::documents(text).expect("YAML")).expect("a fabric").remove(0)
}

fn gpu_nodes(count: usize) -> Vec<Node> {
    let node = |index: usize| Node {
        name: format!("worker-{index}"),
        labels: [("nvidia.com/gpu.present".to_owned(), "true".to_owned())].into(),
        nics: None,
    };
    (1..=count).map(node).collect()
}

fn planned(text: &str, nodes: &[Node]) -> Plan {
    plan(&read(text), nodes, &Slots::default()).expect("a plan")
}

fn errors(change: impl FnOnce(&mut Value)) -> String {
    let mut document = yaml::documents(ROCE).expect("YAML").remove(0);
    change(&mut document);
    let fabric = fabrics(&[document]).expect("a fabric").remove(0);
    plan(&fabric, &gpu_nodes(2), &Slots::default()).expect_err("refused").to_string()
}

fn of_kind(plan: &Plan, options: &Options, kind: &str) -> Vec<Value> {
    let objects = plan.objects(options).into_iter().flat_map(|(_, objects)| objects);
    objects.filter(|object| object["kind"] == kind).collect()
}

fn config(network: &Value) -> Value {
    serde_json::from_str(network["spec"]["config"].as_str().expect("a config")).expect("JSON")
}

#[test]
fn a_shared_subnet_gives_each_rail_the_guides_numbers() {
    let plan = planned(MACVLAN, &[]);
    let pools = of_kind(&plan, &Options::default(), "SpiderIPPool");
    assert_eq!(pools.len(), 8);
    assert_eq!(
        pools[7],
        json!({
            "apiVersion": "spiderpool.spidernet.io/v2beta1", "kind": "SpiderIPPool", "metadata": { "name": "gpu-rail8" },
            "spec": { "subnet": "172.16.18.0/24", "ips": ["172.16.18.1-172.16.18.200"], "gateway": "172.16.18.254" },
        })
    );
}

#[test]
fn slices_are_cut_node_by_node_and_rail_1_has_the_supernet() {
    let plan = planned(ROCE, &gpu_nodes(3));
    let pools = of_kind(&plan, &Options::default(), "SpiderIPPool");
    assert_eq!(pools.len(), 24);
    assert_eq!(pools[8]["metadata"]["name"], "gpu-rail1.worker-2");
    assert_eq!(
        pools[8]["spec"],
        json!({
            "subnet": "172.16.1.0/27", "gateway": "172.16.1.1", "ips": ["172.16.1.2-172.16.1.30"], "nodeName": ["worker-2"],
            "routes": [{ "dst": "172.16.0.0/16", "gw": "172.16.1.1" }],
        })
    );
    assert_eq!(pools[15]["spec"]["subnet"], "172.16.1.224/27");
    assert_eq!(pools[15]["spec"]["routes"], Value::Null);
    let place = plan.place("172.16.1.40".parse().expect("an address")).expect("its place");
    assert_eq!((place.rail, place.node), (2, Some("worker-2")));
    assert_eq!(plan.place("172.17.0.1".parse().expect("an address")), None);
    assert_eq!(plan.slices_of("worker-3").expect("a node").len(), 8);
}

#[test]
fn without_pool_objects_networks_name_the_slices_of_whichever_node() {
    let options = Options { pools: false, ..Options::default() };
    let plan = planned(ROCE, &gpu_nodes(1));
    assert!(of_kind(&plan, &options, "SpiderIPPool").is_empty());
    let pools = |options: &Options| {
        config(&of_kind(&plan, options, "NetworkAttachmentDefinition")[0])["plugins"][0]["ipam"]["ippools"]
            .clone()
    };
    assert_eq!(pools(&options), json!({ "ipv4": ["gpu-rail1"] }));
    assert_eq!(pools(&Options::default()), json!({ "ipv4": ["gpu-rail1.*"] }));
}

#[test]
fn a_network_of_vfs_asks_for_its_resource_and_the_operator_makes_it() {
    let plan = planned(ROCE, &gpu_nodes(1));
    let network = &of_kind(&plan, &Options::default(), "NetworkAttachmentDefinition")[2];
    assert_eq!(
        network["metadata"]["annotations"]["k8s.v1.cni.cncf.io/resourceName"],
        "spidernet.io/gpu_rail3"
    );
    let plugin = &config(network)["plugins"][0];
    assert_eq!(
        (&plugin["type"], &plugin["link"], &plugin["rdma"]),
        (&json!("rail"), &json!("sriov"), &json!("exclusive"))
    );
    assert_eq!(
        (&plugin["mtu"], &plugin["master"]),
        (&Value::Null, &Value::Null),
        "the PF's, and by the resource"
    );
    let policy = &of_kind(&plan, &Options::default(), "SriovNetworkNodePolicy")[2]["spec"];
    assert_eq!(
        (&policy["resourceName"], &policy["numVfs"], &policy["mtu"]),
        (&json!("gpu_rail3"), &json!(12), &json!(4200))
    );
    assert_eq!(policy["nicSelector"], json!({ "pfNames": ["enp13s0f0np0"] }));
    assert_eq!(policy["nodeSelector"], json!({ "nvidia.com/gpu.present": "true" }));
    assert_eq!(
        of_kind(&plan, &Options::default(), "SriovNetworkPoolConfig")[0]["spec"]["rdmaMode"],
        "exclusive"
    );
    let alone = Options { operator: false, ..Options::default() };
    let data = &of_kind(&plan, &alone, "ConfigMap")[0]["data"]["config.json"];
    let list: Value = serde_json::from_str(data.as_str().expect("text")).expect("JSON");
    assert_eq!(list["resourceList"][2]["selectors"], json!({ "pfNames": ["enp13s0f0np0"], "isRdma": true }));
    assert!(of_kind(&plan, &alone, "SriovNetworkNodePolicy").is_empty());
}

#[test]
fn a_rail_whose_nics_nobody_knows_gets_no_selector_and_a_note() {
    let numbered = ROCE.replace("interface: enp13s0f0np0", "rail: 3");
    assert_ne!(numbered, ROCE, "the example names that interface");
    let plan = planned(&numbered, &[]);
    assert!(plan.notes.iter().any(|note| note.starts_with("spec.rails[2]: no NIC of")), "{:?}", plan.notes);
    let policies = of_kind(&plan, &Options::default(), "SriovNetworkNodePolicy");
    assert_eq!(policies.len(), plan.rails.len() - 1);
    let alone = Options { operator: false, ..Options::default() };
    let data = of_kind(&plan, &alone, "ConfigMap")[0]["data"]["config.json"].clone();
    assert!(!data.as_str().expect("text").contains("\"pfNames\": []"), "{data}");
}

#[test]
fn one_network_has_all_rails_of_child_links() {
    let options = Options { networks: Networks::One, ..Options::default() };
    let plan = planned(MACVLAN, &[]);
    let networks = of_kind(&plan, &options, "NetworkAttachmentDefinition");
    let rails = config(&networks[0])["plugins"][0]["rails"].clone();
    assert_eq!((networks.len(), rails.as_array().map(Vec::len)), (1, Some(8)));
    assert_eq!(rails[1]["master"], "enp12s0f0np0");
    assert_eq!(rails[1]["ipam"]["ippools"], json!({ "ipv4": ["gpu-rail2"] }));
    let sample = of_kind(&plan, &options, "DaemonSet").remove(0);
    let pod = &sample["spec"]["template"];
    assert_eq!(pod["metadata"]["annotations"]["k8s.v1.cni.cncf.io/networks"], "default/gpu");
    assert_eq!(pod["spec"]["containers"][0]["resources"]["limits"]["spidernet.io/shared_cx5_rail8"], "1");
}

#[test]
fn one_network_of_vfs_has_the_devices_of_the_pod() {
    let page = ROCE.replace("  rdma: exclusive\n", "  rdma: exclusive\n  networks: one\n");
    assert_ne!(page, ROCE, "the example says that its RDMA devices are exclusive");
    let (plan, options) = (planned(&page, &gpu_nodes(1)), Options::of_cluster("default"));
    let networks = of_kind(&plan, &options, "NetworkAttachmentDefinition");
    // Multus would name a device of an annotated resource, and the plugin asks for all.
    assert_eq!((networks.len(), &networks[0]["metadata"]["annotations"]), (1, &Value::Null));
    let plugin = &config(&networks[0])["plugins"][0];
    assert_eq!((&plugin["devices"], &plugin["link"]), (&json!("pod"), &json!("sriov")));
    let resources: Vec<_> = (1..=8).map(|rail| format!("spidernet.io/gpu_rail{rail}")).collect();
    assert_eq!(plugin["resources"], json!(resources));
    assert_eq!(
        plugin["rails"][7],
        json!({ "ipam": { "type": "rail-ipam", "ippools": { "ipv4": ["gpu-rail8.*"] } } })
    );
    let attachments = fabric::attachments(&read(&page), &options);
    assert_eq!((attachments.len(), attachments[0].interfaces, &attachments[0].resources), (1, 8, &resources));
    let limits = &of_kind(&plan, &options, "DaemonSet")[0]["spec"]["template"]["spec"]["containers"][0]["resources"]
        ["limits"];
    assert_eq!(limits.as_object().map(serde_json::Map::len), Some(8));
    // Without it, and where there is no kubelet, each rail is a network.
    let count = |page: &str| of_kind(&planned(page, &[]), &options, "NetworkAttachmentDefinition").len();
    assert_eq!((count(ROCE), count(MACVLAN)), (8, 1));
    assert_eq!(count(&MACVLAN.replace("  link: macvlan\n", "  link: macvlan\n  networks: per-rail\n")), 8);
    let files = plan.node_files(&plan.nodes[0]);
    assert_eq!(files.iter().filter(|file| matches!(file, fabric::NodeFile::Network { .. })).count(), 8);
}

fn ib_node(name: &str, nics: &[(&str, u32)]) -> Node {
    let mut nics: Vec<_> = nics
        .iter()
        .map(|&(name, total_vfs)| Nic {
            name: name.to_owned(),
            infiniband: true,
            total_vfs,
            ..Nic::default()
        })
        .collect();
    nics.insert(0, Nic { name: "eno1".to_owned(), ..Nic::default() });
    Node { name: name.to_owned(), nics: Some(nics), ..Node::default() }
}

#[test]
fn nodes_that_differ_are_told_by_name() {
    let eight: Vec<_> = (1..=8).map(|index| (format!("ibs{index}"), 16)).collect();
    let eight: Vec<_> = eight.iter().map(|(name, vfs)| (name.as_str(), *vfs)).collect();
    let nodes = [ib_node("a", &eight), ib_node("b", &[("ibp9", 4)])];
    let plan = planned(INFINIBAND, &nodes);
    assert_eq!(plan.rails[0].interfaces, ["ibp9", "ibs1"]);
    assert!(plan.notes[0].contains("node b: ibp9 can have 4 VFs, and spec.vfs wants 8"), "{:?}", plan.notes);
    assert!(
        plan.notes[1].contains("node b: no InfiniBand NIC for rail2 (spec.rails[1])"),
        "{:?}",
        plan.notes
    );
    assert_eq!(plan.notes.len(), 8);
    assert_eq!(plan.rails[7].shared[0].gateway, Some("172.17.127.254".parse().expect("an address")));
}

#[test]
fn what_contradicts_itself_names_the_field_and_the_cure() {
    let cases: [(&str, Value, &str); 15] = [
        ("/spec/link", json!("macvlan"), "spec.rdma \"exclusive\": needs VFs"),
        ("/spec/vfs", Value::Null, "spec.vfs: is missing"),
        ("/spec/rails/1/interface", json!("enp11s0f0np0"), "spec.rails[1]: is the NIC of rails[0], too"),
        ("/spec/rails/1/interface", Value::Null, "spec.rails[1]: needs one of interface, pci and rail"),
        ("/spec/rails", json!([]), "spec.rails: is empty"),
        (
            "/spec/addressing/perNode/supernet",
            json!("172.16.0.1/16"),
            "has bits behind its length; write 172.16.0.0/16",
        ),
        (
            "/spec/addressing/perNode/supernet",
            json!("fd00::/48"),
            "is no network of IPv4: IPv6 has keys that end in 6",
        ),
        (
            "/spec/addressing/perNode/supernet",
            json!("172.16.0.0/24"),
            "has room for 1 nodes of 8 rails with a /27 each, and 2 are needed",
        ),
        ("/spec/addressing/perNode/prefixLength", json!(31), "must be between 16 (the supernet's) and 30"),
        ("/spec/addressing", json!({}), "spec.addressing: needs shared"),
        ("/spec/mtu", json!(99999), "spec.mtu \"99999\": must be a number from 68 to 65520"),
        ("/spec/mtu", json!(12), "spec.mtu \"12\": must be a number from 68 to 65520"),
        ("/spec/vfs", json!(0), "spec.vfs \"0\": must be a number from 1 to 4096"),
        ("/spec/rails/0", json!({ "rail": 65 }), "spec.rails[0].rail \"65\": must be a number from 1 to 64"),
        ("/metadata/name", json!("GPU"), "metadata.name \"GPU\": must be lower-case"),
    ];
    for (pointer, value, expected) in cases {
        let found = errors(|document| *document.pointer_mut(pointer).expect("a field") = value);
        assert!(found.contains(expected), "{pointer}: {found}");
    }
    let found = errors(|document| document["spec"]["host"] = json!({ "pfcPriority": 8 }));
    assert!(found.contains("spec.host.pfcPriority \"8\": must be a number from 0 to 7"), "{found}");
    let found = errors(|document| {
        let rails = (1..=65).map(|number| json!({ "interface": format!("ens{number}") }));
        document["spec"]["rails"] = rails.collect();
    });
    assert!(found.contains("spec.rails: has 65 rails, and 64 is the most"), "{found}");
}

#[test]
fn what_a_plan_lacks_without_nodes_is_known() {
    let options = Options::default();
    let lacks = |text: &str, nodes: &[Node], options: &Options| planned(text, nodes).lacks(options);
    assert_eq!(lacks(ROCE, &[], &options), [Lack::Pools]);
    assert_eq!(lacks(ROCE, &gpu_nodes(1), &options), []);
    assert_eq!(lacks(ROCE, &[], &Options { pools: false, ..Options::default() }), []);
    assert_eq!(lacks(MACVLAN, &[], &options), []);
    let eight = (1..=8).map(|number| format!("rail{number}")).collect();
    assert_eq!(lacks(INFINIBAND, &[], &options), [Lack::Nics(eight)]);
    let by_place = ROCE.replace("interface: enp18s0f0np0", "rail: 8");
    assert_eq!(lacks(&by_place, &gpu_nodes(1), &options), [Lack::Nics(vec!["rail8".to_owned()])]);
}

#[test]
fn a_master_that_differs_between_nodes_is_refused_for_child_links() {
    let mut fabric = read(MACVLAN);
    fabric.spec.rails.truncate(1);
    fabric.spec.rails[0].interface = Some("ens*f0".to_owned());
    let node = |name: &str, nic: &str| Node {
        name: name.to_owned(),
        nics: Some(vec![Nic { name: nic.to_owned(), ..Nic::default() }]),
        ..Node::default()
    };
    let same = [node("a", "ens1f0"), node("b", "ens1f0")];
    assert_eq!(plan(&fabric, &same, &Slots::default()).expect("a plan").rails[0].interfaces, ["ens1f0"]);
    for (nodes, expected) in [
        (vec![node("a", "ens1f0"), node("b", "ens2f0")], "is ens1f0 on some nodes and ens2f0 on others"),
        (vec![], "names no interface that is known"),
    ] {
        let error = plan(&fabric, &nodes, &Slots::default()).expect_err("refused").to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_big_cluster_is_planned_in_a_second() {
    let mut fabric = read(ROCE);
    fabric.spec.addressing.per_node.as_mut().expect("slices").supernet = "10.0.0.0/11".to_owned();
    let nodes = gpu_nodes(4096);
    let start = Instant::now();
    let plan = plan(&fabric, &nodes, &Slots::default()).expect("a plan");
    let objects: usize = plan.objects(&Options::default()).iter().map(|(_, objects)| objects.len()).sum();
    assert_eq!(objects, 8 + 1 + 4096 * 8 + 8 + 1);
    // A debug build on a busy machine; the release build takes a tenth.
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

fn slices(plan: &Plan, node: &str) -> Vec<String> {
    plan.slices_of(node).expect("a node").iter().map(|place| place.slice.subnet.to_string()).collect()
}

proptest! {
    #[test]
    fn plans_are_stable_disjoint_and_the_same_each_time(
        first in proptest::collection::btree_set("w[0-9]{1,2}", 1..12),
        gone in proptest::collection::btree_set("w[0-9]{1,2}", 0..6),
        come in proptest::collection::btree_set("w[0-9]{1,2}", 0..6),
        length in 24u8..=30,
    ) {
        let mut fabric = read(ROCE);
        fabric.spec.node_selector = api::LabelSelector::default();
        fabric.spec.addressing.per_node.as_mut().expect("slices").prefix_length = length;
        let node = |name: &String| Node { name: name.clone(), ..Node::default() };
        let before: Vec<_> = first.iter().map(node).collect();
        let old = plan(&fabric, &before, &Slots::default()).expect("a plan");
        let after: BTreeSet<_> = first.difference(&gone).chain(&come).cloned().collect();
        let after: Vec<_> = after.iter().map(node).collect();
        let new = plan(&fabric, &after, &old.slots).expect("a plan");
        for node in after.iter().filter(|node| first.contains(&node.name)) {
            prop_assert_eq!(slices(&old, &node.name), slices(&new, &node.name));
        }
        let all: Vec<_> = after.iter().flat_map(|node| slices(&new, &node.name)).collect();
        prop_assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
        let again = plan(&fabric, &after, &old.slots).expect("a plan");
        prop_assert_eq!(again.objects(&Options::default()), new.objects(&Options::default()));
    }

    #[test]
    fn every_fabric_is_planned_or_refused_by_field(
        link in prop_oneof![Just("macvlan"), Just("ipvlan"), Just("sriov"), Just("ib-sriov"), Just("ipoib")],
        supernet in "(10|172|fd00:)[.:0-9]{0,8}/[0-9]{1,3}",
        length in 0u8..=200,
        gateway in proptest::option::of(any::<i64>()),
        subnet in proptest::option::of("[0-9a-f.:/]{0,18}"),
        name in "[a-z0-9.-]{0,5}",
        dst in "[0-9a-f.:/]{0,12}",
        vfs in proptest::option::of(any::<u32>()),
    ) {
        let spec = json!({
            "link": link, "vfs": vfs, "rails": [{ "rail": 1, "name": name, "subnet": subnet }, { "interface": "b" }],
            "addressing": { "perNode": { "supernet": supernet, "prefixLength": length, "gateway": gateway } },
            "routes": [{ "dst": dst }],
        });
        let document = json!({ "apiVersion": "railcni.dev/v1alpha1", "kind": "Fabric", "metadata": { "name": "f" }, "spec": spec });
        let fabric = fabrics(&[document]).expect("its types are right").remove(0);
        match plan(&fabric, &[Node { name: "n".to_owned(), ..Node::default() }], &Slots::default()) {
            Ok(plan) => prop_assert!(!plan.objects(&Options::default()).is_empty()),
            Err(errors) => prop_assert!(!errors.0.is_empty() && errors.0.iter().all(|error| !error.field.is_empty())),
        }
    }
}

#[test]
fn the_pools_of_a_cluster_keep_every_nodes_slice() {
    let options = Options::of_cluster("default");
    let pools = |plan: &Plan| -> Vec<Value> {
        plan.owned("u1", &options).into_iter().filter(|object| object["kind"] == "SpiderIPPool").collect()
    };
    let before = planned(ROCE, &gpu_nodes(3));
    let seen = pools(&before);
    assert_eq!(seen.len(), 3 * 8);
    assert!(seen.iter().all(|pool| pool["metadata"]["ownerReferences"][0]["uid"] == "u1"));
    // A controller that has just begun knows the slices by the pools, and a node that comes takes none of theirs.
    let earlier = Slots::of_pools("gpu", seen.iter());
    let mut nodes = gpu_nodes(3);
    nodes[0].name = "a-first-by-name".to_owned();
    let after = pools(&plan(&read(ROCE), &nodes, &earlier).expect("a plan"));
    for pool in seen.iter().filter(|pool| pool["spec"]["nodeName"][0] != "worker-1") {
        assert!(after.contains(pool), "{pool}");
    }
    assert!(fabric::is_as_wanted(&seen[0], &seen[0]) && !fabric::is_as_wanted(&seen[0], &seen[1]));
}

#[test]
fn pools_that_nodes_share_are_granted_rail_by_rail() {
    let plan = planned(MACVLAN, &[]);
    let owned = plan.owned("u1", &Options::of_cluster("default"));
    let labels: Vec<_> = owned.iter().map(|object| object["metadata"]["labels"].clone()).collect();
    let of = |rail: &str| json!({ "railcni.dev/part-of": "gpu", "railcni.dev/fabric": "gpu", "railcni.dev/rail": rail });
    assert_eq!((&labels[0], &labels[7]), (&of("1"), &of("8")));
    // Eight pools, and one network that is no pool.
    assert_eq!(labels[8..], [json!({ "railcni.dev/part-of": "gpu" })]);
}
