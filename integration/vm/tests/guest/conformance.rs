//! The protocol and the privileges of the plugins that need a guest's devices or its kernel.

use netns_tests::privileges::assert_needed;
use netns_tests::suite::{Binary, with};
use netns_tests::versions::live;
use serde_json::{Value, json};
use testkit::{Plugin, World, torture};

/// One of each shape that results have had; a full run has all versions.
const BOUNDED: [&str; 3] = ["0.2.0", "0.4.0", "1.1.0"];

/// `plugin` answers in the versions that it has, and works with the capabilities of SECURITY.md and with no less.
#[track_caller]
pub(crate) fn conforms(world: &World, plugin: &Plugin, config: &Value) {
    let name = config["type"].as_str().unwrap_or_default();
    let kernel = || world.snapshot().without("file ");
    // Or the locks and folders of the first attachment would be news.
    plugin.add(config).success();
    plugin.del(config).success();
    for version in Binary::named(name).versions().filter(|version| torture() || BOUNDED.contains(version)) {
        live(plugin, version, &of_version(config, version), kernel);
    }
    assert_needed(name, plugin, config, kernel);
}

fn of_version(config: &Value, version: &str) -> Value {
    let mut config = with(config.clone(), &json!({ "cniVersion": version }));
    if config["prevResult"].is_object() {
        config["prevResult"]["cniVersion"] = json!(version);
    }
    config
}
