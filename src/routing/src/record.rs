use std::time::Duration;

use attach::Error;
use state::record::{Entry, Loaded};
use state::{AttachmentKey, Dirs, Lock, Netns, Record, Records};

use super::shared::Shared;

const PLUGIN: &str = "coordinator-pod";
/// Stand in for network and interface: the record is about all of them.
const WHOLE_POD: (&str, &str) = ("pods", "all");
/// Longer than eight attachments of one pod take, one after another, on a busy node.
const PATIENCE: Duration = Duration::from_secs(10);

/// The pod's record, and the right to change it and the pod's routing.
#[derive(Debug)]
pub(super) struct PodRecord {
    records: Records,
    record: Record<Shared>,
    _lock: Lock,
}

impl PodRecord {
    /// Waits for the other attachments of the same namespace; a timeout is code 11.
    pub(super) fn lock(dirs: &Dirs, container_id: &str, netns: &Netns) -> Result<Self, Error> {
        let lock = dirs.state.lock(&["locks"], &format!("pod-{}-{}", netns.dev, netns.ino), PATIENCE)?;
        let records = Records::open(dirs, PLUGIN)?;
        let key = AttachmentKey::new(WHOLE_POD.0, container_id, WHOLE_POD.1)?;
        let known = load(&records, &key, netns)?;
        let record = known.unwrap_or_else(|| records.draft(key, Some(netns.clone()), Shared::default()));
        Ok(Self { records, record, _lock: lock })
    }

    pub(super) fn shared(&mut self) -> &mut Shared {
        &mut self.record.undo
    }

    pub(super) fn save(&self) -> Result<(), Error> {
        self.records.save(&self.record)?;
        Ok(())
    }

    /// As it is now; none when nobody is left.
    pub(super) fn store(&self) -> Result<(), Error> {
        if self.record.undo.members.is_empty() {
            self.records.remove(&self.record.key)?;
            return Ok(());
        }
        self.save()
    }
}

/// GC: the records of pods of an older boot, for a state directory that outlives one. Goes on after a failure.
pub fn forget_older_boots(dirs: &Dirs) -> Vec<Error> {
    let forget = || -> Result<Vec<Error>, Error> {
        let records = Records::open(dirs, PLUGIN)?;
        let void = |entry| match entry {
            Entry::Ours { key, loaded: Loaded::Void(_) } => Some(key),
            _ => None,
        };
        let keys = records.list::<Shared>(WHOLE_POD.0)?.into_iter().filter_map(void);
        Ok(keys.filter_map(|key| records.remove(&key).err()).map(Error::from).collect())
    };
    forget().unwrap_or_else(|error| vec![error])
}

/// A record of another namespace speaks of a pod that is gone.
fn load(records: &Records, key: &AttachmentKey, netns: &Netns) -> Result<Option<Record<Shared>>, Error> {
    Ok(match records.load::<Shared>(key)? {
        Loaded::Present(record) => {
            Some(record).filter(|record| record.netns.as_ref().is_some_and(|of| of.is_same(netns)))
        }
        Loaded::Absent | Loaded::Void(_) => None,
        Loaded::Damaged(damage) => {
            tracing::warn!(container = key.container_id, %damage, "the pod's record is started anew");
            None
        }
    })
}
