use std::path::Path;

use attach::locks::LockFile;
use attach::{Error, Pod};
use cni::Request;
use netlink::{HwAddr, Link, Rtnetlink};
use state::{AttachmentKey, Dirs};

use super::caches::UpstreamCache;
use super::ethernet::Ethernet;
use super::infiniband::{InfiniBand, RdmaBefore};
use super::{Device, Id, PreparedVf, VfSpec, VfUndo};
use crate::Site;
use crate::holders::Holders;
use crate::upstream::Upstream;

/// What a VF's port speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VfKind {
    /// Also `RoCE`: the plugin `sriov`.
    Ethernet,
    /// The plugin `ib-sriov`.
    InfiniBand,
}

impl VfKind {
    /// Every kind there is.
    pub const ALL: [Self; 2] = [Self::Ethernet, Self::InfiniBand];

    /// The CNI type of its plugin, which is the owner of the records.
    pub fn plugin(self) -> &'static str {
        self.upstream().name()
    }

    /// The reverse; `None` for a plugin that attaches no VF.
    pub fn of_plugin(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.plugin() == name)
    }

    pub(super) fn special(self) -> &'static dyn Special {
        match self {
            Self::Ethernet => &Ethernet,
            Self::InfiniBand => &InfiniBand,
        }
    }

    pub(super) fn upstream(self) -> Upstream {
        self.special().upstream()
    }

    pub(crate) fn holders(self, dirs: &Dirs) -> Holders<'_> {
        Holders::of(self.upstream(), dirs)
    }
}

/// What is special to VFs of one kind. All else about them, and every rule that keeps them safe, is the same.
pub(super) trait Special {
    /// The plugin that ours replaces.
    fn upstream(&self) -> Upstream;
    /// The files whose locks everybody takes who changes the VF, processes of the upstream plugin included.
    fn locks(&self, dirs: &Dirs, device: &Device) -> Result<Vec<LockFile>, Error>;
    /// Whether a VF with a driver for user space gets addresses.
    fn addresses_user_space(&self) -> bool;

    // ADD, in this order.

    /// Whether the device fits the config.
    fn require_device(&self, wanted: &VfSpec, device: &Device) -> Result<(), Error>;
    /// Whether its interface does.
    fn require_link(&self, wanted: &VfSpec, device: &Device, link: &Link) -> Result<(), Error>;
    /// Its RDMA device, if that may go, or be built again, with it.
    fn rdma(&self, _: &Device) -> Result<Option<RdmaBefore>, Error> {
        Ok(None)
    }
    /// Completes the undo of an attachment.
    fn complete(&self, _: &PreparedVf<'_>, _: &mut VfUndo) {}
    /// Moves the interface into the pod, under its name there, with what goes along.
    fn move_to_pod(
        &self,
        vf: &PreparedVf<'_>,
        link: &Link,
        ifname: &str,
        site: &mut Site,
    ) -> Result<Link, Error>;
    /// MAC and MTU of the interface that a driver for user space makes.
    fn in_user_space(&self, _: &PreparedVf<'_>) -> (Option<HwAddr>, Option<u32>) {
        (None, None)
    }

    /// Writes the upstream plugin's cache of an attachment.
    fn save(&self, vf: &PreparedVf<'_>, dirs: &Dirs, request: &Request, undo: &VfUndo) -> Result<(), Error>;

    // CHECK

    /// How the interface differs from what it is to be.
    fn differences(&self, wanted: &VfSpec, link: &Link) -> Vec<String>;

    // Undo

    /// Brings back what went with the interface, which has left the pod.
    fn leave_pod(&self, _: &VfUndo, _: &Device, _: &Pod) -> Result<(), Error> {
        Ok(())
    }
    /// Makes device and interface, which are on the host, the same again; `restored` says whether the PF has its attributes
    /// back.
    fn rebuild(
        &self,
        _: &VfUndo,
        _: &Device,
        link: Link,
        _restored: bool,
        _: (&Dirs, &mut Rtnetlink),
    ) -> Result<Link, Error> {
        Ok(link)
    }

    // Undo without a record, by the upstream plugin's cache

    /// `None` if it is torn, or does not say which device it is about.
    fn parse(&self, cache: &[u8]) -> Option<UpstreamCache>;
    /// Whether caches about a device that no pod has may be used to repair it.
    fn is_repairable(&self, dirs: &Dirs, id: &Id) -> Result<bool, Error>;

    // Undo without a cache that a crash has left whole

    /// The device of an attachment, on the host; an error if it was not found, and may be one of a living pod.
    fn find_on_host(
        &self,
        dirs: &Dirs,
        key: &AttachmentKey,
        netns: &Path,
        host: &mut Rtnetlink,
    ) -> Result<Option<Device>, Error>;
    /// Whether it can be a device of this kind.
    fn is_guessable(&self, _: &Device) -> bool {
        true
    }
    /// What is assumed of a device of which nothing else is known: `name` is what its interface is called on the host.
    fn unknown(&self, id: &Id, name: String) -> UpstreamCache;
    /// The undo, by guess, of a device whose last pod is gone and left no cache that can be read. Its key is known only where the
    /// file name of the cache tells it.
    fn guess_user(&self, dirs: &Dirs, device: &Device, host: &mut Rtnetlink)
    -> Result<Option<VfUndo>, Error>;
}
