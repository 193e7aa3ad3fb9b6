//! What is given, over whole histories of a pool.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Add(u8),
    AddAt(u8, u8),
    Del(u8),
    Wait(u8),
    Quarantine(u8),
    Decline(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_u8..12).prop_map(Step::Add),
        1 => (0_u8..12, 0_u8..32).prop_map(|(name, ip)| Step::AddAt(name, ip)),
        3 => (0_u8..12).prop_map(Step::Del),
        2 => (1_u8..50).prop_map(Step::Wait),
        1 => (0_u8..32).prop_map(Step::Quarantine),
        1 => (0_u8..12).prop_map(Step::Decline),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Never two owners, never outside, never excluded, reserved, quarantined, foreign or the gateway, and a released
    /// address only after its rest or when there is no other.
    #[test]
    fn what_is_given_may_be_given(steps in prop::collection::vec(step(), 1..80)) {
        let mut world = World::new(
            "{name: rail, subnet: 10.0.0.0/27, gateway: 10.0.0.9, ips: [10.0.0.1-10.0.0.12], excludeIPs: [10.0.0.3, 10.0.0.9], rest: 60}",
        );
        world.foreign = RangeSet::from_iter(["10.0.0.7".parse::<Range>().unwrap()]);
        let offered: BTreeSet<IpAddr> = (1..=12).filter(|n| ![3, 7, 9].contains(n)).map(at).collect();
        for step in steps {
            let before = world.model.clone();
            let free = |ip: &IpAddr| !before.leased.contains_key(ip) && before.quarantined.get(ip).is_none_or(|until| *until <= world.now);
            let free = offered.iter().copied().filter(free).collect::<BTreeSet<_>>();
            match step {
                Step::Add(name) => {
                    let held = before.leased.values().any(|lease| lease.key == key(&name.to_string()));
                    match world.add(&name.to_string()) {
                        Ok(ip) if !held => {
                            let ip: IpAddr = ip.parse().unwrap();
                            prop_assert!(free.contains(&ip));
                            if before.cooling_down.get(&ip).is_some_and(|cooling_down| cooling_down.until > world.now) {
                                let all_rest = free.iter().all(|ip| before.cooling_down.get(ip).is_some_and(|cooling_down| cooling_down.until > world.now));
                                prop_assert!(all_rest, "{} had not cooled_down, and another was free", ip);
                            }
                        }
                        Ok(ip) => prop_assert!(before.leased.contains_key(&ip.parse().unwrap())),
                        Err(_) => prop_assert!(free.is_empty()),
                    }
                }
                Step::AddAt(name, ip) => {
                    let held = before.leased.get(&at(ip)).is_some_and(|lease| lease.key == key(&name.to_string()));
                    let given = world.ask(&name.to_string(), &[&at(ip).to_string()], None).is_ok();
                    prop_assert_eq!(given, held || free.contains(&at(ip)));
                }
                Step::Del(name) => world.del(&name.to_string()),
                Step::Wait(seconds) => world.now += u64::from(seconds),
                Step::Decline(name) => {
                    let name = name.to_string();
                    let held = before.leased.values().find(|lease| lease.key == key(&name));
                    let Some(held) = held.map(|lease| lease.ip) else { continue };
                    match world.decline(&name, &[&held.to_string()]) {
                        Ok(other) => prop_assert!(free.contains(&other[0].parse().unwrap())),
                        Err(_) => prop_assert!(free.is_empty()),
                    }
                    if !free.is_empty() {
                        prop_assert!(world.model.quarantined[&held] > world.now);
                        prop_assert!(!world.model.leased.contains_key(&held));
                    }
                }
                Step::Quarantine(ip) => {
                    let until = world.now + 40;
                    world.model.apply(&[Change::Quarantine { ip: at(ip), until }]);
                }
            }
        }
    }

    #[test]
    fn a_pool_gives_every_address_once(first in 1_u8..100, len in 1_u8..100) {
        let mut world = World::new(&format!("{{name: rail, subnet: 10.0.0.0/24, ips: [10.0.0.{first}-10.0.0.{}]}}", first + len));
        let given: BTreeSet<String> = (0..=len).map(|name| world.add(&name.to_string()).unwrap()).collect();
        prop_assert_eq!(given.len(), usize::from(len) + 1);
        prop_assert!(world.add("one more").is_err());
    }
}
