//! All versions and verbs of the binaries that need their kind of link, as `conformance` shows them of those that do not.
//! Runs in the VM lab.

#[path = "conformance/results.rs"]
mod results;

use netns_tests::suite::{Binary, Needs};

fn able() -> impl Iterator<Item = &'static Binary> {
    Binary::that_need(Needs::Link)
}
