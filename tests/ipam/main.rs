//! The real binary, in directories of its own: no privileges, nothing of the machine's is touched.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod concurrency;
mod grants;
mod hostile;
mod migration;
mod node;
mod pools;
mod requests;
mod verbs;
