//! Controller, agents and the IPAM plugin as real processes on a real API server.

#![expect(clippy::unwrap_used, reason = "the functions between the tests are tests too")]

mod auditor;
mod cable;
mod deploy;
mod faulty;
mod grants;
mod node;
mod others;
mod pods;
mod readiness;
mod stories;
mod taints;
mod vfs;
