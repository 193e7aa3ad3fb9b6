//! What `grants` is told of pools and of the cluster's nodes: whole lists, and what follows from time.

use std::collections::{BTreeMap, BTreeSet};

use api::{Object, RailNode, SpiderIPPool, SpiderReservedIP};
use grants::Event;

use super::Shell;
use super::others::Others;
use crate::connection::Seen;
use crate::gone::{Missing, NodeObject, RELEASED};

/// Labels of the nodes that are there, by name.
type Labels = BTreeMap<String, BTreeMap<String, String>>;

/// The kinds that `grants` wants whole, and what follows from time.
#[derive(Default)]
pub(super) struct Cluster {
    pub(super) pools: Option<BTreeMap<String, SpiderIPPool>>,
    pub(super) reserved: Option<BTreeMap<String, SpiderReservedIP>>,
    pub(super) others: Others,
    pub(super) nodes: Option<BTreeMap<String, NodeObject>>,
    released: BTreeSet<String>,
    missing: Missing,
    /// What `grants` has heard last: labels, and nodes that are gone.
    told: Option<(Labels, BTreeSet<String>)>,
}

impl Shell {
    pub(super) fn note_released(&mut self, seen: &Seen<RailNode>) {
        let is_released = |node: &RailNode| node.metadata.annotations.contains_key(RELEASED);
        match seen {
            Seen::All(nodes, ..) => {
                self.cluster.released = nodes
                    .iter()
                    .filter(|node| is_released(node))
                    .map(|node| node.metadata.name.clone())
                    .collect();
            }
            Seen::One(node) if is_released(node) => {
                self.cluster.released.insert(node.metadata.name.clone());
            }
            Seen::One(node) | Seen::Gone(node) => {
                self.cluster.released.remove(&node.metadata.name);
            }
        }
    }

    pub(super) fn tell_pools(&mut self) {
        let Cluster { pools: Some(pools), reserved: Some(reserved), others, .. } = &self.cluster else {
            return;
        };
        let Some(of_others) = others.reserved() else { return };
        let reserved = reserved.values().chain(of_others).cloned().collect();
        self.controller.see(Event::Pools(pools.values().cloned().collect(), reserved));
        for (_, problem) in self.controller.refused() {
            eprintln!("raild: {problem}");
        }
    }

    pub(super) fn tell_cluster(&mut self) {
        let Some(nodes) = &self.cluster.nodes else { return };
        let world = self.controller.world();
        let owners = world.blocks.values().flat_map(|block| block.since.keys());
        let awaited = self.controller.waits_for().unwrap_or_default().into_iter().map(str::to_owned);
        let granted = owners.chain(world.nodes.keys()).cloned().chain(awaited).collect();
        let now = self.started.elapsed();
        let gone = self.cluster.missing.judge(&granted, &self.cluster.released, nodes, now);
        let labels = nodes.iter().map(|(name, node)| (name.clone(), node.metadata.labels.clone())).collect();
        let news = Some((labels, gone));
        if news != self.cluster.told
            && let Some((labels, gone)) = news.clone()
        {
            self.cluster.told = news;
            self.controller.see(Event::Cluster(labels, gone));
        }
    }
}

/// Objects by name.
pub(super) fn keep<T: Named>(kept: &mut Option<BTreeMap<String, T>>, seen: Seen<T>) {
    match seen {
        Seen::All(all, ..) => *kept = Some(all.into_iter().map(|object| (object.name(), object)).collect()),
        Seen::One(object) => {
            kept.get_or_insert_default().insert(object.name(), *object);
        }
        Seen::Gone(object) => {
            kept.get_or_insert_default().remove(&object.name());
        }
    }
}

pub(super) trait Named {
    fn name(&self) -> String;
}

impl<S, T> Named for Object<S, T> {
    fn name(&self) -> String {
        self.metadata.name.clone()
    }
}

impl Named for NodeObject {
    fn name(&self) -> String {
        self.metadata.name.clone()
    }
}
