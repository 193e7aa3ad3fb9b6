//! The testkit itself: what a world shows, what it hides, and that nothing stays behind.

#![expect(clippy::unwrap_used, reason = "the functions between the tests are tests too")]

use serde_json::json;
use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;
use testkit::{Call, Ping, Plugin, Protocol, Scope, SpaceId, World, assert_same, eventually};

/// The namespaces that any thread or descriptor of any process holds.
fn held_namespaces() -> BTreeSet<SpaceId> {
    let mut held = BTreeSet::new();
    for process in entries(Path::new("/proc")).filter(|path| path.join("task").is_dir()) {
        for task in entries(&process.join("task")) {
            held.extend(identity(&task.join("ns/net")));
        }
        for descriptor in entries(&process.join("fd")) {
            let target = fs::read_link(&descriptor).unwrap_or_default();
            if target.to_string_lossy().starts_with("net:[") || target.starts_with("/run/netns") {
                held.extend(identity(&descriptor));
            }
        }
    }
    held
}

fn entries(dir: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path())
}

fn identity(path: &Path) -> Option<SpaceId> {
    fs::metadata(path).ok().map(|stat| (stat.dev(), stat.ino()))
}

/// What the thread sees of the machine: mounts, links, directory, and the names of namespaces.
fn surroundings() -> (String, BTreeSet<PathBuf>, PathBuf, bool) {
    let mounts = fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
    let links = entries(Path::new("/sys/class/net")).collect();
    (mounts, links, std::env::current_dir().unwrap(), Path::new("/run/netns").exists())
}

fn busy_world() -> (World, Vec<SpaceId>) {
    let world = World::new();
    world.rail(1);
    let pod = world.pod("a");
    let ids = vec![world.host().id(), world.switch().id(), pod.id()];
    (world, ids)
}

fn assert_gone(ids: &[SpaceId]) {
    // A thread that has been joined may still be in /proc for a moment.
    let gone = || ids.iter().all(|id| !held_namespaces().contains(id)).then_some(());
    assert!(eventually(Duration::from_secs(5), gone).is_some(), "somebody holds one of {ids:?}");
}

#[test]
fn leaves_nothing_behind() {
    let before = surroundings();
    let (world, ids) = busy_world();
    assert!(ids.iter().all(|id| held_namespaces().contains(id)), "the witness does not see a living world");
    drop(world);
    assert_eq!(before, surroundings());
    assert_gone(&ids);
}

#[test]
fn leaves_nothing_behind_after_a_panic() {
    let before = surroundings();
    let mut ids = Vec::new();
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let (_world, held) = busy_world();
        ids = held;
        panic!("expected by the test");
    }));
    assert!(outcome.is_err());
    assert_eq!(before, surroundings());
    assert_gone(&ids);
}

#[test]
fn worlds_on_two_threads_do_not_see_each_other() {
    let barrier = std::sync::Barrier::new(2);
    let look = |pod: &'static str| {
        let world = World::new();
        world.rail(1);
        world.bare_pod(pod);
        world.file(pod, "");
        barrier.wait();
        let names: BTreeSet<String> = entries(Path::new("/run/netns"))
            .map(|path| path.file_name().unwrap().display().to_string())
            .collect();
        let files = entries(&world.dirs().scratch).count();
        barrier.wait();
        (names, files)
    };
    let (a, b) = std::thread::scope(|scope| {
        let (a, b) = (scope.spawn(|| look("a")), scope.spawn(|| look("b")));
        (a.join().unwrap(), b.join().unwrap())
    });
    assert_eq!(a, (["a", "host", "switch"].map(String::from).into(), 1));
    assert_eq!(b, (["b", "host", "switch"].map(String::from).into(), 1));
}

#[test]
fn host_shows_its_own_links_in_sysfs_and_commands_in_a_pod_those_of_the_pod() {
    let world = World::new();
    let rail = world.rail(3);
    let pod = world.pod("a");
    assert!(Path::new("/sys/class/net").join(&rail.master).exists());
    assert!(!Path::new("/sys/class/net/eth0").exists());
    let listing = pod.exec(&["ls", "/sys/class/net"]);
    assert_eq!(String::from_utf8_lossy(&listing.stdout), "eth0\nlo\n");
}

