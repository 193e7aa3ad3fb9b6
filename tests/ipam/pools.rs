use std::os::unix::fs::symlink;

use serde_json::json;

use crate::node::{Node, network, pool, using};

const RAIL: &str = "{subnet: 172.16.1.0/27, gateway: 172.16.1.1, ips: [172.16.1.2-172.16.1.3], \
                    routes: [{to: 172.16.0.0/16, via: 172.16.1.1}]}";

#[test]
fn an_address_with_the_routes_of_its_pool() {
    let node = Node::with_pools(&pool("rail1-n1", RAIL));
    let outcome = node.run("ADD", "pod", &using(&["rail1-*"]));
    let expected = json!({
        "cniVersion": "1.1.0",
        "ips": [{"address": "172.16.1.2/27", "gateway": "172.16.1.1"}],
        "routes": [
            {"dst": "0.0.0.0/0", "gw": "172.16.1.1"},
            {"dst": "172.16.0.0/16", "gw": "172.16.1.1"},
        ],
    });
    assert_eq!(outcome.answer, expected, "{}", outcome.log);
}

#[test]
fn installed_as_spiderpool_it_reads_spiderpools_keys() {
    let node = Node::with_pools(
        &(pool("four", RAIL)
            + &pool("six", "{subnet: 'fd53:a::/64', gateway: 'fd53:a::1', ips: ['fd53:a::5']}")),
    );
    let binary = node.path("spiderpool");
    symlink(testkit::binary("rail-ipam"), &binary).unwrap();
    let ipam = json!({
        "default_ipv4_ippool": ["four"], "default_ipv6_ippool": ["six"], "clean_gateway": true, "match_master_subnet": false,
        "log_level": "info", "log_file_max_size": 10, "ipam_unix_socket_path": "/var/run/spidernet/spiderpool.sock",
    });
    let outcome = node.call_as(&binary, "ADD", "pod", &network(&ipam)).run();
    assert_eq!(outcome.ips(), ["172.16.1.2/27", "fd53:a::5/64"]);
    assert_eq!(
        outcome.answer["routes"],
        json!([{"dst": "172.16.0.0/16", "gw": "172.16.1.1"}]),
        "no default route"
    );
    assert_eq!(outcome.log, "");
}

#[test]
fn a_pool_of_the_guides_works_with_a_warning() {
    let node = Node::with_pools(&pool(
        "gpu1-net11",
        "{subnet: 172.16.11.0/16, gateway: 172.16.11.254, ips: [172.16.11.1-172.16.11.200]}",
    ));
    let outcome = node.run("ADD", "pod", &using(&["gpu1-net11"]));
    assert_eq!(outcome.ips(), ["172.16.11.1/16"]);
    assert!(outcome.log.contains("has host bits; taken as 172.16.0.0/16"), "{}", outcome.log);
}

#[test]
fn a_refused_pool_changes_nothing_and_says_what_to_write() {
    let node =
        Node::with_pools(&pool("rail8", "{subnet: 172.16.1.224/27, ips: [172.16.1.226-172.16.1.256]}"));
    let message = "pool \"rail8\": spec.ips[0] \"172.16.1.226-172.16.1.256\": \
                   \"172.16.1.256\" is not an IP address; write ADDRESS or FIRST-LAST";
    assert_eq!(node.refusal("pod", &using(&["rail8"])), (7, message.to_owned()));
    assert!(node.is_untouched());
}

