//! The cluster's objects as types: their fields and defaults. No client and no I/O, so that
//! plugins, planner, controller and webhook share one definition. The feature `schema` adds the CRD files.

mod block;
#[cfg(feature = "schema")]
pub mod crd;
mod fabric;
mod meta;
mod multus_config;
mod node;
mod pool;
mod whereabouts;

pub use block::{RailBlock, RailBlockSpec};
pub use fabric::{
    Addressing, Fabric, FabricRoute, FabricSpec, FabricStatus, Host, LinkKind, NetworkForm, PerNode, Rail,
    RdmaMode, Resources, Shared,
};
pub use meta::{Condition, Kind, LabelSelector, Metadata, Object, Requirement};
pub use multus_config::{
    Bond, Child, CniType, Coordinator, DetectOptions, IbSriov, IpPools, Ipoib, LinkFields, Ovs,
    SpiderMultusConfig, SpiderMultusConfigSpec, SpiderMultusConfigStatus, Sriov, Trunk, Vlan,
};
pub use node::{NodePool, PoolUse, RailNode, RailNodeSpec, RailNodeStatus};
pub use pool::{
    Route, SpiderIPPool, SpiderIPPoolSpec, SpiderIPPoolStatus, SpiderReservedIP, SpiderReservedIPSpec,
};
pub use whereabouts::{WhereaboutsHolder, WhereaboutsPool, WhereaboutsPoolSpec, WhereaboutsReservation};

/// The group of the guides' own objects.
pub const SPIDERPOOL: &str = "spiderpool.spidernet.io";
/// The group of our own.
pub const RAILCNI: &str = "railcni.dev";
