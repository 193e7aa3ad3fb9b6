//! A node that lost its power: the kernel's objects are gone, and what is on record of them counts for nothing.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use netns_tests::suite::{Binary, Stage, pool, with};
use serde_json::{Value, json};
use testkit::{Plugin, Space, assert_same, eventually};

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Two addresses, so that one held by the dead is missed at once.
fn config() -> Value {
    let ipam = json!({ "type": "rail-ipam", "pools": [pool("two", "172.16.1.10-172.16.1.11")] });
    with(Binary::named("macvlan").config(), &json!({ "ipam": ipam }))
}

fn routing(result: &Value) -> Value {
    with(Binary::named("coordinator").config(), &json!({ "prevResult": result }))
}

/// Link, address and policy routing in a pod; the result of the chain.
fn attach(stage: &Stage, pod: &Space, container: &str) -> Value {
    let plugin = |name: &str| stage.world.plugin(name).netns(pod.path()).container(container);
    let result = plugin("macvlan").add(&config()).success();
    plugin("coordinator").add(&routing(&result)).success()
}

/// DEL of the chain as a runtime repeats it after a reboot, with a path that is gone.
fn late_del(stage: &Stage, container: &str) {
    for name in ["coordinator", "macvlan"] {
        let plugin = stage.world.plugin(name).container(container);
        for plugin in [plugin.clone().env("CNI_NETNS", "/run/netns/gone"), plugin.env("CNI_NETNS", "")] {
            plugin.del(&config()).success();
        }
    }
}

/// Two pods with all addresses, then a power cut: namespaces and links end, and the kernel is another one.
fn after_power_cut(power_cut: impl Fn(&Stage)) -> Stage {
    let stage = Stage::new();
    let veths = ["old1", "old2"].map(|name| {
        let pod = stage.world.pod(name);
        attach(&stage, &pod, name);
        pod.host_veth().to_owned()
    });
    let pod = Path::new("/run/netns/x");
    let full = stage.world.plugin("macvlan").container("x").netns(pod).add(&config());
    assert!(!full.status.success(), "the pool has two addresses");
    for name in ["old1", "old2"] {
        stage.world.remove_pod(name);
    }
    let gone = || veths.iter().all(|veth| !stage.world.host().has_link(veth)).then_some(());
    eventually(Duration::from_secs(10), gone).expect("the links of the pods end with them");
    // The rule that the pods' routes on the node are found by has ended as well; routes and neighbours went with the links.
    stage.world.host().ip_do("rule del priority 1000 table 500");
    power_cut(&stage);
    stage
}

/// Where /run is a tmpfs.
fn lose_the_state(stage: &Stage) {
    let folder = &stage.world.dirs().state;
    let emptied = std::fs::remove_dir_all(folder).and_then(|()| std::fs::create_dir(folder));
    emptied.expect("an empty state directory");
}

/// Where /run is a disk: the state is there, and the boot is another one.
fn change_the_boot(stage: &Stage) {
    let id = stage.world.file("boot_id", "00000000-1111-2222-3333-444444444444\n");
    let mounted = Command::new("mount").arg("--bind").arg(id).arg(BOOT_ID).status().expect("mount");
    assert!(mounted.success() && std::fs::read_to_string(BOOT_ID).expect("a boot id").starts_with("0000"));
}

fn nothing_is_held_and_late_dels_do_no_harm(power_cut: impl Fn(&Stage)) {
    let stage = after_power_cut(power_cut);
    let new = ["new1", "new2"].map(|name| {
        let pod = stage.world.pod(name);
        let result = attach(&stage, &pod, name);
        (name, pod, result)
    });
    let before = stage.world.snapshot().without("file ");
    for container in ["old1", "old2", "never"] {
        late_del(&stage, container);
    }
    assert_same(&before, &stage.world.snapshot().without("file "));
    for (name, pod, result) in &new {
        let plugin =
            |binary: &str| -> Plugin { stage.world.plugin(binary).netns(pod.path()).container(name) };
        let checked = with(config(), &json!({ "prevResult": result }));
        assert_eq!(plugin("macvlan").check(&checked).success(), Value::Null);
        plugin("coordinator").del(&config()).success();
        plugin("macvlan").del(&config()).success();
    }
    for (name, pod, _) in &new {
        attach(&stage, pod, name);
    }
}

#[test]
fn a_state_on_tmpfs_holds_nothing_of_the_dead() {
    nothing_is_held_and_late_dels_do_no_harm(lose_the_state);
}

#[test]
fn a_state_on_a_disk_is_void_by_its_boot_id() {
    nothing_is_held_and_late_dels_do_no_harm(change_the_boot);
}

/// A static pod comes back with the same names: its old record is no second ADD, and is not undone over the new one.
#[test]
fn a_record_of_the_same_key_is_void() {
    for power_cut in [lose_the_state as fn(&Stage), change_the_boot] {
        let stage = after_power_cut(power_cut);
        let pod = stage.world.pod("old1");
        let before = stage.world.snapshot().without("file ");
        attach(&stage, &pod, "old1");
        stage.world.plugin("coordinator").netns(pod.path()).container("old1").del(&config()).success();
        stage.world.plugin("macvlan").netns(pod.path()).container("old1").del(&config()).success();
        assert_same(&before, &stage.world.snapshot().without("file "));
    }
}

/// The GC of the first boot-up: everything on record goes, and the host's links stay.
#[test]
fn gc_after_a_reboot_clears_what_is_on_record() {
    let stage = after_power_cut(change_the_boot);
    let before = stage.world.snapshot().without("file ");
    let all = with(config(), &json!({ "cni.dev/valid-attachments": [] }));
    for name in ["coordinator", "macvlan"] {
        stage.world.plugin(name).gc(&all).success();
    }
    assert_same(&before, &stage.world.snapshot().without("file "));
    let left = stage.world.snapshot().to_string();
    assert!(!left.contains("file state/attachments/"), "records are left:\n{left}");
}
