//! The protocol of the CNI specification as the reference implements it, over every binary of the suite.

#[path = "conformance/config.rs"]
mod config;
#[path = "conformance/edge.rs"]
mod edge;
#[path = "conformance/results.rs"]
mod results;
#[path = "conformance/verbs.rs"]
mod verbs;

use netns_tests::outcome::{refused, silent};
use netns_tests::suite::{Binary, Needs};

/// Those that can attach on any kernel; `conformance_links` runs the same with those that need their kind of link.
fn able() -> impl Iterator<Item = &'static Binary> {
    Binary::that_need(Needs::Nothing)
}
