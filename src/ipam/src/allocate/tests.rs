mod declined;
mod properties;

use std::collections::BTreeSet;

use super::*;
use crate::model::Model;
use crate::{Catalog, Namespace, PoolNames, Site, select};

struct World {
    catalog: Catalog,
    model: Model,
    foreign: RangeSet,
    present: Present<'static>,
    declined: Declined,
    unpinned: Vec<String>,
    now: u64,
}

impl World {
    fn new(pools: &str) -> Self {
        let mut catalog = Catalog::default();
        for pool in pools.split("---\n").map(|text| yaml::documents(text).unwrap()) {
            for pool in pool {
                catalog.add_inline("test", &pool);
            }
        }
        let refused = catalog.refused().map(ToString::to_string).collect::<Vec<_>>();
        assert!(refused.is_empty(), "{refused:?}");
        let (catalog, model) = (catalog.complete(), Model::default());
        let (foreign, present, declined) = (RangeSet::default(), Present::NONE, Declined::default());
        Self { catalog, model, foreign, present, declined, unpinned: Vec::new(), now: 1000 }
    }

    fn ask(&mut self, name: &str, requested: &[&str], owner: Option<&str>) -> Result<Vec<String>, Error> {
        let requested = requested.iter().map(|ip| ip.parse().unwrap()).collect::<Vec<_>>();
        let wanted = |family| {
            self.catalog.pools().filter(move |pool| pool.family() == family).map(|pool| pool.name.clone())
        };
        let wanted = PoolNames {
            ipv4: wanted(crate::Family::V4).collect(),
            ipv6: wanted(crate::Family::V6).collect(),
        };
        let site = Site { node: &[], namespace: Namespace::Unknown, network: "net", master: None };
        let sets = select(&self.catalog, &wanted, &site)?;
        let (key, foreign, present) = (key(name), &self.foreign, &self.present);
        let (declined, unpinned, now) = (&self.declined, self.unpinned.as_slice(), self.now);
        let requested = requested.as_slice();
        let request =
            Request { key: &key, sets: &sets, requested, owner, unpinned, foreign, present, declined, now };
        let allocation = allocate(&request, &self.model)?;
        let ips = allocation.grants.iter().map(|grant| grant.ip.to_string()).collect();
        let changes = allocation.changes;
        self.model.apply(&changes);
        Ok(ips)
    }

    fn add(&mut self, name: &str) -> Result<String, Error> {
        self.ask(name, &[], None).map(|ips| ips.join(" "))
    }

    /// ADD once more, of an owner who cannot use these.
    fn decline(&mut self, name: &str, ips: &[&str]) -> Result<Vec<String>, Error> {
        let ips = ips.iter().map(|ip| ip.parse().unwrap()).collect();
        self.declined = Declined { ips, until: self.now + 3600 };
        let outcome = self.ask(name, &[], None);
        self.declined = Declined::default();
        outcome
    }

    fn refusal(&mut self, name: &str, requested: &[&str]) -> String {
        self.ask(name, requested, None).unwrap_err().to_string()
    }

    fn del(&mut self, name: &str) {
        let changes = self
            .model
            .of(&key(name))
            .unwrap()
            .iter()
            .map(|lease| lease.release(self.now))
            .collect::<Vec<_>>();
        self.model.apply(&changes);
    }
}

fn at(host: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, host])
}

fn key(name: &str) -> AttachmentKey {
    AttachmentKey { network: "net".to_owned(), container_id: name.to_owned(), ifname: "net1".to_owned() }
}

const FOUR: &str = "{name: rail, subnet: 10.0.0.0/24, gateway: 10.0.0.1, ips: [10.0.0.2-10.0.0.5]}";

#[test]
fn round_robin_from_the_beginning_to_the_end_and_around() {
    let mut world = World::new(FOUR);
    assert_eq!(world.add("a").unwrap(), "10.0.0.2");
    assert_eq!(world.add("b").unwrap(), "10.0.0.3");
    world.del("a");
    world.now += 3600;
    assert_eq!(world.add("c").unwrap(), "10.0.0.4", "what has never been used goes first");
    assert_eq!(world.add("d").unwrap(), "10.0.0.5");
    assert_eq!(world.add("e").unwrap(), "10.0.0.2", "then what was released");
}

/// The addresses from one to another.
fn present(first: u8, last: u8) -> RangeSet {
    Range::new(at(first), at(last)).unwrap().into()
}

