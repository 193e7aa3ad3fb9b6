//! Networks beside those that Spiderpool 1.2 renders of the same documents: the same bytes, keys in their order, but for the differences
//! that are listed here, each with its reason. Spiderpool's are written from its public source; nobody has run it for them.

use std::collections::BTreeSet;

use multus_config::render;
use serde_json::{Value, json};

/// The document's spec, and what Spiderpool makes of it.
const NETWORKS: [(&str, &str); 11] = [
    (
        "cniType: macvlan, macvlan: {master: [enp11s0f0np0], ippools: {ipv4: [gpu1-net11]}}",
        r#"{"cniVersion":"0.3.1","name":"rail1","plugins":[{"type":"macvlan","master":"enp11s0f0np0","mode":"bridge","mtu":0,"ipam":{"type":"spiderpool","default_ipv4_ippool":["gpu1-net11"]}},{"txQueueLen":0,"tunePodRoutes":true,"mode":"auto","type":"coordinator"}]}"#,
    ),
    (
        "cniType: macvlan, macvlan: {master: [eno1], vlanID: 100, mtu: 4200}, disableIPAM: true, enableCoordinator: false",
        r#"{"cniVersion":"0.3.1","name":"rail1","plugins":[{"vlanID":100,"type":"ifacer","interfaces":["eno1"]},{"type":"macvlan","master":"eno1.100","mode":"bridge","mtu":4200}]}"#,
    ),
    (
        "cniType: ipvlan, ipvlan: {master: [a, b], vlanID: 100, bond: {name: bond0, mode: 4, options: ''}, ippools: {ipv4: [x], ipv6: [y]}}",
        r#"{"cniVersion":"0.3.1","name":"rail1","plugins":[{"vlanID":100,"type":"ifacer","interfaces":["a","b"],"bond":{"name":"bond0","mode":4,"options":""}},{"type":"ipvlan","master":"bond0.100","mtu":0,"ipam":{"type":"spiderpool","default_ipv4_ippool":["x"],"default_ipv6_ippool":["y"]}},{"txQueueLen":0,"tunePodRoutes":true,"mode":"auto","type":"coordinator"}]}"#,
    ),
    (
        "cniType: sriov, sriov: {resourceName: spidernet.io/eno3np1, rdmaIsolation: true, mtu: 4200, \
         ippools: {ipv4: ['eno3np1-rail1*'], matchMasterSubnet: true}}",
        r#"{"cniVersion":"0.3.1","name":"rail1","plugins":[{"vlan":0,"min_tx_rate":0,"max_tx_rate":0,"type":"sriov","ipam":{"type":"spiderpool","default_ipv4_ippool":["eno3np1-rail1*"],"match_master_subnet":true}},{"type":"rdma"},{"txQueueLen":0,"tunePodRoutes":true,"mode":"auto","type":"coordinator"},{"type":"tuning","mtu":4200}]}"#,
    ),
    (
        "cniType: sriov, sriov: {resourceName: a/b, vlanID: 7, minTxRateMbps: 10, maxTxRateMbps: 20, ippools: {ipv4: [x]}}",
        r#"{"cniVersion":"0.3.1","name":"rail1","plugins":[{"vlan":7,"min_tx_rate":10,"max_tx_rate":20,"type":"sriov","ipam":{"type":"spiderpool","default_ipv4_ippool":["x"]}},{"txQueueLen":0,"tunePodRoutes":true,"mode":"auto","type":"coordinator"}]}"#,
    ),
    (
        "cniType: ib-sriov, ibsriov: {resourceName: a/b, ippools: {ipv4: [gpu1-net11]}}",
        r#"{"cniVersion":"0.3.1","name":"rail1","plugins":[{"type":"ib-sriov","pkey":"","link_state":"enable","rdmaIsolation":true,"ibKubernetesEnabled":false,"ipam":{"type":"spiderpool","default_ipv4_ippool":["gpu1-net11"]}},{"txQueueLen":0,"tunePodRoutes":true,"mode":"auto","type":"coordinator"}]}"#,
    ),
    (
        "cniType: ib-sriov, ibsriov: {resourceName: a/b, pkey: '0x8001', linkState: auto, rdmaIsolation: false, enableIbKubernetes: true}, disableIPAM: true",
        r#"{"cniVersion":"0.3.1","name":"rail1","plugins":[{"type":"ib-sriov","pkey":"0x8001","link_state":"auto","rdmaIsolation":false,"ibKubernetesEnabled":true},{"txQueueLen":0,"tunePodRoutes":true,"mode":"auto","type":"coordinator"}]}"#,
    ),
    (
        "cniType: ipoib, ipoib: {master: ibs5f0, ippools: {ipv4: [ib]}}",
        r#"{"cniVersion":"0.3.1","name":"rail1","plugins":[{"type":"ipoib","master":"ibs5f0","ipam":{"type":"spiderpool","default_ipv4_ippool":["ib"]}},{"txQueueLen":0,"tunePodRoutes":true,"mode":"auto","type":"coordinator"}]}"#,
    ),
    (
        "cniType: macvlan, macvlan: {master: [eno1]}, disableIPAM: true, chainCNIJsonData: ['{\"type\":\"tuning\"}']",
        r#"{"cniVersion":"0.3.1","name":"rail1","plugins":[{"type":"macvlan","master":"eno1","mode":"bridge","mtu":0},{"type":"tuning"},{"txQueueLen":0,"tunePodRoutes":true,"mode":"auto","type":"coordinator"}]}"#,
    ),
    (
        "cniType: macvlan, macvlan: {master: [eno1]}, disableIPAM: true, coordinator: {mode: overlay, podRPFilter: 2, \
         podDefaultRouteNIC: net1, podMACPrefix: '0a:1b', hijackCIDR: [10.0.0.0/8], tunePodRoutes: false}",
        r#"{"cniVersion":"0.3.1","name":"rail1","plugins":[{"type":"macvlan","master":"eno1","mode":"bridge","mtu":0},{"txQueueLen":0,"tunePodRoutes":false,"podMACPrefix":"0a:1b","mode":"overlay","type":"coordinator","podDefaultRouteNic":"net1","hijackCIDR":["10.0.0.0/8"]}]}"#,
    ),
    (
        "customCNI: '{\"cniVersion\":\"0.3.1\",\"name\":\"own\",\"type\":\"bridge\",\"plugins\":[{\"type\":\"bridge\"}]}'",
        r#"{"cniVersion":"0.3.1","name":"own","type":"bridge","plugins":[{"type":"bridge"}]}"#,
    ),
];

