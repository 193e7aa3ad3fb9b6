//! What `ipvlan` and `ifacer` need; `conformance_links` shows their protocol.

use netns_tests::privileges::assert_needed;
use netns_tests::suite::{Binary, Needs, Stage};

#[test]
fn the_capabilities_of_the_table_and_no_less() {
    for binary in Binary::that_need(Needs::Link) {
        let stage = Stage::new();
        let config = stage.ready(binary, "1.1.0");
        assert_needed(binary.name, &stage.plugin(binary), &config, || stage.kernel());
    }
}