#[test]
fn addresses_of_the_node_and_of_the_pod_are_passed_over() {
    let mut world = World::new(FOUR);
    world.present =
        Present { node: present(2, 3), pod: present(5, 5), holder: &|ip| format!("whoever has {ip}") };
    assert_eq!(world.add("a").unwrap(), "10.0.0.4");
    assert!(matches!(world.add("b"), Err(Error::Exhausted { .. })));
    for ip in ["10.0.0.3", "10.0.0.5"] {
        let message = format!("requested address {ip} is the address of whoever has {ip}");
        assert_eq!(world.refusal("c", &[ip]), message);
    }
    assert_eq!(world.add("a").unwrap(), "10.0.0.4", "who has a lease keeps it");
}

/// A pod that says it has all that is free does not get what rests, or what an owner wants to have again.
#[test]
fn what_a_pod_says_of_itself_never_gets_it_what_is_kept_for_others() {
    let sticky = FOUR.replace("10.0.0.5]", "10.0.0.5], sticky: true");
    for pool in [FOUR, sticky.as_str()] {
        let mut world = World::new(pool);
        world.ask("victim", &[], Some("ml/victim/net1")).unwrap();
        world.del("victim");
        world.present.pod = present(3, 5);
        assert!(matches!(world.add("attacker"), Err(Error::Exhausted { .. })), "{pool}");
        world.present.pod = present(3, 4);
        assert_eq!(world.add("attacker").unwrap(), "10.0.0.5");
    }
}

#[test]
fn an_exhausted_pool_says_so_and_recovers() {
    let mut world = World::new(FOUR);
    for name in ["a", "b", "c", "d"] {
        world.add(name).unwrap();
    }
    assert_eq!(
        world.add("e").unwrap_err().to_string(),
        r#"no address is left in pool "rail" (10.0.0.0/24); `railctl gc --dry-run` shows what pods that are gone still hold"#
    );
    world.del("c");
    assert_eq!(world.add("e").unwrap(), "10.0.0.4", "one that cools down is better than none");
}

#[test]
fn the_address_released_first_comes_back_first() {
    let mut world = World::new(FOUR);
    for name in ["a", "b", "c", "d"] {
        world.add(name).unwrap();
    }
    world.del("d");
    world.now += 5;
    world.del("a");
    assert_eq!(world.add("e").unwrap(), "10.0.0.5");
    assert_eq!(world.add("f").unwrap(), "10.0.0.2");
}

#[test]
fn the_next_pool_is_used_before_the_rest_is_over() {
    let mut world = World::new(
        "{name: a, subnet: 10.0.0.0/24, ips: [10.0.0.2], rest: 30}\n---\n{name: b, subnet: 10.0.0.0/24, ips: [10.0.0.3]}",
    );
    assert_eq!(world.add("x").unwrap(), "10.0.0.2");
    world.del("x");
    world.now += 29;
    assert_eq!(world.add("y").unwrap(), "10.0.0.3");
    world.del("y");
    world.now += 1;
    assert_eq!(world.add("z").unwrap(), "10.0.0.2", "cooled_down again, and of the first pool");
}

#[test]
fn the_same_owner_keeps_its_address() {
    let mut world = World::new(FOUR);
    assert_eq!(world.add("a").unwrap(), "10.0.0.2");
    let before = world.model.leased.clone();
    assert_eq!(world.add("a").unwrap(), "10.0.0.2");
    assert_eq!(world.model.leased, before);
}

#[test]
fn a_repeated_request_with_another_config_gives_the_old_address_back() {
    let mut world = World::new(FOUR);
    world.add("a").unwrap();
    assert_eq!(world.ask("a", &["10.0.0.4"], None).unwrap(), ["10.0.0.4"]);
    assert_eq!(world.model.leased.len(), 1);
}

#[test]
fn a_requested_address_or_the_reason_why_not() {
    let mut world = World::new(
        "{name: rail, subnet: 10.0.0.0/24, gateway: 10.0.0.1, ips: [10.0.0.2-10.0.0.9], excludeIPs: [10.0.0.5]}",
    );
    assert_eq!(world.ask("a", &["10.0.0.7"], None).unwrap(), ["10.0.0.7"]);
    let taken = "requested address 10.0.0.7 is taken by net1 of container a in network \"net\"; `railctl who 10.0.0.7` names its pod";
    assert_eq!(world.refusal("b", &["10.0.0.7"]), taken);
    assert_eq!(
        world.refusal("b", &["10.0.0.1"]),
        "requested address 10.0.0.1 is the gateway of pool \"rail\""
    );
    assert_eq!(
        world.refusal("b", &["10.0.0.5"]),
        "requested address 10.0.0.5 is an excluded address of pool \"rail\""
    );
    let unlisted = "requested address 10.0.0.99 is in the subnet, but in none of the ranges of pool \"rail\"";
    assert_eq!(world.refusal("b", &["10.0.0.99"]), unlisted);
    let outside = "requested address 10.0.1.2 is in none of pool \"rail\" (10.0.0.0/24)";
    assert_eq!(world.refusal("b", &["10.0.1.2"]), outside);
    let one_too_many =
        "requested address 10.0.0.3 is one too many: 10.0.0.2 has been taken from the same pools";
    assert_eq!(world.refusal("b", &["10.0.0.2", "10.0.0.3"]), one_too_many);
    assert_eq!(world.model.leased.len(), 1, "nothing was given with an error");
}

