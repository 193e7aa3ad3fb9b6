use std::fs;

use serde_json::{Value, json};

use crate::node::{Node, network};

fn ranges() -> Value {
    let routes = json!([{"dst": "0.0.0.0/0"}, {"dst": "192.168.0.0/16", "gw": "10.1.2.1"}]);
    network(
        &json!({"ranges": [[{"subnet": "10.1.2.0/24", "rangeEnd": "10.1.2.5"}], [{"subnet": "fd53:a::/64"}]], "routes": routes}),
    )
}

#[test]
fn a_host_local_config_gets_a_host_local_result() {
    let node = Node::new();
    node.put("resolv.conf", "nameserver 10.96.0.10\nsearch cluster.local\n");
    node.allows("resolvConf", "resolv.conf");
    let mut config = ranges();
    config["ipam"]["resolvConf"] = node.path("resolv.conf").to_str().unwrap().into();
    let expected = json!({
        "cniVersion": "1.1.0",
        "ips": [{"address": "10.1.2.2/24", "gateway": "10.1.2.1"}, {"address": "fd53:a::2/64", "gateway": "fd53:a::1"}],
        "routes": [{"dst": "0.0.0.0/0"}, {"dst": "192.168.0.0/16", "gw": "10.1.2.1"}],
        "dns": {"nameservers": ["10.96.0.10"], "search": ["cluster.local"]},
    });
    assert_eq!(node.run("ADD", "a", &config).answer, expected);
}

#[test]
fn the_old_form_and_the_runtimes_ranges() {
    let node = Node::new();
    let mut config =
        network(&json!({"subnet": "10.1.2.0/24", "rangeStart": "10.1.2.9", "gateway": "10.1.2.254"}));
    assert_eq!(node.add("a", &config), ["10.1.2.9/24"]);
    config["runtimeConfig"] = json!({"ipRanges": [[{"subnet": "10.9.0.0/24"}]]});
    assert_eq!(node.add("b", &config), ["10.9.0.2/24", "10.1.2.10/24"]);
}

/// The reference takes them, for links whose router is not in the subnet.
#[test]
fn a_gateway_outside_the_subnet() {
    let node = Node::new();
    let cases = [("10.7.0.0/24", "1.1.1.1", "10.7.0.1/24"), ("fd00:7::/64", "fe80::1", "fd00:7::1/64")];
    for (subnet, gateway, address) in cases {
        let config = network(&json!({"ranges": [[{"subnet": subnet, "gateway": gateway}]]}));
        let answer = node.run("ADD", subnet.split(['.', ':']).next().unwrap(), &config).answer;
        assert_eq!(
            (&answer["ips"][0]["address"], &answer["ips"][0]["gateway"]),
            (&json!(address), &json!(gateway))
        );
    }
    let pool = |gateway| {
        json!({"pools": [{"name": "six", "subnet": "fd00:8::/64", "gateway": gateway, "ips": ["fd00:8::9"],
                                             "routes": [{"dst": "fd55::/16", "gw": gateway}]}]})
    };
    let answer = node.run("ADD", "b", &network(&pool("fe80::1"))).answer;
    assert_eq!(answer["routes"][0], json!({"dst": "::/0", "gw": "fe80::1"}));
    let (_, message) = node.refusal("c", &network(&pool("fd00:9::1")));
    assert!(message.contains("outside the subnet fd00:8::/64, and not link-local"), "{message}");
}

#[test]
fn an_end_that_nobody_wrote_is_not_blamed() {
    let node = Node::new();
    let refusal = |key: &str, value: &str| {
        let mut config = network(&json!({"subnet": "10.7.0.0/24"}));
        config["ipam"][key] = json!(value);
        node.refusal("a", &config).1
    };
    let behind = "ipam: rangeStart \"10.7.0.255\": is after 10.7.0.254, the last address for a host";
    assert_eq!(refusal("rangeStart", "10.7.0.255"), behind);
    let before = "ipam: rangeEnd \"10.7.0.0\": is before 10.7.0.1, the first address for a host";
    assert_eq!(refusal("rangeEnd", "10.7.0.0"), before);
}

