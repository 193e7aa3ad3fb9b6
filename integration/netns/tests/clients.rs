//! Clients and plugins that others wrote: cnitool drives our chain, and the reference plugins do the same work beside ours.

#[path = "clients/cnitool.rs"]
mod cnitool;
#[path = "clients/reference.rs"]
mod reference;
#[path = "clients/sbr.rs"]
mod sbr;

/// What `reference` compares.
const KIND: &str = "macvlan";
