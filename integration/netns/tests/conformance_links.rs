//! All versions and verbs of the binaries that need their kind of link, as `conformance` shows them of those that do not; and
//! `ipvlan` beside Debian's, as `clients` has macvlan.
//! Runs in the VM lab.

#[path = "clients/reference.rs"]
mod reference;
#[path = "conformance/results.rs"]
mod results;

use netns_tests::suite::{Binary, Needs};

/// What `reference` compares.
const KIND: &str = "ipvlan";

fn able() -> impl Iterator<Item = &'static Binary> {
    Binary::that_need(Needs::Link)
}
