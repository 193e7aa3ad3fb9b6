use std::path::PathBuf;

use attach::Coded;
use cni::code;

/// What is special to VFs; everything else is the crate's own error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each variant is described by its message")]
pub enum Error {
    #[error("deviceID \"{id}\": {problem}")]
    Device { id: String, problem: String },
    #[error("device {device} has no interface on the host and driver {driver}: {hint}")]
    NoInterface { device: String, driver: String, hint: String },
    #[error(
        "{option} of {device} is set through its PF, which is not on this machine (a VF inside a virtual machine?): \
         leave {option} out, or set it on the hypervisor"
    )]
    NoPf { device: String, option: &'static str },
    #[error(
        "PF {pf} of {device} has no interface in the host's namespace: bring it back, VF settings go through it"
    )]
    PfAway { device: String, pf: String },
    #[error(
        "driver {driver} of PF {pf} refuses {setting} for VF {vf}, {device}: {source}; leave it out of the config, or set it on the host"
    )]
    Refused {
        driver: String,
        pf: String,
        vf: u32,
        device: String,
        setting: String,
        source: Box<netlink::Error>,
    },
    #[error(
        "driver {driver} of PF {pf} took {setting} for VF {vf} and after {waited_ms} ms still reports {found}: look at what the driver says (dmesg), or leave it out of the config"
    )]
    Unsettled { driver: String, pf: String, vf: u32, setting: String, found: String, waited_ms: u64 },
    #[error(
        "interface {ifname} was given the MAC {wanted} and after {waited_ms} ms still has {found}: let the PF trust the VF (`trust`), or leave out `mac`"
    )]
    OwnMac { ifname: String, wanted: String, found: String, waited_ms: u64 },
    #[error(
        "invalid MTU {mtu}, must be [68, PF MTU({pf_mtu})]: raise the MTU of {pf} on the host first, or leave out `mtu`"
    )]
    Mtu { mtu: u32, pf: String, pf_mtu: u32 },
    #[error("device {device} is already allocated to {owner}, whose namespace {} is alive: detach that first", netns.display())]
    Allocated { device: String, owner: String, netns: PathBuf },
    #[error(
        "device {device} is allocated to {}, whose namespace is alive, and CNI_NETNS is empty: run DEL with CNI_NETNS, or \
         after that pod has ended", netns.display()
    )]
    Unnamed { device: String, netns: PathBuf },
    #[error(
        "interface {ifname} has an {mode} program that a BPF link holds ({source}): end the process that has it, in the pod or \
         on the host"
    )]
    Program { ifname: String, mode: String, source: Box<netlink::Error> },
    #[error(
        "device {device} has not come back after {waited_ms} ms: its interface is neither in the pod nor on the host, \
         so a process may still hold the pod's namespace, or have moved it to another one"
    )]
    Away { device: String, waited_ms: u64 },
}

impl Coded for Error {
    fn code(&self) -> u32 {
        match self {
            Self::Device { .. } | Self::NoPf { .. } | Self::Mtu { .. } => code::INVALID_CONFIG,
            Self::NoInterface { .. }
            | Self::Allocated { .. }
            | Self::Away { .. }
            | Self::PfAway { .. }
            | Self::Unnamed { .. }
            | Self::Program { .. } => code::TRY_AGAIN,
            Self::Refused { source, .. } if source.is_unsupported() => code::UNSUPPORTED_FIELD,
            Self::Refused { .. } | Self::Unsettled { .. } | Self::OwnMac { .. } => code::INTERNAL,
        }
    }
}
