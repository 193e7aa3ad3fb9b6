//! `macvlan` with `rail-ipam` killed at every system call that changes something, in ADD and in DEL.

use std::os::unix::process::ExitStatusExt;

use serde_json::{Value, json};
use testkit::{Plugin, Scope, Snapshot, Space, World, assert_same};

/// What can leave a trace: netlink requests, files, delegates, and the printing of the result.
const CHANGES: &str = "sendto,sendmsg,sendmmsg,write,writev,pwrite64,rename,renameat,renameat2,unlink,unlinkat,mkdir,\
                       mkdirat,openat,ftruncate,fork,vfork,clone,clone3,execve,setns,flock";

fn config() -> Value {
    json!({
        "cniVersion": "1.1.0",
        "name": "rail1",
        "type": "macvlan",
        "master": "rail1",
        "ipam": {
            "type": "rail-ipam",
            "pools": [{
                "apiVersion": "spiderpool.spidernet.io/v2beta1",
                "kind": "SpiderIPPool",
                "metadata": { "name": "gpu1-net11" },
                "spec": {
                    "subnet": "172.16.1.0/24",
                    "gateway": "172.16.1.254",
                    "ips": ["172.16.1.10-172.16.1.11"],
                    "routes": [{ "dst": "172.16.0.0/16", "gw": "172.16.1.254" }],
                },
            }],
            "ippools": { "ipv4": ["gpu1-net11"] },
        },
    })
}

struct Scene {
    world: World,
    pod: Space,
    plugin: Plugin,
    before: Snapshot,
}

impl Scene {
    /// One attachment has come and gone, so that locks and folders are there and the pictures differ in nothing else.
    fn new() -> Self {
        let world = World::new();
        world.rail(1);
        let pod = world.bare_pod("a");
        let plugin = world.plugin("macvlan").netns(pod.path());
        plugin.add(&config()).success();
        plugin.del(&config()).success();
        let before = picture(&world);
        Self { world, pod, plugin, before }
    }

    fn calls(&self, verb: &str, scope: Scope) -> usize {
        let trace = self.plugin.trace(verb, &config(), CHANGES, scope);
        trace.outcome.success();
        trace.calls.len()
    }

    /// Kills the plugin itself, and makes sure that it was.
    fn kill(&self, verb: &str, nth: usize) {
        let trace = self.plugin.kill_at(verb, &config(), CHANGES, Scope::Plugin, nth);
        assert_eq!(trace.outcome.status.signal(), Some(9), "{verb} was not killed at call {nth}: {trace:?}");
    }

    fn assert_clean(&self, after: &str) {
        assert!(!self.pod.has_link("net1"), "{after}: the link is left");
        assert_same(&self.before, &picture(&self.world));
        assert!(leases(&self.world).is_empty(), "{after}: leases are left: {:?}", leases(&self.world));
    }
}

/// The lease store keeps released addresses for their rest; whether any is in use is asked for separately.
fn picture(world: &World) -> Snapshot {
    world
        .snapshot()
        .without(&format!("file {}/ipam", world.dirs().state.display()))
        .without("file state/ipam")
}

/// Two addresses, and none may be held: both can be had again.
fn leases(world: &World) -> Vec<String> {
    let ipam = world.plugin("rail-ipam").netns(std::path::Path::new("/run/netns/a"));
    let (one, two, three) =
        (ipam.clone().container("x1"), ipam.clone().container("x2"), ipam.container("x3"));
    let got: Vec<_> = [&one, &two].iter().map(|plugin| plugin.add(&config())).collect();
    let third = three.add(&config());
    assert!(!third.status.success(), "the pool has two addresses");
    for plugin in [&one, &two, &three] {
        plugin.del(&config()).success();
    }
    got.into_iter().filter(|outcome| !outcome.status.success()).map(|outcome| outcome.stdout).collect()
}

#[test]
fn add_killed_anywhere_is_undone_by_del() {
    let scene = Scene::new();
    let calls = scene.calls("ADD", Scope::Plugin);
    scene.plugin.del(&config()).success();
    assert!(calls > 10, "only {calls} calls were seen");
    for nth in 1..=calls {
        scene.kill("ADD", nth);
        scene.plugin.del(&config()).success();
        scene.assert_clean(&format!("ADD killed at call {nth} of {calls}, then DEL"));
    }
}

#[test]
fn add_killed_anywhere_is_undone_by_gc() {
    let scene = Scene::new();
    let calls = scene.calls("ADD", Scope::Plugin);
    scene.plugin.del(&config()).success();
    let mut gc = config();
    gc["cni.dev/valid-attachments"] = json!([]);
    for nth in 1..=calls {
        scene.kill("ADD", nth);
        scene.plugin.gc(&gc).success();
        scene.assert_clean(&format!("ADD killed at call {nth} of {calls}, then GC"));
    }
}

#[test]
fn add_killed_anywhere_is_undone_by_the_next_add() {
    let scene = Scene::new();
    let calls = scene.calls("ADD", Scope::Plugin);
    scene.plugin.del(&config()).success();
    for nth in 1..=calls {
        scene.kill("ADD", nth);
        // Killed while printing, the attachment stands, and CNI knows no second ADD.
        let again = scene.plugin.add(&config());
        if !again.status.success() {
            let msg = again.error().msg;
            assert!(msg.contains("is attached to") || msg.contains("run DEL"), "call {nth}: {msg}");
        }
        scene.plugin.del(&config()).success();
        scene.assert_clean(&format!("ADD killed at call {nth} of {calls}, ADD again, then DEL"));
    }
}

#[test]
fn del_killed_anywhere_is_finished_by_the_next_del() {
    let scene = Scene::new();
    scene.plugin.add(&config()).success();
    let calls = scene.calls("DEL", Scope::Plugin);
    for nth in 1..=calls {
        scene.plugin.add(&config()).success();
        scene.kill("DEL", nth);
        scene.plugin.del(&config()).success();
        scene.assert_clean(&format!("DEL killed at call {nth} of {calls}, then DEL"));
    }
}

#[test]
fn a_delegate_killed_anywhere_leaves_nothing_after_del() {
    let scene = Scene::new();
    let calls = scene.calls("ADD", Scope::Delegates);
    scene.plugin.del(&config()).success();
    for nth in 1..=calls {
        scene.plugin.kill_at("ADD", &config(), CHANGES, Scope::Delegates, nth);
        scene.plugin.del(&config()).success();
        scene.assert_clean(&format!("both killed at call {nth} of theirs, then DEL"));
    }
}
