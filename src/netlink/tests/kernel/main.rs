//! Every operation against the kernel, each test in a namespace of its own, with `ip` as the witness. Needs root.

#![expect(clippy::unwrap_used, reason = "a test has nobody to hand an error to")]

mod addr;
mod batch;
mod link;
mod monitor;
mod neigh;
mod netconf;
mod nft;
mod route;
mod rule;
mod socket;
mod vf;
mod world;
