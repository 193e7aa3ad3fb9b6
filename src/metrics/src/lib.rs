//! What Prometheus is told of a node's rails, of the node, and of the cluster's pools: names, labels and values as functions of
//! what was read. [`look`] reads; nothing else here does.

mod agent;
mod controller;
mod family;
mod infiniband;
pub mod look;
mod rails;
mod sight;

pub use agent::{Agent, Condition, NodePool, Waits, agent};
pub use controller::{Controller, Pool, controller};
pub use family::{Family, Kind, Labels, Sample, Value, text};
pub use prometheus_client::encoding::prometheus_text::CONTENT_TYPE;
pub use rails::{Link, Rail, rails};
pub use sight::{Counters, Port, Sight, node};
