use super::fake::{Fake, route, settings};
use crate::model::{Route, Rule};
use crate::table::choose;

fn pod(names: &[&str]) -> Fake {
    let mut fake = Fake::with_eth0();
    for (index, name) in (20..).zip(names) {
        fake.link(index, name, &[]);
    }
    fake
}

fn chosen(fake: &Fake, held: &[u32], ifname: &str) -> u32 {
    choose(&fake.view, held, "eth0", ifname)
}

#[test]
fn each_nic_has_its_own_number() {
    let fake = pod(&["net1", "net8"]);
    assert_eq!(chosen(&fake, &[], "eth0"), 100);
    assert_eq!(chosen(&fake, &[], "net1"), 101);
    assert_eq!(chosen(&fake, &[101], "net8"), 108);
}

#[test]
fn other_names_get_the_first_that_no_nic_has_for_its_own() {
    let fake = pod(&["net1", "net2", "rdma0", "rdma1"]);
    assert_eq!(chosen(&fake, &[], "rdma0"), 103);
    assert_eq!(chosen(&fake, &[103], "rdma1"), 104);
}

#[test]
fn a_table_with_a_route_or_a_rule_is_taken() {
    let mut fake = pod(&["net1"]);
    fake.view.routes.push(Route { table: 101, ..route("10.9.0.0/16", None, 20) });
    assert_eq!(chosen(&fake, &[], "net1"), 102);
    fake.view.rules.push(Rule { priority: 5, ..Rule::new("10.0.0.1".parse().unwrap(), 102) });
    assert_eq!(chosen(&fake, &[], "net1"), 103);
    fake.view.other_tables.push(103);
    assert_eq!(chosen(&fake, &[104], "net1"), 105);
}

#[test]
fn a_nic_never_takes_the_number_of_one_beside_it() {
    let mut fake = pod(&["net1", "net2", "net3"]);
    fake.view.other_tables.push(101);
    assert_eq!(chosen(&fake, &[], "net1"), 104);
    assert_eq!(chosen(&fake, &[104], "net2"), 102);
}

#[test]
fn names_that_only_look_like_numbers_and_the_kernels_tables_have_no_number() {
    for (name, expected) in [
        ("net0", 101),
        ("net01", 101),
        ("net+1", 101),
        ("net", 101),
        ("net99999999", 101),
        ("net4294967295", 101),
        ("net153", 256),
        ("net154", 256),
        ("net19900", 20_000),
        ("net19901", 101),
    ] {
        assert_eq!(chosen(&pod(&[name]), &[], name), expected, "{name}");
    }
}

#[test]
fn rules_stay_before_that_of_main() {
    let mut fake = pod(&[]);
    fake.rail(1, None);
    let undo = fake.join("net1", &settings());
    let own = undo.own.unwrap();
    assert!(own.made.rules.iter().all(|rule| rule.priority == 10_101 && rule.protocol == 211));
}
