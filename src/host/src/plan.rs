//! What to change: wishes beside what there is, and beside what we did before. Pure.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use crate::key::{Key, Value};
use crate::record::{Entry, Record};
use crate::wants::Want;

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Of what.
    pub key: Key,
    /// As it is.
    pub from: Value,
    /// As it is to be.
    pub to: Value,
}

/// The indexes of links that are there.
pub(crate) type Links = BTreeMap<String, u32>;

/// What the kernel says of keys; `None` where what a key belongs to is not there.
#[derive(Clone, Debug, Default)]
pub struct Picture(pub Vec<(Key, Option<Value>)>);

/// All changes, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// What is to be done.
    pub changes: Vec<Change>,
    /// What was wished for.
    pub wanted: Vec<Want>,
    /// What is ours on record and has been changed by somebody else since: it stays as it is.
    pub foreign: Vec<String>,
    /// What is wanted, is there, and carries our protocol, though the record was lost: it is on record again.
    pub adopted: Vec<Key>,
    /// The links as they are.
    pub links: Links,
}

impl Picture {
    /// What a key has.
    pub fn of(&self, key: &Key) -> Option<&Value> {
        self.0.iter().find(|(other, _)| other == key)?.1.as_ref()
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, from, to } = self;
        match (from, to) {
            (Value::Absent, Value::Present) => write!(f, "+ {key}"),
            (Value::Present, Value::Absent) => write!(f, "- {key}"),
            _ => write!(f, "~ {key}: {from} -> {to}"),
        }?;
        write!(f, "  ({})", key.by(to))
    }
}

impl Change {
    /// For who compares: what differs.
    pub fn difference(&self) -> String {
        let Self { key, from, to } = self;
        match (from, to) {
            (Value::Absent, Value::Present) => format!("{key} is missing"),
            (Value::Present, Value::Absent) => format!("{key} is there, and no longer wanted"),
            (Value::Absent, _) => format!("{key} is missing, wanted is {to}"),
            _ => format!("{key} is {from}, wanted is {to}"),
        }
    }
}

/// First goes what we did and nobody wants any more, last things first; then comes what differs.
pub fn plan(wanted: Vec<Want>, picture: &Picture, record: &Record) -> Plan {
    let is_wanted = |key: &Key| wanted.iter().any(|want| want.key == *key);
    let mut plan = Plan::default();
    for entry in record.0.iter().rev().filter(|entry| !is_wanted(&entry.what)) {
        plan.restore(entry, picture);
    }
    for Want { key, value } in &wanted {
        let from = picture.of(key).unwrap_or(&Value::Absent);
        if from != value {
            plan.changes.push(Change { key: key.clone(), from: from.clone(), to: value.clone() });
        }
    }
    plan.wanted = wanted;
    plan
}

impl Plan {
    pub(crate) fn index_of(&self, key: &Key) -> Option<u32> {
        self.links.get(key.link()?).copied()
    }

    /// Back to what was before, if it is as we left it. What is gone with its link needs nothing.
    fn restore(&mut self, entry: &Entry, picture: &Picture) {
        let Some(now) = picture.of(&entry.what) else { return };
        if *now == entry.before {
            return;
        }
        if entry.ours.contains(now) {
            let (key, from, to) = (entry.what.clone(), now.clone(), entry.before.clone());
            self.changes.push(Change { key, from, to });
            return;
        }
        if *now == Value::Others {
            self.foreign.push(format!("{} has been made anew by somebody else: it stays", entry.what));
            return;
        }
        let ours = entry.ours.last().map(ToString::to_string).unwrap_or_default();
        self.foreign.push(format!("{} is {now}, not the {ours} that was set here: it stays", entry.what));
    }
}
