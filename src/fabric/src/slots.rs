//! Which number each node has: the first slice is number 0's.

use std::collections::{BTreeMap, BTreeSet};

use crate::names::natural;

/// Nodes and their numbers. A node keeps its number while it is here, whoever comes and goes beside it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Slots(BTreeMap<String, u32>);

impl Slots {
    /// From what was planned before; of two nodes with one number the later by name is forgotten, and gets another one.
    pub fn from_pairs(pairs: impl IntoIterator<Item = (String, u32)>) -> Self {
        let mut sorted: Vec<_> = pairs.into_iter().collect();
        sorted.sort_by(|(a, _), (b, _)| natural(a, b));
        let mut taken = BTreeSet::new();
        sorted.retain(|(_, number)| taken.insert(*number));
        Self(sorted.into_iter().collect())
    }

    /// With these nodes, too: each new one has the lowest free number, in natural order of their names.
    #[must_use]
    pub fn with<'a>(&self, nodes: impl IntoIterator<Item = &'a str>) -> Self {
        let mut slots = self.clone();
        let mut new: Vec<_> = nodes.into_iter().filter(|node| !self.0.contains_key(*node)).collect();
        new.sort_by(|a, b| natural(a, b));
        new.dedup();
        let taken: BTreeSet<u32> = self.0.values().copied().collect();
        let mut free = (0..=u32::MAX).filter(|number| !taken.contains(number));
        slots.0.extend(new.into_iter().map(str::to_owned).zip(&mut free));
        slots
    }

    /// With those of `others` that take nobody's number here: what is here takes precedence, by node and by number.
    #[must_use]
    pub fn or(&self, others: &Self) -> Self {
        let mut slots = self.clone();
        let free =
            others.iter().filter(|(node, number)| self.get(node).is_none() && self.node(*number).is_none());
        slots.0.extend(free.map(|(node, number)| (node.to_owned(), number)));
        slots
    }

    /// Of these nodes alone.
    #[must_use]
    pub fn only<'a>(&self, nodes: impl IntoIterator<Item = &'a str>) -> Self {
        Self(nodes.into_iter().filter_map(|node| Some((node.to_owned(), self.get(node)?))).collect())
    }

    /// Without a node that will not come back: its number is free for another.
    pub fn forget(&mut self, node: &str) {
        self.0.remove(node);
    }

    /// The node's number.
    pub fn get(&self, node: &str) -> Option<u32> {
        self.0.get(node).copied()
    }

    /// The node of a number.
    pub fn node(&self, number: u32) -> Option<&str> {
        self.0.iter().find(|(_, found)| **found == number).map(|(node, _)| node.as_str())
    }

    /// Nodes and numbers, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u32)> {
        self.0.iter().map(|(node, number)| (node.as_str(), *number))
    }

    /// The highest number that is in use.
    pub fn highest(&self) -> Option<u32> {
        self.0.values().max().copied()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn new_nodes_fill_gaps_in_natural_order() {
        let slots = Slots::default().with(["worker-10", "worker-2", "worker-1"]);
        assert_eq!(["worker-1", "worker-2", "worker-10"].map(|n| slots.get(n)), [Some(0), Some(1), Some(2)]);
        let mut slots = slots;
        slots.forget("worker-2");
        let slots = slots.with(["worker-3", "worker-4"]);
        assert_eq!(["worker-3", "worker-4"].map(|n| slots.get(n)), [Some(1), Some(3)]);
    }

    /// A controller that has been away knows an older one; what the pools say is newer.
    #[test]
    fn what_the_pools_say_takes_precedence_by_node_and_by_number() {
        let slots = |pairs: &[(&str, u32)]| {
            Slots::from_pairs(pairs.iter().map(|(node, number)| ((*node).to_owned(), *number)))
        };
        let (pools, known) = (slots(&[("y", 3), ("z", 4)]), slots(&[("x", 3), ("z", 5), ("w", 6)]));
        assert_eq!(pools.or(&known), slots(&[("w", 6), ("y", 3), ("z", 4)]));
        assert_eq!(pools.or(&known).only(["y", "w", "v"]), slots(&[("w", 6), ("y", 3)]));
    }

    #[test]
    fn one_number_is_never_two_nodes() {
        let slots = Slots::from_pairs([("b".to_owned(), 0), ("a".to_owned(), 0)]).with(["a", "b"]);
        assert_eq!((slots.get("a"), slots.get("b")), (Some(0), Some(1)));
    }

    proptest! {
        #[test]
        fn who_comes_or_goes_moves_nobody(
            first in proptest::collection::btree_set("[a-z][0-9]{1,3}", 0..30),
            gone in proptest::collection::btree_set("[a-z][0-9]{1,3}", 0..30),
            come in proptest::collection::btree_set("[a-z][0-9]{1,3}", 0..30),
        ) {
            let before = Slots::default().with(first.iter().map(String::as_str));
            let mut after = before.clone();
            for node in &gone {
                after.forget(node);
            }
            let after = after.with(come.iter().map(String::as_str));
            for (node, number) in before.iter().filter(|(node, _)| !gone.contains(*node)) {
                prop_assert_eq!(after.get(node), Some(number));
            }
            let numbers: BTreeSet<u32> = after.iter().map(|(_, number)| number).collect();
            prop_assert_eq!(numbers.len(), after.iter().count());
        }
    }
}
