use super::*;
use crate::{Value, parse, wants};

const NIC: &str =
    "nics: [{name: a, addresses: [10.0.0.2/24], gateways: [10.0.0.1], mtu: 9000, table: 152, vfs: 4}]";

fn facts() -> NicFacts {
    NicFacts { name: "a".into(), max_mtu: Some(9216), total_vfs: Some(8), ..NicFacts::default() }
}

fn judged(text: &str, facts: NicFacts, record: &Record) -> Vec<String> {
    let (settings, inventory) =
        (parse(text).unwrap(), Inventory { nics: vec![facts], ..Inventory::default() });
    let wanted = wants(&settings, &inventory, None);
    problems(&settings, &inventory, &wanted, &Picture::default(), record)
}

fn one(text: &str, facts: NicFacts) -> String {
    let problems = judged(text, facts, &Record::default());
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems.into_iter().next().unwrap()
}

#[test]
fn a_node_that_can_have_it_has_no_problem() {
    assert_eq!(judged(NIC, facts(), &Record::default()), Vec::<String>::new());
}

#[test]
fn what_the_hardware_cannot_is_told_with_the_cure() {
    let said = one(NIC, NicFacts { max_mtu: Some(1500), ..facts() });
    assert_eq!(said, "a: mtu 9000 is more than its driver takes, which is 1500");
    assert!(one(NIC, NicFacts { total_vfs: Some(2), ..facts() }).contains("more than the 2 of its firmware"));
    assert!(one(NIC, NicFacts { total_vfs: None, ..facts() }).contains("it is no PF"));
    assert!(one(NIC, NicFacts { name: "b".into(), ..facts() }).starts_with("a: no such link here"));
    assert!(one(NIC, NicFacts { dcb_by_firmware: true, ..facts() }).contains("its firmware runs DCBX"));
    assert!(one("{nics: [{name: a}], roce: {}}", facts()).contains("no priority flow control"));
}

#[test]
fn a_port_of_another_type_is_told_what_its_firmware_needs() {
    let of = |wanted: &str| format!("nics: [{{name: a, linkType: {wanted}}}]");
    let at = NicFacts { pci: Some("0000:1a:00.0".into()), ..facts() };
    let said = one(&of("infiniband"), at.clone());
    let cure = "a: linkType: its port is Ethernet, wanted is InfiniBand (`mlxconfig -d 0000:1a:00.0 set LINK_TYPE_P1=1`";
    assert!(said.starts_with(cure), "{said}");
    assert_eq!(judged(&of("ethernet"), at.clone(), &Record::default()), Vec::<String>::new());
    let infiniband = NicFacts { is_infiniband: true, ..at };
    assert!(
        one(&of("ethernet"), infiniband)
            .contains("wanted is Ethernet (`mlxconfig -d 0000:1a:00.0 set LINK_TYPE_P1=2`")
    );
}

#[test]
fn a_name_that_another_function_has_is_refused_and_one_to_come_is_not() {
    let file = "nics: [{name: a, pci: '0000:1a:00.0'}]";
    let said = one(file, NicFacts { pci: Some("0000:1b:00.0".into()), ..facts() });
    assert!(said.contains("the link of this name is of 0000:1b:00.0, not of 0000:1a:00.0"), "{said}");
    assert!(one(file, facts()).contains("is of no PCI function"));
    let settings = parse(file).unwrap();
    let misnamed = vec![("0000:1a:00.0".to_owned(), "eth0".to_owned())];
    let inventory = Inventory { misnamed, ..Inventory::default() };
    let found = problems(&settings, &inventory, &[], &Picture::default(), &Record::default());
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn a_driver_without_shares_or_buffers_is_told() {
    let eights = "classes: [0,0,0,0,0,1,2,0], scheduling: [ets,ets,strict,ets,ets,ets,ets,ets], bandwidth: [50,50,0,0,0,0,0,0]";
    let file = format!(
        "{{nics: [{{name: a}}], roce: {{ets: {{{eights}}}, buffers: {{priorities: [0,0,0,0,0,1,0,0], sizes: [1024,1024,0,0,0,0,0,0]}}}}}}"
    );
    let told = judged(&file, facts(), &Record::default()).join("\n");
    for said in [
        "roce: its driver has no priority",
        "roce.ets: its driver has no traffic",
        "roce.buffers: its driver has no buffers",
    ] {
        assert!(told.contains(said), "{said:?} is not in\n{told}");
    }
}

#[test]
fn a_table_of_others_is_refused_and_one_of_ours_is_not() {
    let route = |gateway: &str| Key::Route {
        link: "b".into(),
        dst: "0.0.0.0/0".parse().unwrap(),
        gateway: Some(gateway.parse().unwrap()),
        table: 152,
    };
    let other = NicFacts { routes: vec![route("10.9.9.9")], ..facts() };
    let said = one(NIC, other.clone());
    assert!(said.contains("table 152 is in use: it has `b: route default via 10.9.9.9 table 152`"), "{said}");
    let entry = crate::Entry {
        what: route("10.9.9.9"),
        before: Value::Absent,
        ours: vec![Value::Present],
        index: None,
    };
    assert_eq!(judged(NIC, other, &Record(vec![entry])), Vec::<String>::new());
}
