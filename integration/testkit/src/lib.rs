//! What every privileged test of the workspace uses: a private world of namespaces, a runner for plugin
//! binaries, snapshots of kernel state, kill points, and traffic.
//!
//! A test that cannot do its work panics and says why; nothing here is ever skipped.

mod cnitool;
mod fault;
mod mounts;
mod plugin;
mod rail;
mod snapshot;
mod space;
mod traffic;
mod wait;
mod world;

pub use cnitool::cnitool;
pub use fault::{Call, Scope, Trace};
pub use plugin::{CniError, Outcome, Plugin, binary};
pub use rail::{Pod, Rail};
pub use snapshot::{Snapshot, assert_same};
pub use space::{Space, SpaceId};
pub use traffic::capture::{Capture, Frame};
pub use traffic::echo::{Echo, Protocol};
pub use traffic::ping::Ping;
pub use wait::{eventually, pause};
pub use world::{Dirs, World};
