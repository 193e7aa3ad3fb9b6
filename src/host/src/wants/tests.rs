use super::*;
use crate::parse;

fn listed(text: &str, inventory: &Inventory) -> Vec<String> {
    let wants = wants(&parse(text).unwrap(), inventory, None);
    wants.iter().map(|want| format!("{} = {}", want.key, want.value)).collect()
}

#[test]
fn a_nic_has_its_table_its_rule_and_the_route_to_the_rails() {
    let text = "
rdmaSubnets: [172.16.0.0/16]
nics: [{name: eno3np2, addresses: [172.16.0.10/24], gateways: [172.16.0.1], mtu: 4200, table: 152, rdmaRoute: true}]";
    let expected = [
        "eno3np2: mtu = 4200",
        "eno3np2: up = yes",
        "eno3np2: address 172.16.0.10/24 = yes",
        "eno3np2: route 172.16.0.0/24 table 152 = yes",
        "eno3np2: route default via 172.16.0.1 table 152 = yes",
        "eno3np2: route 172.16.0.0/16 via 172.16.0.1 = yes",
        "rule 32763: from 172.16.0.10 lookup 152 = yes",
        "rule 32762: not to 172.16.0.0/16 lookup main = yes",
    ];
    assert_eq!(listed(text, &Inventory::default()), expected);
}

#[test]
fn the_mtu_of_a_pf_comes_before_its_vfs_and_theirs_once_they_are_there() {
    let file = "nics: [{name: p0, mtu: 9000, vfs: 2, vfAutoprobe: false}]";
    let of = |num_vfs| {
        let nic = NicFacts {
            name: "p0".into(),
            num_vfs: Some(num_vfs),
            vfs: (0..num_vfs).map(|number| format!("p0v{number}")).collect(),
            ..NicFacts::default()
        };
        listed(file, &Inventory { nics: vec![nic], ..Inventory::default() })
    };
    let expected = ["p0: drivers take new VFs = no", "p0: mtu = 9000", "p0: VFs = 2", "p0: up = yes"];
    assert_eq!(of(4), expected, "four are about to go");
    let expected = [&expected[..3], &["p0v0: mtu = 9000", "p0v1: mtu = 9000"], &expected[3..]].concat();
    assert_eq!(of(2), expected);
}

#[test]
fn two_addresses_of_a_subnet_have_one_route_and_two_rules() {
    let lines = listed(
        "nics: [{name: a, addresses: [10.0.0.2/24, 10.0.0.3/24], gateways: [10.0.0.1]}]",
        &Inventory::default(),
    );
    let count = |part: &str| lines.iter().filter(|line| line.contains(part)).count();
    assert_eq!((count("route 10.0.0.0/24"), count("rule")), (1, 2), "{lines:?}");
}

#[test]
fn an_address_whose_family_has_no_gateway_has_no_rule() {
    let text = "nics: [{name: a, addresses: [10.0.0.2/24, 'fd00::2/64'], gateways: [10.0.0.1]}]";
    let rules: Vec<_> =
        listed(text, &Inventory::default()).into_iter().filter(|line| line.contains("lookup")).collect();
    assert_eq!(rules, ["rule 32763: from 10.0.0.2 lookup 151 = yes"]);
}