/// What is different; and how Spiderpool's network becomes ours.
type Difference = (&'static str, fn(&mut Value));

const DIFFERENCES: [Difference; 8] = [
    (
        "cniVersion is 1.0.0 unless the annotation says otherwise: CHECK and its fields begin at 0.4.0",
        |network| {
            network["cniVersion"] = "1.0.0".into();
        },
    ),
    (
        "the network of customCNI has the name and version of its object, and nothing beside its plugins",
        |network| {
            let extra = network.as_object_mut().and_then(|network| network.remove("type"));
            if extra.is_some() {
                network["name"] = "rail1".into();
            }
        },
    ),
    ("rail-ipam and its keys; under the name spiderpool it takes Spiderpool's", |network| {
        for ipam in plugins(network).filter_map(|plugin| plugin.get_mut("ipam")) {
            let mut pools = json!({});
            for (theirs, ours) in [
                ("default_ipv4_ippool", "ipv4"),
                ("default_ipv6_ippool", "ipv6"),
                ("match_master_subnet", "matchMasterSubnet"),
            ] {
                if let Some(value) = ipam.get(theirs) {
                    pools[ours] = value.clone();
                }
            }
            *ipam = json!({ "type": "rail-ipam", "ippools": pools });
        }
    }),
    ("what nobody asked for is not written: 0, \"\", false of ib-kubernetes", |network| {
        for plugin in plugins(network) {
            let is_empty = |value: &Value| *value == 0 || *value == "";
            let fields = plugin.as_object_mut().expect("a plugin");
            fields.retain(|key, value| !(is_empty(value) || key == "ibKubernetesEnabled" && *value == false));
        }
    }),
    (
        "defaults of our plugins are not written: macvlan's mode, coordinator's mode and tunePodRoutes, so that the node's settings count",
        |network| {
            for plugin in plugins(network) {
                let kind = plugin["type"].clone();
                let fields = plugin.as_object_mut().expect("a plugin");
                let is_default = |key: &str, value: &Value| match key {
                    "mode" => {
                        (kind == "macvlan" && *value == "bridge")
                            || (kind == "coordinator" && *value == "auto")
                    }
                    "tunePodRoutes" => kind == "coordinator" && *value == true,
                    _ => false,
                };
                fields.retain(|key, value| !is_default(key, value));
            }
        },
    ),
    ("the MTU of a VF is a key of sriov, in the place of a tuning behind all others", |network| {
        let list = network["plugins"].as_array_mut().expect("plugins");
        let is_mtu = |plugin: &Value| plugin["type"] == "tuning" && plugin["mtu"].is_number();
        if let Some(at) = list.iter().position(is_mtu) {
            let tuning = list.remove(at);
            list[0]["mtu"] = tuning["mtu"].clone();
        }
    }),
    ("podRPFilter counts by itself; Spiderpool drops it unless podCIDRType is there", |network| {
        for plugin in plugins(network).filter(|plugin| plugin["mode"] == "overlay") {
            plugin["podRPFilter"] = 2.into();
        }
    }),
    ("with ib-kubernetes Multus hands the GUID over, by a capability", |network| {
        for plugin in plugins(network).filter(|plugin| plugin["ibKubernetesEnabled"] == true) {
            plugin["capabilities"] = json!({ "infinibandGUID": true });
        }
    }),
];

fn plugins(network: &mut Value) -> impl Iterator<Item = &mut Value> {
    network["plugins"].as_array_mut().into_iter().flatten()
}

fn ours(spec: &str) -> String {
    let text = format!("kind: SpiderMultusConfig\nmetadata: {{name: rail1}}\nspec: {{{spec}}}\n");
    let document = yaml::documents(&text).expect("YAML").remove(0);
    render(&document, &[]).expect("a network").config.to_string()
}

#[test]
fn networks_are_those_of_spiderpool_but_for_what_is_listed() {
    let mut seen = BTreeSet::new();
    for (spec, theirs) in NETWORKS {
        let mut network: Value = serde_json::from_str(theirs).expect("JSON");
        for (why, change) in DIFFERENCES {
            let before = network.clone();
            change(&mut network);
            if network != before {
                seen.insert(why);
            }
        }
        assert_eq!(ours(spec), network.to_string(), "{spec}");
    }
    let unseen: Vec<_> =
        DIFFERENCES.iter().filter(|(why, _)| !seen.contains(why)).map(|(why, _)| *why).collect();
    assert_eq!(unseen, [""; 0], "these make no difference");
}
