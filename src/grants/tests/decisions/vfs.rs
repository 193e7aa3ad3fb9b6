//! Addresses ahead of need, as many as a node has VFs.

use std::collections::{BTreeMap, BTreeSet};

use api::{NodePool, PoolUse, RailNodeSpec, RailNodeStatus, SpiderIPPool};
use grants::agent::{Pf, most};
use grants::{NICS, Node, Policy, Rules, World, plan, project};
use proptest::prelude::*;

use crate::{addresses, granted, pool, ranges, world};

/// A pool of the addresses from 1 to this one, below 200.
fn of(last: u64) -> SpiderIPPool {
    pool("p", "10.0.0.0/24", &format!("10.0.0.1-10.0.0.{last}"), None)
}

/// Nodes `n00` and so on: what each needs, and its VFs.
fn nodes(last: u64, all: &[(u64, Option<u64>)]) -> World {
    let mut world = world(&[of(last)], &[]);
    for (number, (need, vfs)) in all.iter().enumerate() {
        world.nodes.insert(format!("n{number:02}"), node(*need, *vfs));
    }
    world
}

fn node(need: u64, vfs: Option<u64>) -> Node {
    let number = |count: u64| i64::try_from(count).unwrap();
    let own =
        PoolUse { name: "p".to_owned(), need: number(need), most: vfs.map(number), ..PoolUse::default() };
    let status = RailNodeStatus { pools: vec![own], ..RailNodeStatus::default() };
    Node::new(BTreeMap::new(), RailNodeSpec::default(), status)
}

/// How many each has.
fn counts(world: &World) -> Vec<u64> {
    let count = |node: &String| {
        let has = world.blocks.values().any(|block| block.has(node));
        if has { addresses(world, node, "p").len() as u64 } else { 0 }
    };
    world.nodes.keys().map(count).collect()
}

#[test]
fn a_node_has_an_address_for_each_vf_before_any_pod_comes_and_never_asks_again() {
    let mut world = nodes(24, &[(0, Some(8)), (3, Some(8)), (8, Some(8))]);
    assert_eq!(granted(&mut world, Policy::default()), BTreeMap::new());
    assert_eq!(counts(&world), [8, 8, 8]);
    for need in [0, 1, 7, 8] {
        world.nodes.insert("n00".to_owned(), node(need, Some(8)));
        let plan = plan(&world, &Policy::default(), Rules::default());
        assert_eq!(plan.blocks, [], "{need} pods");
    }
}

#[test]
fn where_there_is_not_one_for_each_vf_a_quarter_stays_for_those_who_need_it() {
    // Of 32 the needs are 5; 8 stay, and 19 are shared.
    let mut world = nodes(32, &[(0, Some(16)), (5, Some(16)), (0, Some(4))]);
    granted(&mut world, Policy::default());
    assert_eq!(counts(&world), [8, 12, 4]);
    // Another comes that has no VFs: what is left is there for its pods, and what they need beyond it is asked back.
    world.nodes.insert("n03".to_owned(), node(10, None));
    assert_eq!(granted(&mut world, Policy::default()), BTreeMap::from([("p".to_owned(), 2)]));
    assert_eq!(counts(&world), [8, 12, 4, 8]);
}

#[test]
fn a_node_with_more_pods_than_vfs_gets_a_spare_like_others() {
    let mut world = nodes(100, &[(6, Some(2)), (6, None), (0, Some(0))]);
    granted(&mut world, Policy::default());
    assert_eq!(counts(&world), [10, 10, 0]);
}

#[test]
fn a_node_is_told_which_nics_a_pool_goes_with() {
    let mut own = of(9);
    own.metadata.annotations.insert(NICS.to_owned(), "ens1f0,0000:1a:00.0".to_owned());
    let world = world(&[own], &[("a", &[("p", 1)])]);
    let spec = project(&world, "a", &BTreeMap::new(), Rules::default()).unwrap();
    assert_eq!(spec.pools[0].nics, "ens1f0,0000:1a:00.0");
}