#[test]
fn missing_disabled_foreign_and_exhausted_pools() {
    let pools = pool("small", "{subnet: 10.0.0.0/24, ips: [10.0.0.9]}")
        + &pool("off", "{subnet: 10.0.1.0/24, ips: [10.0.1.9], disable: true}")
        + &pool("other", "{subnet: 10.0.2.0/24, ips: [10.0.2.9], nodeName: [n2]}")
        + &pool("six", "{subnet: 'fd53:a::/64', ips: ['fd53:a::9']}")
        + &pool("none", "{subnet: 10.0.3.0/24, ips: [10.0.3.4], excludeIPs: [10.0.3.0-10.0.3.255]}");
    let node = Node::with_pools(&pools);
    let refusal = |name: &str| node.refusal("pod", &using(&[name]));
    let known = "pool \"big\" is not defined; known are small, off, other, six, none";
    assert_eq!(refusal("big"), (7, known.to_owned()));
    assert_eq!(refusal("off"), (7, "no IPv4 pool is left for off: off: it is disabled".to_owned()));
    let elsewhere = "no IPv4 pool is left for other: other: nodeName is n2, and this node is n1";
    assert_eq!(refusal("other"), (7, elsewhere.to_owned()));
    assert_eq!(refusal("six"), (7, "pool \"six\" is IPv6, but listed for IPv4".to_owned()));
    let excluded = "no address can be given from pool \"none\" (10.0.3.0/24): all of its ips are excluded, reserved or no \
                    address for a host";
    assert_eq!(refusal("none"), (7, excluded.to_owned()));
    node.add("first", &using(&["small"]));
    let (code, message) = refusal("small");
    assert!(code == 100 && message.contains("left in pool \"small\" (10.0.0.0/24)"), "{message}");
    assert!(message.contains("`railctl gc --dry-run`"), "{message}");
    let args = "K8S_POD_NAMESPACE=ml;IgnoreUnknown=1";
    let next = node.call("ADD", "pod", &using(&["small", "off", "spare"])).args(args).run();
    assert_eq!(next.error().0, 7, "a name that does not exist is an error even where another pool would do");
}

#[test]
fn a_pool_without_ips_says_that_it_has_none() {
    let node = Node::with_pools(&pool("bare", "{subnet: 10.0.0.0/24}"));
    let message = "no address can be given from pool \"bare\" (10.0.0.0/24): it lists no ips";
    assert_eq!(node.refusal("pod", &using(&["bare"])), (7, message.to_owned()));
    assert_eq!(node.run("STATUS", "", &using(&["bare"])).error(), (50, message.to_owned()));
}

#[test]
fn a_name_in_two_files_names_both() {
    let node = Node::new();
    node.put("config/pools.d/a.yaml", &pool("rail", "{subnet: 10.0.0.0/24, ips: [10.0.0.2]}"));
    node.put("config/pools.d/b.yaml", &pool("rail", "{subnet: 10.0.0.0/24, ips: [10.0.0.3]}"));
    let [a, b] =
        ["a", "b"].map(|name| node.path(&format!("config/pools.d/{name}.yaml")).display().to_string());
    let message = format!(
        "pool \"rail\": metadata.name \"rail\": is the name of a pool in {a} and of one in {b}: keep one of them"
    );
    assert_eq!(node.refusal("pod", &using(&["rail"])), (7, message));
}

#[test]
fn a_node_without_the_pool_says_where_it_looked_and_what_is_there() {
    let node = Node::new();
    let directory = node.path("config/pools.d").display().to_string();
    let refusal = |node: &Node| node.refusal("pod", &using(&["gpu1"])).1;
    let grants = node.path("state/node/grants").display().to_string();
    let nowhere =
        format!("pool \"gpu1\" is not defined, nor is any other: no raild agent has written {grants}, and");
    assert_eq!(refusal(&node), format!("{nowhere} there is no directory {directory}"));
    node.put("config/pools.d/README", "no pools");
    node.put("config/pools.d/.gpu1.yaml", &pool("gpu1", "{subnet: 10.0.0.0/24, ips: [10.0.0.2]}"));
    let nothing = format!("{directory} holds no *.yaml, *.yml or *.json");
    assert_eq!(refusal(&node), format!("{nowhere} {nothing}"));
    node.put("config/pools.d/a.yaml", "kind: ConfigMap\n");
    let others = format!("{directory} holds no pool in a.yaml");
    assert_eq!(refusal(&node), format!("{nowhere} {others}"));
}

/// Whatever lies in the directory, an ADD neither waits for it nor takes it for pools.
#[test]
fn files_that_are_none_are_named_and_cost_only_themselves() {
    let node = Node::with_pools(&pool("rail", "{subnet: 10.0.0.0/24, ips: [10.0.0.2-10.0.0.9]}"));
    let path = node.path("config/pools.d/pipe.yaml");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    symlink("/dev/zero", node.path("config/pools.d/zero.json")).unwrap();
    std::fs::create_dir(node.path("config/pools.d/folder.yml")).unwrap();
    std::fs::File::create(node.path("config/pools.d/huge.yaml")).unwrap().set_len(1 << 40).unwrap();
    let outcome = node.run("ADD", "pod", &using(&["rail"]));
    assert_eq!(outcome.ips(), ["10.0.0.2/24"]);
    for said in ["pipe.yaml is no regular file", "zero.json is no", "folder.yml is no", "huge.yaml is longer"]
    {
        assert!(outcome.log.contains(said), "{said}: {}", outcome.log);
    }
}

