use attach::Coded;
use cni::code;
use netlink::Link;
use netns::Id;

use crate::child::child_elsewhere;

/// Why a shared master cannot be provided.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each variant is described by its message")]
pub enum Error {
    #[error("interface \"{name}\" is not in the host's namespace: check the name with `ip link`")]
    NoInterface { name: String },
    #[error(
        "interface \"{name}\" is an InfiniBand interface, which has partitions and no VLANs: use `ipoib` with `pkey`"
    )]
    Infiniband { name: String },
    #[error("interface \"{name}\" is a port of {port_of} already: a NIC has one bond or bridge")]
    Port { name: String, port_of: String },
    #[error(
        "{name} is there already and {found}, where {wanted} is wanted: rename or remove it, or change the config"
    )]
    Differs { name: String, found: String, wanted: String },
    #[error(
        "VLAN {id} of {parent} is there already as {name}, where {wanted} is wanted: set `vlanName` to {name}"
    )]
    OtherName { id: u16, parent: String, name: String, wanted: String },
    #[error("mtu {mtu} is more than the {have} of {name}: raise that on the host first, or lower `mtu`")]
    Mtu { mtu: u32, have: u32, name: String },
    #[error(
        "interface \"{name}\" has {child} on it, which would go down with it: a bond takes a NIC that no pod is on; use another, or end \
         those pods first"
    )]
    HasChild { name: String, child: String },
    #[error(
        "namespace {netns} does not let its links be listed, and one may be on {name}, which would go down under it: try again once that \
         has ended"
    )]
    Unseen { name: String, netns: Id },
    #[error("{name} was made and is not there any more: something else deletes it")]
    Vanished { name: String },
    #[error(
        "namespace {netns} does not let its links be listed, and one may be on {name}, which stays: DEL has to be repeated"
    )]
    Unlisted { name: String, netns: Id },
}

/// Whether a link in a pod sits on it.
pub(super) fn has_child_elsewhere(link: &Link) -> Result<bool, attach::Error> {
    let unlisted = |netns| Error::Unlisted { name: link.name.clone(), netns };
    Ok(child_elsewhere(link.index).map_err(unlisted)?)
}

impl Coded for Error {
    fn code(&self) -> u32 {
        match self {
            Self::Vanished { .. } | Self::Unlisted { .. } | Self::Unseen { .. } => code::TRY_AGAIN,
            _ => code::INVALID_CONFIG,
        }
    }
}