/// However long a range is written out, and wherever its zeros are, the addresses are told in the one short form.
#[test]
fn zeros_of_ipv6_in_front_within_and_behind() {
    let cases = [
        (json!({"subnet": "fd00:0016:0001:0000:0000:0000:0000:0000/64"}), "fd00:16:1::2/64", "fd00:16:1::1"),
        (
            json!({"subnet": "fd00:16:1:0::/64", "rangeStart": "fd00:0016:0001::0010"}),
            "fd00:16:1::10/64",
            "fd00:16:1::1",
        ),
        (
            json!({"subnet": "2001:db8:480:603d:304:403::/96"}),
            "2001:db8:480:603d:304:403:0:2/96",
            "2001:db8:480:603d:304:403:0:1",
        ),
        (json!({"subnet": "fd00:0:0:0:16::/80"}), "fd00::16:0:0:2/80", "fd00::16:0:0:1"),
        (json!({"subnet": "::fd00:0:0/96", "rangeStart": "::fd00:0:00ff"}), "::fd00:0:ff/96", "::fd00:0:1"),
        (json!({"subnet": "fd00::/8", "rangeStart": "fd00:0:0:0:1::"}), "fd00::1:0:0:0/8", "fd00::1"),
    ];
    for (range, address, gateway) in cases {
        let node = Node::new();
        let answer = node.run("ADD", "a", &network(&json!({"ranges": [[range]]}))).answer;
        let short = |text: &Value| text.as_str().map(str::to_owned);
        assert_eq!(
            (short(&answer["ips"][0]["address"]), short(&answer["ips"][0]["gateway"])),
            (Some(address.to_owned()), Some(gateway.to_owned())),
            "{range}: {answer}"
        );
    }
}

/// A tenant may call his network like another's, and have host-local write what he likes below that name.
#[test]
fn files_of_host_local_take_nothing_of_a_pool_unless_the_config_says_so() {
    let node = Node::new();
    node.put("peer/networks/rail1/10.7.0.1", "a-tenants\r\nnet1");
    node.put(
        "config/pools.d/p.json",
        &json!({"apiVersion": "spiderpool.spidernet.io/v2beta1", "kind": "SpiderIPPool",
        "metadata": {"name": "p"}, "spec": {"subnet": "10.7.0.0/24", "ips": ["10.7.0.1-10.7.0.2"]}})
        .to_string(),
    );
    let mut config = network(&json!({"ippools": {"ipv4": ["p"]}}));
    assert_eq!(node.add("a", &config), ["10.7.0.1/24"]);
    node.run("DEL", "a", &config);
    node.put("peer/networks/rail1/10.7.0.1", "of-before\r\nnet1");
    node.allows("dataDir", "peer/networks");
    config["ipam"]["dataDir"] = node.path("peer/networks").to_str().unwrap().into();
    assert_eq!(node.add("b", &config), ["10.7.0.2/24"]);
}

#[test]
fn addresses_of_running_pods_are_left_alone_until_their_del() {
    let node = Node::new();
    node.put("peer/networks/rail1/10.1.2.2", "old-pod\r\nnet1");
    node.put("peer/networks/rail1/10.1.2.3", "");
    node.put("peer/networks/rail1/fd53:a::2", "old-pod\r\nnet1");
    node.put("peer/networks/rail1/last_reserved_ip.0", "10.1.2.3");
    node.put("peer/networks/rail2/10.1.2.4", "other network\r\nnet1");
    assert_eq!(node.add("new-pod", &ranges()), ["10.1.2.4/24", "fd53:a::3/64"]);
    let taken = node.call("ADD", "b", &ranges()).args("IP=10.1.2.2").run().error();
    assert_eq!(taken, (101, "requested address 10.1.2.2 is taken".to_owned()));
    let mut check = ranges();
    check["prevResult"] =
        json!({"cniVersion": "1.1.0", "ips": [{"address": "10.1.2.2/24"}, {"address": "fd53:a::2/64"}]});
    assert!(node.run("CHECK", "old-pod", &check).ok);
    node.del("old-pod", &ranges());
    assert!(
        !node.path("peer/networks/rail1/10.1.2.2").exists()
            && !node.path("peer/networks/rail1/fd53:a::2").exists()
    );
    assert!(node.path("peer/networks/rail1/last_reserved_ip.0").exists());
    assert_eq!(node.add("b", &ranges()), ["10.1.2.5/24", "fd53:a::4/64"]);
    assert_eq!(node.add("c", &ranges()), ["10.1.2.2/24", "fd53:a::5/64"]);
}

