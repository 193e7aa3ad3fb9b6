//! ADD and DEL with a pod that lives.

use serde_json::{Value, json};
use vm::lab::{Pod, VfAttributes, ip, vf};

use super::call::{call, ipam, sriov};
use super::state::{State, assert_untouched};

fn everything() -> Value {
    json!({
        "mac": "02:00:5e:10:00:01", "vlan": 100, "vlanQoS": 3, "vlanProto": "802.1ad", "min_tx_rate": 100,
        "max_tx_rate": 1000, "spoofchk": "on", "trust": "on", "link_state": "enable", "mtu": 1400,
    })
}

#[test]
fn a_vf_goes_into_the_pod_under_its_final_name_and_comes_back() {
    let (vf, pod) = (vf(0, 1), Pod::new());
    let before = State::of(&vf);
    let call = sriov(&vf, &pod, &json!({}));
    let result = call.run("ADD");
    let link = pod.link("net1");
    let expected = json!({
        "cniVersion": "1.1.0",
        "interfaces": [{
            "name": "net1", "mac": link["address"], "mtu": 1500, "sandbox": pod.path(), "pciID": vf.bdf(),
        }],
    });
    assert_eq!(result, expected);
    assert_eq!((pod.links(), vf.netdev()), (vec!["net1".to_owned()], None));
    assert!(link["flags"].as_array().expect("flags").contains(&json!("UP")), "{link}");
    assert_eq!(vf.attributes(), VfAttributes { ..vm::lab::vf(0, 2).attributes() }, "nothing was asked for");
    call.run("DEL");
    assert_untouched(&vf, &before);
    call.run("DEL");
}

/// Who writes the network is often a tenant, and the node would be off the net.
#[test]
fn a_vf_that_the_node_has_an_address_on_is_given_to_nobody() {
    let (vf, pod) = (vf(0, 3), Pod::new());
    let name = vf.ifname();
    ip(&format!("addr add 192.0.2.7/24 dev {name}"));
    let before = State::of(&vf);
    let alone = sriov(&vf, &pod, &json!({ "vlan": 100 }));
    let by_rail = alone.then("rail", &json!({ "link": "sriov", "ipam": ipam("10.77.1.0/24") }));
    for call in [&alone, &by_rail] {
        let said = call.fails("ADD");
        let reason = format!(
            "{name} has an address of the node, 192.0.2.7/24 on {name}, and a pod would take all its packets"
        );
        assert!(said.contains(&reason) && said.contains("use another VF"), "{said}");
        assert_untouched(&vf, &before);
        assert!(ip(&format!("addr show dev {name}")).contains("192.0.2.7/24"));
        call.run("DEL");
    }
    // Of a router, as any interface that is up gets one.
    ip(&format!("addr flush dev {name}"));
    ip(&format!("addr add 2001:db8::7/64 dev {name} valid_lft 600 preferred_lft 600"));
    alone.run("ADD");
    alone.run("DEL");
    assert_untouched(&vf, &before);
}

#[test]
fn every_attribute_is_set_and_restored() {
    let (vf, pod) = (vf(1, 2), Pod::new());
    vf.set("vlan 7 qos 1");
    vf.set("max_tx_rate 500");
    let before = State::of(&vf);
    let call = sriov(&vf, &pod, &everything());
    let result = call.run("ADD");
    let expected = VfAttributes {
        mac: Some("02:00:5e:10:00:01".into()),
        vlan: 100,
        qos: 3,
        proto: Some("802.1ad".into()),
        min_tx_rate: 100,
        max_tx_rate: 1000,
        spoofchk: Some(true),
        trust: Some(true),
        link_state: Some("enable".into()),
        ..VfAttributes::default()
    };
    assert_eq!(vf.attributes(), expected);
    let link = pod.link("net1");
    assert_eq!((&link["address"], &link["mtu"]), (&json!("02:00:5e:10:00:01"), &json!(1400)));
    assert_eq!(result["interfaces"][0]["mac"], "02:00:5e:10:00:01");
    assert_eq!(result["interfaces"][0]["mtu"], 1400);
    call.run("DEL");
    assert_untouched(&vf, &before);
}

#[test]
fn an_mtu_and_a_mac_that_the_workload_changed_are_restored() {
    let (vf, pod) = (vf(0, 0), Pod::new());
    let before = State::of(&vf);
    let call = sriov(&vf, &pod, &json!({}));
    call.run("ADD");
    pod.ip("link set dev net1 mtu 9000 address 02:00:00:00:00:99");
    call.run("DEL");
    assert_untouched(&vf, &before);
}

#[test]
fn promiscuous_and_allmulti_end_with_the_pod() {
    let (vf, pod) = (vf(0, 0), Pod::new());
    let before = State::of(&vf);
    let call = sriov(&vf, &pod, &json!({}));
    call.run("ADD");
    pod.ip("link set dev net1 promisc on allmulticast on");
    call.run("DEL");
    assert_untouched(&vf, &before);
}

#[test]
fn an_interface_that_the_workload_renamed_comes_back() {
    let (vf, pod) = (vf(0, 0), Pod::new());
    let before = State::of(&vf);
    let call = sriov(&vf, &pod, &json!({}));
    call.run("ADD");
    pod.ip("link set dev net1 down");
    pod.ip("link set dev net1 name fabric0");
    call.run("DEL");
    assert_untouched(&vf, &before);
}

