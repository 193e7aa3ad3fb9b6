//! What the plugins have on record below the state directory, one entry per attachment whichever plugins took part.

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use anyhow::Result;
use attach::attachment;
use links::master::{self, User};
use netns::{Id, Living, NetNs};
use serde_json::Value;
use state::record::{Entry, Loaded};
use state::{AttachmentKey, Dirs, Netns, Records};

use crate::suite::{self, Part};

/// One interface of one pod.
#[derive(Clone, Debug)]
pub struct Attachment {
    /// Network, container and interface.
    pub key: AttachmentKey,
    /// All of its links in the pod: one for most plugins, by the name of the key, and as many as the record has for `rail`.
    pub interfaces: Vec<String>,
    /// As it was at ADD.
    pub netns: Option<Netns>,
    /// Seconds since 1970.
    pub created: u64,
    /// In the order of the suite's list, not of the chain.
    pub plugins: Vec<String>,
    /// Records that say nothing; the pod has them all the same.
    pub damaged: Vec<String>,
    /// Records that could not be read, which says nothing of them.
    pub unread: Vec<String>,
    /// Plugins whose record an older boot wrote: only the file is left of it.
    pub void: Vec<String>,
}

impl Attachment {
    fn new(key: AttachmentKey) -> Self {
        let (plugins, damaged, unread, void) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let interfaces = vec![key.ifname.clone()];
        Self { key, interfaces, netns: None, created: 0, plugins, damaged, unread, void }
    }

    /// The namespace of the record, unless it is gone or another one has taken its path.
    pub fn open(&self) -> Option<NetNs> {
        let recorded = self.netns.as_ref()?;
        NetNs::open(&recorded.path).ok().filter(|netns| attachment::is(netns, recorded))
    }

    /// Whether the namespace still exists. Where that cannot be seen, it may.
    pub fn is_alive(&self) -> bool {
        let Some(recorded) = &self.netns else { return !(self.damaged.is_empty() && self.unread.is_empty()) };
        match NetNs::open(&recorded.path) {
            Ok(netns) => attachment::is(&netns, recorded),
            Err(error) => !error.is_gone(),
        }
    }

    /// Whether anything holds the namespace, whatever its path leads to; what could not be looked into may.
    pub fn is_held(&self, living: &Living) -> bool {
        let holds = |netns: &Netns| {
            let id = Id { dev: netns.dev, ino: netns.ino };
            living.has(id, NonZeroU64::new(netns.cookie))
                || !living.closed().is_empty()
                || living.crowded_outside_pods().is_some()
                || !living.is_of_machine()
        };
        self.netns.as_ref().is_some_and(holds)
    }

    fn add(&mut self, plugin: &str, loaded: Loaded<Value>) {
        match loaded {
            Loaded::Present(record) => {
                self.plugins.push(plugin.to_owned());
                self.created = record.created;
                self.netns = self.netns.take().or(record.netns);
                if let Some(interfaces) = several(&record.body) {
                    self.interfaces = interfaces;
                }
            }
            Loaded::Damaged(damage) => self.damaged.push(format!("{plugin}: {damage}")),
            Loaded::Void(_) => self.void.push(plugin.to_owned()),
            Loaded::Absent => (),
        }
    }

    /// `ifacer` keeps no record: what it made is shared, and names its users.
    fn add_user(&mut self, user: User) {
        let makers = suite::plugins(&[Part::Master]).map(str::to_owned);
        let new: Vec<_> = makers.filter(|plugin| !self.plugins.contains(plugin)).collect();
        self.plugins.extend(new);
        self.created = self.created.max(user.created);
        self.netns = self.netns.take().or(user.netns);
    }

    fn is_something(&self) -> bool {
        !self.plugins.is_empty() || !self.damaged.is_empty() || !self.unread.is_empty()
    }
}

/// The links of a record of `rail`, in the order of its rails; of any other, the key says it.
fn several(held: &Value) -> Option<Vec<String>> {
    let rails = held["undo"]["rails"].as_array()?.iter();
    let names: Vec<String> = rails.filter_map(|rail| rail["ifname"].as_str().map(str::to_owned)).collect();
    (!names.is_empty()).then_some(names)
}

/// All attachments of this boot, by network, container and interface.
pub fn attachments(dirs: &Dirs) -> Result<Vec<Attachment>> {
    Ok(all(dirs)?.into_iter().filter(Attachment::is_something).collect())
}

/// The same with those of older boots.
pub fn all(dirs: &Dirs) -> Result<Vec<Attachment>> {
    let mut found = BTreeMap::new();
    for plugin in suite::with_records() {
        let records = Records::open(dirs, plugin)?;
        for network in records.networks()? {
            for entry in records.list::<Value>(&network)? {
                collect(&mut found, plugin, entry);
            }
        }
    }
    for user in master::users(dirs)? {
        let key = user.key.clone();
        found.entry(key.clone()).or_insert_with(|| Attachment::new(key)).add_user(user);
    }
    Ok(found.into_values().collect())
}

/// What is on record of one attachment now.
pub fn of(dirs: &Dirs, key: &AttachmentKey) -> Result<Attachment> {
    let mut attachment = Attachment::new(key.clone());
    for plugin in suite::with_records() {
        attachment.add(plugin, Records::open(dirs, plugin)?.load(key)?);
    }
    let users = master::users(dirs)?.into_iter().filter(|user| user.key == *key);
    users.for_each(|user| attachment.add_user(user));
    Ok(attachment)
}

fn collect(found: &mut BTreeMap<AttachmentKey, Attachment>, plugin: &str, entry: Entry<Value>) {
    let (key, outcome) = match entry {
        Entry::Ours { key, loaded } => (key, Ok(loaded)),
        Entry::Unreadable { key, error } => (key, Err(error)),
        Entry::Foreign { .. } => return,
    };
    let attachment = found.entry(key.clone()).or_insert_with(|| Attachment::new(key));
    match outcome {
        Ok(loaded) => attachment.add(plugin, loaded),
        Err(error) => attachment.unread.push(format!("{plugin}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The record that a release left: its form is promised to those that come later.
    #[test]
    fn a_record_of_rail_names_all_its_links_and_others_have_that_of_their_key() {
        let read = |path: &str| -> Value {
            let folder =
                std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/versions/0.1.0/state");
            let text = std::fs::read_to_string(folder.join("attachments").join(path)).unwrap();
            serde_json::from_str(text.lines().rev().nth(1).unwrap()).unwrap()
        };
        let several = |path: &str| several(&read(path)["undo"]);
        assert_eq!(several("rails/pod-rails,rail,net1"), Some(vec!["net1".to_owned(), "net2".to_owned()]));
        assert_eq!(several("alone/pod-alone,macvlan,net1"), None);
    }
}