#[test]
fn gc_clears_what_host_local_leaked() {
    let node = Node::new();
    for (ip, content) in [("10.1.2.2", "dead\r\nnet1"), ("10.1.2.3", ""), ("10.1.2.4", "alive")] {
        node.put(&format!("store/rail1/{ip}"), content);
    }
    node.allows("dataDir", "store");
    let mut config = ranges();
    config["ipam"]["dataDir"] = node.path("store").to_str().unwrap().into();
    config["cni.dev/valid-attachments"] = json!([{"containerID": "alive", "ifname": "net1"}]);
    assert!(node.run("GC", "", &config).ok);
    let mut left = fs::read_dir(node.path("store/rail1"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect::<Vec<_>>();
    left.sort_unstable();
    assert_eq!(left, ["10.1.2.4", "lock"]);
}

/// Who writes a network's config gets nothing removed, and nothing told, of what is not his.
#[test]
fn paths_that_the_node_does_not_allow_are_neither_read_nor_cleared() {
    let node = Node::new();
    node.put("elsewhere/rail1/10.1.2.2", "dead\r\nnet1");
    node.put("elsewhere/resolv.conf", "search secret.example\n");
    node.put("peer/networks/secret", "search secret.example\n");
    std::os::unix::fs::symlink(node.path("elsewhere"), node.path("peer/networks/link")).unwrap();
    for name in ["elsewhere", "peer/networks/link", "peer/../elsewhere"] {
        let mut config = ranges();
        config["ipam"]["dataDir"] = node.path(name).to_str().unwrap().into();
        let (code, msg) = node.refusal("a", &config);
        assert!(code == 7 && msg.contains("ipam.dataDir"), "{msg}");
        config["cni.dev/valid-attachments"] = json!([]);
        for verb in ["GC", "DEL"] {
            assert!(node.run(verb, "dead", &config).ok, "{verb}");
        }
    }
    assert!(node.path("elsewhere/rail1/10.1.2.2").exists());
    for name in ["elsewhere/resolv.conf", "peer/networks/secret", "/dev/zero", "/etc/passwd"] {
        let mut config = ranges();
        config["ipam"]["resolvConf"] = node.path(name).to_str().unwrap().into();
        let (code, msg) = node.refusal("a", &config);
        assert!(code == 7 && msg.contains("ipam.resolvConf") && !msg.contains("secret.example"), "{msg}");
    }
    assert!(node.is_untouched());
}

#[test]
fn what_is_no_file_is_no_resolver() {
    let node = Node::new();
    node.allows("resolvConf", "dns");
    fs::create_dir(node.path("dns")).unwrap();
    nix::unistd::mkfifo(&node.path("dns/fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    std::os::unix::fs::symlink("/dev/zero", node.path("dns/zero")).unwrap();
    for name in ["fifo", "zero", ".", "none"] {
        let mut config = ranges();
        config["ipam"]["resolvConf"] = node.path("dns").join(name).to_str().unwrap().into();
        let (code, msg) = node.refusal("a", &config);
        assert!(code == 7 && msg.contains("ipam.resolvConf"), "{name}: {msg}");
    }
}

/// The words of a config are no word of the plugin above.
#[test]
fn a_config_cannot_take_addresses_from_a_pool() {
    let node = Node::new();
    let mut config = ranges();
    config["ipam"]["quarantine"] = u64::MAX.into();
    config["runtimeConfig"] = json!({"declinedIPs": ["10.1.2.2", "fd53:a::2"]});
    assert_eq!(node.add("a", &config), ["10.1.2.2/24", "fd53:a::2/64"]);
    assert_eq!(node.add("a", &config), ["10.1.2.2/24", "fd53:a::2/64"], "its own, again");
    let declined = "10.1.2.2";
    let again = node.call("ADD", "a", &config).env("RAILCNI_DECLINED_IPS", declined).run();
    assert_eq!(again.ips()[0], "10.1.2.3/24");
    assert!(again.log.contains("ipam.quarantine 18446744073709551615: taken as 86400"), "{}", again.log);
}
