//! What the plugins have on record below the state directory, one entry per attachment whichever plugins took part.

use std::collections::BTreeMap;

use anyhow::Result;
use attach::attachment;
use links::master::{self, User};
use netns::NetNs;
use serde_json::Value;
use state::record::{Entry, Loaded};
use state::{AttachmentKey, Dirs, Netns, Records};

/// Every plugin of the suite that may have a record.
const PLUGINS: [&str; 9] =
    ["macvlan", "ipvlan", "sriov", "ib-sriov", "ipoib", "rdma", "coordinator", "rail-ipam", "rail"];
const IFACER: &str = "ifacer";

/// One interface of one pod.
#[derive(Clone, Debug)]
pub(crate) struct Attachment {
    pub(crate) key: AttachmentKey,
    /// As it was at ADD.
    pub(crate) netns: Option<Netns>,
    /// Seconds since 1970.
    pub(crate) created: u64,
    /// In the order of the suite's list, not of the chain.
    pub(crate) plugins: Vec<String>,
    /// Records that cannot be read; the pod has them all the same.
    pub(crate) damaged: Vec<String>,
    /// Plugins whose record an older boot wrote: only the file is left of it.
    pub(crate) void: Vec<String>,
}

impl Attachment {
    fn new(key: AttachmentKey) -> Self {
        Self { key, netns: None, created: 0, plugins: Vec::new(), damaged: Vec::new(), void: Vec::new() }
    }

    /// The namespace of the record, unless it is gone or another one has taken its path.
    pub(crate) fn open(&self) -> Option<NetNs> {
        let recorded = self.netns.as_ref()?;
        NetNs::open(&recorded.path).ok().filter(|netns| attachment::is(netns, recorded))
    }

    /// Whether the namespace still exists. Where that cannot be seen, it may.
    pub(crate) fn is_alive(&self) -> bool {
        let Some(recorded) = &self.netns else { return !self.damaged.is_empty() };
        match NetNs::open(&recorded.path) {
            Ok(netns) => attachment::is(&netns, recorded),
            Err(error) => !error.is_gone(),
        }
    }

    fn add(&mut self, plugin: &str, loaded: Loaded<Value>) {
        match loaded {
            Loaded::Present(record) => {
                self.plugins.push(plugin.to_owned());
                self.created = record.created;
                self.netns = self.netns.take().or(record.netns);
            }
            Loaded::Damaged(damage) => self.damaged.push(format!("{plugin}: {damage}")),
            Loaded::Void(_) => self.void.push(plugin.to_owned()),
            Loaded::Absent => (),
        }
    }

    /// `ifacer` keeps no record: what it made is shared, and names its users.
    fn add_user(&mut self, user: User) {
        if !self.plugins.iter().any(|plugin| plugin == IFACER) {
            self.plugins.push(IFACER.to_owned());
        }
        self.created = self.created.max(user.created);
        self.netns = self.netns.take().or(user.netns);
    }

    fn is_something(&self) -> bool {
        !self.plugins.is_empty() || !self.damaged.is_empty()
    }
}

/// All attachments of this boot, by network, container and interface.
pub(crate) fn attachments(dirs: &Dirs) -> Result<Vec<Attachment>> {
    Ok(all(dirs)?.into_iter().filter(Attachment::is_something).collect())
}

/// The same with those of older boots.
pub(crate) fn all(dirs: &Dirs) -> Result<Vec<Attachment>> {
    let mut found = BTreeMap::new();
    for plugin in PLUGINS {
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
pub(crate) fn of(dirs: &Dirs, key: &AttachmentKey) -> Result<Attachment> {
    let mut attachment = Attachment::new(key.clone());
    for plugin in PLUGINS {
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
        Err(error) => attachment.damaged.push(format!("{plugin}: {error}")),
    }
}