/// Every router of an IPv6 subnet answers to the address that is all zeros after the prefix.
#[test]
fn the_subnet_router_anycast_address_is_never_given() {
    let specs = [
        "{subnet: 'fd00:1::/64', ips: ['fd00:1::-fd00:1::1']}",
        "{subnet: 'fd00:1::/126', ips: ['fd00:1::-fd00:1::1']}",
    ];
    for spec in specs {
        let node = Node::with_pools(&pool("six", spec));
        let config = network(&json!({"ippools": {"ipv6": ["six"]}}));
        assert!(node.add("a", &config)[0].starts_with("fd00:1::1/"));
        assert_eq!(node.refusal("b", &config).0, 100);
        let (_, message) = node.call("ADD", "c", &config).args("IP=fd00:1::").run().error();
        assert_eq!(
            message,
            "requested address fd00:1:: is the subnet-router anycast address of pool \"six\""
        );
    }
    let node = Node::new();
    let range =
        json!({"ranges": [[{"subnet": "fd00:1::/64", "rangeStart": "fd00:1::", "gateway": "fe80::1"}]]});
    assert_eq!(node.add("a", &network(&range)), ["fd00:1::1/64"]);
    let pair = json!({"pools": [{"name": "pair", "subnet": "fd00:1::/127", "ips": ["fd00:1::"]}]});
    assert_eq!(node.add("b", &network(&pair)), ["fd00:1::/127"], "a point-to-point link has none (RFC 6164)");
}

#[test]
fn pools_within_the_config_need_no_file() {
    let node = Node::new();
    let pools = json!([
        {"name": "four", "subnet": "10.0.0.0/24", "ips": ["10.0.0.7"]},
        {"kind": "SpiderIPPool", "metadata": {"name": "six"}, "spec": {"subnet": "fd53:a::/64", "ips": ["fd53:a::7"]}},
    ]);
    assert_eq!(node.add("pod", &network(&json!({"pools": pools}))), ["10.0.0.7/24", "fd53:a::7/64"]);
    let wrong = network(&json!({"pools": [{"name": "four", "subnet": "10.0.0.0/24", "gatway": "10.0.0.1"}]}));
    assert_eq!(
        node.refusal("pod", &wrong),
        (7, "pool \"four\": gatway: is no field of a pool; write \"gateway\"".to_owned())
    );
}

#[test]
fn default_pools_serve_a_config_that_names_none() {
    let node = Node::with_pools(&pool("any", "{subnet: 10.0.0.0/24, ips: [10.0.0.7], default: true}"));
    assert_eq!(node.add("pod", &network(&json!({}))), ["10.0.0.7/24"]);
    let (code, message) = Node::new().refusal("pod", &network(&json!({})));
    assert!(code == 7 && message.starts_with("the config names no pool, and none is defined: "), "{message}");
    let named = Node::with_pools(&pool("rail1", "{subnet: 10.0.0.0/24, ips: [10.0.0.7]}"));
    let message = "the config names no pool, and none that is defined has default: true; name one in ipam.ippools \
                   (known are rail1)";
    assert_eq!(named.refusal("pod", &network(&json!({}))), (7, message.to_owned()));
}

#[test]
fn both_families_or_nothing() {
    let node = Node::with_pools(
        &(pool("four", "{subnet: 10.0.0.0/24, ips: [10.0.0.2-10.0.0.9]}")
            + &pool("six", "{subnet: 'fd53:a::/64', ips: ['fd53:a::9']}")),
    );
    let dual = network(&json!({"ippools": {"ipv4": ["four"], "ipv6": ["six"]}}));
    assert_eq!(node.add("a", &dual), ["10.0.0.2/24", "fd53:a::9/64"]);
    assert_eq!(node.refusal("b", &dual).0, 100);
    assert_eq!(node.add("c", &using(&["four"])), ["10.0.0.3/24"], "what was refused has left nothing behind");
}

