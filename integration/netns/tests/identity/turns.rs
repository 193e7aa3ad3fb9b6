//! An ADD and another verb of the same attachment, one of them in the middle of its work.

use std::os::unix::fs::PermissionsExt;

use netns_tests::suite::with;
use serde_json::{Value, json};
use testkit::{Outcome, Plugin, Scope, World, assert_same, binary, eventually};

use super::{macvlan, pod, rail, said, world};

/// `rail-ipam` as a script that says when ADD has its addresses, and waits for the test before it hands them on.
fn slow_ipam(world: &World) {
    let scratch = world.dirs().scratch.display().to_string();
    let script = format!(
        "#!/bin/sh\nif [ \"$CNI_COMMAND\" = ADD ]; then\n  out=$({ipam}) || exit 1\n  touch {scratch}/leased\n  cat {scratch}/go >/dev/null\n\
           echo \"$out\"\nelse\n  exec {ipam}\nfi\n",
        ipam = binary("rail-ipam").display()
    );
    let path = world.file("rail-ipam", script);
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).expect("a program");
    let go = world.dirs().scratch.join("go");
    nix::unistd::mkfifo(&go, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
}

struct Turn {
    world: World,
    plugin: Plugin,
    config: Value,
}

impl Turn {
    fn new() -> Self {
        let world = world();
        slow_ipam(&world);
        let pod = pod(&world, "a");
        let plugin = world.plugin("macvlan").netns(pod.path()).env("CNI_PATH", &world.dirs().scratch);
        Self { world, plugin, config: macvlan(1) }
    }

    /// Runs `other` while an ADD has its lease and no address yet, and lets the ADD go on once `other` has begun to wait.
    fn beside(&self, other: impl FnOnce(&Plugin, &Value) -> Outcome + Send) -> (Outcome, Outcome) {
        let Self { world, plugin, config } = self;
        let scratch = &world.dirs().scratch;
        std::thread::scope(|scope| {
            let adding = scope.spawn(|| plugin.add(config));
            let leased = eventually(PATIENCE, || scratch.join("leased").exists().then_some(()));
            leased.expect("the ADD has its lease");
            let other = scope.spawn(|| other(plugin, config));
            testkit::pause(std::time::Duration::from_millis(300));
            assert!(!other.is_finished(), "it did not wait for the ADD");
            release(scratch);
            let adding = adding.join().expect("an ADD");
            let done = other.join().expect("another verb");
            (adding, done)
        })
    }
}

const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);

fn release(scratch: &std::path::Path) {
    use std::io::Write;
    let mut go = std::fs::File::options().write(true).open(scratch.join("go")).expect("the ADD is waiting");
    go.write_all(b"go\n").expect("the ADD goes on");
}

#[test]
fn a_del_beside_an_add_that_its_runtime_has_forgotten_undoes_all_of_it() {
    let turn = Turn::new();
    let before = turn.world.snapshot();
    let (adding, deleted) = turn.beside(Plugin::del);
    adding.success();
    deleted.success();
    assert_same(&before.without("file "), &turn.world.snapshot().without("file "));
    let left = turn.world.snapshot().to_string();
    assert!(!left.lines().any(|line| line.starts_with("file state/attachments/")), "{left}");
    assert!(super::leases(&turn.world).is_empty(), "no lease is left without its link");
}

#[test]
fn the_second_of_two_adds_of_one_key_finds_it_attached() {
    let turn = Turn::new();
    let (first, second) = turn.beside(Plugin::add);
    first.success();
    let error = second.error();
    assert!(error.msg.contains("is attached to") && error.msg.contains("run DEL"), "{error:?}");
    assert_eq!(super::leases(&turn.world).len(), 1, "the first one's lease stays");
}

/// Whatever the order in which they come.
#[test]
fn adds_and_dels_of_one_key_at_once_leave_all_or_nothing() {
    let world = world();
    let pod = pod(&world, "a");
    for config in [macvlan(1), with(rail(1), &json!({ "name": "rails" }))] {
        let name = config["type"].as_str().unwrap_or_default();
        let plugin = world.plugin(name).netns(pod.path());
        let outcomes = std::thread::scope(|scope| {
            let runs: Vec<_> = ["ADD", "DEL", "ADD", "DEL", "ADD", "DEL"]
                .map(|verb| scope.spawn(|| plugin.run(verb, &config)))
                .into_iter()
                .collect();
            runs.into_iter().map(|run| run.join().expect("a run")).collect::<Vec<_>>()
        });
        for outcome in &outcomes {
            let fine = outcome.status.success() || outcome.stdout.contains("is attached to");
            assert!(fine, "{}", said(outcome));
        }
        let (has_link, leases) = (pod.has_link("net1"), super::leases(&world).len());
        assert_eq!(
            leases,
            usize::from(has_link),
            "{name}: a link without a lease, or a lease without a link"
        );
        plugin.del(&config).success();
        assert!(!pod.has_link("net1") && super::leases(&world).is_empty(), "{name}");
    }
}

/// The runtime's list is of before the ADD.
#[test]
fn gc_beside_an_add_leaves_its_lease_alone() {
    let Turn { world, plugin, config } = &Turn::new();
    let scratch = &world.dirs().scratch;
    std::thread::scope(|scope| {
        let adding = scope.spawn(|| plugin.add(config));
        let leased = eventually(PATIENCE, || scratch.join("leased").exists().then_some(()));
        leased.expect("the ADD has its lease");
        plugin.gc(&with(config.clone(), &json!({ "cni.dev/valid-attachments": [] }))).success();
        release(scratch);
        adding.join().expect("an ADD").success();
    });
    assert_eq!(super::leases(world), ["cid"]);
}

/// Wherever it was killed, DEL knows the link by more than its name, or takes the addresses off whatever has them.
#[test]
fn del_frees_no_address_of_a_link_that_the_pod_has_renamed_after_its_add_was_killed() {
    for config in [macvlan(1), rail(1)] {
        let world = world();
        let pod = pod(&world, "a");
        let plugin = world.plugin(config["type"].as_str().expect("a type")).netns(pod.path());
        let points = plugin.trace("ADD", &config, "sendto,sendmsg,pwrite64", Scope::Plugin).points();
        plugin.del(&config).success();
        for point in points {
            plugin.kill_at("ADD", &config, Scope::Plugin, &point);
            if pod.has_link("net1") {
                pod.ip_do("link set net1 down\nlink set net1 name mine\nlink set mine up");
            }
            plugin.del(&config).success();
            let left = pod.ip(&["addr"]).to_string();
            assert!(!left.contains("172.16.1.") && super::leases(&world).is_empty(), "{point}: {left}");
            if pod.has_link("mine") {
                pod.ip_do("link del mine");
            }
        }
    }
}
