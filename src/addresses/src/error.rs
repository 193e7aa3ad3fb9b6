use std::net::IpAddr;

use attach::Coded;
use cni::code;

/// Detection: an address is somebody else's.
const CONFLICT: u32 = 102;
/// Detection: a gateway does not answer.
const SILENT_GATEWAY: u32 = 103;

/// Why addresses cannot be given, or must not be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each variant is described by its message")]
pub enum Failure {
    #[error(
        "address {address} on {ifname} is in use by another host: IPv6 duplicate address detection failed. Take it out of the pool \
         (excludeIPs), or find who has it"
    )]
    Duplicate { address: String, ifname: String },
    #[error(
        "address {address} on {ifname} was still tentative after {waited_ms} ms of duplicate address detection: repeat ADD, and \
         if it stays so, look at the NIC and its switch port"
    )]
    Tentative { address: String, ifname: String, waited_ms: u128 },
    #[error(
        "address {address} for {ifname} is in use by {holder}: take it out of the pool (excludeIPs), or find who has it"
    )]
    Conflict { address: IpAddr, ifname: String, holder: String },
    #[error(
        "{attempts} addresses for {ifnames}, one after another, are in use by other hosts: the pool overlaps with what \
         others give out"
    )]
    TooManyConflicts { ifnames: String, attempts: usize },
    #[error(
        "{conflict}; {holder} said so of {before}, too, within the hour: a host that answers for the addresses of others takes a \
         pool away, so nothing more is quarantined for it. Find it in the segment of this interface (`railctl quarantine` lists \
         what it has cost), or leave out detection.conflict"
    )]
    AnswersForAll { conflict: Box<Failure>, holder: String, before: IpAddr },
    #[error(
        "{conflict}; {hosts} other hosts said so of their addresses within the hour, so nothing more is quarantined: the pool \
         overlaps with what others give out, or somebody answers for every address by a new name each time"
    )]
    TooManyObjectors { conflict: Box<Failure>, hosts: usize },
    #[error(
        "gateway {gateway} does not answer on {ifname}: {requests} {protocol} requests in {waited_ms} ms; check the \
         pool's gateway, the VLAN and the cabling, or leave out detection.gateway"
    )]
    SilentGateway { gateway: IpAddr, ifname: String, requests: u32, protocol: &'static str, waited_ms: u128 },
    #[error(
        "interface {ifname} had no carrier after {waited_ms} ms, so that nothing could be detected on it: look at its master, the cable and the \
         switch port, or leave out `detection`"
    )]
    NoCarrier { ifname: String, waited_ms: u128 },
    #[error(
        "interface {ifname} has no ARP and no neighbour discovery: leave out `detection` for this network"
    )]
    NoArp { ifname: String },
    #[error(
        "interface {ifname} cannot come up with the MAC {mac}, which its master or another interface on it has: choose another mac, \
         or leave it out ({source})"
    )]
    MacTaken { mac: String, ifname: String, source: netlink::Error },
    #[error(
        "route to {dst} on {ifname}: its gateway {gateway} is in no subnet of the addresses there ({addresses}): correct the route in \
         the pool or in ipam.routes ({source})"
    )]
    Unreachable { dst: String, gateway: String, ifname: String, addresses: String, source: netlink::Error },
    #[error("cannot {doing} on {ifname}: {source}; that takes CAP_NET_RAW, or leave out `detection`")]
    Packet { doing: &'static str, ifname: String, source: std::io::Error },
}

impl Coded for Failure {
    fn code(&self) -> u32 {
        match self {
            Self::NoArp { .. } | Self::MacTaken { .. } | Self::Unreachable { .. } => code::INVALID_CONFIG,
            Self::Conflict { .. }
            | Self::TooManyConflicts { .. }
            | Self::AnswersForAll { .. }
            | Self::TooManyObjectors { .. } => CONFLICT,
            Self::SilentGateway { .. } => SILENT_GATEWAY,
            Self::Duplicate { .. }
            | Self::NoCarrier { .. }
            | Self::Packet { .. }
            | Self::Tentative { .. } => code::INTERNAL,
        }
    }
}
