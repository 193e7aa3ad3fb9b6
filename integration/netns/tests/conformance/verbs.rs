//! What each verb promises, whatever the plugin does.

use netns_tests::suite::{Binary, Stage, with};
use serde_json::{Value, json};
use testkit::assert_same;

use crate::{able, refused, silent};

fn adders() -> impl Iterator<Item = (&'static Binary, Stage)> {
    able().map(|binary| (binary, Stage::new()))
}

#[test]
fn add_check_del_leaves_the_world_as_it_was() {
    for (binary, stage) in adders() {
        let config = stage.ready(binary, "1.1.0");
        let before = stage.kernel();
        let plugin = stage.plugin(binary);
        let result = plugin.add(&config).success();
        let checked = with(config.clone(), &json!({ "prevResult": result }));
        silent("CHECK", plugin.check(&checked));
        silent("DEL", plugin.del(&checked));
        assert_same(&before, &stage.kernel());
        silent("DEL again", plugin.del(&config));
        assert!(!plugin.check(&checked).status.success(), "{}: CHECK after DEL", binary.name);
    }
}

#[test]
fn del_of_what_never_was_succeeds_and_changes_nothing() {
    for (binary, stage) in adders() {
        let before = stage.world.snapshot();
        let plugin = stage.plugin(binary).container("unknown");
        let absent = plugin.clone().env("CNI_NETNS", "/run/netns/absent");
        let plain = plugin.clone().netns(&stage.world.file("plain", "no namespace"));
        for plugin in [&plugin, &plugin.clone().env("CNI_NETNS", ""), &absent, &plain] {
            silent(binary.name, plugin.del(&binary.config()));
        }
        let before_kernel = before.without("file ");
        assert_same(&before_kernel, &stage.kernel());
        let left = stage.world.snapshot().to_string();
        assert!(!left.contains("unknown"), "{}: a trace of the container is left:\n{left}", binary.name);
    }
}

#[test]
fn del_needs_no_valid_config() {
    let broken = json!({ "master": 5, "mode": ["x"], "mtu": "no", "dns": 7, "prevResult": { "cniVersion": "9" },
                         "policyRoutes": "x", "runtimeConfig": [], "args": 3 });
    for (binary, stage) in adders() {
        let config = stage.ready(binary, "1.1.0");
        let before = stage.kernel();
        let plugin = stage.plugin(binary);
        plugin.add(&config).success();
        silent(binary.name, plugin.del(&with(config, &broken)));
        assert_same(&before, &stage.kernel());
    }
}

#[test]
fn del_works_when_the_namespace_is_gone() {
    for (binary, stage) in adders() {
        let config = stage.ready(binary, "1.1.0");
        let plugin = stage.plugin(binary);
        plugin.add(&config).success();
        stage.world.remove_pod("a");
        silent("with the old path", plugin.del(&config));
        silent("without a path", plugin.clone().env("CNI_NETNS", "").del(&config));
    }
}

/// A kubelet that restarts may ask again: an IPAM answers what it answered, and nobody else has anything to answer.
#[test]
fn a_second_add_without_del_changes_nothing() {
    for (binary, stage) in adders() {
        let config = stage.ready(binary, "1.1.0");
        let plugin = stage.plugin(binary);
        let first = plugin.add(&config).success();
        let before = stage.world.snapshot();
        let again = plugin.add(&config);
        if binary.name == "rail-ipam" {
            assert_eq!(again.success(), first);
        } else {
            assert!(refused(999, binary.name, again).msg.contains("DEL"), "what to do is said");
        }
        assert_same(&before, &stage.world.snapshot());
    }
}

#[test]
fn check_wants_the_result_of_add() {
    let stage = Stage::new();
    for binary in able() {
        let error = refused(7, binary.name, stage.plugin(binary).check(&binary.config()));
        assert!(error.msg.contains("prevResult"), "{error:?}");
    }
}

/// Output that is full: the runtime has no result, and so will not ask for a DEL that it could give one.
#[test]
fn an_add_whose_answer_cannot_be_written_leaves_nothing() {
    for (binary, stage) in adders() {
        let config = stage.ready(binary, "1.1.0");
        let plugin = stage.plugin(binary);
        // What a first attachment makes for all that follow.
        plugin.add(&config).success();
        plugin.del(&config).success();
        let before = stage.kernel();
        let outcome = plugin.clone().wrapped(&["sh", "-c", r#"exec "$0" >/dev/full"#]).add(&config);
        assert!(!outcome.status.success() && outcome.stderr.contains("stdout"), "{}: {outcome}", binary.name);
        assert_same(&before, &stage.kernel());
    }
}

#[test]
fn gc_without_a_list_releases_nothing_and_an_empty_one_all() {
    for list in [Value::Null, json!([])] {
        for (binary, stage) in adders() {
            let config = stage.ready(binary, "1.1.0");
            let before = stage.kernel();
            let plugin = stage.plugin(binary);
            plugin.add(&config).success();
            let attached = stage.world.snapshot();
            silent(binary.name, plugin.gc(&config));
            refused(
                7,
                binary.name,
                plugin.gc(&with(config.clone(), &json!({ "cni.dev/valid-attachments": "cid" }))),
            );
            assert_same(&attached, &stage.world.snapshot());
            let mut all = config.clone();
            all["cni.dev/valid-attachments"] = list.clone();
            silent(binary.name, plugin.gc(&all));
            assert_same(&before, &stage.kernel());
        }
    }
}

#[test]
fn gc_keeps_what_is_valid_and_what_is_of_other_networks() {
    for (binary, stage) in adders() {
        let config = stage.ready(binary, "1.1.0");
        let plugin = stage.plugin(binary);
        plugin.add(&config).success();
        let attached = stage.kernel();
        let valid =
            json!([{ "containerID": "other", "ifname": "eth7" }, { "containerID": "cid", "ifname": "net1" }]);
        silent("valid", plugin.gc(&with(config.clone(), &json!({ "cni.dev/valid-attachments": valid }))));
        silent("the old key", plugin.gc(&with(config.clone(), &json!({ "cni.dev/attachments": valid }))));
        let other = with(config.clone(), &json!({ "name": "other", "cni.dev/valid-attachments": [] }));
        silent("another network", plugin.gc(&other));
        assert_same(&attached, &stage.kernel());
        let result = plugin.check(&with(config.clone(), &json!({ "prevResult": null })));
        assert!(!result.status.success(), "CHECK needs its prevResult");
    }
}

#[test]
fn status_is_silent_and_writes_nothing() {
    for (binary, stage) in adders() {
        let before = stage.world.snapshot();
        silent(binary.name, stage.plugin(binary).status(&binary.config()));
        assert_same(&before, &stage.world.snapshot());
    }
}

#[test]
fn status_of_an_exhausted_pool_is_not_available() {
    let stage = Stage::new();
    let one = netns_tests::suite::pool("one", "172.16.1.10");
    let config =
        with(Binary::named("macvlan").config(), &json!({ "ipam": { "type": "rail-ipam", "pools": [one] } }));
    stage.plugin(Binary::named("macvlan")).add(&config).success();
    for name in ["macvlan", "rail-ipam"] {
        let error = refused(50, name, stage.plugin(Binary::named(name)).status(&config));
        assert!(error.msg.contains("one"), "{name}: the pool is named: {error:?}");
    }
}
