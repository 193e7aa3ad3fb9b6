use std::path::Path;

use cni::{CniArgs, Command};
use serde_json::{Map, Value, json};

use super::{DefaultRouteNic, Mode, NodeFile, Settings};

fn read(more: &Value) -> Result<Option<Settings>, cni::Error> {
    let mut config = json!({ "cniVersion": "1.0.0", "name": "rails", "type": "coordinator" });
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Settings::with_defaults(
        &cni::Config::parse(config.to_string().into_bytes(), Command::Del).unwrap(),
        &CniArgs::default(),
        &Map::new(),
    )
}

fn settings(more: &Value) -> Settings {
    read(more).unwrap().unwrap()
}

#[test]
fn what_is_not_said_is_what_spiderpool_does() {
    let settings = settings(&json!({}));
    assert_eq!(settings.first_nic, "eth0");
    assert!(settings.tune);
    assert_eq!((settings.rp_filter, settings.tx_queue_len, settings.mac_prefix), (Some(0), None, None));
    assert_eq!((settings.default_nic, settings.detours, settings.policy_routes), (None, vec![], vec![]));
}

#[test]
fn every_key_of_spiderpool_is_accepted() {
    let all = json!({
        "mode": "overlay", "podDefaultCniNic": "eth1", "podDefaultRouteNic": "net2", "tunePodRoutes": false,
        "overlayPodCIDR": ["10.244.0.0/16"], "serviceCIDR": ["10.96.0.0/12", "fd00:96::/108"], "hijackCIDR": ["169.254.20.10"],
        "policyRoutes": [{ "dst": "192.168.1.7/16", "gw": "172.16.1.1" }, { "to": "10.0.0.1", "via": "172.16.1.2" }],
        "hostRuleTable": 500, "hostRPFilter": 0, "podRPFilter": 2, "txQueueLen": 2000, "podMACPrefix": "0a-1B",
        "vethLinkAddress": "169.254.100.1", "vethMTU": 1500, "multusNicPrefix": "net", "podCIDRType": "auto",
        "detectIPConflict": true, "detectGateway": true, "detectOptions": { "retries": 3 }, "logOptions": { "logLevel": "debug" },
    });
    let settings = settings(&all);
    assert_eq!(settings.default_nic, Some(DefaultRouteNic { nic: "net2".into(), from_pod: false }));
    let detours: Vec<String> = settings.detours.iter().map(ToString::to_string).collect();
    assert_eq!(detours, ["10.96.0.0/12", "10.244.0.0/16", "169.254.20.10/32", "fd00:96::/108"]);
    let policy: Vec<String> =
        settings.policy_routes.iter().map(|route| format!("{} {}", route.dst, route.gw)).collect();
    assert_eq!(policy, ["192.168.0.0/16 172.16.1.1", "10.0.0.1/32 172.16.1.2"]);
    assert_eq!((settings.rp_filter, settings.tx_queue_len, settings.tune), (Some(2), Some(2000), false));
    let mac = settings.mac_prefix.unwrap();
    assert_eq!(mac.with("172.16.1.10".parse().unwrap()), [0x0a, 0x1b, 172, 16, 1, 10]);
    assert_eq!(mac.with("fd00::102:304".parse().unwrap()), [0x0a, 0x1b, 1, 2, 3, 4]);
}

/// The node's DNS cache is at 169.254.20.10, and no rail leads there.
#[test]
fn link_local_services_stay_when_the_default_route_goes() {
    for (config, expected) in [
        (json!({ "podDefaultRouteNic": "net1" }), vec!["169.254.0.0/16"]),
        (json!({ "podDefaultRouteNic": "eth0" }), vec![]),
        (json!({ "podDefaultRouteNic": "net1", "hijackCIDR": [] }), vec![]),
        (json!({ "podDefaultRouteNic": "net1", "hijackCIDR": ["10.1.0.0/16"] }), vec!["10.1.0.0/16"]),
    ] {
        let detours: Vec<String> = settings(&config).detours.iter().map(ToString::to_string).collect();
        assert_eq!(detours, expected, "{config}");
    }
}

#[test]
fn both_spellings_of_disable_do_and_ask_for_nothing() {
    for mode in ["disable", "disabled"] {
        assert_eq!(read(&json!({ "mode": mode })).unwrap(), None);
    }
}