#[test]
fn lossless_classes_are_those_of_the_file_on_every_ethernet_nic() {
    let of = |name: &str, is_infiniband| NicFacts {
        name: name.into(),
        is_infiniband,
        rdma: vec![format!("rdma_{name}")],
        has_rdma_cm: true,
        notifications: vec!["sys/kernel/debug/mlx5/0000:1a:00.0/cc_params/np_cnp_dscp".into()],
        ..NicFacts::default()
    };
    let nics = vec![of("a", false), of("ib0", true)];
    let inventory = Inventory { nics, has_rdma: true, ..Inventory::default() };
    let lines = listed("{nics: [{name: a}, {name: ib0}], roce: {preset: nvidia}}", &inventory);
    let expected = [
        "a: up = yes",
        "ib0: up = yes",
        "a: priority of DSCP 26 = 3",
        "a: priority of DSCP 48 = 6",
        "a: priority flow control = 8",
        "/sys/kernel/debug/mlx5/0000:1a:00.0/cc_params/np_cnp_dscp = \"48\"",
        "/sys/kernel/config/rdma_cm/rdma_a = yes",
        "/sys/kernel/config/rdma_cm/rdma_a/ports/1/default_roce_mode = \"RoCE v2\"",
        "/sys/kernel/config/rdma_cm/rdma_a/ports/1/default_roce_tos = \"104\"",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn shares_come_behind_priorities_and_buffers_last() {
    let nic =
        |name: &str, is_infiniband| NicFacts { name: name.into(), is_infiniband, ..NicFacts::default() };
    let inventory = Inventory { nics: vec![nic("a", false), nic("ib0", true)], ..Inventory::default() };
    let file = "
nics: [{name: a}, {name: ib0}]
roce:
  preset: nvidia
  ets:
    classes: [0, 0, 0, 1, 0, 0, 2, 0]
    scheduling: [ets, ets, strict, ets, ets, ets, ets, ets]
    bandwidth: [40, 60, 0, 0, 0, 0, 0, 0]
  buffers: {priorities: [0, 0, 0, 1, 0, 0, 0, 0], sizes: [20480, 156160, 0, 0, 0, 0, 0, 0]}";
    let lines = listed(file, &inventory);
    let expected = [
        "a: priority flow control = 8",
        "a: traffic classes = \"classes 0,0,0,1,0,0,2,0 scheduling ets,ets,strict,ets,ets,ets,ets,ets bandwidth 40,60,0,0,0,0,0,0\"",
        "a: buffers = \"priorities 0,0,0,1,0,0,0,0 sizes 20480,156160,0,0,0,0,0,0\"",
    ];
    assert_eq!(lines[lines.len() - 3..], expected);
}

#[test]
fn a_nic_has_its_name_by_a_rule_and_now_and_all_else_under_it() {
    let file = "nics: [{name: rail0, pci: '0000:1a:00.0', mtu: 4200}, {name: rail1, pci: '0000:1b:00.0'}]";
    let misnamed = vec![("0000:1a:00.0".to_owned(), "eth0".to_owned())];
    let rail1 = NicFacts { name: "rail1".into(), ..NicFacts::default() };
    let lines = listed(file, &Inventory { nics: vec![rail1], misnamed, ..Inventory::default() });
    assert!(lines[0].starts_with("/etc/udev/rules.d/70-railcni-names.rules = "), "{lines:?}");
    for rule in
        [r#"KERNELS==\"0000:1a:00.0\", NAME=\"rail0\""#, r#"KERNELS==\"0000:1b:00.0\", NAME=\"rail1\""#]
    {
        assert!(lines[0].contains(rule), "{rule} is not in {}", lines[0]);
    }
    let expected = ["0000:1a:00.0: name = \"rail0\"", "0000:1b:00.0: name = \"rail1\"", "rail1: up = yes"];
    assert_eq!(lines[1..], expected, "rail0 has its MTU once it is called so");
}

#[test]
fn the_rdma_mode_is_for_now_and_for_the_next_boot_and_comes_last() {
    let text = "{rdmaMode: exclusive, nics: [{name: a}]}";
    let live = Inventory { has_rdma: true, ..Inventory::default() };
    let lines = listed(text, &live);
    assert_eq!(lines.last().unwrap(), "RDMA netns mode = \"exclusive\"");
    assert!(lines[1].starts_with("/etc/modprobe.d/railcni-rdma.conf = "), "{lines:?}");
    assert!(lines[1].contains("options ib_core netns_mode=0"), "{lines:?}");
    assert_eq!(listed(text, &Inventory::default()).len(), 2, "no RDMA core, nothing to set");
}
