use attach::Coded;
use cni::code;

/// What is special to RDMA devices.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each variant is described by its message")]
pub enum Error {
    #[error("this kernel has no RDMA (NETLINK_RDMA): load ib_core and the NIC's RDMA driver")]
    NoRdma,
    #[error(
        "the RDMA netns mode is shared, in which no device can be given to one pod: run `rdma system set netns exclusive` \
         while no namespace but the host's exists, or load ib_core with netns_mode=0 at boot; \
         or set \"mode\": \"auto\" to go on without"
    )]
    Shared,
    #[error(
        "the RDMA netns mode is exclusive, in which a pod sees no device but those that are moved into it: write \"exclusive\" \
         where the interface is a VF, or run `rdma system set netns shared`"
    )]
    Exclusive,
    #[error(
        "device {device} has no RDMA device in the host's namespace: its driver has none (is the RDMA module loaded?), \
         or another pod has it"
    )]
    None { device: String },
    #[error("device {device} has {} RDMA devices ({}), and only one can be given to a pod: delete those that were made on it (`rdma link delete`)", names.len(), names.join(", "))]
    Several { device: String, names: Vec<String> },
    #[error("no deviceID, and {problem}: the resource of the network attachment definition gives one")]
    NoDevice { problem: String },
    #[error(
        "RDMA device {name} cannot be given to a pod: {source}; its driver cannot take a device from those who use it"
    )]
    Immovable { name: String, source: Box<netlink::Error> },
    #[error("rdmaDeviceName \"{wanted}\": {problem}")]
    Name { wanted: String, problem: String },
    #[error(
        "RDMA device {name} has not come back after {waited_ms} ms: a process may still hold the pod's namespace"
    )]
    Away { name: String, waited_ms: u64 },
    #[error("device information file {path}: {problem}")]
    DeviceInfo { path: String, problem: String },
}

impl Coded for Error {
    fn code(&self) -> u32 {
        match self {
            Self::NoDevice { .. } | Self::Name { .. } => code::INVALID_CONFIG,
            Self::None { .. } | Self::Away { .. } => code::TRY_AGAIN,
            Self::DeviceInfo { .. } => code::IO,
            Self::NoRdma | Self::Shared | Self::Exclusive | Self::Several { .. } | Self::Immovable { .. } => {
                code::INTERNAL
            }
        }
    }
}
