use std::path::PathBuf;

use cni::{CniArgs, Command, Env};

use super::*;

fn request(config: &Value, ifname: &str) -> Request {
    let mut whole = json!({ "cniVersion": "1.1.0", "name": "rails", "type": "rail" });
    whole.as_object_mut().unwrap().extend(config.as_object().unwrap().clone());
    let env = Env {
        command: Command::Add,
        container_id: "c".to_owned(),
        netns: Some(PathBuf::from("/run/netns/c")),
        ifname: ifname.to_owned(),
        args: CniArgs::default(),
        path: Vec::new(),
        declined: Vec::new(),
        unrecorded: false,
    };
    Request { env, config: Config::parse(whole.to_string().into_bytes(), Command::Add).unwrap() }
}

fn names(config: &Value, ifname: &str) -> Vec<String> {
    rails(&request(config, ifname)).unwrap().into_iter().map(|rail| rail.request.env.ifname).collect()
}

fn refused(config: &Value) -> (u32, String) {
    let error = rails(&request(config, "net1")).err().expect("an error");
    (error.code, error.msg.clone())
}

#[test]
fn names_count_up_from_the_first() {
    assert_eq!(names(&json!({ "master": "a" }), "net1"), ["net1"]);
    assert_eq!(names(&json!({ "rails": ["a", "b", "c"] }), "net3"), ["net3", "net4", "net5"]);
    assert_eq!(names(&json!({ "rails": ["a", "b"] }), "rdma"), ["rdma", "rdma2"]);
    let named = json!({ "rails": ["a", { "master": "b", "ifname": "gpu1" }, "c"] });
    assert_eq!(names(&named, "net1"), ["net1", "gpu1", "net3"]);
}

#[test]
fn a_config_that_would_fill_the_nodes_memory_once_copied_for_each_rail_is_refused() {
    let long = "x".repeat(300 << 10);
    let names: Vec<_> = (0..64).map(|number| format!("a{number}")).collect();
    let (code, message) = refused(&json!({ "rails": names, "note": long }));
    assert!(code == 7 && message.contains("each of 64 rails") && message.contains("262144"), "{message}");
    assert_eq!(
        names.len(),
        self::names(&json!({ "rails": names, "note": &long[..200 << 10] }), "net1").len()
    );
    assert_eq!(self::names(&json!({ "rails": ["a"], "note": long }), "net1"), ["net1"]);
}

#[test]
fn a_rail_adds_to_what_all_have() {
    let config = json!({
        "mtu": 9000, "ipam": { "type": "rail-ipam", "matchMasterSubnet": true }, "prevResult": { "ips": [] },
        "rails": ["a", { "master": "b", "mtu": 1500, "ipam": { "ippools": { "ipv4": ["p"] } } }],
    });
    let rails = rails(&request(&config, "net1")).unwrap();
    let raw = |position: usize| rails[position].request.config.raw().clone();
    assert_eq!(raw(0)["ipam"], config["ipam"]);
    assert_eq!(
        (&raw(0)["type"], &raw(0)["master"], &raw(0)["mtu"]),
        (&json!("macvlan"), &json!("a"), &json!(9000))
    );
    assert_eq!((&raw(1)["master"], &raw(1)["mtu"]), (&json!("b"), &json!(1500)));
    assert_eq!(raw(1)["ipam"]["matchMasterSubnet"], true);
    assert_eq!(raw(1)["ipam"]["ippools"]["ipv4"][0], "p");
    assert!(raw(0).get("prevResult").is_none() && raw(0).get("rails").is_none());
}

#[test]
fn routing_follows_addresses_unless_it_is_said() {
    let routed = |config: &Value| rails(&request(config, "net1")).unwrap()[0].routing.is_some();
    let ipam = json!({ "type": "rail-ipam" });
    assert!(!routed(&json!({ "master": "a" })));
    assert!(routed(&json!({ "master": "a", "ipam": ipam })));
    assert!(!routed(&json!({ "master": "a", "ipam": ipam, "routing": false })));
    assert!(!routed(&json!({ "master": "a", "ipam": ipam, "routing": { "mode": "disable" } })));
}

#[test]
fn errors_name_the_key_and_what_is_allowed() {
    for (config, code, words) in [
        (json!({}), 7, "master is missing"),
        (json!({ "rails": [] }), 7, "rails []"),
        (json!({ "rails": vec!["a"; 65] }), 7, "rails has 65 entries: expected at most 64"),
        (json!({ "master": "a", "rails": ["b"] }), 7, "master \"a\""),
        (json!({ "rails": ["a", 7] }), 7, "rails[1] 7"),
        (json!({ "rails": ["a", {}] }), 7, "rails[1].master is missing"),
        (json!({ "rails": ["a", "a"] }), 7, "rails[1].master \"a\": rails[0] has it"),
        (json!({ "rails": ["a", { "master": "b", "link": "ipvlan" }] }), 7, "rails[1].link"),
        (json!({ "rails": ["a", { "master": "b", "ifname": "net1" }] }), 7, "rails[1].ifname \"net1\""),
        (json!({ "rails": ["a", { "master": "b", "ifname": "a/b" }] }), 7, "rails[1].ifname \"a/b\""),
        (json!({ "rails": ["a", { "master": "b", "mtu": -1 }] }), 7, "rails[1]: invalid MTU -1"),
        (json!({ "master": "a", "link": "sriov" }), 7, "rails[0]: no deviceID for a VF of a"),
        (json!({ "link": "sriov" }), 7, "deviceID is missing"),
        (
            json!({ "link": "sriov", "rails": ["0000:3b:00.2", "0000:3b:00.2"] }),
            7,
            "rails[1].deviceID \"0000:3b:00.2\"",
        ),
        (json!({ "link": "sriov", "rails": ["0000:3b:00.2", {}] }), 7, "rails[1]: no deviceID is left"),
        (
            json!({ "link": "sriov", "rails": ["0000:3b:00.2"], "deviceID": "0000:3b:00.3" }),
            7,
            "deviceID 0000:3b:00.3: the runtime gives it",
        ),
        (json!({ "link": "sriov", "deviceID": "0000:3b:00.2", "vlan": 4095 }), 7, "vlan 4095"),
        (json!({ "link": "ib-sriov", "deviceID": "0000:3b:00.2", "guid": "x" }), 7, "guid \"x\""),
        (json!({ "link": "ipoib" }), 7, "master is missing"),
        (json!({ "master": "a", "link": "macvaln" }), 7, "link \"macvaln\""),
        (json!({ "master": "a", "rdma": "exclusive" }), 7, "rdma \"exclusive\""),
        (json!({ "master": "a", "rdma": "both" }), 7, "rdma \"both\""),
        (json!({ "master": "a", "routing": 7 }), 7, "routing 7"),
        (json!({ "master": "a", "routing": { "podRPFilter": 9 } }), 7, "routing: podRPFilter \"9\""),
        (
            json!({ "rails": ["a", "b"], "runtimeConfig": { "mac": "02:00:00:00:00:01" } }),
            7,
            "runtimeConfig.mac",
        ),
    ] {
        let (was, msg) = refused(&config);
        assert!(was == code && msg.contains(words), "{config}: {was} {msg}");
    }
}

