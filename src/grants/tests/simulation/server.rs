//! An API server: two kinds of objects, versions, compare-and-swap, watches; and a backup to be put back.

use std::collections::BTreeMap;

use api::{Metadata, RailBlock, RailBlockSpec, RailNode, RailNodeSpec, RailNodeStatus};
use grants::{Answer, Event, Expected, Request};

#[derive(Clone, Default)]
pub(crate) struct Server {
    pub(crate) version: u64,
    pub(crate) nodes: BTreeMap<String, RailNode>,
    pub(crate) blocks: BTreeMap<String, RailBlock>,
}

/// What an agent asks.
#[derive(Clone, Debug)]
pub(crate) enum Word {
    /// From now on this life speaks; makes the node where there is none.
    Join { node: String, life: String, epoch: i64 },
    /// Its status, if this life still speaks.
    Say { node: String, status: RailNodeStatus },
}

/// Rules of the server's clients that tests break.
#[derive(Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is a test that is left out")]
pub(crate) struct Tests {
    pub(crate) epoch: bool,
    pub(crate) version: bool,
    pub(crate) life: bool,
    pub(crate) uid: bool,
}

impl Server {
    /// Does what is asked, and says what watchers are to see.
    pub(crate) fn serve(&mut self, request: &Request, tests: Tests) -> (Answer, Option<Event>) {
        match request {
            Request::ReadBlock(name) => (self.blocks.get(name).map_or(Answer::Missing, block), None),
            Request::ReadNode(name) => (self.nodes.get(name).map_or(Answer::Missing, node), None),
            Request::CreateBlock(name, _) if self.blocks.contains_key(name) => (Answer::Refused, None),
            Request::CreateBlock(name, spec) => self.store(name, spec),
            Request::ReplaceBlock(name, version, spec) => match self.blocks.get(name) {
                None => (Answer::Missing, None),
                Some(own) if tests.version && own.metadata.resource_version.as_ref() != Some(version) => {
                    (Answer::Refused, None)
                }
                Some(_) => self.store(name, spec),
            },
            Request::PatchNode(name, expected, spec) => self.patch(name, expected, spec, tests),
        }
    }

    fn patch(
        &mut self,
        name: &str,
        expected: &Expected,
        spec: &RailNodeSpec,
        tests: Tests,
    ) -> (Answer, Option<Event>) {
        let Some(own) = self.nodes.get_mut(name) else { return (Answer::Missing, None) };
        let is_other = own.metadata.uid.as_ref() != Some(&expected.uid);
        if (tests.epoch && own.spec.epoch != expected.epoch) || (tests.uid && is_other) {
            return (Answer::Refused, None);
        }
        own.spec = spec.clone();
        self.version += 1;
        own.metadata.resource_version = Some(self.version.to_string());
        (node(own), Some(Event::Node(Box::new(own.clone()))))
    }

    fn store(&mut self, name: &str, spec: &RailBlockSpec) -> (Answer, Option<Event>) {
        self.version += 1;
        let own = RailBlock { metadata: self.metadata(name), spec: spec.clone(), ..RailBlock::default() };
        self.blocks.insert(name.to_owned(), own.clone());
        (block(&own), Some(Event::Block(Box::new(own))))
    }

    fn metadata(&self, name: &str) -> Metadata {
        let resource_version = Some(self.version.to_string());
        Metadata { name: name.to_owned(), resource_version, ..Metadata::default() }
    }

    /// None where the life is over.
    pub(crate) fn hear(&mut self, word: &Word, tests: Tests) -> Option<RailNode> {
        let (Word::Join { node, .. } | Word::Say { node, .. }) = word;
        if let Word::Join { epoch, .. } = word
            && !self.nodes.contains_key(node)
        {
            let spec = RailNodeSpec { epoch: *epoch, ..RailNodeSpec::default() };
            // The version is nobody's before it is counted up below.
            let uid = Some(format!("made after {}", self.version));
            let metadata = Metadata { uid, ..self.metadata(node) };
            let own = RailNode { metadata, spec, ..RailNode::default() };
            self.nodes.insert(node.clone(), own);
        }
        let own = self.nodes.get_mut(node)?;
        match word {
            Word::Join { life, .. } => own.status.get_or_insert_default().life.clone_from(life),
            Word::Say { status, .. } => {
                let life = own.status.as_ref().map(|status| status.life.as_str());
                if tests.life && life != Some(status.life.as_str()) {
                    return None;
                }
                own.status = Some(status.clone());
            }
        }
        self.version += 1;
        own.metadata.resource_version = Some(self.version.to_string());
        Some(own.clone())
    }
}

fn block(block: &RailBlock) -> Answer {
    Answer::Block(Box::new(block.clone()))
}

fn node(node: &RailNode) -> Answer {
    Answer::Node(Box::new(node.clone()))
}
