//! Several NICs in one subnet.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Ping, assert_same};

use crate::pod::{Scene, Stack};

const SECOND: Ipv4Addr = Ipv4Addr::new(172, 16, 1, 11);

/// `net1` of rail 1 and a second macvlan beside it, `net9`, with the next address.
fn scene() -> Scene {
    let scene = Scene::new(1, Stack::V4);
    let pod = scene.pod.name();
    scene.world.host().ip_do(&format!(
        "link add link rail1 name net9 netns {pod} address 02:00:00:00:04:09 type macvlan mode bridge"
    ));
    scene
        .pod
        .ip_do(&format!("link set net9 addrgenmode none\nlink set net9 up\naddr add {SECOND}/24 dev net9"));
    scene
}

fn second(scene: &Scene) -> Value {
    json!({
        "cniVersion": "1.1.0", "name": "rail9", "type": "coordinator",
        "prevResult": {
            "cniVersion": "1.1.0", "interfaces": [{ "name": "net9", "sandbox": scene.pod.path() }],
            "ips": [{ "interface": 0, "address": format!("{SECOND}/24"), "gateway": "172.16.1.254" }],
        },
    })
}

/// The MAC addresses that answer when the switch asks for the second address.
fn answers(scene: &Scene) -> BTreeSet<Vec<u8>> {
    let switch = scene.world.switch();
    switch.try_ip(&["neigh", "del", &SECOND.to_string(), "dev", "port1"]).ok();
    let capture = switch.capture();
    switch.assert_ping(&Ping::to(SECOND));
    // The second answer is on its way as soon as the first.
    let mut macs = BTreeSet::new();
    while let Some(frame) = capture.find(Duration::from_millis(300), |frame| {
        !frame.outgoing && frame.ethertype() == 0x0806 && frame.bytes.get(20..22) == Some(&[0, 2])
    }) {
        macs.insert(frame.bytes[22..28].to_vec());
    }
    macs
}

fn arp(scene: &Scene, nic: &str) -> [String; 2] {
    ["arp_announce", "arp_ignore"].map(|name| scene.pod.sysctl(&format!("net/ipv4/conf/{nic}/{name}")))
}

#[test]
fn each_nic_answers_for_its_own_address_and_is_as_it_was_afterwards() {
    let scene = scene();
    let before = scene.snapshot();
    assert_eq!(answers(&scene).len(), 2, "of itself the kernel answers on both");
    let result = scene.add(1, &json!({}));
    assert_eq!(arp(&scene, "net1"), ["0", "0"], "alone in its subnet, as far as we know");
    scene.plugin("net9").add(&second(&scene)).success();
    for nic in ["net1", "net9"] {
        assert_eq!(arp(&scene, nic), ["2", "1"], "{nic}");
    }
    assert_eq!(arp(&scene, "eth0"), ["0", "0"], "another subnet");
    assert_eq!(answers(&scene), BTreeSet::from([vec![2, 0, 0, 0, 4, 9]]));
    scene.pod.set_sysctl("net/ipv4/conf/net1/arp_ignore", "0");
    let said = scene.check(1, &json!({}), &result);
    assert!(said.contains("arp_announce and arp_ignore of net1 are 2 and 0, expected 2 and 1"), "{said}");
    scene.pod.set_sysctl("net/ipv4/conf/net1/arp_ignore", "1");
    scene.del(1);
    assert_eq!(
        (arp(&scene, "net1"), arp(&scene, "net9")),
        (["0", "0"].map(str::to_owned), ["0", "0"].map(str::to_owned))
    );
    scene
        .plugin("net9")
        .del(&json!({ "cniVersion": "1.1.0", "name": "rail9", "type": "coordinator" }))
        .success();
    assert_same(&before, &scene.snapshot());
}

/// `podRPFilter` counts on the NIC, too, where the kernel takes the greater of the two.
#[test]
fn the_reverse_path_filter_of_the_nic_is_set_and_put_back() {
    let scene = Scene::new(1, Stack::V4);
    for nic in ["all", "net1", "eth0"] {
        scene.pod.set_sysctl(&format!("net/ipv4/conf/{nic}/rp_filter"), "2");
    }
    let before = scene.snapshot();
    let result = scene.add(1, &json!({ "podRPFilter": 0 }));
    let of = |nic: &str| scene.pod.sysctl(&format!("net/ipv4/conf/{nic}/rp_filter"));
    assert_eq!((of("all"), of("net1"), of("eth0")), ("0".into(), "0".into(), "2".into()));
    scene.pod.set_sysctl("net/ipv4/conf/net1/rp_filter", "1");
    let said = scene.check(1, &json!({}), &result);
    assert!(said.contains("rp_filter of net1 is 1, expected 0"), "{said}");
    scene.pod.set_sysctl("net/ipv4/conf/net1/rp_filter", "0");
    scene.del(1);
    assert_same(&before, &scene.snapshot());
}
