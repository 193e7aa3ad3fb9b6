use serde_json::{Value, json};

use crate::node::{Node, network, pool, using};

fn node() -> Node {
    Node::with_pools(
        &(pool(
            "four",
            "{subnet: 10.0.0.0/24, gateway: 10.0.0.1, ips: [10.0.0.2-10.0.0.20], excludeIPs: [10.0.0.5]}",
        ) + &pool("six", "{subnet: 'fd53:a::/64', ips: ['fd53:a::2-fd53:a::20']}")
            + "kind: SpiderReservedIP\nmetadata: {name: kept}\nspec: {ips: [10.0.0.6]}\n"),
    )
}

fn dual() -> Value {
    network(&json!({"ippools": {"ipv4": ["four"], "ipv6": ["six"]}}))
}

#[test]
fn by_cni_args_as_a_comma_list_with_or_without_prefix() {
    let outcome =
        node().call("ADD", "pod", &dual()).args("IP=fd53:a::9/64,10.0.0.9;IgnoreUnknown=1;MAC=x").run();
    assert_eq!(outcome.ips(), ["10.0.0.9/24", "fd53:a::9/64"]);
}

#[test]
fn the_runtime_beats_the_annotation_beats_cni_args() {
    let node = node();
    let mut config = dual();
    config["args"] = json!({"cni": {"ips": ["10.0.0.8"]}});
    assert_eq!(node.call("ADD", "a", &config).args("IP=10.0.0.7").run().ips()[0], "10.0.0.8/24");
    config["runtimeConfig"] = json!({"ips": ["10.0.0.9/24", "fd53:a::9"]});
    assert_eq!(
        node.call("ADD", "b", &config).args("IP=10.0.0.7").run().ips(),
        ["10.0.0.9/24", "fd53:a::9/64"]
    );
}

#[test]
fn why_a_requested_address_is_not_given() {
    let node = node();
    node.add("first", &using(&["four"]));
    let refusal =
        |ip: &str| node.call("ADD", "pod", &using(&["four"])).args(&format!("IP={ip}")).run().error();
    let taken = "requested address 10.0.0.2 is taken by net1 of container first in network \"rail1\"; `railctl who 10.0.0.2` names its pod";
    assert_eq!(refusal("10.0.0.2"), (101, taken.to_owned()));
    assert_eq!(
        refusal("10.0.0.5"),
        (7, "requested address 10.0.0.5 is an excluded address of pool \"four\"".to_owned())
    );
    assert_eq!(
        refusal("10.0.0.6"),
        (7, "requested address 10.0.0.6 is a reserved address of pool \"four\"".to_owned())
    );
    assert_eq!(
        refusal("10.0.0.1"),
        (7, "requested address 10.0.0.1 is the gateway of pool \"four\"".to_owned())
    );
    assert_eq!(
        refusal("10.0.9.9"),
        (7, "requested address 10.0.9.9 is in none of pool \"four\" (10.0.0.0/24)".to_owned())
    );
    assert_eq!(refusal("ten"), (7, "CNI_ARGS.IP: \"ten\" is not an IP address".to_owned()));
    let two = "requested address 10.0.0.8 is one too many: 10.0.0.7 has been taken from the same pools";
    assert_eq!(refusal("10.0.0.7,10.0.0.8"), (7, two.to_owned()));
}

/// Loopback addresses are what every node has.
#[test]
fn the_nodes_own_addresses_are_never_given() {
    let node = Node::with_pools(&pool("loop", "{subnet: 127.0.0.0/8, ips: [127.0.0.1-127.0.0.2]}"));
    assert_eq!(node.add("a", &using(&["loop"])), ["127.0.0.2/8"]);
    assert_eq!(node.refusal("b", &using(&["loop"])).0, 100);
    let asked = node.call("ADD", "c", &using(&["loop"])).args("IP=127.0.0.1").run().error();
    assert_eq!(
        asked,
        (101, "requested address 127.0.0.1 is the address of interface lo of this node".to_owned())
    );
    let six = network(&json!({"pools": [{"name": "six", "subnet": "::/64", "ips": ["::1"]}]}));
    assert_eq!(node.refusal("d", &six).0, 100);
    assert_eq!(node.run("STATUS", "", &six).error().0, 50);
}

#[test]
fn what_the_pod_has_by_the_plugins_before_is_not_given_again() {
    let node = node();
    let mut config = using(&["four"]);
    config["prevResult"] = json!({
        "cniVersion": "1.1.0", "interfaces": [{"name": "eth0", "sandbox": "/n"}],
        "ips": [{"address": "10.0.0.2/24", "interface": 0}],
    });
    assert_eq!(node.add("a", &config), ["10.0.0.3/24"]);
    let asked = node.call("ADD", "b", &config).args("IP=10.0.0.2").run().error();
    assert_eq!(
        asked,
        (101, "requested address 10.0.0.2 is the address of interface eth0 of the pod".to_owned())
    );
}

#[test]
fn the_pods_annotation_chooses_the_pools() {
    let node = node();
    let mut config = using(&["no such pool"]);
    config["args"] = json!({"cni": {"ippools": {"ipv6": ["six"]}}});
    assert_eq!(node.add("pod", &config), ["fd53:a::2/64"]);
}

#[test]
fn namespaces_come_from_cni_args() {
    let node =
        Node::with_pools(&pool("ml", "{subnet: 10.0.0.0/24, ips: [10.0.0.2-10.0.0.9], namespaceName: [ml]}"));
    let add = |args: &str| node.call("ADD", "pod", &using(&["ml"])).args(args).run();
    assert_eq!(add("K8S_POD_NAMESPACE=ml").ips(), ["10.0.0.2/24"]);
    assert!(
        add("K8S_POD_NAMESPACE=web").error().1.contains("namespaceName is ml, and the pod is in \"web\"")
    );
    assert!(node.run("STATUS", "", &using(&["ml"])).ok, "of no pod in particular it can be served");
}

#[test]
fn unknown_args_are_refused_unless_they_are_to_be_ignored() {
    let outcome = node().call("ADD", "pod", &dual()).args("COLOR=blue").run();
    assert_eq!(outcome.error().0, 4);
}