#[test]
fn rails_and_pods_have_working_links_in_both_families() {
    let world = World::new();
    let (one, two) = (world.rail(1), world.rail(2));
    let pod = world.pod("a");
    world.host().ip_do(&format!("addr add {}/24 dev {}", one.address4(1), one.master));
    world.host().ip_do(&format!("addr add {}/64 dev {} nodad", one.address6(1), one.master));
    world.host().assert_ping(&Ping::to(one.gateway4()));
    world.host().assert_ping(&Ping::to(one.gateway6()).through(&one.master));
    world.host().ip_do(&format!("route add {} via {}", two.subnet4(), one.gateway4()));
    world.host().assert_ping(&Ping::to(two.gateway4()).from(one.address4(1)));
    world.host().assert_ping(&Ping::to(pod.eth0_4()));
    world.host().assert_ping(&Ping::to(pod.eth0_6()));
    pod.assert_ping(&Ping::to(one.address4(1)));
    let nobody = Ping::to(one.address4(77)).within(Duration::from_millis(300));
    assert_eq!(world.host().ping(&nobody), Ok(false));
    assert!(pod.ping(&Ping::to(one.address4(1)).from(one.address4(9))).is_err(), "a source that is not ours");
}

#[test]
fn echo_and_capture_prove_the_way_of_a_packet() {
    let world = World::new();
    let rail = world.rail(1);
    let pod = world.pod("a");
    world.host().ip_do(&format!("addr add {}/24 dev {}", rail.address4(1), rail.master));
    let capture = world.host().capture();
    for protocol in [Protocol::Tcp, Protocol::Udp] {
        let far = world.switch().echo(protocol, rail.gateway4());
        let source = world.host().talk(&far, None).unwrap();
        assert_eq!(source.ip(), IpAddr::from(rail.address4(1)));
        let near = pod.echo(protocol, pod.eth0_4());
        world.host().talk(&near, None).unwrap();
    }
    let frames = capture.drain();
    let left_to = |to: IpAddr| -> BTreeSet<&str> {
        let ours =
            frames.iter().filter(|frame| frame.outgoing && frame.ends().is_some_and(|ends| ends.1 == to));
        ours.map(|frame| frame.ifname.as_str()).collect()
    };
    assert_eq!(left_to(rail.gateway4().into()), [rail.master.as_str()].into());
    assert_eq!(left_to(pod.eth0_4().into()), [pod.host_veth()].into());
}

#[test]
fn a_removed_pod_takes_its_links_along() {
    let world = World::new();
    let (pod, other) = (world.pod("a"), world.pod("b"));
    let veth = pod.host_veth().to_owned();
    world.remove_pod("a");
    assert!(!Path::new("/run/netns/a").exists());
    assert!(world.host().has_link(&veth), "the handle is the last process of the container");
    drop(pod);
    let gone = eventually(Duration::from_secs(5), || (!world.host().has_link(&veth)).then_some(()));
    assert!(gone.is_some(), "{veth} is still there");
    assert!(world.host().has_link(other.host_veth()));
    assert_ne!(world.pod("c").host_veth(), other.host_veth());
}

