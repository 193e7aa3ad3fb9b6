use std::time::Duration;

use attach::{Error, despite_disk};
use state::record::{Entry, Loaded};
use state::{AttachmentKey, Dirs, Lock, Netns, Record, Records};

use super::node::OnNode;
use super::shared::{Member, Shared};

const PLUGIN: &str = "coordinator-pod";
/// Stand in for network and interface: the record is about all of them.
const WHOLE_POD: (&str, &str) = ("pods", "all");
/// Begins the name of a record that is about a namespace; a container ID has no such beginning.
const BY_NAMESPACE: &str = "netns-";
/// Longer than eight attachments of one pod take, one after another, on a busy node.
const PATIENCE: Duration = Duration::from_secs(10);

/// The pod's record, and the right to change it and the pod's routing. A pod is its namespace: container IDs there may be
/// several in one.
#[derive(Debug)]
pub(super) struct PodRecord {
    records: Records,
    record: Record<Shared>,
    /// Of versions that counted by container ID, taken over with the next save.
    adopted: Vec<AttachmentKey>,
    _lock: Option<Lock>,
}

impl PodRecord {
    /// Waits for the other attachments of the same namespace; a timeout is code 11.
    pub(super) fn lock(dirs: &Dirs, container_id: &str, netns: &Netns) -> Result<Self, Error> {
        let lock = lock(dirs, netns)?;
        Self::open(dirs, container_id, netns, Some(lock))
    }

    /// The same to undo something, which is done on a full disk, too.
    pub(super) fn lock_to_undo(dirs: &Dirs, container_id: &str, netns: &Netns) -> Result<Self, Error> {
        let lock = lock(dirs, netns).map(Some).or_else(|error| despite_disk(error).map(|()| None))?;
        Self::open(dirs, container_id, netns, lock)
    }

    fn open(dirs: &Dirs, container_id: &str, netns: &Netns, lock: Option<Lock>) -> Result<Self, Error> {
        let records = Records::open(dirs, PLUGIN)?;
        let key = AttachmentKey::new(WHOLE_POD.0, &namespace_id(netns), WHOLE_POD.1)?;
        let known = load(&records, &key)?.filter(|record| is_about(record, netns));
        if let Some(record) = known {
            return Ok(Self { records, record, adopted: Vec::new(), _lock: lock });
        }
        let mut record = records.draft(key, Some(netns.clone()), Shared::default());
        let adopted = adopt(&records, container_id, netns, &mut record.body)?;
        Ok(Self { records, record, adopted, _lock: lock })
    }

    pub(super) fn shared(&mut self) -> &mut Shared {
        &mut self.record.body
    }

    pub(super) fn save(&self) -> Result<(), Error> {
        self.records.save(&self.record)?;
        self.remove(&self.adopted)
    }

    /// As it is now; none when nobody is left.
    pub(super) fn store(&self) -> Result<(), Error> {
        if self.record.body.members.is_empty() {
            return self.remove(std::iter::once(&self.record.key).chain(&self.adopted));
        }
        self.save()
    }

    fn remove<'a>(&self, keys: impl IntoIterator<Item = &'a AttachmentKey>) -> Result<(), Error> {
        keys.into_iter().try_for_each(|key| Ok(self.records.remove(key).map(drop)?))
    }
}

/// Beside the locks of attachments, whose numbers are smaller: who holds one of those removes the file for both.
fn lock(dirs: &Dirs, netns: &Netns) -> Result<Lock, state::Error> {
    dirs.state.lock_slot(&["locks"], "attachments", 1 << 32 | low_half(netns.ino), PATIENCE)
}

fn low_half(ino: u64) -> i64 {
    i64::try_from(ino & u64::from(u32::MAX)).unwrap_or_default()
}

/// In the place of a container ID.
fn namespace_id(netns: &Netns) -> String {
    match netns.cookie {
        0 => format!("{BY_NAMESPACE}{}-{}", netns.dev, netns.ino),
        cookie => format!("{BY_NAMESPACE}{cookie}"),
    }
}

fn is_about(record: &Record<Shared>, netns: &Netns) -> bool {
    record.netns.as_ref().is_some_and(|of| of.is_same(netns))
}

/// Takes in what records by container ID have of this namespace: an older version had one for each ID. They hold no cookie,
/// so one of another container has to have been at the same path as well. Of whom no cookie is known, all are asked.
fn adopt(
    records: &Records,
    container_id: &str,
    netns: &Netns,
    shared: &mut Shared,
) -> Result<Vec<AttachmentKey>, Error> {
    let mut adopted = Vec::new();
    let older = |key: &AttachmentKey| netns.cookie == 0 || !key.container_id.starts_with(BY_NAMESPACE);
    for key in records.keys(WHOLE_POD.0)?.into_iter().filter(older) {
        let at_same_path = |record: &Record<Shared>| {
            key.container_id == container_id || record.netns.as_ref().is_some_and(|of| of.path == netns.path)
        };
        let record = load(records, &key)?.filter(|record| is_about(record, netns));
        if let Some(record) = record.filter(at_same_path) {
            shared.absorb(record.body);
            adopted.push(key);
        }
    }
    Ok(adopted)
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

/// Interface and namespace of the NIC that a pod's record says is led to on the node so.
pub(super) fn owner(dirs: &Dirs, leads: impl Fn(&OnNode) -> bool) -> Result<Option<String>, Error> {
    for entry in Records::open(dirs, PLUGIN)?.list::<Shared>(WHOLE_POD.0)? {
        let Entry::Ours { loaded: Loaded::Present(record), .. } = entry else { continue };
        let pod = record.netns.map(|netns| netns.path).unwrap_or_default();
        let mut members = record.body.members.iter();
        if let Some(Member { network, ifname, .. }) =
            members.find(|member| member.node.as_ref().is_some_and(&leads))
        {
            return Ok(Some(format!("{ifname} of network {network} in {}", pod.display())));
        }
    }
    Ok(None)
}

fn load(records: &Records, key: &AttachmentKey) -> Result<Option<Record<Shared>>, Error> {
    let damage = match records.load::<Shared>(key) {
        Ok(Loaded::Present(record)) => return Ok(Some(record)),
        Ok(Loaded::Absent | Loaded::Void(_)) => return Ok(None),
        Ok(Loaded::Damaged(damage)) => damage.to_string(),
        // Of an older version, which copied all that a pod had.
        Err(error @ state::Error::TooLong { .. }) => error.to_string(),
        Err(error) => return Err(error.into()),
    };
    tracing::warn!(pod = key.container_id, damage, "the pod's record is started again");
    Ok(None)
}
