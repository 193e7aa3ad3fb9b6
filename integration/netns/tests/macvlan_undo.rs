//! `macvlan` with `rail-ipam` killed at every system call that changes something, in ADD and in DEL.

use std::os::unix::process::ExitStatusExt;

use serde_json::{Value, json};
use testkit::{Call, Plugin, Scope, Snapshot, Space, World, assert_same};

/// What can leave a trace: netlink requests, files, delegates (not execve: strace starts the plugin by it), and the output.
const CHANGES: &str = "sendto,sendmsg,sendmmsg,write,writev,pwrite64,rename,renameat,renameat2,unlink,unlinkat,mkdir,\
                       mkdirat,openat,ftruncate,fork,vfork,clone,clone3,setns,flock";

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

    /// Runs `verb` to its end and says at which points it could have been killed.
    fn points(&self, verb: &str, scope: Scope) -> Vec<Call> {
        let trace = self.plugin.trace(verb, &config(), CHANGES, scope);
        let points = trace.points();
        trace.outcome.success();
        points
    }

    /// Kills the plugin itself, and makes sure that it was.
    fn kill(&self, verb: &str, point: &Call) {
        let trace = self.plugin.kill_at(verb, &config(), Scope::Plugin, point);
        assert_eq!(trace.outcome.status.signal(), Some(9), "{verb} was not killed at {point}: {trace:?}");
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
    let points = scene.points("ADD", Scope::Plugin);
    scene.plugin.del(&config()).success();
    assert!(points.len() > 15, "only {} points", points.len());
    for point in &points {
        scene.kill("ADD", point);
        scene.plugin.del(&config()).success();
        scene.assert_clean(&format!("ADD killed at {point}, then DEL"));
    }
}

#[test]
fn add_killed_anywhere_is_undone_by_gc() {
    let scene = Scene::new();
    let points = scene.points("ADD", Scope::Plugin);
    scene.plugin.del(&config()).success();
    let mut gc = config();
    gc["cni.dev/valid-attachments"] = json!([]);
    for point in &points {
        scene.kill("ADD", point);
        scene.plugin.gc(&gc).success();
        scene.assert_clean(&format!("ADD killed at {point}, then GC"));
    }
}

#[test]
fn add_killed_anywhere_is_undone_by_the_next_add() {
    let scene = Scene::new();
    let points = scene.points("ADD", Scope::Plugin);
    scene.plugin.del(&config()).success();
    for point in &points {
        scene.kill("ADD", point);
        // Killed while printing, the attachment stands, and CNI knows no second ADD.
        let again = scene.plugin.add(&config());
        if !again.status.success() {
            let msg = again.error().msg;
            assert!(point.name == "write" && msg.contains("run DEL"), "{point}: {msg}");
        }
        scene.plugin.del(&config()).success();
        scene.assert_clean(&format!("ADD killed at {point}, ADD again, then DEL"));
    }
}

#[test]
fn del_killed_anywhere_is_finished_by_the_next_del() {
    let scene = Scene::new();
    scene.plugin.add(&config()).success();
    for point in scene.points("DEL", Scope::Plugin) {
        scene.plugin.add(&config()).success();
        scene.kill("DEL", &point);
        scene.plugin.del(&config()).success();
        scene.assert_clean(&format!("DEL killed at {point}, then DEL"));
    }
}

#[test]
fn a_delegate_killed_anywhere_leaves_nothing_after_del() {
    let scene = Scene::new();
    let points = scene.points("ADD", Scope::Delegates);
    scene.plugin.del(&config()).success();
    for point in &points {
        scene.plugin.kill_at("ADD", &config(), Scope::Delegates, point);
        scene.plugin.del(&config()).success();
        scene.assert_clean(&format!("plugin and delegate killed at {point}, then DEL"));
    }
}
