use attach::Coded;
use cni::code;

/// What is special to InfiniBand VFs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each variant is described by its message")]
pub enum Error {
    #[error("device {device}: its interface {ifname} is Ethernet: use `sriov`")]
    Ethernet { device: String, ifname: String },
    #[error(
        "device {device} is a PF, or a VF inside a virtual machine: only one with driver vfio-pci can be attached"
    )]
    Pf { device: String },
    #[error(
        "vfioPciMode is set, and device {device} has driver {driver}: bind it to vfio-pci, or leave the key out"
    )]
    NotVfio { device: String, driver: String },
    #[error(
        "the GUID of {device} is {guid}, which no port may have: give one by `guid`, `args.cni.guid` or \
         runtimeConfig.infinibandGUID (ib-kubernetes does), or set one on the host and rebind the driver"
    )]
    NoGuid { device: String, guid: String },
    #[error("device {device} has {count} RDMA devices, where rdmaIsolation needs one: {names}")]
    RdmaDevices { device: String, count: usize, names: String },
    #[error(
        "device {device} has lost its driver: {driver} was rebound for a GUID and does not take it again ({source}); the \
         kernel's log may tell why"
    )]
    Unbound { device: String, driver: String, source: Box<sysfs::Error> },
    #[error("device {device} has not come back with GUID {guid} {waited_ms} ms after its driver was rebound")]
    Rebind { device: String, guid: String, waited_ms: u64 },
}

impl Coded for Error {
    fn code(&self) -> u32 {
        match self {
            Self::Rebind { .. } | Self::Unbound { .. } => code::TRY_AGAIN,
            _ => code::INVALID_CONFIG,
        }
    }
}
