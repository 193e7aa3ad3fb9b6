use serde_json::{Value, json};

use super::render;

/// The only document of a text, without the pools that the file may hold.
fn document(text: &str) -> Value {
    yaml::documents(text).unwrap().remove(0)
}

fn config(spec: &str) -> (Value, Vec<String>) {
    let text = format!("kind: SpiderMultusConfig\nmetadata: {{name: rail1}}\nspec: {{{spec}}}\n");
    let rendered = render(&document(&text), &[]).unwrap();
    (rendered.config, rendered.warnings)
}

#[track_caller]
fn plugins(spec: &str, expected: &Value) -> Vec<String> {
    let (config, warnings) = config(spec);
    assert_eq!(config["plugins"], *expected);
    warnings
}

fn refused(spec: &str) -> String {
    let text = format!("kind: SpiderMultusConfig\nmetadata: {{name: rail1}}\nspec: {{{spec}}}\n");
    format!("{:#}", render(&document(&text), &[]).unwrap_err())
}

#[test]
fn a_macvlan_rail() {
    let warnings = plugins(
        "cniType: macvlan, macvlan: {master: [enp11s0f0np0], ippools: {ipv4: [gpu1-net11]}}",
        &json!([
            { "type": "macvlan", "master": "enp11s0f0np0", "ipam": { "type": "rail-ipam", "ippools": { "ipv4": ["gpu1-net11"] } } },
            { "type": "coordinator" },
        ]),
    );
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[test]
fn an_isolated_vf_with_its_own_mtu() {
    let expected = json!([
        { "type": "sriov", "mtu": 4200,
          "ipam": { "type": "rail-ipam", "ippools": { "ipv4": ["eno3np1-rail1*"], "matchMasterSubnet": true } } },
        { "type": "rdma" },
        { "type": "coordinator" },
    ]);
    let ippools = "ippools: {ipv4: ['eno3np1-rail1*'], matchMasterSubnet: true}";
    let plain = format!(
        "cniType: sriov, sriov: {{resourceName: spidernet.io/eno3np1, rdmaIsolation: true, mtu: 4200, {ippools}}}"
    );
    assert!(plugins(&plain, &expected).is_empty());
    // As the guides write it: two keys that Spiderpool's schema drops.
    let warnings = plugins(
        "cniType: sriov, sriov: {resourceName: spidernet.io/eno3np1, enableRdma: true, mtu: 4200, \
         ippools: {ipv4: ['eno3np1-rail1*']}, matchMasterSubnet: true}",
        &expected,
    );
    assert_eq!(
        warnings,
        [
            "SpiderMultusConfig rail1: spec.sriov.enableRdma is no field; taken as rdmaIsolation",
            "SpiderMultusConfig rail1: spec.sriov.matchMasterSubnet belongs into spec.sriov.ippools; taken from where it is",
        ]
    );
}

#[test]
fn pools_beside_the_block_are_taken_with_a_warning() {
    let warnings = plugins(
        "cniType: sriov, sriov: {resourceName: a/b}, ippools: {ipv4: [gpu1-net11]}, enableCoordinator: false",
        &json!([{ "type": "sriov", "ipam": { "type": "rail-ipam", "ippools": { "ipv4": ["gpu1-net11"] } } }]),
    );
    assert_eq!(
        warnings,
        ["SpiderMultusConfig rail1: spec.ippools belongs into spec.sriov; taken from where it is"]
    );
}

#[test]
fn infiniband_is_isolated_unless_it_says_otherwise() {
    plugins(
        "cniType: ib-sriov, ibsriov: {resourceName: a/b, pkey: '0x8001', enableIbKubernetes: true}, disableIPAM: true",
        &json!([
            { "type": "ib-sriov", "link_state": "enable", "rdmaIsolation": true, "pkey": "0x8001",
              "ibKubernetesEnabled": true, "capabilities": { "infinibandGUID": true } },
            { "type": "coordinator" },
        ]),
    );
    plugins(
        "cniType: ipoib, ipoib: {master: ibs5f0, ippools: {ipv6: [ib]}}, coordinator: {podDefaultRouteNIC: net1}",
        &json!([
            { "type": "ipoib", "master": "ibs5f0", "ipam": { "type": "rail-ipam", "ippools": { "ipv6": ["ib"] } } },
            { "type": "coordinator", "podDefaultRouteNic": "net1" },
        ]),
    );
}

/// Hazard 9: the peer drops `podRPFilter` unless `podCIDRType` is there, too.
#[test]
fn every_key_of_the_coordinator_is_rendered_by_itself() {
    plugins(
        "cniType: ipoib, ipoib: {master: ibs5f0}, disableIPAM: true, coordinator: {podRPFilter: 1}",
        &json!([{ "type": "ipoib", "master": "ibs5f0" }, { "type": "coordinator", "podRPFilter": 1 }]),
    );
}

#[test]
fn a_vlan_on_a_bond_is_made_first() {
    plugins(
        "cniType: ipvlan, ipvlan: {master: [a, b], vlanID: 100, bond: {name: bond0, mode: 4, options: miimon=100}}, \
         disableIPAM: true, chainCNIJsonData: ['{\"type\": \"tuning\"}']",
        &json!([
            { "type": "ifacer", "interfaces": ["a", "b"], "vlanID": 100,
              "bond": { "name": "bond0", "mode": 4, "options": "miimon=100" } },
            { "type": "ipvlan", "master": "bond0.100" },
            { "type": "tuning" },
            { "type": "coordinator" },
        ]),
    );
}

#[test]
fn names_versions_and_the_resource_come_from_the_metadata() {
    let text = "kind: SpiderMultusConfig\nmetadata: {name: a, namespace: rails, annotations: {x: y, kubectl.kubernetes.io/last-applied-configuration: z, \
        multus.spidernet.io/cr-name: b, multus.spidernet.io/cni-version: 0.4.0, cni.spidernet.io/cniconfig-name: c}}\n\
        spec: {cniType: sriov, sriov: {resourceName: spidernet.io/r}, disableIPAM: true}\n";
    let rendered = render(&document(text), &[]).unwrap();
    let definition = rendered.definition();
    assert_eq!(
        (&definition["metadata"]["name"], &definition["metadata"]["namespace"]),
        (&json!("b"), &json!("rails"))
    );
    let annotations = &definition["metadata"]["annotations"];
    assert_eq!(annotations["k8s.v1.cni.cncf.io/resourceName"], "spidernet.io/r");
    assert_eq!(annotations["x"], "y");
    assert_eq!(annotations["kubectl.kubernetes.io/last-applied-configuration"], Value::Null);
    let config: Value = serde_json::from_str(definition["spec"]["config"].as_str().unwrap()).unwrap();
    assert_eq!((&config["cniVersion"], &config["name"]), (&json!("0.4.0"), &json!("c")));
}

#[test]
fn pools_of_the_same_file_go_into_the_network() {
    let pool = json!({ "kind": "SpiderIPPool", "metadata": { "name": "p" } });
    let text =
        "kind: SpiderMultusConfig\nmetadata: {name: a}\nspec: {cniType: macvlan, macvlan: {master: [m]}}\n";
    let rendered = render(&document(text), &[&pool]).unwrap();
    assert_eq!(rendered.config["plugins"][0]["ipam"]["pools"], json!([pool]));
}

#[test]
fn a_custom_config_is_taken_as_it_is() {
    plugins(r#"customCNI: '{"type":"bridge","x":1}'"#, &json!([{ "type": "bridge", "x": 1 }]));
    plugins(
        r#"customCNI: '{"plugins":[{"type":"a"},{"type":"b"}]}'"#,
        &json!([{ "type": "a" }, { "type": "b" }]),
    );
}

#[test]
fn what_cannot_be_meant_is_refused_with_the_reason() {
    for (spec, reason) in [
        (
            "cniType: ib-sriov, ibsriov: {resourceName: a/b, pkey: 1000}",
            "spec.ibsriov.pkey 1000 is a number: write hexadecimal digits as a string, such as \"0x1000\"",
        ),
        (
            "cniType: sriov, sriov: {}",
            "spec.sriov.resourceName is missing: what the SR-IOV device plugin calls the rail's VFs",
        ),
        ("cniType: macvlan, sriov: {}", "spec.sriov does not belong to cniType macvlan; take it out"),
        ("cniType: ipoib", "spec.ipoib is missing: it holds what cniType ipoib needs"),
        (
            "cniType: macvlan, macvlan: {master: [a, b]}",
            "spec.macvlan.master has 2 entries: more than one need a spec.macvlan.bond with a name",
        ),
        (
            "cniType: sriov, sriov: {resourceName: a/b, minTxRateMbps: 9, maxTxRateMbps: 8}",
            "spec.sriov.minTxRateMbps 9 is more than spec.sriov.maxTxRateMbps 8",
        ),
        ("cniType: ovs, ovs: {}", "cniType ovs has no plugin here"),
        ("cniType: bridge", "spec.cniType \"bridge\" is none of macvlan"),
        (
            "cniType: macvlan, macvlan: {master: [a], mtus: 9000}",
            "spec.macvlan.mtus is no field; \"mtu\" was probably meant",
        ),
        (
            "cniType: macvlan, macvlan: {master: a}",
            "key \"spec.macvlan.master\" has the value \"a\": expected a list",
        ),
        ("cniType: macvlan, rdmaResourceName: x", "\"macvlan.rdmaResourceName\" was probably meant"),
        ("cniType: custom", "spec.customCNI is missing"),
        (
            "cniType: macvlan, macvlan: {master: [a]}, coordinator: {podMACPrefix: '01:00'}",
            "spec.coordinator: podMACPrefix \"01:00\": has the multicast bit",
        ),
        (
            "cniType: macvlan, macvlan: {master: [a]}, coordinator: {podRPFilter: 5}",
            "spec.coordinator: podRPFilter \"5\"",
        ),
        (
            "cniType: macvlan, macvlan: {master: [a]}, chainCNIJsonData: ['{}']",
            "chainCNIJsonData[0] has no \"type\"",
        ),
    ] {
        let error = refused(spec);
        assert!(error.starts_with("SpiderMultusConfig rail1: ") && error.contains(reason), "{spec}: {error}");
    }
}

#[test]
fn names_in_annotations_are_no_paths_and_no_lists() {
    let named = |key: &str, name: &str| {
        let mut document = document(
            "kind: SpiderMultusConfig\nmetadata: {name: a}\nspec: {cniType: macvlan, macvlan: {master: [a]}}",
        );
        document["metadata"]["annotations"] = json!({ key: name });
        render(&document, &[]).map(|rendered| rendered.name).map_err(|error| format!("{error:#}"))
    };
    let long = "a".repeat(254);
    for bad in [
        "",
        ".",
        "x/../../../victim/network-attachment-definitions/rail1",
        "x,kube-system/other@net1",
        "../../../../x?dryRun=All#",
        "a%2fb",
        "NOT_POSSIBLE",
        "-a",
        "a.-b",
        "a..b",
        &long,
    ] {
        let error = named("multus.spidernet.io/cr-name", bad).unwrap_err();
        assert!(
            error.contains("multus.spidernet.io/cr-name") && error.contains("is no name of an object"),
            "{error}"
        );
    }
    for good in ["a", "0", "gpu1-net.rail-1", &long[1..]] {
        assert_eq!(named("multus.spidernet.io/cr-name", good).as_deref(), Ok(good));
    }
    for bad in ["", "../x", "a/b", "a,b"] {
        let error = named("cni.spidernet.io/cniconfig-name", bad).unwrap_err();
        assert!(error.contains("cni.spidernet.io/cniconfig-name"), "{error}");
    }
}
