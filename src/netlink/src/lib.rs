//! Blocking rtnetlink, `NETLINK_RDMA`, `nf_tables` and ethtool: one socket type below, typed operations on [`Rtnetlink`],
//! [`Rdma`], [`Nft`](nft::Nft) and [`Ethtool`] above. No policy.
//!
//! Requests are encoded with the types of netlink-packet-route, but for those about links, whose encoder knows a hundred
//! kinds of them. Replies are read attribute by attribute, only those that are wanted: an attribute that a newer kernel
//! adds or widens cannot fail a lookup, and what we have no use for stays out of the plugins.

mod addr;
mod attr;
mod batch;
mod body;
mod dcb;
mod error;
mod ethtool;
mod handle;
mod hwaddr;
pub mod link;
mod message;
mod monitor;
mod multicast;
mod neigh;
mod netconf;
pub mod nft;
mod rdma;
pub mod replies;
mod route;
mod rule;
mod socket;
pub mod vf;
#[cfg(test)]
mod witness;

pub use addr::{Address, AddressFlags};
pub use batch::Batch;
pub use dcb::{Buffers, Dcb, DscpPriority, Ets, Pfc, PfcFrames};
pub use error::{Error, Refusal};
pub use ethtool::{Bits, Ethtool, Features};
pub use handle::{Family, Rtnetlink};
pub use hwaddr::{Guid, HwAddr, InvalidGuid, InvalidHwAddr};
pub use link::{Ipv4Conf, Link, LinkChange, LinkFlags, LinkStatistics, NewLink, OperState, Statistics};
pub use monitor::{Event, Group, Monitor};
pub use neigh::{Neighbour, NeighbourState};
pub use rdma::{NetnsMode, Rdma, RdmaDevice, RdmaPort, RdmaResources};
pub use route::{NextHop, Route, RouteFilter, RouteKind, RouteLookup, scope};
pub use rule::{Rule, RuleAction};
pub use vf::{Vf, VfChange, VfLinkState, VfVlan};