#[test]
fn the_pool_of_the_masters_subnet() {
    let node = Node::with_pools(
        &(pool("other", "{subnet: 10.0.0.0/24, ips: [10.0.0.2]}")
            + &pool("loop", "{subnet: 127.0.0.0/8, ips: [127.1.2.3]}")),
    );
    let mut config = network(&json!({"ippools": {"ipv4": ["other", "loop"], "matchMasterSubnet": true}}));
    config["master"] = json!(["lo"]);
    assert_eq!(node.add("pod", &config), ["127.1.2.3/8"]);
    config["master"] = "no-such-link".into();
    let gone = "matchMasterSubnet: interface no-such-link does not exist on this node";
    assert_eq!(node.refusal("pod", &config), (7, gone.to_owned()));
    config["master"] = "".into();
    let unnamed = "matchMasterSubnet: the config has neither deviceID, pciBusID nor master";
    assert_eq!(node.refusal("pod", &config), (7, unnamed.to_owned()));
    config["deviceID"] = "0000:ff:1f.7".into();
    assert!(node.refusal("pod", &config).1.starts_with("matchMasterSubnet: "));
}

#[test]
fn a_sticky_pool_outlives_a_reboot() {
    let node =
        Node::with_pools(&pool("rail", "{subnet: 10.0.0.0/24, ips: [10.0.0.2-10.0.0.9], sticky: true}"));
    let add = |container: &str, pod: &str| {
        let args = format!("IgnoreUnknown=1;K8S_POD_NAMESPACE=ml;K8S_POD_NAME={pod}");
        node.call("ADD", container, &using(&["rail"])).args(&args).run().ips().remove(0)
    };
    assert_eq!((add("a", "w-0"), add("b", "w-1")), ("10.0.0.2/24".to_owned(), "10.0.0.3/24".to_owned()));
    std::fs::remove_dir_all(node.path("state")).unwrap();
    assert_eq!(add("c", "w-2"), "10.0.0.4/24");
    assert_eq!(add("d", "w-1"), "10.0.0.3/24");
    assert_eq!(add("e", "w-0"), "10.0.0.2/24");
}

/// Who may not have an address by the name of its pool does not get it by writing its subnet.
#[test]
fn ranges_of_a_config_get_nothing_that_the_nodes_documents_keep_from_the_pod() {
    let reserved = "kind: SpiderReservedIP\nmetadata: {name: r}\nspec: {ips: [10.0.0.9]}\n---\n".to_owned();
    let pools = [
        pool("admins", "{subnet: 10.0.0.0/24, ips: [10.0.0.2], namespaceName: [admin]}"),
        pool("off", "{subnet: 10.0.0.0/24, ips: [10.0.0.3], disable: true}"),
        pool("there", "{subnet: 10.0.0.0/24, ips: [10.0.0.4], nodeName: [other]}"),
        pool("another", "{subnet: 10.0.0.0/24, ips: [10.0.0.5], multusName: [x/other]}"),
        pool("all", "{subnet: 10.0.0.0/24, ips: [10.0.0.6-10.0.0.8], excludeIPs: [10.0.0.7]}"),
    ];
    let node = Node::with_pools(&(pools.concat() + &reserved));
    let range = network(&json!({"subnet": "10.0.0.0/24", "rangeStart": "10.0.0.2", "rangeEnd": "10.0.0.10"}));
    let add = |container: &str, namespace: &str| {
        node.call("ADD", container, &range).args(&format!("K8S_POD_NAMESPACE={namespace}")).run()
    };
    for (container, ip) in [("a", "10.0.0.6/24"), ("b", "10.0.0.8/24"), ("c", "10.0.0.10/24")] {
        assert_eq!(add(container, "tenant").ips(), [ip]);
    }
    assert_eq!(add("d", "tenant").error().0, 100);
    assert_eq!(add("d", "admin").ips(), ["10.0.0.2/24"]);
    let mut wanted = range.clone();
    wanted["args"] = json!({"cni": {"ips": ["10.0.0.9"]}});
    let (code, message) = node.refusal("e", &wanted);
    assert!(code == 7 && message.contains("a reserved address"), "{message}");
}
