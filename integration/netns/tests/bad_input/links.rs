//! What `ipvlan`, `ifacer`, `ipoib` and `rail` refuse in their configs.

use netns_tests::suite::with;
use serde_json::{Value, json};

use crate::{Bad, wrong};

pub(crate) fn ipvlan(config: &Value) -> Vec<Bad> {
    let mut all = child(config);
    all.extend(["l4", "L2", "bridge", " l2"].map(|mode| wrong(config, "mode", &json!(mode))));
    all.extend(["public", "Bridge", "l2"].map(|flag| wrong(config, "flag", &json!(flag))));
    all.extend([json!(1), json!(["private"])].map(|flag| wrong(config, "flag", &flag)));
    for master in ["nosuch", "eth9"] {
        all.push(wrong(config, "master", &json!(master)).after_a_look());
    }
    all
}

pub(crate) fn ipoib(config: &Value) -> Vec<Bad> {
    let mut all = child(config);
    for master in [Value::Null, json!("")] {
        all.push(Bad::new(7, &["master is missing"], with(config.clone(), &json!({ "master": master }))));
    }
    all.extend(["reliable", "Datagram"].map(|mode| wrong(config, "mode", &json!(mode))));
    all.extend([json!(1), json!("yes")].map(|umcast| wrong(config, "umcast", &umcast)));
    all.extend(pkeys(config));
    let dhcp = json!({ "ipam": { "type": "dhcp" } });
    all.push(Bad::new(7, &["ipam", "dhcp"], with(config.clone(), &dhcp)));
    all
}

/// Of a partition, for `ipoib` and `ib-sriov`.
pub(crate) fn pkeys(config: &Value) -> Vec<Bad> {
    let texts = ["8001", "0x", "0x0", "0x8000", "0x12345", "0x+1", "x"].map(|text| json!(text));
    let values = texts.into_iter().chain([json!(32769), json!(["0x8001"])]);
    values.map(|pkey| wrong(config, "pkey", &pkey)).collect()
}

/// Keys that every link on a master has.
fn child(config: &Value) -> Vec<Bad> {
    let mut all = Vec::new();
    let mut add =
        |path: &str, values: &[Value]| all.extend(values.iter().map(|value| wrong(config, path, value)));
    add("master", &[json!(3), json!(true), json!({}), json!(["rail1", "rail2"]), json!([5])]);
    add("mode", &[json!(1), json!(["l2"])]);
    add("mtu", &[json!("9000"), json!(1.5), json!(true), json!([1500]), json!({}), json!(-1)]);
    add("ipam", &[json!("rail-ipam"), json!(5), json!([]), json!(true)]);
    add("ipam.type", &[json!(5), json!([]), json!({})]);
    all
}

pub(crate) fn ifacer(config: &Value) -> Vec<Bad> {
    let mut all = Vec::new();
    let mut add =
        |path: &str, values: &[Value]| all.extend(values.iter().map(|value| wrong(config, path, value)));
    add("interfaces", &[json!(5), json!("rail1"), json!([5]), json!({}), json!([])]);
    for name in ["sixteen-bytes-xx", ".", "..", "a/b", "a b", "bond%d", ""] {
        add("interfaces.0", &[json!(name)]);
        if !name.is_empty() {
            add("vlanName", &[json!(name)]);
        }
    }
    add("vlanID", &[json!(4095), json!(-1), json!("9"), json!(1.5), json!([]), json!(true)]);
    add("mtu", &[json!(67), json!(-1), json!("1500"), json!(4_294_967_296_u64)]);
    add("cleanup", &[json!("yes"), json!(1)]);
    add("vlanName", &[json!(5), json!([])]);
    all.push(Bad::new(
        7,
        &["interfaces", "rail1", "twice"],
        with(config.clone(), &json!({ "interfaces": ["rail1", "rail1"] })),
    ));
    all.push(Bad::new(
        7,
        &["vlanName", "rail-with-name.9"],
        with(config.clone(), &json!({ "interfaces": ["rail-with-name"] })),
    ));
    all.push(Bad::new(
        7,
        &["vlanID", "bond"],
        with(config.clone(), &json!({ "interfaces": ["rail1", "rail2"] })),
    ));
    let absent = with(config.clone(), &json!({ "interfaces": ["nosuch"] }));
    all.push(Bad::new(7, &["interface", "nosuch"], absent).after_a_look());
    all.extend(bonds(config));
    all
}