fn own(name: &str, subnet: &str, nics: &str) -> NodePool {
    let (name, subnet, nics) = (name.to_owned(), subnet.to_owned(), nics.to_owned());
    NodePool { name, subnet, nics, ..NodePool::default() }
}

fn pf(names: &[&str], addresses: &[&str], vfs: u64) -> Pf {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    Pf { names, addresses: addresses.iter().map(|ip| ip.parse().unwrap()).collect(), vfs }
}

#[test]
fn a_pool_goes_with_the_nics_that_it_names_or_with_the_one_in_its_subnet() {
    let pfs = [
        pf(&["ens1f0", "0000:1a:00.0"], &["172.16.1.9"], 8),
        pf(&["ens2f0", "0000:3b:00.0"], &["172.16.2.9", "fd00::9"], 16),
    ];
    let pools = [
        own("by-name", "10.0.0.0/24", "ens2f0,ens9f0"),
        own("by-pci", "10.0.1.0/24", "0000:1A:00.0"),
        own("both", "10.0.2.0/24", "ens1f0, ens2f0"),
        own("named-otherwise", "172.16.1.0/24", "ens9f0"),
        own("by-subnet", "172.16.1.0/24", ""),
        own("by-subnet6", "fd00::/64", ""),
        own("unknown", "10.0.3.0/24", ""),
    ];
    let expected = [
        ("both", 24),
        ("by-name", 16),
        ("by-pci", 8),
        ("by-subnet", 8),
        ("by-subnet6", 16),
        ("named-otherwise", 0),
    ];
    assert_eq!(most(&pools, &pfs), expected.map(|(name, vfs)| (name.to_owned(), vfs)).into());
}

proptest! {
    #[test]
    fn needs_come_first_and_nobody_has_more_than_he_can_use(
        last in 1..200_u64,
        all in proptest::collection::vec((0..20_u64, proptest::option::of(0..20_u64)), 1..12),
    ) {
        let mut world = nodes(last, &all);
        let unmet = granted(&mut world, Policy::default());
        let had = counts(&world);
        let (needs, sum) = (all.iter().map(|(need, _)| need).sum::<u64>(), had.iter().sum::<u64>());
        prop_assert_eq!(unmet.values().sum::<u64>(), needs.saturating_sub(last));
        if needs <= last {
            for ((need, vfs), had) in all.iter().zip(&had) {
                let most = vfs.filter(|vfs| need <= vfs).unwrap_or(need + 4.max(need / 4));
                prop_assert!(need <= had && *had <= most, "{} of {}..={}", had, need, most);
            }
            // Ahead of need, a quarter stays free; unless there is one for each VF.
            let all_vfs = all.iter().map(|(need, vfs)| vfs.filter(|vfs| need <= vfs)).sum::<Option<u64>>();
            if let Some(vfs) = all_vfs.filter(|vfs| *vfs <= last) {
                prop_assert_eq!(sum, vfs);
            } else {
                // The spares of those without VFs are small, and whole.
                let counts = |(need, vfs): &&(u64, Option<u64>)| vfs.is_none_or(|vfs| *need > vfs);
                let spares = all.iter().filter(counts).map(|(need, _)| 4.max(need / 4)).sum::<u64>();
                let is_left = last - sum + spares >= last.div_ceil(4);
                prop_assert!(sum == needs || is_left, "{} of {}", sum, last);
            }
        }
        let mut seen = BTreeSet::new();
        for (node, had) in world.nodes.keys().zip(&had) {
            if *had > 0 {
                let own = addresses(&world, node, "p");
                prop_assert!(own.is_disjoint(&seen), "{} has others' addresses: {}", node, ranges(&world, node, "p"));
                seen.extend(own);
            }
        }
        // What has been granted is not granted again.
        let again = plan(&world, &Policy { spare: 0, part: u64::MAX, run: 8 }, Rules::default());
        prop_assert!(again.blocks.is_empty());
    }
}
