//! Who is to have which address of a sticky pool again, wherever his pod runs. A pin says who would like to have an address, and
//! nothing of whose it is: an address comes to the node of its owner's pod as any other does, by being given up and granted.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::str::FromStr;

use ipam::{Range, RangeSet};

use crate::block::{self, Block, Rail, text_of};
use crate::mask::Mask;
use crate::world::{Node, Offer, World};

/// `172.16.1.7=ai/train-0/net1;...`. An entry that cannot be read keeps nobody from anything, nor another entry from being read.
pub(crate) fn pins_of<K: FromStr + Ord>(text: &str) -> BTreeMap<K, String> {
    entries(text).filter_map(|(key, owner)| Some((key.parse().ok()?, owner.to_owned()))).collect()
}

/// `ai/train-0/net1=7.1;...`
pub(crate) fn wishes_of(text: &str) -> BTreeMap<String, String> {
    entries(text).map(|(owner, mark)| (owner.to_owned(), mark.to_owned())).collect()
}

fn entries(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split(';').filter_map(|entry| entry.split_once('=')).filter(|(key, _)| !key.is_empty())
}

/// An address that an owner had, and that his pool still offers.
#[derive(Clone, Copy)]
pub(crate) struct Home<'w> {
    pub(crate) block: &'w str,
    pub(crate) rail: usize,
    pub(crate) place: u32,
    ip: IpAddr,
    /// Who may hand it out.
    pub(crate) node: Option<&'w str>,
}

/// A pod that waits on a node for the address that it had.
pub(crate) struct Wish<'w> {
    pub(crate) node: &'w str,
    pub(crate) pool: &'w str,
    owner: &'w str,
    /// Of this wish alone.
    mark: &'w str,
    pub(crate) home: Option<Home<'w>>,
}

/// The wishes of nodes that may have the pool, each with what these blocks say. An owner may have two addresses for a while: first goes
/// the one that the node has already, then one that no node has.
pub(crate) fn wishes<'w>(world: &'w World, blocks: &'w BTreeMap<String, Block>) -> Vec<Wish<'w>> {
    if world.pools.values().all(|offer| !offer.template.sticky) {
        return Vec::new();
    }
    let nodes = world.nodes.iter().filter(|(name, node)| !world.gone.contains(*name) && node.has_wishes());
    let mut wishes = nodes.flat_map(|(name, node)| of_node(world, name, node)).collect::<Vec<_>>();
    let homes = if wishes.is_empty() { BTreeMap::new() } else { homes(world, blocks) };
    for wish in &mut wishes {
        let rank = |home: &&Home<'_>| match home.node {
            Some(node) if node == wish.node => 0,
            None => 1,
            Some(_) => 2,
        };
        wish.home = homes.get(&(wish.pool, wish.owner)).into_iter().flatten().min_by_key(rank).copied();
    }
    wishes
}

fn of_node<'w>(world: &'w World, name: &'w str, node: &'w Node) -> impl Iterator<Item = Wish<'w>> {
    let may = |pool: &str| {
        let offer = world.pools.get(pool);
        offer.is_some_and(|offer| offer.template.sticky && offer.allowed.contains(name, &node.labels))
    };
    let pools = node.pools.iter().filter(move |(pool, _)| may(pool));
    pools.flat_map(move |(pool, held)| {
        let wish =
            move |(owner, mark): (&'w String, &'w String)| Wish { node: name, pool, owner, mark, home: None };
        held.wishes.iter().map(wish)
    })
}

/// By pool and owner.
fn homes<'w>(
    world: &'w World,
    blocks: &'w BTreeMap<String, Block>,
) -> BTreeMap<(&'w str, &'w str), Vec<Home<'w>>> {
    let mut homes: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (name, block) in blocks {
        for (index, rail) in block.rails.iter().enumerate() {
            let Some(offer) = offer(world, block, rail) else { continue };
            let offered = block::places(&offer.subnet, block.first, &offer.offered);
            for (place, owner) in &rail.pins {
                let ip = block::address_of(&offer.subnet, block.first, *place);
                if let Some(ip) = ip.filter(|_| !offered.and(Mask::one(*place)).is_empty()) {
                    let node = rail.owner(*place);
                    let home = Home { block: name, rail: index, place: *place, ip, node };
                    homes.entry((rail.pool.as_str(), owner.as_str())).or_default().push(home);
                }
            }
        }
    }
    homes
}

/// The sticky pool that a rail is of.
fn offer<'w>(world: &'w World, block: &Block, rail: &Rail) -> Option<&'w Offer> {
    let offer = world.pools.get(&rail.pool).filter(|offer| offer.template.sticky)?;
    (rail.subnet == Some(offer.subnet) && offer.group == block.group).then_some(offer)
}

/// What the wishes of all make of one node's spec.
#[derive(Default)]
pub(crate) struct Told {
    /// By pool, addresses that pods of other nodes wait for.
    pub(crate) called_for: BTreeMap<String, RangeSet>,
    /// By pool, what those who wait here are told.
    pub(crate) answers: BTreeMap<String, String>,
}

/// What a node is told for the sake of the wishes.
pub(crate) fn told(world: &World, name: &str) -> Told {
    let mut answers: BTreeMap<String, BTreeMap<&str, String>> = BTreeMap::new();
    let mut called_for: BTreeMap<String, Vec<Range>> = BTreeMap::new();
    let wishes = wishes(world, &world.blocks);
    let waits_here = |wish: &Wish<'_>| {
        wishes.iter().any(|own| (own.node, own.pool, own.owner) == (name, wish.pool, wish.owner))
    };
    for wish in &wishes {
        let is_here = wish.home.is_some_and(|home| home.node == Some(name));
        if wish.node != name {
            if let Some(home) = wish.home.filter(|_| is_here && !waits_here(wish)) {
                called_for.entry(wish.pool.to_owned()).or_default().push(Range::one(home.ip));
            }
        } else if !is_here {
            answers.entry(wish.pool.to_owned()).or_default().insert(wish.owner, wish.answer());
        }
    }
    let answers = answers.into_iter().map(|(pool, answers)| (pool, text_of(&answers)));
    let called_for = called_for.into_iter().map(|(pool, ips)| (pool, ips.into_iter().collect()));
    Told { called_for: called_for.collect(), answers: answers.collect() }
}

impl Wish<'_> {
    fn answer(&self) -> String {
        match self.home {
            None => self.mark.to_owned(),
            Some(home) => format!("{}@{}@{}", self.mark, home.ip, home.node.unwrap_or_default()),
        }
    }
}