#[test]
fn a_quarantined_or_foreign_address_is_not_given() {
    let mut world = World::new(FOUR);
    world.model.apply(&[Change::Quarantine { ip: "10.0.0.2".parse().unwrap(), until: 2000 }]);
    world.foreign = RangeSet::from_iter(["10.0.0.3".parse::<Range>().unwrap()]);
    assert_eq!(world.add("a").unwrap(), "10.0.0.4");
    assert_eq!(
        world.refusal("b", &["10.0.0.2"]),
        "requested address 10.0.0.2 is a quarantined address of pool \"rail\""
    );
    assert_eq!(world.refusal("b", &["10.0.0.3"]), "requested address 10.0.0.3 is taken");
    world.now = 2000;
    assert_eq!(world.ask("b", &["10.0.0.2"], None).unwrap(), ["10.0.0.2"]);
}

const DUAL: &str = "{name: four, subnet: 10.0.0.0/24, ips: [10.0.0.2-10.0.0.5]}\n---\n\
                    {name: six, subnet: 'fd00::/64', ips: ['fd00::2-fd00::3']}";

#[test]
fn both_families_or_none() {
    let mut world = World::new(DUAL);
    assert_eq!(world.add("a").unwrap(), "10.0.0.2 fd00::2");
    assert_eq!(world.add("b").unwrap(), "10.0.0.3 fd00::3");
    let before = world.model.leased.clone();
    assert!(
        world
            .add("c")
            .unwrap_err()
            .to_string()
            .starts_with(r#"no address is left in pool "six" (fd00::/64)"#)
    );
    assert_eq!(world.model.leased, before);
    world.del("a");
    assert_eq!(world.ask("c", &["fd00::2", "10.0.0.5"], None).unwrap(), ["10.0.0.5", "fd00::2"]);
}

#[test]
fn a_sticky_pool_gives_the_owner_its_address_again() {
    let mut world =
        World::new("{name: rail, subnet: 10.0.0.0/24, ips: [10.0.0.2-10.0.0.4], sticky: true, rest: 0}");
    let mut ask = |name: &str, owner| world.ask(name, &[], Some(owner)).unwrap().remove(0);
    assert_eq!(ask("a", "job/w-0/net1"), "10.0.0.2");
    assert_eq!(ask("b", "job/w-1/net1"), "10.0.0.3");
    world.del("a");
    world.del("b");
    world.now += 100;
    let mut ask = |name: &str, owner| world.ask(name, &[], Some(owner)).unwrap().remove(0);
    assert_eq!(ask("c", "job/w-2/net1"), "10.0.0.4", "others' addresses are left alone");
    assert_eq!(ask("d", "job/w-1/net1"), "10.0.0.3");
    assert_eq!(ask("e", "job/w-3/net1"), "10.0.0.2", "but not when nothing else is left");
    world.del("e");
    assert_eq!(world.ask("f", &[], Some("job/w-0/net1")).unwrap(), ["10.0.0.2"]);
}

#[test]
fn an_address_that_is_kept_for_one_namespace_is_not_had_by_another_that_names_it() {
    let mut world =
        World::new("{name: rail, subnet: 10.0.0.0/24, ips: [10.0.0.2-10.0.0.9], sticky: true, rest: 0}");
    assert_eq!(world.ask("a", &[], Some("db/w-0/net1")).unwrap(), ["10.0.0.2"]);
    world.del("a");
    for thief in [Some("other/w-0/net1"), Some("d/w-0/net1"), None] {
        let error = world.ask("b", &["10.0.0.2"], thief).unwrap_err().to_string();
        assert_eq!(
            error, "requested address 10.0.0.2 of pool \"rail\" is kept for a pod of another namespace",
            "{thief:?}"
        );
    }
    assert_eq!(world.ask("b", &["10.0.0.3"], Some("other/w-0/net1")).unwrap(), ["10.0.0.3"]);
    // A pod of a Deployment has another name each time, and its namespace's word.
    assert_eq!(world.ask("c", &["10.0.0.2"], Some("db/w-1/net1")).unwrap(), ["10.0.0.2"]);
}
