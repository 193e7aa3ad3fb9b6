//! Addresses that detection found in use.

use super::*;

#[test]
fn a_declined_address_is_quarantined_and_the_next_one_given() {
    let mut world = World::new(FOUR);
    assert_eq!(world.add("a").unwrap(), "10.0.0.2");
    assert_eq!(world.decline("a", &["10.0.0.2"]).unwrap(), ["10.0.0.3"]);
    assert_eq!(world.decline("a", &["10.0.0.2"]).unwrap(), ["10.0.0.3"], "said again, it changes nothing");
    assert_eq!(world.decline("a", &["10.0.0.2", "10.0.0.3"]).unwrap(), ["10.0.0.4"]);
    assert_eq!(world.add("b").unwrap(), "10.0.0.5");
    assert!(world.add("c").is_err(), "two are left, and both are quarantined");
    world.now += 3600;
    assert_eq!(world.add("c").unwrap(), "10.0.0.2");
}

#[test]
fn nobody_can_decline_what_others_have() {
    let mut world = World::new(FOUR);
    assert_eq!(world.add("a").unwrap(), "10.0.0.2");
    assert_eq!(world.decline("b", &["10.0.0.2", "10.0.0.4"]).unwrap(), ["10.0.0.3"]);
    assert!(world.model.quarantined.is_empty());
    assert_eq!(world.add("a").unwrap(), "10.0.0.2");
}

#[test]
fn a_declined_address_that_was_asked_for_has_no_substitute() {
    let mut world = World::new(FOUR);
    world.ask("a", &["10.0.0.4"], None).unwrap();
    world.declined = Declined { ips: vec!["10.0.0.4".parse().unwrap()], until: 9999 };
    let said = world.refusal("a", &["10.0.0.4"]);
    assert_eq!(said, "requested address 10.0.0.4 is a quarantined address of pool \"rail\"");
    assert!(world.model.leased.len() == 1 && world.model.quarantined.is_empty(), "it is left to DEL");
}

#[test]
fn a_declined_address_of_one_family_leaves_the_other() {
    let mut world = World::new(DUAL);
    assert_eq!(world.add("a").unwrap(), "10.0.0.2 fd00::2");
    assert_eq!(world.decline("a", &["fd00::2"]).unwrap(), ["10.0.0.2", "fd00::3"]);
}

#[test]
fn an_owner_whose_address_is_declined_sticks_to_the_next() {
    let mut world = World::new("{name: rail, subnet: 10.0.0.0/24, ips: [10.0.0.2-10.0.0.4], sticky: true}");
    let owner = Some("job/w-0/net1");
    world.ask("a", &[], owner).unwrap();
    world.declined = Declined { ips: vec!["10.0.0.2".parse().unwrap()], until: 1500 };
    assert_eq!(world.ask("a", &[], owner).unwrap(), ["10.0.0.3"]);
    world.declined = Declined::default();
    world.del("a");
    world.now = 2000;
    assert_eq!(world.ask("b", &[], owner).unwrap(), ["10.0.0.3"]);
}
