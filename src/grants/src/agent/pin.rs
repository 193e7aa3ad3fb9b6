//! Owners of sticky pools: who waits on this node for the address that he had, and who uses which.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use api::PoolUse;

use super::own::Own;
use super::{Agent, Local};
use crate::block::text_of;
use crate::pins::{pins_of, wishes_of};
use crate::world::union;

/// Where the address is that an owner is to have again.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Pin {
    /// Among those that this node may hand out.
    Here(IpAddr),
    /// He has none: any will do.
    Nowhere,
    /// It is on its way from another node.
    Elsewhere {
        /// The address.
        ip: String,
        /// The node that has it; empty where none does.
        node: String,
    },
    /// The controller has not answered.
    Unknown,
}

impl Agent {
    /// Where an owner's address of a pool is, as far as the controller has said.
    pub fn pin(&self, pool: &str, owner: &str) -> Pin {
        let Some(own) = self.own.get(pool) else { return Pin::Unknown };
        let Some(pins) = &own.pins else { return Pin::Nowhere };
        let usable = own.usable();
        let here = pins.iter().find(|(ip, pinned)| *pinned == owner && usable.contains(**ip));
        if let Some((ip, _)) = here {
            return Pin::Here(*ip);
        }
        let mark = self.wishes.get(&(pool.to_owned(), owner.to_owned()));
        let (Some(answer), Some(mark)) = (own.answers.get(owner), mark) else { return Pin::Unknown };
        let mut words = answer.split('@');
        if words.next() != Some(mark.as_str()) && self.rules.answers_are_to_one_wish {
            return Pin::Unknown;
        }
        match (words.next(), words.next()) {
            (Some(ip), Some(node)) => Pin::Elsewhere { ip: ip.to_owned(), node: node.to_owned() },
            _ => Pin::Nowhere,
        }
    }

    /// Whether the controller keeps owners of a pool over nodes.
    pub fn keeps_owners(&self) -> bool {
        self.own.values().any(|own| own.pins.is_some())
    }

    /// A wish gets a mark that no earlier one had: an answer to that one may be long out of date.
    pub(super) fn note_wishes(&mut self, local: &Local<'_>) {
        let of_pool = |(pool, owners): (&String, &BTreeSet<String>)| {
            owners.iter().map(|owner| (pool.clone(), owner.clone())).collect::<Vec<_>>()
        };
        let wishes = local.wishes.iter().flat_map(of_pool).collect::<BTreeSet<_>>();
        self.wishes.retain(|wish, _| wishes.contains(wish));
        for wish in wishes {
            let (number, epoch) = (&mut self.wished, self.kept.epoch);
            self.wishes.entry(wish).or_insert_with(|| {
                *number += 1;
                format!("{epoch}.{number}")
            });
        }
    }

    /// Who waits here for an address of the pool.
    pub(super) fn waits(&self, pool: &str) -> String {
        let wishes = self.wishes.iter().filter(|((of, _), _)| of == pool);
        text_of(&wishes.map(|((_, owner), mark)| (owner, mark)).collect())
    }
}

/// Who uses which of the node's addresses; nobody's name for one that is taken otherwise and somebody is to have again, or by somebody
/// whose name would be two in the list.
pub(super) fn in_use(own: &Own, local: &Local<'_>) -> String {
    let Some(pins) = &own.pins else { return String::new() };
    let here = union(&own.ranges, &own.drain).without(&own.returned);
    let owned = local.owners.iter().map(|(ip, owner)| (*ip, if ipam::is_name(owner) { owner } else { "" }));
    let taken = pins.keys().filter(|ip| local.leased.contains(**ip) && !local.owners.contains_key(ip));
    let used = owned.chain(taken.map(|ip| (*ip, ""))).filter(|(ip, _)| here.contains(*ip));
    text_of(&used.collect::<BTreeMap<IpAddr, &str>>())
}

/// Whether the pool's owners are others than the controller has said.
pub(super) fn is_news(own: &Own, told: &PoolUse) -> bool {
    let before = |ip: &IpAddr| own.pins.as_ref().and_then(|pins| pins.get(ip)).map_or("", String::as_str);
    pins_of::<IpAddr>(&told.pins).iter().any(|(ip, owner)| before(ip) != owner)
}

/// Whether somebody waits who did not before.
pub(super) fn waits_newly(known: &str, told: &str) -> bool {
    let known = wishes_of(known);
    wishes_of(told).iter().any(|(owner, mark)| known.get(owner) != Some(mark))
}
