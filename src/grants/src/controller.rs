//! The controller without its client: it is told what the API server shows and answers, and says what to ask next.

mod doubt;
mod message;
mod seen;

use std::collections::{BTreeMap, BTreeSet};

use crate::block::Block;
use crate::plan::{Policy, Rules, plan};
use crate::project::{free, project_with};
use crate::recall::Recall;
use crate::world::{Node, World, offers};
use doubt::Doubt;
use message::About;
pub use message::{Answer, Event, Expected, Request};

/// What has to be listed before the first decision.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum List {
    Pools,
    Cluster,
    Nodes,
    Blocks,
}

const LISTS: usize = 4;

/// A controller.
#[derive(Clone, Debug, Default)]
pub struct Controller {
    world: World,
    policy: Policy,
    rules: Rules,
    /// Which lists have been seen.
    listed: BTreeSet<List>,
    /// resourceVersion of each block and node.
    versions: BTreeMap<About, String>,
    /// The newest version seen.
    newest: u64,
    labels: BTreeMap<String, BTreeMap<String, String>>,
    refused: Vec<(String, String)>,
    /// Blocks that cannot be read: their addresses stay where they are.
    unreadable: BTreeMap<String, String>,
    /// Objects whose write was refused or timed out: they are read again first.
    stale: BTreeSet<About>,
    /// What is being asked, and the version of it that was known then.
    pending: BTreeMap<About, Option<String>>,
    /// Nodes whose spec may not be what it should be.
    due: BTreeSet<String>,
    planned: bool,
    recall: Recall,
    gives: BTreeMap<String, BTreeMap<String, u64>>,
    unmet: BTreeMap<String, u64>,
    doubt: Option<Doubt>,
    /// After a restore only answers to our own questions count: a backup that was made while nodes were asked has answers of then.
    afresh: bool,
    /// While there is doubt: our last question to each node, by the uid of its object and the epoch.
    asked: BTreeMap<String, Expected>,
    /// Once all have answered: who that was.
    answered: BTreeSet<String>,
    /// While there is doubt: nodes whose objects were deleted, or put back to a time before they were made. Their agents make
    /// others, and then they are asked, too.
    awaited: BTreeSet<String>,
}

impl Controller {
    /// One that knows nothing yet.
    pub fn new(policy: Policy, rules: Rules) -> Self {
        Self { policy, rules, ..Self::default() }
    }

    /// Everything that it knows.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Pools that cannot be granted from, and why.
    pub fn refused(&self) -> &[(String, String)] {
        &self.refused
    }

    /// Blocks that cannot be read, and why.
    pub fn unreadable(&self) -> &BTreeMap<String, String> {
        &self.unreadable
    }

    /// What the last plan could not grant, by pool.
    pub fn unmet(&self) -> &BTreeMap<String, u64> {
        &self.unmet
    }

    /// The newest version that it has seen: an API server that shows less was put back to an older state. A controller that
    /// has not lived long enough to know that learns it from the nodes.
    pub fn newest(&self) -> u64 {
        self.newest
    }

    /// The nodes that have not yet said what they hold, while nothing is granted for it; none once all have, and the blocks and
    /// specs are being put right.
    pub fn waits_for(&self) -> Option<Vec<&str>> {
        let silent = |(_, node): &(&String, &Node)| !node.has_confirmed();
        let names = self.here().filter(silent).map(|(name, _)| name.as_str());
        Some(match self.doubt? {
            Doubt::Asking => names.chain(self.without_object()).collect(),
            Doubt::Finishing => Vec::new(),
        })
    }

    /// Takes notice.
    pub fn see(&mut self, event: Event) {
        self.planned = false;
        match event {
            Event::Pools(pools, reserved) => {
                (self.world.pools, self.refused) = offers(&pools, &reserved);
                self.listed.insert(List::Pools);
                self.all_due();
            }
            Event::Cluster(labels, gone) => {
                for (name, node) in &mut self.world.nodes {
                    node.labels = labels.get(name).cloned().unwrap_or_default();
                }
                (self.labels, self.world.gone) = (labels, gone);
                self.listed.insert(List::Cluster);
                self.all_due();
            }
            Event::Nodes(nodes, version) => {
                let shown =
                    nodes.iter().map(|node| (About::Node(node.metadata.name.clone()), &node.metadata));
                if self.is_older(shown, version) {
                    self.put_back();
                }
                self.newest = self.newest.max(version);
                self.world.nodes.clear();
                self.versions.retain(|about, _| !matches!(about, About::Node(_)));
                for node in &nodes {
                    self.node(node, true);
                }
                self.listed.insert(List::Nodes);
            }
            Event::Blocks(blocks, version) => {
                let shown =
                    blocks.iter().map(|block| (About::Block(block.metadata.name.clone()), &block.metadata));
                if self.is_older(shown, version) {
                    self.put_back();
                }
                self.newest = self.newest.max(version);
                self.world.blocks.clear();
                self.unreadable.clear();
                self.versions.retain(|about, _| !matches!(about, About::Block(_)));
                for block in &blocks {
                    self.block(block, true);
                }
                self.listed.insert(List::Blocks);
                self.all_due();
            }
            Event::Node(node) => self.node(&node, false),
            Event::NodeDeleted(name, version) => self.drop_node(&name, version),
            Event::Block(block) => self.block(&block, false),
            Event::BlockDeleted(name) => self.drop_block(&name),
            Event::PutBack => self.put_back(),
        }
    }

