//! Results in the shape of the version that was asked for.

use netns_tests::suite::Stage;
use netns_tests::versions::live;

use crate::able;

/// Every verb that the version has, in the order of a pod's life.
#[test]
fn every_binary_answers_in_every_version() {
    for binary in able() {
        let stage = Stage::new();
        for version in binary.versions() {
            let config = stage.ready(binary, version);
            live(&stage.plugin(binary), version, &config, || stage.kernel());
            stage.clear(binary, version);
        }
    }
}
