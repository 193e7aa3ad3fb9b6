//! An error instead of a kill, at every system call of ADD and DEL that changes something: ADD undoes itself, DEL goes
//! on and can be repeated. The errors take turns over the points.

use netns_tests::suite::{Binary, Stage, pool, with};
use serde_json::{Value, json};
use testkit::{Call, Outcome, Plugin, Scope, Snapshot, assert_same};

const ERRORS: [&str; 7] = ["ENOSPC", "EIO", "EMFILE", "EBUSY", "ENODEV", "ENOBUFS", "EINTR"];

/// As in the kill matrix: netlink requests, files, delegates and the output.
const CHANGES: &str = "sendto,sendmsg,sendmmsg,write,writev,pwrite64,rename,renameat,renameat2,unlink,unlinkat,mkdir,\
                       mkdirat,openat,ftruncate,fork,vfork,clone,clone3,setns,flock";

struct Scene {
    stage: Stage,
    plugin: Plugin,
    config: Value,
    before: Snapshot,
}

impl Scene {
    /// One attachment has come and gone, so that locks and folders are there and the pictures differ in nothing else.
    fn new(name: &str) -> Self {
        let (stage, binary) = (Stage::new(), Binary::named(name));
        let mut config = stage.ready(binary, "1.1.0");
        if !binary.chained {
            let two = pool("two", "172.16.1.10-172.16.1.11");
            config = with(config, &json!({ "ipam": { "type": "rail-ipam", "pools": [two] } }));
        }
        let plugin = stage.plugin(binary);
        plugin.add(&config).success();
        plugin.del(&config).success();
        let before = picture(&stage);
        Self { stage, plugin, config, before }
    }

    /// Where `verb` can fail, each with an error. What starts every program (its libraries, where it has any) is left
    /// out: there is no plugin yet that could answer.
    fn points(&self, verb: &str, scope: Scope) -> Vec<(Call, &'static str)> {
        let loader = self.plugin.trace("VERSION", &self.config, "openat", Scope::Plugin).points();
        let trace = self.plugin.trace(verb, &self.config, CHANGES, scope);
        let points = trace.points();
        trace.outcome.success();
        let points = points.into_iter().filter(|point| !loader.contains(point));
        points.zip(ERRORS.into_iter().cycle()).collect()
    }

    fn fail(&self, verb: &str, scope: Scope, (point, error): &(Call, &str)) -> Outcome {
        self.plugin.fail_at(verb, &self.config, scope, point, error).outcome
    }

    #[track_caller]
    fn assert_clean(&self, after: &str) {
        let diff = self.before.diff(&picture(&self.stage));
        assert!(diff.is_empty(), "{after}: the world changed (- before, + after):\n{diff}");
        assert!(self.free_addresses() == 2, "{after}: a lease is left");
    }

    /// How many of the pool's two addresses can be had; a chained plugin has no pool.
    fn free_addresses(&self) -> usize {
        if self.config["ipam"].is_null() {
            return 2;
        }
        let ipam = self.stage.plugin(Binary::named("rail-ipam"));
        let others = ["x1", "x2"].map(|id| ipam.clone().container(id));
        let free = others.iter().filter(|plugin| plugin.add(&self.config).status.success()).count();
        for plugin in others {
            plugin.del(&self.config).success();
        }
        free
    }
}

/// Everything but the store of leases, which remembers what was released; what is held is asked for by itself.
fn picture(stage: &Stage) -> Snapshot {
    stage.world.snapshot().without("file state/ipam")
}

/// Two failures leave nothing to say: of the write that says it, and of the way out of the pod's namespace, in which
/// nothing may go on. Then it is as with a kill, and DEL undoes it.
#[track_caller]
fn is_speechless(outcome: &Outcome, point: &Call) -> bool {
    let silent = outcome.stdout.is_empty();
    assert!(!silent || ["write", "setns"].contains(&point.name.as_str()), "silence after {point}: {outcome}");
    silent
}

fn add_matrix(name: &str, scope: Scope) {
    let scene = Scene::new(name);
    let points = scene.points("ADD", scope);
    scene.plugin.del(&scene.config).success();
    assert!(points.len() > 15, "only {} points", points.len());
    for point in &points {
        let what = format!("ADD of {name} with {} at {}", point.1, point.0);
        let outcome = scene.fail("ADD", scope, point);
        if !outcome.status.success() && !is_speechless(&outcome, &point.0) {
            let error = outcome.error();
            assert!(error.code > 0 && !error.msg.is_empty(), "{what}: {error:?}");
            // Each process has its own failure at that point: the undo of one after that of the other is said to be open.
            if scope == Scope::Plugin || !error.details.contains("the undo is left to DEL") {
                scene.assert_clean(&what);
            }
        }
        scene.plugin.del(&scene.config).success();
        scene.assert_clean(&format!("{what}, then DEL"));
    }
}

fn del_matrix(name: &str, scope: Scope) {
    let scene = Scene::new(name);
    scene.plugin.add(&scene.config).success();
    let points = scene.points("DEL", scope);
    assert!(points.len() > 5, "only {} points", points.len());
    for point in &points {
        let what = format!("DEL of {name} with {} at {}", point.1, point.0);
        scene.plugin.add(&scene.config).success();
        let outcome = scene.fail("DEL", scope, point);
        if !outcome.status.success() {
            if !is_speechless(&outcome, &point.0) {
                let error = outcome.error();
                assert!(error.code > 0 && !error.msg.contains("not found"), "{what}: {error:?}");
            }
            scene.plugin.del(&scene.config).success();
        }
        scene.assert_clean(&what);
    }
}

#[test]
fn add_undoes_itself() {
    add_matrix("macvlan", Scope::Plugin);
}

#[test]
fn add_undoes_itself_when_its_delegate_fails_too() {
    add_matrix("macvlan", Scope::Delegates);
}

#[test]
fn del_goes_on_and_can_be_repeated() {
    del_matrix("macvlan", Scope::Plugin);
}

#[test]
fn del_can_be_repeated_when_its_delegate_failed_too() {
    del_matrix("macvlan", Scope::Delegates);
}

#[test]
fn policy_routing_undoes_itself() {
    add_matrix("coordinator", Scope::Plugin);
}

#[test]
fn policy_routing_goes_on_and_can_be_taken_away_again() {
    del_matrix("coordinator", Scope::Plugin);
}

/// The link cannot be deleted, and its addresses come free all the same: nothing waits for what failed.
#[test]
fn a_failed_link_does_not_hold_the_address_back() {
    let scene = Scene::new("macvlan");
    scene.plugin.add(&scene.config).success();
    let sends: Vec<_> =
        scene.points("DEL", Scope::Plugin).into_iter().filter(|(point, _)| point.name == "sendto").collect();
    for (point, _) in &sends {
        scene.plugin.add(&scene.config).success();
        let outcome = scene.fail("DEL", Scope::Plugin, &(point.clone(), "ENOBUFS"));
        assert_eq!(scene.free_addresses(), 2, "DEL with ENOBUFS at {point}: {outcome}");
        scene.plugin.del(&scene.config).success();
    }
    assert!(!sends.is_empty());
    assert_same(&scene.before, &picture(&scene.stage));
}
