//! The cluster's addresses: which node may hand out which. Every decision here is a function of what the objects say and
//! of a time that is an argument: no client, no clock, no I/O. `raild` runs the same code that the simulation drives.
//!
//! Whose an address is, only the block says that holds it, and a block is changed by compare-and-swap. All else is a
//! projection of blocks, and safe by four rules:
//!
//! 1. A spec is written with a test of its epoch, and epochs only grow. An agent ignores a spec that is not newer.
//! 2. An address enters a spec only from a block in which the node got something *after* that spec's epoch (`since`).
//!    Where a spec lacks what a block says, the block is written first, with a new `since`.
//! 3. What a node has given up is dead to it until it has seen a spec without it, whatever else happens (it is on disk, and
//!    in the API for a node without one). A controller believes it only when it was said in an epoch not before `since`.
//! 4. An address changes its node only by being given up, or when the node is gone; and then the node's spec is emptied first, as
//!    if it had given up all.
//!
//! From 2 and 3 follows that a controller may decide by caches of any age: while a spec's epoch is older than `since`, the
//! node cannot have given up anything of that block since, for to do so it would have had to see a newer spec.

pub mod agent;
mod block;
mod controller;
mod figures;
mod health;
mod mask;
mod others;
mod pins;
mod plan;
mod project;
mod recall;
mod world;

pub use block::{Block, owners_of, ranges_of, ranges_text};
pub use controller::{Answer, Controller, Event, Expected, Request};
pub use figures::Figures;
pub use health::{Hindrance, changed, conditions};
pub use mask::{BLOCK, Mask};
pub use others::{By, Taken, of_spiderpool, of_whereabouts, reserve};
pub use plan::{Plan, Policy, Rules, plan};
pub use project::project;
pub use recall::{PATIENCE, Recall};
pub use world::{Allowed, FABRIC, Held, NICS, Node, Offer, RAIL, World, offers};