    /// The end of a request.
    pub fn answered(&mut self, request: &Request, answer: Answer) {
        let about = request.about();
        let before = self.pending.remove(&about).flatten();
        self.planned = false;
        match answer {
            Answer::Block(block) => {
                self.stale.remove(&about);
                self.block(&block, true);
            }
            Answer::Node(node) => {
                self.stale.remove(&about);
                self.node(&node, true);
            }
            Answer::Refused | Answer::Unknown => {
                self.stale.insert(about);
            }
            // One that was made meanwhile has been seen already: the answer is older than that.
            Answer::Missing if self.versions.get(&about) != before.as_ref() => {
                self.stale.insert(about);
            }
            Answer::Missing => {
                self.stale.remove(&about);
                match about {
                    About::Block(name) => self.drop_block(&name),
                    About::Node(name) => self.drop_node(&name, u64::MAX),
                }
            }
        }
    }

    /// What to ask now. Nothing before everything has been listed and every request has ended: whatever was wished meanwhile
    /// is met in one pass.
    pub fn poll(&mut self, now: u64) -> Vec<Request> {
        if self.listed.len() < LISTS || !self.pending.is_empty() {
            return Vec::new();
        }
        let requests = self.decide(now);
        let known = |about: About| {
            let version = self.versions.get(&about).cloned();
            (about, version)
        };
        self.pending = requests.iter().map(Request::about).map(known).collect();
        requests
    }

    fn decide(&mut self, now: u64) -> Vec<Request> {
        if !self.stale.is_empty() {
            return self.stale.iter().map(About::read).collect();
        }
        if let Some(questions) = self.questions() {
            return questions;
        }
        if !self.planned {
            let plan = plan(&self.world, &self.policy, self.rules);
            let requests = plan.blocks.iter().filter_map(|block| self.write(block)).collect::<Vec<_>>();
            if !requests.is_empty() {
                return requests;
            }
            self.planned = true;
            self.unmet = plan.unmet;
        }
        let gives = self.recall.gives(&self.world, &self.unmet, now);
        if gives != self.gives {
            self.due.extend(gives.keys().chain(self.gives.keys()).cloned());
            self.gives = gives;
        }
        self.specs()
    }

    /// The specs that are not what they should be.
    fn specs(&mut self) -> Vec<Request> {
        let mut requests = Vec::new();
        let nothing = BTreeMap::new();
        let due = std::mem::take(&mut self.due);
        let free = if due.is_empty() { BTreeMap::new() } else { free(&self.world) };
        for name in due {
            let Some(node) = self.world.nodes.get(&name) else { continue };
            // Nobody waits for the answer of a node that is gone: its spec is emptied, and then its addresses are free.
            if node.spec.confirm && !node.has_confirmed() && !self.world.gone.contains(&name) {
                continue;
            }
            let give = self.gives.get(&name).unwrap_or(&nothing);
            if let Some(spec) = project_with(&self.world, &free, &name, give, self.rules) {
                requests.push(Request::PatchNode(name, node.expected(), spec));
            }
        }
        requests
    }

    fn here(&self) -> impl Iterator<Item = (&String, &Node)> {
        self.world.nodes.iter().filter(|(name, _)| !self.world.gone.contains(*name))
    }

    /// Those of `awaited` that have none yet, and are not gone.
    fn without_object(&self) -> impl Iterator<Item = &str> {
        let is_away =
            |name: &&String| !self.world.nodes.contains_key(*name) && !self.world.gone.contains(*name);
        let awaited = self.rules.deleted_are_awaited.then_some(&self.awaited);
        awaited.into_iter().flatten().filter(is_away).map(String::as_str)
    }

    fn all_due(&mut self) {
        self.due.extend(self.world.nodes.keys().cloned());
    }

    /// Nothing for a block that cannot be read.
    fn write(&self, block: &Block) -> Option<Request> {
        let name = block.name();
        if self.unreadable.contains_key(&name) {
            return None;
        }
        Some(match self.versions.get(&About::Block(name.clone())) {
            Some(version) => Request::ReplaceBlock(name, version.clone(), block.spec()),
            None => Request::CreateBlock(name, block.spec()),
        })
    }
}
