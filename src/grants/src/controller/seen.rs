//! What is known of nodes and blocks: the newest version of each that the API server has shown or answered.

use api::{Metadata, RailBlock, RailNode};

use super::message::About;
use super::{Controller, Doubt};
use crate::block::Block;
use crate::world::Node;

impl Controller {
    /// Whatever comes next is news. Blocks are read before anything else is decided: those of before the restore may agree with what
    /// the nodes hold, so that nothing would be written that the API server could refuse.
    pub(super) fn forget_versions(&mut self) {
        if self.rules.blocks_are_read {
            self.versions.clear();
            self.stale.extend(self.world.blocks.keys().cloned().map(About::Block));
        }
    }

    pub(super) fn put_back(&mut self) {
        (self.doubt, self.afresh) = (Some(Doubt::Asking), self.rules.answers_are_new);
        self.asked.clear();
        self.awaited.extend(self.world.nodes.keys().cloned());
        self.forget_versions();
        self.newest = 0;
    }

    /// Whether a list shows an object in an older version than has been seen, though the list is not older than that: the API server was
    /// put back to an older state, and its counter was moved ahead (`etcdutl snapshot restore --bump-revision`).
    pub(super) fn is_older<'m>(
        &self,
        mut shown: impl Iterator<Item = (About, &'m Metadata)>,
        version: u64,
    ) -> bool {
        let is_older = |(about, metadata): (About, &Metadata)| {
            let known = number(self.versions.get(&about));
            number(metadata.resource_version.as_ref()) < known && known <= version
        };
        self.rules.older_objects_are_noticed && shown.any(is_older)
    }

    fn is_news(&mut self, about: &About, version: Option<&String>, read: bool) -> bool {
        let (known, version) = (number(self.versions.get(about)), number(version));
        self.newest = self.newest.max(version);
        version > known || (read && version == known)
    }

    pub(super) fn node(&mut self, node: &RailNode, read: bool) {
        let name = &node.metadata.name;
        let about = About::Node(name.clone());
        if !self.is_news(&about, node.metadata.resource_version.as_ref(), read) {
            return;
        }
        self.versions.insert(about, node.metadata.resource_version.clone().unwrap_or_default());
        let labels = self.labels.get(name).cloned().unwrap_or_default();
        let mut view = Node::new(labels, node.spec.clone(), node.status.clone().unwrap_or_default());
        view.uid = node.metadata.uid.clone().unwrap_or_default();
        let before = self.world.nodes.insert(name.clone(), view.clone());
        for view in [Some(view), before].into_iter().flatten() {
            self.called_due(&view);
        }
        self.due.insert(name.clone());
    }

    pub(super) fn block(&mut self, block: &RailBlock, read: bool) {
        let name = block.metadata.name.clone();
        let about = About::Block(name.clone());
        if !self.is_news(&about, block.metadata.resource_version.as_ref(), read) {
            return;
        }
        self.versions.insert(about, block.metadata.resource_version.clone().unwrap_or_default());
        self.owners_due(&name);
        match Block::read(&block.spec) {
            Ok(block) => {
                self.world.blocks.insert(name.clone(), block);
                self.unreadable.remove(&name);
            }
            Err(problem) => {
                self.unreadable.insert(name.clone(), problem);
            }
        }
        self.owners_due(&name);
    }

    /// Unless what is known is newer: the name was used again.
    pub(super) fn drop_node(&mut self, name: &str, version: u64) {
        let about = About::Node(name.to_owned());
        if number(self.versions.get(&about)) <= version {
            self.versions.remove(&about);
            self.world.nodes.remove(name);
            if self.doubt.is_some() {
                self.awaited.insert(name.to_owned());
                self.answered.remove(name);
            }
        }
    }

    /// Its finalizer has been taken away by force: who owned what in it, only the nodes know.
    pub(super) fn drop_block(&mut self, name: &str) {
        if self.world.blocks.get(name).is_some_and(|block| !block.since.is_empty()) {
            self.doubt = Some(Doubt::Asking);
        }
        self.owners_due(name);
        self.world.blocks.remove(name);
        self.unreadable.remove(name);
        self.versions.remove(&About::Block(name.to_owned()));
    }

    fn owners_due(&mut self, name: &str) {
        let Some(block) = self.world.blocks.get(name) else { return };
        self.due.extend(block.rails.iter().flat_map(|rail| rail.owners.keys()).cloned());
        // Who waits for an address is told where it is.
        if block.rails.iter().any(|rail| !rail.pins.is_empty()) {
            let waiting = self.world.nodes.iter().filter(|(_, node)| node.has_wishes());
            self.due.extend(waiting.map(|(name, _)| name.clone()));
        }
    }

    /// The nodes that have what is waited for on this one.
    fn called_due(&mut self, view: &Node) {
        for (pool, held) in view.pools.iter().filter(|(_, held)| !held.wishes.is_empty()) {
            let rails = self.world.blocks.values().flat_map(|block| &block.rails);
            for rail in rails.filter(|rail| rail.pool == *pool) {
                let wished = rail.pins.iter().filter(|(_, owner)| held.wishes.contains_key(*owner));
                let nodes = wished.filter_map(|(place, _)| rail.owner(*place));
                self.due.extend(nodes.map(str::to_owned));
            }
        }
    }
}

/// Versions are compared as etcd's numbers, which they are.
fn number(version: Option<&String>) -> u64 {
    version.and_then(|version| version.parse().ok()).unwrap_or(0)
}