#[test]
fn pods_ping_over_vfs_with_a_vlan_and_without() {
    for (vlan, subnet) in [(0, "10.61.0.0/24"), (200, "10.62.0.0/24")] {
        let (left, right) = (Pod::new(), Pod::new());
        let config = json!({ "vlan": vlan, "vlanQoS": 0, "ipam": ipam(subnet) });
        let calls = [sriov(&vf(3, 0), &left, &config), sriov(&vf(3, 1), &right, &config)];
        let [_, second] = calls.clone().map(|call| call.run("ADD"));
        let address = second["ips"][0]["address"].as_str().expect("an address").to_owned();
        assert!(left.pings(address.split('/').next().expect("a prefix")), "vlan {vlan}");
        for call in calls {
            call.run("DEL");
        }
    }
}

#[test]
fn a_vlan_separates() {
    let (left, right) = (Pod::new(), Pod::new());
    let config = |vlan: u16| json!({ "vlan": vlan, "ipam": ipam("10.63.0.0/24") });
    sriov(&vf(3, 0), &left, &config(200)).run("ADD");
    let second = sriov(&vf(3, 1), &right, &config(201)).run("ADD");
    let address = second["ips"][0]["address"].as_str().expect("an address").to_owned();
    assert!(!left.pings(address.split('/').next().expect("a prefix")));
}

#[test]
fn a_vf_that_a_living_pod_has_is_refused() {
    let (vf, first, second) = (vf(0, 3), Pod::new(), Pod::new());
    sriov(&vf, &first, &json!({ "vlan": 9 })).run("ADD");
    let said = sriov(&vf, &second, &json!({ "vlan": 10 })).fails("ADD");
    assert!(said.contains("already allocated") && said.contains(first.name()), "{said}");
    assert_eq!((vf.attributes().vlan, first.links().len()), (9, 1));
}

#[test]
fn a_name_that_the_pod_has_already_is_refused_before_any_change() {
    let (vf, pod) = (vf(0, 0), Pod::new());
    let before = State::of(&vf);
    pod.ip("link add net1 type bridge");
    let said = sriov(&vf, &pod, &json!({ "vlan": 10 })).fails("ADD");
    assert!(said.contains("net1"), "{said}");
    assert_untouched(&vf, &before);
}

#[test]
fn results_are_those_of_the_version_that_is_asked_for() {
    for (version, has_mtu) in [("0.3.1", false), ("0.4.0", false), ("1.0.0", true), ("1.1.0", true)] {
        let (vf, pod) = (vf(0, 0), Pod::new());
        let call = sriov(&vf, &pod, &json!({ "cniVersion": version, "ipam": ipam("10.64.0.0/24") }));
        let result = call.run("ADD");
        assert_eq!(result["cniVersion"], version);
        assert_eq!(result["interfaces"][0].get("mtu").is_some(), has_mtu, "{result}");
        assert_eq!(result["ips"][0].get("version").is_some(), version.starts_with('0'), "{result}");
        call.run("DEL");
    }
}

#[test]
fn a_runtime_of_cni_0_2_gets_the_result_that_it_knows() {
    let (vf, pod) = (vf(0, 0), Pod::new());
    let call = sriov(&vf, &pod, &json!({ "cniVersion": "0.2.0", "ipam": ipam("10.64.1.0/24") }));
    let result = call.run("ADD");
    assert!(result["ip4"]["ip"].as_str().is_some_and(|address| address.starts_with("10.64.1.")), "{result}");
    assert!(result.get("interfaces").is_none(), "{result}");
    call.run("DEL");
}

#[test]
fn an_mtu_above_the_pfs_is_refused_before_any_change() {
    let (vf, pod) = (vf(0, 0), Pod::new());
    let before = State::of(&vf);
    let said = sriov(&vf, &pod, &json!({ "mtu": 4200, "vlan": 5 })).fails("ADD");
    assert!(said.contains("invalid MTU 4200") && said.contains("1500"), "{said}");
    assert_untouched(&vf, &before);
    ip(&format!("link set dev {} mtu 4200", vf.pf().ifname()));
    let call = sriov(&vf, &pod, &json!({ "mtu": 4200 }));
    assert_eq!(call.run("ADD")["interfaces"][0]["mtu"], 4200);
    call.run("DEL");
    assert_untouched(&vf, &before);
}

#[test]
fn what_cannot_be_a_vf_is_refused_with_what_to_do() {
    let (vf, pod) = (vf(0, 0), Pod::new());
    for (device, said) in [
        (vf.pf().bdf(), "this is a PF with 4 VFs"),
        ("0000:7f:1f.7", "no such device"),
        ("rail0v0", "rail0v0"),
    ] {
        let error = sriov(&vf, &pod, &json!({ "deviceID": device })).fails("ADD");
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn ib_sriov_on_an_ethernet_vf_names_sriov() {
    let (vf, pod) = (vf(0, 0), Pod::new());
    let before = State::of(&vf);
    let config = json!({
        "cniVersion": "1.1.0", "name": "ib", "type": "ib-sriov", "deviceID": vf.bdf(), "guid": "11:22:33:44:55:66:77:01",
        "rdmaIsolation": true,
    });
    let said = call("ib-sriov", &pod, config).fails("ADD");
    assert!(said.contains("is Ethernet: use `sriov`"), "{said}");
    assert_untouched(&vf, &before);
}
