//! What others have on the node, where the node's side of our pods is made.

use std::net::IpAddr;

use serde_json::json;
use testkit::{Ping, assert_same};

use crate::node::on_node;
use crate::pod::{Scene, Stack, nic};

/// ADD of rail 1 is refused with this, and nothing has changed.
#[track_caller]
fn refused(scene: &Scene, more: &serde_json::Value, expected: &str) {
    let before = scene.snapshot();
    let rail = &scene.rails[0];
    let error = scene.plugin(&nic(rail)).add(&scene.config(rail, more)).error();
    assert!(error.msg.contains(expected), "{error:?}");
    assert_same(&before, &scene.snapshot());
}

/// `hostRuleTable` is the network's own key, and the node has tables that only some of its traffic looks into.
#[test]
fn a_single_address_in_a_table_of_the_nodes_own_stays() {
    let scene = Scene::new(1, Stack::V4);
    let veth = scene.pod.host_veth();
    scene.world.host().ip_do(&format!(
        "rule add from 192.0.2.1 lookup 152\nroute add 172.16.1.10 dev {veth} table 152 protocol static"
    ));
    refused(&scene, &json!({ "hostRuleTable": 152 }), "hostRuleTable 152 is a table of the node's own");
}

/// Nobody is there any more.
#[test]
fn a_route_of_another_plugin_whose_link_has_no_carrier_is_replaced() {
    let scene = Scene::new(1, Stack::V4);
    scene.world.host().ip_do(
        "link add dead type veth peer name dead1\nlink set dead addrgenmode none\nlink set dead up\n\
         rule add lookup 500 priority 1000\nroute add 172.16.1.10 dev dead table 500 protocol static",
    );
    scene.add(1, &json!({}));
    let veth = scene.pod.host_veth();
    let expected = [format!("172.16.1.10 dev {veth} proto 211 scope link")];
    assert_eq!(on_node(&scene, "ip route show table 500"), expected);
    scene.del(1);
}

/// The API server, beside its nodes on the wire of a master: the node's traffic to it would end in the pod.
#[test]
fn an_address_of_a_machine_that_the_node_speaks_with_is_refused_until_the_machine_has_gone() {
    let scene = Scene::new(1, Stack::Dual);
    let (node, switch, rail) = (scene.world.host(), scene.world.switch(), &scene.rails[0]);
    let machine: [(IpAddr, u8); 2] = [(rail.address4(10).into(), 32), (rail.address6(0x10).into(), 128)];
    node.ip_do("addr add 172.16.1.1/24 dev rail1\naddr add fd00:16:1::1/64 dev rail1 nodad");
    node.settle("rail1");
    for (ip, length) in machine {
        switch.ip_do(&format!("addr add {ip}/{length} dev {}", rail.port));
        switch.settle(&rail.port);
        node.assert_ping(&Ping::to(ip));
        // It need not have answered lately to be there.
        node.ip_do(&format!("neigh change {ip} lladdr 02:00:00:00:02:01 dev rail1 nud stale"));
        let expected = format!(
            "{ip} cannot be the pod's: the node speaks with it on rail1, where 02:00:00:00:02:01 has it"
        );
        refused(&scene, &json!({}), &expected);
        switch.ip_do(&format!("addr del {ip}/{length} dev {}", rail.port));
    }
    scene.add(1, &json!({}));
    scene.del(1);
}

/// Somebody has written down that it is not the pod's.
#[test]
fn a_permanent_neighbour_with_another_hardware_address_keeps_its_own() {
    let scene = Scene::new(1, Stack::V4);
    scene.world.host().ip_do(
        "addr add 172.16.1.1/24 dev rail1\nneigh add 172.16.1.10 lladdr 02:00:00:00:99:99 dev rail1 nud permanent",
    );
    refused(
        &scene,
        &json!({}),
        "172.16.1.10 cannot be the pod's: the node speaks with it on rail1, where 02:00:00:00:99:99 has it",
    );
}

/// The node has one address in two places, and its way leads to the other.
#[test]
fn a_neighbour_on_a_wire_that_nobody_would_look_for_it_on_is_no_objection() {
    let scene = Scene::new(2, Stack::V4);
    scene.world.host().ip_do(
        "addr add 172.16.1.1/24 dev rail1\nneigh add 172.16.1.10 lladdr 02:00:00:00:99:99 dev rail2 nud permanent",
    );
    scene.add(1, &json!({}));
    scene.del(1);
}
