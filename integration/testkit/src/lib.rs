//! What every privileged test of the workspace uses: a private world of namespaces, a runner for plugin
//! binaries, snapshots of kernel state, kill points, and traffic.
//!
//! A test that cannot do its work panics and says why; nothing here is ever skipped.

mod chain;
mod cnitool;
mod counts;
mod devices;
mod fault;
mod figures;
mod leases;
mod matrix;
mod mounts;
mod plugin;
mod rail;
mod settle;
mod snapshot;
mod space;
mod traffic;
mod wait;
mod world;

pub use chain::Chain;
pub use cnitool::cnitool;
pub use counts::assert_counts;
pub use fault::{CHANGES, Call, FALLIBLE, Scope, Trace};
pub use figures::{figure, in_part, torture};
pub use matrix::{Matrix, Share};
pub use plugin::{CniError, Outcome, Plugin, binary};
pub use rail::{Pod, Rail};
pub use snapshot::{Snapshot, assert_same};
pub use space::{Space, SpaceId};
pub use traffic::capture::{Capture, Frame};
pub use traffic::echo::{Echo, Protocol};
pub use traffic::ping::Ping;
pub use wait::{eventually, pause};
pub use world::{Dirs, World};
