//! Many processes at once on one pool and one master: no address twice, nobody waits without end.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use ipam::{AttachmentKey, Change, JournalStore, Lease, Store};
use netns_tests::suite::{Binary, pool, with};
use serde_json::{Value, json};
use state::Dirs;
use testkit::{Outcome, Plugin, Space, World, assert_same, binary, figure, pause};

/// Pods that come at once.
const CROWD: usize = 256;

fn config(first: &str, last: &str) -> Value {
    let ipam = json!({ "type": "rail-ipam", "lockTimeout": 60, "pools": [pool("crowd", &format!("{first}-{last}"))] });
    with(Binary::named("macvlan").config(), &json!({ "ipam": ipam }))
}

/// Runs all at the same time; processes, each watched by a thread.
fn at_once(plugins: &[Plugin], run: impl Fn(&Plugin) -> Outcome + Sync) -> Vec<Outcome> {
    std::thread::scope(|scope| {
        let run = &run;
        let threads: Vec<_> = plugins.iter().map(|plugin| scope.spawn(move || run(plugin))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a run")).collect()
    })
}

/// The addresses of ADDs that all have to succeed, each another one.
#[track_caller]
fn distinct(outcomes: Vec<Outcome>) -> BTreeSet<String> {
    let count = outcomes.len();
    let address =
        |outcome: Outcome| outcome.success()["ips"][0]["address"].as_str().unwrap_or_default().to_owned();
    let addresses: BTreeSet<_> = outcomes.into_iter().map(address).collect();
    assert_eq!(addresses.len(), count, "an address was given twice: {addresses:?}");
    addresses
}

#[test]
fn a_crowd_of_pods_on_one_pool_and_one_master() {
    let world = World::new();
    world.rail(1);
    let pods: Vec<Space> = (0..CROWD).map(|number| world.bare_pod(&format!("p{number}"))).collect();
    // As many addresses as pods.
    let last = 10 + pods.len() - 1;
    let wide = json!({ "apiVersion": "spiderpool.spidernet.io/v2beta1", "kind": "SpiderIPPool", "metadata": { "name": "crowd" },
        "spec": { "subnet": "172.16.0.0/16", "ips": [format!("172.16.1.10-172.16.{}.{}", 1 + last / 256, last % 256)] } });
    let ipam = json!({ "type": "rail-ipam", "lockTimeout": 60, "pools": [wide] });
    let config = with(Binary::named("macvlan").config(), &json!({ "ipam": ipam }));
    let before = world.host().ip(&["link", "show"]);
    let plugins: Vec<_> =
        pods.iter().map(|pod| world.plugin("macvlan").netns(pod.path()).container(pod.name())).collect();
    let start = Instant::now();
    distinct(at_once(&plugins, |plugin| plugin.add(&config)));
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
    figure("concurrent ADDs", "one pool, one macvlan master", CROWD, CROWD);
    assert!(pods.iter().all(|pod| pod.has_link("net1")));
    let one_more = world.plugin("rail-ipam").netns(pods[0].path()).container("more").add(&config);
    assert!(!one_more.status.success(), "every address is held: {one_more}");
    for outcome in at_once(&plugins, |plugin| plugin.del(&config)) {
        outcome.success();
    }
    assert!(!pods.iter().any(|pod| pod.has_link("net1")));
    assert_eq!(world.host().ip(&["link", "show"]), before);
    distinct(at_once(&plugins, |plugin| plugin.add(&config)));
}

/// A pod that goes while another comes, over and over, with one address less than pods.
#[test]
fn adds_race_with_dels() {
    let world = World::new();
    world.rail(1);
    let pods: Vec<Space> = (0..8).map(|number| world.bare_pod(&format!("p{number}"))).collect();
    let config = config("172.16.1.10", "172.16.1.17");
    let plugins: Vec<_> =
        pods.iter().map(|pod| world.plugin("macvlan").netns(pod.path()).container(pod.name())).collect();
    let before = world.snapshot().without("file ");
    at_once(&plugins, |plugin| {
        for _ in 0..4 {
            plugin.add(&config).success();
            plugin.del(&config).success();
        }
        plugin.del(&config)
    });
    assert_same(&before, &world.snapshot().without("file "));
}

#[test]
fn a_pool_with_65000_of_65534_taken() {
    let world = World::new();
    let pod = world.bare_pod("a");
    let dirs = Dirs::under(Path::new("/run/world"));
    let store = JournalStore::new(&dirs, Duration::from_secs(10)).expect("a store");
    let first = u32::from(std::net::Ipv4Addr::new(10, 7, 0, 1));
    let lease = |number: u32| {
        let key = AttachmentKey {
            network: "rail1".into(),
            container_id: format!("pod-{number}"),
            ifname: "net1".into(),
        };
        let ip = std::net::Ipv4Addr::from(first + number).into();
        Change::Lease(Lease { key, ip, pool: "sixteen".into(), since: 1, rest: 0 })
    };
    store.update(&mut |_| Ok((0..65_000).map(lease).collect())).expect("65,000 leases");
    let sixteen = json!({ "apiVersion": "spiderpool.spidernet.io/v2beta1", "kind": "SpiderIPPool", "metadata": { "name": "sixteen" },
        "spec": { "subnet": "10.7.0.0/16", "ips": ["10.7.0.1-10.7.255.254"] } });
    let ipam = json!({ "type": "rail-ipam", "lockTimeout": 60, "pools": [sixteen] });
    let config = with(Binary::named("rail-ipam").config(), &json!({ "ipam": ipam }));
    let plugins: Vec<_> = (0..CROWD)
        .map(|number| world.plugin("rail-ipam").netns(pod.path()).container(&format!("new-{number}")))
        .collect();
    let start = Instant::now();
    let given = distinct(at_once(&plugins, |plugin| plugin.add(&config)));
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
    figure("concurrent ADDs", "a pool with 65,000 of 65,534 taken", CROWD, CROWD);
    let free = |text: &String| {
        let ip: std::net::Ipv4Addr = text.trim_end_matches("/16").parse().expect("an address");
        (first + 65_000..first + 65_534).contains(&u32::from(ip))
    };
    assert!(given.iter().all(free), "an address that was taken: {given:?}");
}

/// By a process of its own, as an installer does it: a file that this one wrote could not be run as long as another thread's
/// child is between fork and exec.
fn copy(name: &str, to: &Path) {
    let copied = Command::new("cp").arg(binary(name)).arg(to).status().expect("cp");
    assert!(copied.success(), "cp {name}: {copied}");
}

/// Our own copies of the binaries, to be replaced.
fn own_binaries(world: &World, folder: &str) -> PathBuf {
    let folder = world.dirs().scratch.join(folder);
    std::fs::create_dir(&folder).expect("a folder");
    for name in ["macvlan", "rail-ipam"] {
        copy(name, &folder.join(name));
    }
    folder
}

/// An upgrade in place: the IPAM is being written while the plugin wants to run it (ETXTBSY).
#[test]
fn a_delegate_that_is_being_written_is_waited_for() {
    let world = World::new();
    world.rail(1);
    let (pod, folder) = (world.bare_pod("a"), own_binaries(&world, "bin"));
    let plugin = world.plugin("macvlan").netns(pod.path()).env("CNI_PATH", &folder);
    let config = config("172.16.1.10", "172.16.1.11");
    let writer = std::fs::File::options().write(true).open(folder.join("rail-ipam")).expect("a writer");
    std::thread::scope(|scope| {
        let add = scope.spawn(|| plugin.add(&config));
        pause(Duration::from_millis(300));
        drop(writer);
        add.join().expect("a run").success();
    });
    plugin.del(&config).success();
}

/// As `make install` does it: by its own script, forty times, while many pods come and go. Each run has the old binary or the
/// new one, whole, whether a runtime starts it or another plugin does.
#[test]
fn binaries_are_installed_in_use() {
    let world = World::new();
    world.rail(1);
    let folder = own_binaries(&world, "bin");
    let pods: Vec<Space> = (0..16).map(|number| world.bare_pod(&format!("p{number}"))).collect();
    let plugin =
        |pod: &Space| world.foreign_plugin(&folder.join("macvlan")).netns(pod.path()).container(pod.name());
    let plugins: Vec<_> = pods.iter().map(plugin).collect();
    let config = config("172.16.1.10", "172.16.1.25");
    let before = world.snapshot().without("file ");
    let mut crowds = 0;
    std::thread::scope(|scope| {
        let installer = scope.spawn(|| (0..40).for_each(|_| install(&["macvlan", "rail-ipam"], &folder)));
        while !installer.is_finished() {
            distinct(at_once(&plugins, |plugin| plugin.add(&config)));
            for outcome in at_once(&plugins, |plugin| plugin.del(&config)) {
                outcome.success();
            }
            crowds += 1;
        }
    });
    assert!(crowds >= 3, "the pods came and went {crowds} times while the binaries were replaced");
    assert_same(&before, &world.snapshot().without("file "));
    let mut names: Vec<_> =
        std::fs::read_dir(&folder).expect("the folder").flatten().map(|e| e.file_name()).collect();
    names.sort();
    assert_eq!(names, ["macvlan", "rail-ipam"], "the installer's own files are gone");
}

fn install(names: &[&str], to: &Path) {
    let from = binary(names[0]);
    let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/install"));
    command.arg(from.parent().expect("a folder")).arg(to).args(names);
    let output = command.output().expect("run scripts/install");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Two installations at work on one node, as in an upgrade that has not come to every runtime yet. They are of one build: what
/// another version may have written is in `other_versions.rs`.
#[test]
fn two_installations_share_a_pool_and_a_master() {
    let world = World::new();
    world.rail(1);
    let config = config("172.16.1.10", "172.16.1.41");
    let folders = ["old", "new"].map(|name| own_binaries(&world, name));
    let pods: Vec<Space> = (0..32).map(|number| world.bare_pod(&format!("p{number}"))).collect();
    let by = |turn: usize| -> Vec<Plugin> {
        let plugin = |(number, pod): (usize, &Space)| {
            let program = folders[(number + turn) % 2].join("macvlan");
            world.foreign_plugin(&program).netns(pod.path()).container(pod.name())
        };
        pods.iter().enumerate().map(plugin).collect()
    };
    let before = world.snapshot().without("file ");
    for _ in 0..2 {
        distinct(at_once(&by(0), |plugin| plugin.add(&config)));
        // What one has attached, the other takes away.
        for outcome in at_once(&by(1), |plugin| plugin.del(&config)) {
            outcome.success();
        }
    }
    assert_same(&before, &world.snapshot().without("file "));
}

/// Somebody holds the lease store: an ADD gives up after its time, says to try again, and leaves nothing.
#[test]
fn a_store_that_is_held_is_try_again_later() {
    let world = World::new();
    world.rail(1);
    let pod = world.bare_pod("a");
    let mut config = config("172.16.1.10", "172.16.1.11");
    config["ipam"]["lockTimeout"] = json!(1);
    let plugin = world.plugin("macvlan").netns(pod.path());
    plugin.add(&config).success();
    plugin.del(&config).success();
    let before = world.snapshot();
    let lock = std::fs::File::open(world.dirs().state.join("ipam/lock")).expect("the lock of the store");
    lock.lock().expect("an exclusive lock");
    let start = Instant::now();
    let error = plugin.add(&config).error();
    assert_eq!(error.code, 11, "{error:?}");
    assert!(error.msg.contains("lock"), "{error:?}");
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    drop(lock);
    assert_same(&before, &world.snapshot());
}
