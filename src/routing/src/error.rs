use std::net::IpAddr;

use attach::Coded;
use cni::code;

/// An address is somebody else's, as for those who detect that.
const CONFLICT: u32 = 102;

/// Why a pod's routing, or its way to its node, cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each variant is described by its message")]
pub enum Failure {
    #[error(
        "the node has a link {ifname} already, which is to be its end of the pod's veth pair: another container's id \
         begins alike, or something else left it; remove it if no pod uses it"
    )]
    HostVethTaken { ifname: String },
    #[error(
        "{address} cannot be the pod's: {whose}; give the pod another one (ips or excludeIPs of its pool), or hostRuleTable 0 to leave \
         the node's way to it alone"
    )]
    NotThePods { address: IpAddr, whose: String },
    #[error(
        "IPv6 is switched off on {ifname} in the pod, which is to have {address}: set sysctl net.ipv6.conf.{ifname}.disable_ipv6 to 0 (a \
         pod's own sysctls may set it, for all interfaces, too), or give the pod no IPv6 address"
    )]
    Ipv6Off { ifname: String, address: IpAddr },
    #[error(
        "hostRuleTable {table} is a table of the node's own, which all its traffic would follow (it has {route}): take the number of \
         one that is empty"
    )]
    NodesTable { table: u32, route: String },
    #[error(
        "the pod has a table inet {table} of nftables already, which is to mark what comes in from the node: remove it"
    )]
    MarksTaken { table: &'static str },
    #[error(
        "mode underlay marks what comes in from the node, for which the kernel needs nf_tables with ct (CONFIG_NF_TABLES_INET, \
         CONFIG_NFT_CT; modules nf_tables, nft_ct): {source}"
    )]
    Marks { source: netlink::Error },
}

impl Coded for Failure {
    fn code(&self) -> u32 {
        match self {
            Self::NotThePods { .. } => CONFLICT,
            Self::NodesTable { .. } => code::INVALID_CONFIG,
            Self::Ipv6Off { .. }
            | Self::HostVethTaken { .. }
            | Self::MarksTaken { .. }
            | Self::Marks { .. } => code::INTERNAL,
        }
    }
}
