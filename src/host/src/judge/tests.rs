use super::*;
use crate::{Value, parse, wants};

const NIC: &str =
    "nics: [{name: a, addresses: [10.0.0.2/24], gateways: [10.0.0.1], mtu: 9000, table: 152, vfs: 4}]";

fn facts() -> NicFacts {
    NicFacts { name: "a".into(), max_mtu: Some(9216), total_vfs: Some(8), ..NicFacts::default() }
}

fn judged(text: &str, facts: NicFacts, record: &Record) -> Vec<String> {
    let (settings, inventory) = (parse(text).unwrap(), Inventory { nics: vec![facts], has_rdma: false });
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