#[test]
fn the_pods_word_comes_before_the_networks() {
    for key in ["podDefaultRouteNic", "ipam.spidernet.io/default-route-nic"] {
        let said = json!({ "podDefaultRouteNic": "net1", "args": { "cni": { key: "net2" } } });
        assert_eq!(settings(&said).default_nic, Some(DefaultRouteNic { nic: "net2".into(), from_pod: true }));
    }
}

#[test]
fn any_negative_rp_filter_leaves_it() {
    for value in [-1, -2, -1000] {
        assert_eq!(settings(&json!({ "podRPFilter": value })).rp_filter, None);
    }
}

#[test]
fn bad_input_is_refused_by_key_and_value() {
    let cases = [
        (
            json!({ "mode": "sideways" }),
            7,
            "mode \"sideways\": allowed are auto (the default), underlay, overlay and disable",
        ),
        (json!({ "hostRuleTable": 254 }), 7, "hostRuleTable \"254\": allowed are 0"),
        (json!({ "hostRuleTable": -1 }), 7, "hostRuleTable \"-1\""),
        (json!({ "vethMTU": 0 }), 7, "vethMTU \"0\": allowed are 1280"),
        (
            json!({ "vethLinkAddress": "169.254.1.1/32" }),
            7,
            "vethLinkAddress \"169.254.1.1/32\": expected an IP address",
        ),
        (json!({ "podDefaultCniNic": "a/b" }), 7, "podDefaultCniNic \"a/b\""),
        (json!({ "podDefaultRouteNic": "net 1" }), 7, "podDefaultRouteNic \"net 1\""),
        (
            json!({ "args": { "cni": { "podDefaultRouteNic": "a:b" } } }),
            7,
            "args.cni.podDefaultRouteNic \"a:b\"",
        ),
        (
            json!({ "hijackCIDR": ["10.0.0.0/8", "10.0.0.0/33"] }),
            7,
            "hijackCIDR[1] \"10.0.0.0/33\": expected a CIDR",
        ),
        (json!({ "serviceCIDR": ["here"] }), 7, "serviceCIDR[0] \"here\""),
        (
            json!({ "overlayPodCIDR": ["::/0"] }),
            7,
            "overlayPodCIDR[0] \"::/0\": for a default route there is podDefaultRouteNic",
        ),
        (json!({ "hijackCIDR": "10.0.0.0/8" }), 7, "hijackCIDR"),
        (json!({ "policyRoutes": [{ "dst": "10.0.0.0/8" }] }), 7, "policyRoutes[0].gw is missing"),
        (json!({ "policyRoutes": [{ "gw": "10.0.0.1" }] }), 7, "policyRoutes[0].dst is missing"),
        (
            json!({ "policyRoutes": [{ "dst": "10.0.0.0/8", "gw": "fe80::1" }] }),
            7,
            "policyRoutes[0].gw \"fe80::1\": expected an address of the family of dst 10.0.0.0/8",
        ),
        (
            json!({ "policyRoutes": [{ "dst": "10.0.0.0/8", "gw": "10.0.0.0/24" }] }),
            7,
            "policyRoutes[0].gw \"10.0.0.0/24\": expected an IP address",
        ),
        (
            json!({ "policyRoutes": [{ "dst": "10.0.0.0/8", "gw": "172.16.1.1" }, { "dst": "10.0.0.0/8", "gw": "172.16.1.2" }] }),
            7,
            "policyRoutes[1].dst \"10.0.0.0/8\": an earlier entry sends it to 172.16.1.1",
        ),
        (json!({ "podRPFilter": 3 }), 7, "podRPFilter \"3\": allowed are 0, 1, 2"),
        (json!({ "txQueueLen": -1 }), 7, "txQueueLen \"-1\""),
        (json!({ "txQueueLen": 4_294_967_296_i64 }), 7, "txQueueLen \"4294967296\""),
        (json!({ "podMACPrefix": "01:00" }), 7, "podMACPrefix \"01:00\": has the multicast bit"),
        (json!({ "podMACPrefix": "0a" }), 7, "podMACPrefix \"0a\": is not two bytes in hex"),
        (json!({ "podMACPrefix": "0a:1b:2c" }), 7, "podMACPrefix \"0a:1b:2c\""),
        (json!({ "podMACPrefix": "+a:1b" }), 7, "podMACPrefix \"+a:1b\""),
    ];
    for (config, code, expected) in cases {
        let error = read(&config).unwrap_err();
        assert!(error.code == code && error.msg.contains(expected), "{config}: {error:?}");
    }
}