fn bonds(config: &Value) -> Vec<Bad> {
    let two = with(config.clone(), &json!({ "interfaces": ["rail1", "rail2"], "bond": { "mode": 1 } }));
    let mut all = Vec::new();
    let mut add =
        |path: &str, values: &[Value]| all.extend(values.iter().map(|value| wrong(&two, path, value)));
    add("bond", &[json!(5), json!("bond0"), json!([])]);
    add("bond.mode", &[json!(7), json!(-1), json!("lacp")]);
    add("bond.name", &[json!("sixteen-bytes-xx"), json!("a/b"), json!("bond%d"), json!(5)]);
    add("bond.options", &[json!(5), json!({}), json!([])]);
    let options = [
        "miimon",
        "miimon=x",
        "miimon=-1",
        "lacp_rate=often",
        "nosuch=1",
        "miimon=1;miimon=2",
        "primary=rail3",
        "ad_actor_system=x",
        "arp_ip_target=10.0.0",
        "ns_ip6_target=10.0.0.1",
        "num_grat_arp=256",
        "=1",
    ];
    for option in options {
        let word = option.split(';').next().and_then(|option| option.split('=').next()).unwrap_or(option);
        let config = with(two.clone(), &json!({ "bond": { "mode": 1, "options": option } }));
        all.push(Bad::new(7, &["bond.options", word], config));
    }
    all
}

pub(crate) fn rail(config: &Value) -> Vec<Bad> {
    let mut all = Vec::new();
    let mut add =
        |path: &str, values: &[Value]| all.extend(values.iter().map(|value| wrong(config, path, value)));
    add("link", &[json!("vlan"), json!("Macvlan"), json!(5), json!([])]);
    add("rdma", &[json!("always"), json!(5), json!({})]);
    add("routing", &[json!("yes"), json!(5), json!([])]);
    add("mode", &[json!("brdige"), json!(1)]);
    add("mtu", &[json!("9000"), json!(1.5), json!(-1)]);
    add("mac", &[json!("x"), json!("01:00:5e:00:00:01"), json!(5)]);
    add("master", &[json!(5), json!({})]);
    for link in ["sriov", "ib-sriov"] {
        all.push(Bad::new(7, &["deviceID", "rail1"], with(config.clone(), &json!({ "link": link }))));
    }
    let ipoib = with(config.clone(), &json!({ "link": "ipoib" }));
    all.push(Bad::new(7, &["master", "rail1", "IPoIB"], ipoib).after_a_look());
    let exclusive = with(config.clone(), &json!({ "rdma": "exclusive" }));
    all.push(Bad::new(7, &["rdma", "exclusive", "macvlan"], exclusive));
    for cidr in ["10.0.0.0/33", "x", "0.0.0.0/0"] {
        let routing = json!({ "routing": { "serviceCIDR": [cidr] } });
        all.push(Bad::new(7, &["routing", "serviceCIDR", cidr], with(config.clone(), &routing)));
    }
    all.push(Bad::new(7, &["master is missing", "rails"], with(config.clone(), &json!({ "master": null }))));
    all.push(wrong(config, "master", &json!("nosuch")).after_a_look());
    // The IPAM reads its own part, when the masters are known whose subnets it may have to match.
    let subnets = [json!("172.16.1.0/33"), json!("x"), json!(5)];
    all.extend(subnets.map(|subnet| wrong(config, "ipam.pools.0.spec.subnet", &subnet).after_a_look()));
    all.extend([json!(5), json!("x")].map(|pools| wrong(config, "ipam.ippools", &pools).after_a_look()));
    all.extend(rails(config));
    all
}

fn rails(config: &Value) -> Vec<Bad> {
    let several = with(config.clone(), &json!({ "master": null, "rails": ["rail1", "rail2"] }));
    let bad = |words: &[&str], more: Value| Bad::new(7, words, with(several.clone(), &more));
    let mut all = vec![
        bad(&["master", "rails"], json!({ "master": "rail1" })),
        bad(&["rails []"], json!({ "rails": [] })),
        bad(&["rails"], json!({ "rails": 5 })),
        bad(&["rails"], json!({ "rails": "rail1" })),
        bad(&["rails[0]", "5"], json!({ "rails": [5] })),
        bad(&["rails[1]", "master is missing"], json!({ "rails": ["rail1", {}] })),
        bad(&["rails[1].master", "rail1"], json!({ "rails": ["rail1", "rail1"] })),
        bad(&["rails[0].link"], json!({ "rails": [{ "master": "rail1", "link": "ipvlan" }] })),
        bad(&["rails[0]", "master"], json!({ "rails": [{ "master": 5 }] })),
        bad(&["rails[0].ifname", "a/b"], json!({ "rails": [{ "master": "rail1", "ifname": "a/b" }] })),
        bad(&["rails[0].ifname", "net%d"], json!({ "rails": [{ "master": "rail1", "ifname": "net%d" }] })),
        bad(
            &["rails[1].ifname", "net1"],
            json!({ "rails": ["rail1", { "master": "rail2", "ifname": "net1" }] }),
        ),
        bad(&["rails[1]", "mtu"], json!({ "rails": ["rail1", { "master": "rail2", "mtu": "x" }] })),
        bad(&["runtimeConfig.mac", "2 rails"], json!({ "runtimeConfig": { "mac": "02:00:00:00:00:01" } })),
        bad(&["args.cni.ips", "2 rails"], json!({ "args": { "cni": { "ips": ["172.16.1.9"] } } })),
    ];
    for args in ["MAC=02:00:00:00:00:01", "IP=172.16.1.9"] {
        all.push(Bad::new(4, &["CNI_ARGS", args, "2 rails"], several.clone()).env("CNI_ARGS", args));
    }
    all
}
