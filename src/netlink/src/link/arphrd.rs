//! Hardware types of links (`include/uapi/linux/if_arp.h`).

/// Ethernet
pub const ETHER: u16 = 1;
/// `InfiniBand`
pub const INFINIBAND: u16 = 32;
/// The loopback interface
pub const LOOPBACK: u16 = 772;