fn node(text: &str) -> Result<Map<String, Value>, String> {
    NodeFile::parse(Path::new("/etc/railcni/node.yaml"), text.as_bytes()).map_err(|error| error.msg.clone())
}

/// V00007: the network's own key takes precedence over the node's, whatever its case, and null is no key.
#[test]
fn the_nodes_defaults_fill_what_the_network_leaves_open() {
    let defaults = node(
        "coordinator:\n  mode: overlay\n  serviceCIDR: [10.96.0.0/12]\n  hijackCIDR: [169.254.0.0/16]\n  hostRuleTable: 600\n",
    );
    let config = json!({
        "cniVersion": "1.0.0", "name": "rails", "type": "coordinator", "servicecidr": ["10.1.0.0/16"], "mode": null,
    });
    let config = cni::Config::parse(config.to_string().into_bytes(), Command::Del).unwrap();
    let settings =
        Settings::with_defaults(&config, &CniArgs::default(), &defaults.unwrap()).unwrap().unwrap();
    let detours: Vec<String> = settings.detours.iter().map(ToString::to_string).collect();
    assert_eq!(detours, ["10.1.0.0/16", "169.254.0.0/16"]);
    assert_eq!((settings.mode, settings.host_table), (Mode::Overlay, Some(600)));
}

#[test]
fn an_empty_file_says_nothing() {
    for text in ["", "# nothing\n", "coordinator:\n", "coordinator: {}\n", "{}"] {
        assert_eq!(node(text), Ok(Map::new()), "{text:?}");
    }
}

#[test]
fn a_bad_file_is_refused_by_name_key_and_value() {
    let cases = [
        (
            "coordinator: {serviceCIDRs: [10.0.0.0/8]}",
            "there is no key \"serviceCIDRs\": did you mean \"serviceCIDR\"?",
        ),
        (
            "coordinator: {policyRoutes: []}",
            "there is no key \"policyRoutes\": allowed are mode, podDefaultCniNic",
        ),
        ("serviceCIDR: [10.0.0.0/8]", "there is no key \"serviceCIDR\": allowed are coordinator"),
        (
            "coordinator: {serviceCIDR: [10.0.0.0/40]}",
            "coordinator: serviceCIDR[0] \"10.0.0.0/40\": expected a CIDR",
        ),
        ("coordinator: {hostRuleTable: 255}", "coordinator: hostRuleTable \"255\""),
        ("coordinator: {vethMTU: big}", "vethMTU"),
        ("coordinator: 7", "coordinator 7: expected an object"),
        ("[1]", "expected an object with the key \"coordinator\""),
        ("a: 1\n---\nb: 2\n", "holds 2 documents"),
        ("coordinator: [", "/etc/railcni/node.yaml: "),
    ];
    for (text, expected) in cases {
        let said = node(text).unwrap_err();
        assert!(said.starts_with("/etc/railcni/node.yaml: ") && said.contains(expected), "{text:?}: {said}");
    }
}

/// C00020: the pod's own word, by its annotation or by `CNI_ARGS`.
#[test]
fn the_pod_may_name_its_default_nic_by_cni_args() {
    let config = |more: Value| {
        let mut config = json!({ "cniVersion": "1.0.0", "name": "rails", "type": "coordinator", "podDefaultRouteNic": "net1" });
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        cni::Config::parse(config.to_string().into_bytes(), Command::Del).unwrap()
    };
    let args = CniArgs::parse("IgnoreUnknown=1;podDefaultRouteNic=net2");
    let default_nic = |config: &cni::Config| {
        Settings::with_defaults(config, &args, &Map::new()).unwrap().unwrap().default_nic
    };
    assert_eq!(default_nic(&config(json!({}))), Some(DefaultRouteNic { nic: "net2".into(), from_pod: true }));
    let annotated = config(json!({ "args": { "cni": { "podDefaultRouteNic": "net3" } } }));
    assert_eq!(default_nic(&annotated), Some(DefaultRouteNic { nic: "net3".into(), from_pod: true }));
}
