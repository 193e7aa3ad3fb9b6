//! `coordinator` in a pod whose NICs were made by `ip`, with `ip` and real packets as witnesses.

#![expect(clippy::unwrap_used, reason = "the functions between the tests are tests too")]

#[path = "coordinator/chain.rs"]
mod chain;
#[path = "coordinator/check.rs"]
mod check;
#[path = "coordinator/defaults.rs"]
mod defaults;
#[path = "coordinator/hostile.rs"]
mod hostile;
#[path = "coordinator/input.rs"]
mod input;
#[path = "coordinator/limits.rs"]
mod limits;
#[path = "coordinator/node.rs"]
mod node;
#[path = "coordinator/others.rs"]
mod others;
#[path = "coordinator/owner.rs"]
mod owner;
#[path = "coordinator/pod.rs"]
mod pod;
#[path = "coordinator/rails.rs"]
mod rails;
#[path = "coordinator/sources.rs"]
mod sources;
#[path = "coordinator/subnet.rs"]
mod subnet;
#[path = "coordinator/traffic.rs"]
mod traffic;
#[path = "coordinator/underlay/mod.rs"]
mod underlay;
#[path = "coordinator/undo.rs"]
mod undo;
