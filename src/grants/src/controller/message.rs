//! What passes between a controller and the API server, whoever carries it.

use std::collections::{BTreeMap, BTreeSet};

use api::{RailBlock, RailBlockSpec, RailNode, RailNodeSpec, SpiderIPPool, SpiderReservedIP};

use crate::plan::Rules;
use crate::project::question;
use crate::world::{Node, World};

/// What has been seen. Lists come first; what else was seen before them counts for nothing.
#[derive(Clone, Debug)]
pub enum Event {
    /// All pools and reserved addresses, whenever one of them changes.
    Pools(Vec<SpiderIPPool>, Vec<SpiderReservedIP>),
    /// Labels of all Node objects, and the nodes that are no more.
    Cluster(BTreeMap<String, BTreeMap<String, String>>, BTreeSet<String>),
    /// All nodes, at this version.
    Nodes(Vec<RailNode>, u64),
    /// All blocks, at this version.
    Blocks(Vec<RailBlock>, u64),
    /// A node has changed.
    Node(Box<RailNode>),
    /// A node's object is gone, at this version.
    NodeDeleted(String, u64),
    /// A block has changed.
    Block(Box<RailBlock>),
    /// A block is gone.
    BlockDeleted(String),
    /// The API server shows an older state than it has shown before: a list at a version below `Controller::newest` when it was
    /// asked for. Lists of nodes and blocks follow.
    PutBack,
}

/// What to ask the API server.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Make a block; it fails where there is one of the name.
    CreateBlock(String, RailBlockSpec),
    /// Replace a block; it fails where the block is not of this version.
    ReplaceBlock(String, String, RailBlockSpec),
    /// Read a block.
    ReadBlock(String),
    /// Replace a node's spec; it fails where the node is not as expected.
    PatchNode(String, Expected, RailNodeSpec),
    /// Read a node.
    ReadNode(String),
}

/// What a node has to be for its spec to be replaced.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Expected {
    /// An object that was deleted and made again begins its epochs anywhere: they may be those of the one before.
    pub uid: String,
    /// Of the spec.
    pub epoch: i64,
}

/// What it says.
#[derive(Clone, Debug)]
pub enum Answer {
    /// As it is now.
    Block(Box<RailBlock>),
    /// As it is now.
    Node(Box<RailNode>),
    /// Somebody was faster.
    Refused,
    /// There is none.
    Missing,
    /// No answer: it may have been done or not.
    Unknown,
}

/// One object that a request is about.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum About {
    Block(String),
    Node(String),
}

impl Request {
    pub(super) fn ask(world: &World, rules: Rules, name: &str, node: &Node) -> Self {
        Self::PatchNode(name.to_owned(), node.expected(), question(world, name, node, rules))
    }

    pub(super) fn about(&self) -> About {
        match self {
            Self::CreateBlock(name, _) | Self::ReplaceBlock(name, _, _) | Self::ReadBlock(name) => {
                About::Block(name.clone())
            }
            Self::PatchNode(name, _, _) | Self::ReadNode(name) => About::Node(name.clone()),
        }
    }
}

impl About {
    pub(super) fn read(&self) -> Request {
        match self {
            Self::Block(name) => Request::ReadBlock(name.clone()),
            Self::Node(name) => Request::ReadNode(name.clone()),
        }
    }
}
