//! `railctl gc` with a master that lost pods shared.

use std::process::Command;

use serde_json::json;
use testkit::{Space, World, assert_same, binary};

fn attach(world: &World, pod: &Space) {
    let plugin = |name: &str| world.plugin(name).netns(pod.path()).container(pod.name());
    let master = json!({ "cniVersion": "1.1.0", "name": "storage", "type": "ifacer", "interfaces": ["rail1"], "vlanID": 100,
                         "cleanup": true });
    let ipam = json!({ "type": "rail-ipam", "ranges": [[{ "subnet": "10.100.0.0/24" }]] });
    let link = json!({ "cniVersion": "1.1.0", "name": "storage", "type": "macvlan", "master": "rail1.100", "ipam": ipam });
    let result = plugin("ifacer").add(&master).success();
    plugin("macvlan").add(&netns_tests::suite::with(link, &json!({ "prevResult": result }))).success();
}

fn railctl_gc(world: &World) -> String {
    let program = binary("railctl");
    let mut command = Command::new(&program);
    command
        .args(["gc", "--apply"])
        .env("CNI_PATH", program.parent().expect("a folder"))
        .envs(world.dirs().env());
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
    let text = railctl_gc(&world);
    assert!(text.contains("1 left over, 1 alive") && world.host().has_link("rail1.100"), "{text}");
    world.remove_pod("b");
    let text = railctl_gc(&world);
    assert!(text.contains("✓ storage/b/net1 (macvlan)") && text.contains("0 alive"), "{text}");
    assert_same(&before, &world.snapshot().without("file "));
}