#[test]
fn what_cannot_be_read_is_still_one_rail() {
    let broken = request(&json!({ "rails": 7 }), "net1");
    let requests = requests_if_readable(&broken);
    assert_eq!(requests.iter().map(|rail| rail.env.ifname.as_str()).collect::<Vec<_>>(), ["net1"]);
}

fn devices(config: &Value) -> Vec<String> {
    let of = |rail: Rail| rail.request.config.at(&["deviceID"]).unwrap().as_str().unwrap().to_owned();
    rails(&request(config, "net1")).unwrap().into_iter().map(of).collect()
}

#[test]
fn each_given_device_is_a_rail() {
    let both = ["0000:3b:00.2", "0000:5e:00.2"];
    for given in [json!(both), json!("0000:3b:00.2, 0000:5e:00.2")] {
        assert_eq!(devices(&json!({ "link": "sriov", "runtimeConfig": { "deviceID": given } })), both);
    }
    // As Multus writes it.
    let one = json!({ "link": "sriov", "deviceID": "0000:3b:00.2", "pciBusID": "0000:3b:00.2" });
    assert_eq!(devices(&one), ["0000:3b:00.2"]);
    let own = json!({ "link": "ib-sriov", "rails": ["0000:3b:00.2", { "deviceID": "0000:5e:00.2", "ifname": "gpu1" }] });
    assert_eq!(devices(&own), both);
    assert_eq!(names(&own, "net1"), ["net1", "gpu1"]);
    // What is open takes what is left, in its order.
    let mixed = json!({ "link": "sriov", "rails": ["0000:5e:00.2", { "vlan": 7 }], "deviceID": both });
    assert_eq!(devices(&mixed), ["0000:5e:00.2", "0000:3b:00.2"]);
}

#[test]
fn whoever_only_asks_needs_no_device() {
    let mut asks = request(&json!({ "link": "sriov", "rails": ["ens1f0", "ens2f0"] }), "net1");
    asks.env.netns = None;
    let rails = rails(&asks).unwrap();
    assert_eq!(rails.len(), 2);
    assert_eq!(rails[1].request.config.at(&["deviceID"]).unwrap(), crate::UNKNOWN_DEVICE);
    assert_eq!(rails[1].request.config.at(&["master"]), None, "a VF's plugin has no use for it");
}

#[test]
fn rdma_goes_along_by_the_keys_of_each_plugin() {
    let of = |config: &Value| rails(&request(config, "net1")).unwrap().remove(0);
    let device = "0000:3b:00.2";
    let ib = |rdma: &str| of(&json!({ "link": "ib-sriov", "deviceID": device, "rdma": rdma }));
    assert_eq!(ib("exclusive").request.config.at(&["rdmaIsolation"]), Some(&json!(true)));
    assert_eq!(ib("none").request.config.at(&["rdmaIsolation"]), Some(&json!(false)));
    let expanded = |more: &Value| {
        let mut config = json!({ "link": "sriov", "deviceID": device, "rdma": "exclusive", "rdmaDeviceName": "gpu0",
            "vlan": 7, "runtimeConfig": { "deviceID": device, "CNIDeviceInfoFile": "/run/info" } });
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let expanded = expand::expand(&request(&config, "net1")).unwrap();
        let rdma = expanded.rdma_request(&expanded.rails[0]).unwrap();
        rdma.map(|rdma| rdma.config.raw().clone())
    };
    let alone = expanded(&json!({})).unwrap();
    assert_eq!((&alone["type"], &alone["rdmaDeviceName"]), (&json!("rdma"), &json!("gpu0")));
    assert_eq!(alone["runtimeConfig"]["CNIDeviceInfoFile"], "/run/info");
    assert!(alone.get("vlan").is_none());
    let two = expanded(
        &json!({ "rails": [device, "0000:5e:00.2"], "runtimeConfig": { "CNIDeviceInfoFile": "/run/info" } }),
    );
    assert!(two.unwrap().get("runtimeConfig").is_none(), "the file is about one device");
    assert!(expanded(&json!({ "rdma": "shared" })).is_none());
    assert_eq!(of(&json!({ "master": "a", "rdma": "shared" })).rdma, rails::RdmaMode::Shared);
}
