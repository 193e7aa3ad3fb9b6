use super::*;

fn explained(plugin: &str) -> Result<String> {
    let list = format!(r#"{{"cniVersion":"1.1.0","name":"rails","plugins":[{plugin}]}}"#);
    let list = NetworkList::parse(list.as_bytes())?;
    Ok(of_list(&list, "net1")?.0.text())
}

#[test]
fn every_rail_has_its_link_table_and_rule() {
    let text = explained(
        r#"{"type":"rail","mtu":9000,"rails":["ens1","ens2"],"ipam":{"type":"rail-ipam"},
            "routing":{"serviceCIDR":["10.96.0.0/12"]}}"#,
    )
    .unwrap();
    for line in [
        "net1: macvlan on ens1, mtu 9000",
        "net2: macvlan on ens2, mtu 9000",
        "net2: a lease of rail-ipam",
        "net2: table 102",
        "rule 10102: from each of its addresses lookup 102",
        "net1: 10.96.0.0/12 leaves by eth0",
        "main keeps the default route of eth0",
    ] {
        assert!(text.contains(line), "{line:?} is not in\n{text}");
    }
}

#[test]
fn vfs_and_their_rdma_devices_are_told() {
    let text = explained(
        r#"{"type":"rail","link":"sriov","rdma":"exclusive","vlan":100,"ipam":{"type":"rail-ipam"},
            "rails":["0000:3b:00.2",{"master":"ens2f0"}]}"#,
    )
    .unwrap();
    for line in [
        "net1: sriov, VF 0000:3b:00.2, vlan 100; its RDMA device goes along",
        "net2: sriov, the VF that the runtime gives, vlan 100",
        "RDMA devices and VFs go back to the host",
    ] {
        assert!(text.contains(line), "{line:?} is not in\n{text}");
    }
}

#[test]
fn detection_and_the_nodes_side_are_told() {
    let text = explained(
        r#"{"type":"rail","rails":["ens1","ens2"],"ipam":{"type":"rail-ipam"},
            "detection":{"gateway":true,"interval":"50ms"}}"#,
    )
    .unwrap();
    for line in [
        "net2: whether its gateways answer: 3 requests, one each 50ms, 100ms for the last answer",
        "net2: on the node, a route to each of its addresses in table 500",
    ] {
        assert!(text.contains(line), "{line:?} is not in\n{text}");
    }
    let error = explained(r#"{"type":"rail","master":"ens1","detection":"yes"}"#).unwrap_err();
    assert!(format!("{error:#}").contains("detection \"yes\""), "{error:#}");
}

#[test]
fn a_first_nic_that_is_a_rail_itself_has_a_pair_with_the_node() {
    let text = explained(
        r#"{"type":"rail","rails":[{"master":"ens1","ifname":"eth0"},"ens2"],"ipam":{"type":"rail-ipam"},
            "routing":{"vethMTU":1400}}"#,
    )
    .unwrap();
    for line in ["eth0: the pod's first NIC", "veth0, MTU 1400", "net2: table 102"] {
        assert!(text.contains(line), "{line:?} is not in\n{text}");
    }
}

#[test]
fn what_add_would_refuse_is_refused() {
    let error = explained(r#"{"type":"rail","rails":[]}"#).unwrap_err();
    assert!(format!("{error:#}").contains("rails []"), "{error:#}");
    let error = explained(r#"{"type":"macvlan","master":"ens1","detection":"yes"},{"type":"coordinator"}"#)
        .unwrap_err();
    assert!(format!("{error:#}").contains("network rails: macvlan: detection"), "{error:#}");
}

fn assert_tells(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.contains(line), "{line:?} is not in\n{text}");
    }
}

#[test]
fn a_chain_is_told_plugin_by_plugin_and_undone_the_other_way_round() {
    let text = explained(
        r#"{"type":"macvlan","master":"ens1","mtu":9000,"ipam":{"type":"rail-ipam"}},{"type":"coordinator"},
            {"type":"tuning"}"#,
    )
    .unwrap();
    assert_tells(
        &text,
        &[
            "attaches net1 by 3 plugins",
            "1. macvlan",
            "net1: macvlan on ens1, mtu 9000",
            "addresses of net1: from plugin rail-ipam",
            "2. coordinator",
            "net1: table 101",
            "3. tuning",
            "not one of ours",
            "  tuning: its own DEL\n  coordinator: rules, tables, moved default routes and the node's side\n  macvlan: the link; its addresses\n",
        ],
    );
}

#[test]
fn vfs_in_a_chain_have_their_rdma_device_told() {
    let text = explained(r#"{"type":"sriov","vlan":7},{"type":"rdma"}"#).unwrap();
    assert_tells(
        &text,
        &[
            "net1: sriov, the VF that the runtime gives, vlan 7",
            "addresses of net1: none",
            "the RDMA device goes back to the host",
        ],
    );
    let text = explained(r#"{"type":"ib-sriov","deviceID":"0000:3b:00.2","rdmaIsolation":true}"#).unwrap();
    assert_tells(&text, &["by one plugin", "VF 0000:3b:00.2; its RDMA device goes along"]);
}

fn parents(plugins: &str) -> Vec<machine::Parent> {
    let list = format!(r#"{{"cniVersion":"1.1.0","name":"rails","plugins":[{plugins}]}}"#);
    let list = NetworkList::parse(list.as_bytes()).unwrap();
    of_list(&list, "net1").unwrap().1
}

#[test]
fn what_ifacer_makes_is_told_and_not_looked_for() {
    let ifacer = r#"{"type":"ifacer","interfaces":["ens1","ens2"],"vlanID":7}"#;
    let chain = format!(r#"{ifacer},{{"type":"macvlan","master":"sp_bond0.7"}}"#);
    assert_tells(&explained(&chain).unwrap(), &["sp_bond0.7 on [\"ens1\",\"ens2\"]"]);
    assert!(parents(&chain).is_empty());
    assert_eq!(parents(r#"{"type":"macvlan","master":["ens1"]}"#).len(), 1);
    assert!(parents(r#"{"type":"macvlan","master":"net1","linkInContainer":true}"#).is_empty());
}

#[test]
fn the_masters_are_looked_at() {
    let step = machine::step(&parents(
        r#"{"type":"rail","rails":["lo","no-such-nic"],"mtu":70000,"ipam":{"type":"rail-ipam"}}"#,
    ));
    let text = step.unwrap().lines.join("\n");
    assert_tells(
        &text,
        &[
            "net1: lo is ",
            "MTU 65536, no RDMA device; an ADD would fail: mtu 70000 is more than that",
            "net2: an ADD would fail: master \"no-such-nic\" is not an interface of the host",
        ],
    );
    let step = machine::step(&parents(r#"{"type":"sriov","deviceID":"ffff:00:00.0"}"#));
    assert!(step.unwrap().lines[0].starts_with("net1: an ADD would fail: "));
    assert!(machine::step(&[]).is_none());
}
