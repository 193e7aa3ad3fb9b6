//! A pod that owns its namespace, against every plugin that this kernel can run: whatever it does there, before a verb or in the
//! middle of it, DEL and GC come to their end, the host and the pod beside are as before, and an address is free only when nothing
//! of the pod answers for it.

#[path = "hostile_pod/every.rs"]
mod every;

use netns_tests::suite::{Binary, Needs};

fn able() -> impl Iterator<Item = &'static Binary> {
    Binary::that_need(Needs::Nothing)
}
