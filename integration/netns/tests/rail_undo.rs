//! `rail` killed at every system call that changes something, in ADD and in DEL of two rails.

use std::os::unix::process::ExitStatusExt;

use serde_json::{Value, json};
use testkit::{Call, Plugin, Pod, Scope, Snapshot, World, assert_same};

/// What can leave a trace: netlink requests, files and the output. There are no delegates.
const CHANGES: &str = "sendto,sendmsg,sendmmsg,write,writev,pwrite64,rename,renameat,renameat2,unlink,unlinkat,mkdir,\
                       mkdirat,openat,ftruncate,setns,flock";

fn config() -> Value {
    let rail = |number: u8| {
        json!({
            "master": format!("rail{number}"),
            "ipam": { "type": "rail-ipam", "routes": [{ "dst": "0.0.0.0/0" }], "ranges": [
                [{ "subnet": format!("172.16.{number}.0/24"), "rangeStart": format!("172.16.{number}.10"),
                   "rangeEnd": format!("172.16.{number}.11"), "gateway": format!("172.16.{number}.254") }],
            ] },
        })
    };
    json!({ "cniVersion": "1.1.0", "name": "rails", "type": "rail", "rails": [rail(1), rail(2)] })
}

struct Scene {
    world: World,
    pod: Pod,
    plugin: Plugin,
    before: Snapshot,
}

impl Scene {
    /// One attachment has come and gone, so that locks and folders are there and the pictures differ in nothing else.
    fn new() -> Self {
        let world = World::new();
        (1..=2).for_each(|number| drop(world.rail(number)));
        let pod = world.pod("a");
        let plugin = world.plugin("rail").netns(pod.path());
        plugin.add(&config()).success();
        plugin.del(&config()).success();
        let before = picture(&world);
        Self { world, pod, plugin, before }
    }

    fn points(&self, verb: &str) -> Vec<Call> {
        let trace = self.plugin.trace(verb, &config(), CHANGES, Scope::Plugin);
        let points = trace.points();
        trace.outcome.success();
        points
    }

    fn kill(&self, verb: &str, point: &Call) {
        let trace = self.plugin.kill_at(verb, &config(), Scope::Plugin, point);
        assert_eq!(trace.outcome.status.signal(), Some(9), "{verb} was not killed at {point}: {trace:?}");
    }

    /// Nothing is left, and both addresses of both rails can be had.
    fn assert_clean(&self, after: &str) {
        assert!(!self.pod.has_link("net1") && !self.pod.has_link("net2"), "{after}: a link is left");
        assert_same(&self.before, &picture(&self.world));
        let others =
            ["x1", "x2"].map(|id| self.world.plugin("rail-ipam").netns(self.pod.path()).container(id));
        for rail in config()["rails"].as_array().into_iter().flatten() {
            let mut ipam = config();
            ipam["ipam"] = rail["ipam"].clone();
            let got = others.each_ref().map(|plugin| plugin.add(&ipam));
            for plugin in &others {
                plugin.del(&ipam).success();
            }
            assert!(got.iter().all(|outcome| outcome.status.success()), "{after}: a lease is left: {got:?}");
        }
    }
}

/// The lease store keeps released addresses for their rest; whether any is in use is asked for separately.
fn picture(world: &World) -> Snapshot {
    world.snapshot().without("file state/ipam")
}

#[test]
fn add_killed_anywhere_is_undone_by_del() {
    let scene = Scene::new();
    let points = scene.points("ADD");
    scene.plugin.del(&config()).success();
    assert!(points.len() > 30, "only {} points", points.len());
    for point in &points {
        scene.kill("ADD", point);
        scene.plugin.del(&config()).success();
        scene.assert_clean(&format!("ADD killed at {point}, then DEL"));
    }
}

#[test]
fn add_killed_anywhere_is_undone_by_gc() {
    let scene = Scene::new();
    let points = scene.points("ADD");
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
    let points = scene.points("ADD");
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
    for point in scene.points("DEL") {
        scene.plugin.add(&config()).success();
        scene.kill("DEL", &point);
        scene.plugin.del(&config()).success();
        scene.assert_clean(&format!("DEL killed at {point}, then DEL"));
    }
}
