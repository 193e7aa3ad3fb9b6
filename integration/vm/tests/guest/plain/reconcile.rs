//! `railctl gc` with a master that lost pods shared.

use std::process::Command;

use serde_json::{Value, json};
use testkit::{Space, World, assert_same, binary};
use vm::lab::crictl_folder;

/// The first plugin of the chain alone.
fn provide(world: &World, pod: &Space) -> Value {
    let master = json!({ "cniVersion": "1.1.0", "name": "storage", "type": "ifacer", "interfaces": ["rail1"], "vlanID": 100,
                         "cleanup": true });
    world.plugin("ifacer").netns(pod.path()).container(pod.name()).add(&master).success()
}

fn attach(world: &World, pod: &Space) {
    let result = provide(world, pod);
    let ipam = json!({ "type": "rail-ipam", "ranges": [[{ "subnet": "10.100.0.0/24" }]] });
    let link = json!({ "cniVersion": "1.1.0", "name": "storage", "type": "macvlan", "master": "rail1.100", "ipam": ipam });
    let plugin = world.plugin("macvlan").netns(pod.path()).container(pod.name());
    plugin.add(&netns_tests::suite::with(link, &json!({ "prevResult": result }))).success();
}

/// Each test has a PID namespace of its own: the whole node of its story is in it.
pub(super) const APPLY: &[&str] = &["--apply", "--whole-node"];

/// As on a node: it looks for a runtime's socket by itself, and for crictl in PATH.
#[track_caller]
pub(super) fn railctl_gc(world: &World, words: &[&str]) -> String {
    let program = binary("railctl");
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new(&program);
    command
        .arg("gc")
        .args(words)
        .env("CNI_PATH", program.parent().expect("a folder"))
        .envs(world.dirs().env());
    command.env("PATH", format!("{}:{path}", crictl_folder().display()));
    let output = command.output().expect("run railctl");
    let text =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).join("\n");
    assert!(output.status.success(), "{text}");
    text
}

#[test]
fn a_vlan_goes_with_the_last_of_its_lost_pods() {
    let world = World::new();
    world.rail(1);
    let before = world.snapshot().without("file ");
    for name in ["a", "b"] {
        attach(&world, &world.bare_pod(name));
    }
    world.remove_pod("a");
    let text = railctl_gc(&world, APPLY);
    assert!(text.contains("1 left over, 1 alive") && world.host().has_link("rail1.100"), "{text}");
    world.remove_pod("b");
    let text = railctl_gc(&world, APPLY);
    assert!(text.contains("✓ storage/b/net1 (macvlan, ifacer)") && text.contains("0 alive"), "{text}");
    assert_same(&before, &world.snapshot().without("file "));
}

/// The chain was ended after its first plugin, which has no record but who uses the VLAN.
#[test]
fn a_pod_that_got_no_further_than_its_master_is_found() {
    let world = World::new();
    world.rail(1);
    let before = world.snapshot().without("file ");
    provide(&world, &world.bare_pod("a"));
    let text = railctl_gc(&world, APPLY);
    assert!(text.contains("0 left over, 1 alive") && world.host().has_link("rail1.100"), "{text}");
    world.remove_pod("a");
    let lost = world.snapshot();
    let text = railctl_gc(&world, &["--dry-run"]);
    assert!(text.contains("storage/a/net1 (ifacer) is left over: its network namespace"), "{text}");
    assert_same(&lost, &world.snapshot());
    let text = railctl_gc(&world, APPLY);
    assert!(text.contains("✓ storage/a/net1 (ifacer)"), "{text}");
    assert_same(&before, &world.snapshot().without("file "));
}
