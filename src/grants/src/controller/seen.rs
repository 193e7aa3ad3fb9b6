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
        self.world.nodes.insert(name.clone(), view);
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
        if let Some(block) = self.world.blocks.get(name) {
            self.due.extend(block.rails.iter().flat_map(|rail| rail.owners.keys()).cloned());
        }
    }
}

/// Versions are compared as etcd's numbers, which they are.
fn number(version: Option<&String>) -> u64 {
    version.and_then(|version| version.parse().ok()).unwrap_or(0)
}
