//! What Prometheus is told of a node's rails, of the node, and of the cluster's pools: names, labels and values as functions of
//! what was read. [`look`] reads; nothing else here does.

mod agent;
mod calls;
mod controller;
mod family;
mod histogram;
mod infiniband;
pub mod look;
mod rails;
mod sight;
mod spiderpool;
mod workload;

pub use agent::{Agent, Condition, NodePool, Waits, agent};
pub use calls::Calls;
pub use controller::{Controller, Pool, controller};
pub use family::{Family, Kind, Labels, Sample, Value, text};
pub use prometheus_client::encoding::prometheus_text::CONTENT_TYPE;
pub use rails::{Link, Rail, rails};
pub use sight::{Counters, Identity, Port, Sight, node};
pub use spiderpool::spiderpool;