#[test]
fn snapshot_is_stable_and_names_every_kind_of_change() {
    let world = World::new();
    let rail = world.rail(1);
    let pod = world.pod("a");
    let before = world.snapshot();
    assert_same(&before, &world.snapshot());
    let master = &rail.master;
    let run = |line: &str| world.host().ip(&line.split_whitespace().collect::<Vec<_>>());
    for (kind, line) in [
        ("host link extra0 mtu=1500", "link add extra0 type veth peer name extra1".into()),
        ("host addr4", format!("addr add 172.16.1.9/24 dev {master}")),
        ("host addr6", format!("addr add fd00:16:1::9/64 dev {master} nodad")),
        ("host rule4", "rule add from 10.1.1.1 lookup 101 priority 10101".into()),
        ("host rule6", "-6 rule add from fd00::1 lookup 101 priority 10101".into()),
        ("host route4", format!("route add 10.9.0.0/16 dev {master} table 101 proto 211")),
        ("host route6", format!("route add fd09::/64 dev {master} table 101 proto 211")),
        ("host neigh4", format!("neigh add 172.16.1.8 lladdr 02:00:00:00:00:09 dev {master} nud permanent")),
    ] {
        run(&line);
        let diff = before.diff(&world.snapshot());
        assert!(diff.contains(&format!("+ {kind}")), "{line} is not seen:\n{diff}");
        run(&line.replacen(" add ", " del ", 1));
        assert_same(&before, &world.snapshot());
    }
    pod.set_sysctl("net/ipv4/conf/eth0/rp_filter", "2");
    let diff = before.diff(&world.snapshot());
    assert_eq!(
        diff,
        "  - a sysctl net/ipv4/conf/eth0/rp_filter=0\n  + a sysctl net/ipv4/conf/eth0/rp_filter=2\n"
    );
    fs::create_dir(world.dirs().state.join("attachments")).unwrap();
    fs::copy(world.file("x", "one\n"), world.dirs().state.join("attachments/x")).unwrap();
    let after = world.snapshot().without("a sysctl ");
    assert_eq!(before.without("a sysctl ").diff(&after), "  + file state/attachments/x: one\\n\n");
}

fn script(world: &World, name: &str, body: &str) -> Plugin {
    let path = world.file(name, format!("#!/bin/sh\n{body}"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    world.foreign_plugin(&path)
}

#[test]
fn plugin_gets_its_environment_and_its_answer_is_taken_apart() {
    let world = World::new();
    let pod = world.bare_pod("a");
    let plugin = script(
        &world,
        "echo",
        r#"conf=$(cat); echo to stderr >&2
        [ "$CNI_COMMAND" = DEL ] && exit 0
        [ "$CNI_COMMAND" = CHECK ] && { echo '{"cniVersion":"1.1.0","code":7,"msg":"no"}'; exit 1; }
        echo "{\"conf\":$conf,\"who\":\"$CNI_CONTAINERID $CNI_NETNS $CNI_IFNAME\",\"dir\":\"$RAILCNI_STATE_DIR\"}""#,
    );
    let plugin = plugin.container("c9").netns(pod.path()).ifname("rail0");
    let added = plugin.add(&json!({"name": "n"})).success();
    assert_eq!(
        added,
        json!({"conf": {"name": "n"}, "who": "c9 /run/netns/a rail0", "dir": world.dirs().state.to_str()})
    );
    assert!(plugin.del(&json!({})).success().is_null());
    let error = plugin.check(&json!({})).error();
    assert_eq!((error.code, error.msg.as_str(), error.details.as_str()), (7, "no", ""));
    assert_eq!(plugin.status(&json!({})).stderr, "to stderr\n");
}

#[test]
fn a_kill_point_stops_the_run_before_the_call() {
    let world = World::new();
    let marks = world.dirs().scratch.join("marks");
    fs::create_dir(&marks).unwrap();
    let plugin = script(&world, "mkdirs", &format!("cd {}; mkdir 1; mkdir 2; mkdir 3", marks.display()));
    let whole = plugin.trace("ADD", &json!({}), "mkdir", Scope::Delegates);
    assert_eq!(whole.calls.len(), 3, "{:?}", whole.calls);
    assert!(whole.outcome.status.success());
    assert_eq!(entries(&marks).count(), 3);
    let plugin = script(&world, "mkdir", &format!("exec mkdir {0}/4 {0}/5 {0}/6", marks.display()));
    let second = Call { name: "mkdir".into(), nth: 2, reads: false };
    let killed = plugin.kill_at("ADD", &json!({}), Scope::Plugin, &second);
    assert!(!killed.outcome.status.success());
    assert_eq!(killed.calls.len(), 2);
    assert!(marks.join("4").exists() && !marks.join("5").exists());
}

#[test]
fn a_missing_binary_says_what_to_run() {
    let world = World::new();
    let panic = catch_unwind(AssertUnwindSafe(|| world.plugin("no-such-plugin"))).unwrap_err();
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(message.contains("cargo build -p no-such-plugin"), "{message}");
}
