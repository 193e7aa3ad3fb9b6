use std::num::NonZeroU64;
use std::path::Path;
use std::sync::OnceLock;

use netlink::Rtnetlink;
use netns::{Id, Living, NetNs};
use state::{AttachmentKey, Dirs, Netns};

use crate::attachment::{is, may_be};
use crate::owner::other_owner_by;
use crate::{Error, Pod};

/// Where an undo happens: the host, and the pod's namespace if it is still the one that the record is about.
#[derive(Debug)]
pub struct UndoContext {
    /// Where records, claims and caches are.
    pub dirs: Dirs,
    /// `None` when the namespace is gone, and with it all that was in it.
    pub pod: Option<Pod>,
    /// rtnetlink on the host, once it was needed.
    pub host: Option<Rtnetlink>,
    /// Whose attachment is undone.
    pub attachment: Option<AttachmentKey>,
}

/// The namespaces of this node, looked for once: what a record is about was there before.
pub fn living() -> Option<&'static Living> {
    static LIVING: OnceLock<Option<Living>> = OnceLock::new();
    let look =
        || Living::look().inspect_err(|error| tracing::warn!(%error, "/proc cannot be gone through")).ok();
    LIVING.get_or_init(look).as_ref()
}

impl UndoContext {
    /// Of a pod that is gone.
    pub fn on_host(dirs: &Dirs) -> Self {
        Self { dirs: dirs.clone(), pod: None, host: None, attachment: None }
    }

    /// Looks for the record's namespace at `CNI_NETNS` and at the path of ADD. Neither need exist; another namespace
    /// at the same path is a newer pod's and is left alone. One that has lost its paths, or whose process has moved on, is
    /// found by whatever else holds it.
    pub fn of(dirs: &Dirs, recorded: Option<&Netns>, cni_netns: Option<&Path>) -> Result<Self, Error> {
        let Some(recorded) = recorded else { return Ok(Self::on_host(dirs)) };
        for path in cni_netns.into_iter().chain([recorded.path.as_path()]) {
            match NetNs::open(path) {
                Ok(netns) if may_be(&netns, recorded) => {
                    let context = Self::with(dirs, netns)?;
                    if context.is_of(recorded) {
                        return Ok(context);
                    }
                }
                Err(error) if !error.is_gone() => return Err(error.into()),
                _ => (),
            }
        }
        // Without a cookie, a later namespace with the same inode would be taken for it.
        let cookie = NonZeroU64::new(recorded.cookie);
        let id = Id { dev: recorded.dev, ino: recorded.ino };
        let held = cookie.and_then(|cookie| living()?.open(id, Some(cookie)));
        held.map_or_else(|| Ok(Self::on_host(dirs)), |netns| Self::with(dirs, netns))
    }

    /// Whatever namespace is at `CNI_NETNS`, for what has to be undone without a record.
    pub fn at(dirs: &Dirs, cni_netns: Option<&Path>) -> Result<Self, Error> {
        match cni_netns.map(NetNs::open) {
            Some(Ok(netns)) => Self::with(dirs, netns),
            Some(Err(error)) if !error.is_gone() => Err(error.into()),
            _ => Ok(Self::on_host(dirs)),
        }
    }

    /// Whether the pod's interface of that name is on record for another attachment than the one that is undone.
    pub fn is_anothers(&self, ifname: &str) -> Result<bool, Error> {
        self.is_anothers_by(ifname, |_| true)
    }

    /// The same, where only attachments by certain plugins count.
    pub fn is_anothers_by(&self, ifname: &str, plugins: impl Fn(&str) -> bool) -> Result<bool, Error> {
        let Some(pod) = &self.pod else { return Ok(false) };
        let but = self.attachment.as_ref();
        let owner = other_owner_by(&self.dirs, &pod.netns, ifname, but, plugins)?;
        if let Some(owner) = &owner {
            tracing::warn!(ifname, %owner, "left alone: it belongs to another attachment now");
        }
        Ok(owner.is_some())
    }

    /// rtnetlink in the namespace that the plugin runs in.
    pub fn host(&mut self) -> Result<&mut Rtnetlink, Error> {
        Ok(self.dirs_and_host()?.1)
    }

    /// The same, beside the directories.
    pub fn dirs_and_host(&mut self) -> Result<(&Dirs, &mut Rtnetlink), Error> {
        let Self { dirs, host, .. } = self;
        match host {
            Some(host) => Ok((dirs, host)),
            empty => Ok((dirs, empty.insert(Rtnetlink::open()?))),
        }
    }

    fn is_of(&self, recorded: &Netns) -> bool {
        self.pod.as_ref().is_some_and(|pod| is(&pod.netns, recorded))
    }

    fn with(dirs: &Dirs, netns: NetNs) -> Result<Self, Error> {
        Ok(Self { pod: Some(Pod::of(netns)?), ..Self::on_host(dirs) })
    }
}
