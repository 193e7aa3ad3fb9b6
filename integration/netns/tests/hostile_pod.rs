//! A pod that owns its namespace (`CAP_NET_ADMIN`), against every plugin that this kernel can run: whatever it does there, before a
//! verb or in the middle of it, DEL and GC come to their end, the host and the pod beside are as before, and an address is free
//! only when nothing of the pod answers for it.

#![expect(clippy::unwrap_used, reason = "the functions between the tests are tests too")]

use std::fs::File;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use netlink::{Event, Group, Monitor};
use netns_tests::suite::{Binary, Needs, Stage, with};
use serde_json::{Value, json};
use testkit::{Outcome, Plugin, Snapshot, Space, assert_same};

/// What it does: lines for `ip`, or `sysctl KEY VALUE`. `INDEX` is that of net1, `NESTED` a namespace of the pod's own, in which a
/// line runs that begins with `nested`. What is refused is refused.
struct Deed {
    name: &'static str,
    lines: &'static [&'static str],
}

const DEEDS: &[Deed] = &[
    Deed {
        name: "renames it",
        lines: &["link set net1 down", "link set net1 name other", "link set other up"],
    },
    Deed { name: "moves it into a namespace of its own", lines: &["link set net1 netns NESTED"] },
    Deed {
        name: "hides it under another name, MAC and address",
        lines: &[
            "link set net1 netns NESTED",
            "nested link set net1 address 02:00:00:00:00:99 name hidden",
            "nested link set hidden up",
            "nested link set lo up",
            "nested addr flush dev hidden",
            "nested addr add 172.16.1.11/32 dev lo",
        ],
    },
    Deed { name: "deletes it", lines: &["link del net1"] },
    Deed {
        name: "puts another in its place",
        lines: &[
            "link set net1 netns NESTED",
            "link add v0 type veth peer name v1",
            "link add link v0 name net1 index INDEX type macvlan",
            "link set net1 up",
        ],
    },
    Deed {
        name: "makes another of the same name, and of another kind",
        lines: &["link del net1", "link add net1 type veth peer name v1", "link set net1 up"],
    },
    Deed {
        name: "makes a twin with its addresses",
        lines: &[
            "link add link net1 name twin type macvlan",
            "link set twin up",
            "addr add 172.16.1.11/24 dev twin",
        ],
    },
    Deed {
        name: "gives its MAC to a link of its own",
        lines: &[
            "link set net1 address 02:00:00:00:00:77",
            "link add v0 type veth peer name v1",
            "link add link v0 name twin address 02:00:00:00:00:77 type macvlan",
            "link set twin up",
        ],
    },
    Deed {
        name: "takes addresses of others",
        lines: &[
            "addr add 172.16.1.254/32 dev net1",
            "addr add 172.16.1.77/32 dev net1",
            "addr add 10.244.0.2/32 dev net1",
            "addr add 10.244.0.2/32 dev lo",
        ],
    },
    Deed {
        name: "plants rules and routes that carry our number",
        lines: &[
            "rule add from 172.16.1.99 lookup 101 priority 10101 protocol 211",
            "rule add from 10.244.0.1 lookup 777 priority 10777 protocol 211",
            "route add 10.77.0.0/16 dev eth0 table 101 protocol 211",
            "route add 10.78.0.0/16 dev eth0 protocol 211",
        ],
    },
    Deed {
        name: "takes away what it finds",
        lines: &["rule flush", "route flush table main", "route flush table 101", "addr flush dev net1"],
    },
    Deed {
        name: "puts lo and eth0 into groups",
        lines: &["link set lo group 1769996288", "link set eth0 group 1769996290", "link set net1 group 7"],
    },
    Deed {
        name: "gives names that a terminal obeys",
        lines: &["link set net1 alias \u{1b}[2J\u{7}", "link property add dev net1 altname \u{1b}[31mred"],
    },
    Deed {
        name: "sets what can be set",
        lines: &[
            "sysctl net/ipv6/conf/all/disable_ipv6 1",
            "sysctl net/ipv4/conf/all/rp_filter 1",
            "sysctl net/ipv4/conf/all/arp_ignore 8",
            "sysctl net/ipv4/ip_forward 1",
            "link set net1 txqueuelen 7",
            "link set net1 mtu 1280",
            "link set net1 promisc on",
            "link set net1 down",
        ],
    },
];

impl Deed {
    fn act(&self, pod: &Space, nested: &Nested) {
        let index = pod.ifindex("net1").to_string();
        for line in self.lines {
            let line = line.replace("INDEX", &index).replace("NESTED", &nested.way);
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["sysctl", key, value] => write(pod, key, value),
                ["nested", ..] => drop(nested.space.try_ip(&words[1..])),
                _ => drop(pod.try_ip(&words)),
            }
        }
    }
}

/// A namespace that the pod has made: no runtime has mounted it.
struct Nested {
    space: Space,
    way: String,
    _file: File,
}

impl Nested {
    fn new(stage: &Stage) -> Self {
        let space = stage.world.bare_pod("nested");
        let file = File::open(space.path()).unwrap();
        let way = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
        stage.world.remove_pod("nested");
        Self { space, way, _file: file }
    }
}

#[expect(clippy::disallowed_methods, reason = "a setting is no file")]
fn write(pod: &Space, key: &str, value: &str) {
    drop(pod.run(|| std::fs::write(format!("/proc/sys/{key}"), value)));
}

/// Runs `act` in the pod on every change of links and addresses there, while `work` goes on.
fn while_it_acts<T>(pod: &Space, act: impl Fn() + Send + Sync, work: impl FnOnce() -> T) -> T {
    let (ready, over) = (std::sync::Barrier::new(2), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            pod.run(|| {
                let mut monitor = Monitor::subscribe(&[Group::Link, Group::Ipv4Address]).unwrap();
                ready.wait();
                while !over.load(Ordering::Relaxed) {
                    let soon = Instant::now() + Duration::from_millis(20);
                    let heard: Option<Event> = monitor.wait(soon, Some).unwrap();
                    if heard.is_some() {
                        act();
                    }
                }
            });
        });
        ready.wait();
        let outcome = work();
        over.store(true, Ordering::Relaxed);
        outcome
    })
}

/// The result, or nothing but an error that says something.
#[track_caller]
fn answered(what: &str, outcome: Outcome) -> Option<Value> {
    if outcome.status.success() {
        return Some(outcome.success());
    }
    let (said, error) = (outcome.to_string(), outcome.error());
    assert!(error.code > 0 && !error.msg.is_empty(), "{what}: {said}");
    None
}

/// The pod, another one beside it, and what is to stay as it is.
struct Scene {
    nested: Nested,
    stage: Stage,
    binary: &'static Binary,
    victim: (Plugin, Value),
    before: Snapshot,
}

impl Scene {
    fn new(binary: &'static Binary) -> Self {
        let stage = Stage::new();
        let nested = Nested::new(&stage);
        let other = stage.world.pod("b");
        let macvlan = Binary::named("macvlan");
        let victim = stage.plugin(macvlan).netns(other.path()).container("victim");
        let result = victim.add(&macvlan.config()).success();
        let attached = with(macvlan.config(), &json!({ "prevResult": result }));
        let before = picture(&stage);
        Self { nested, stage, binary, victim: (victim, attached), before }
    }

    fn plugin(&self) -> Plugin {
        self.stage.plugin(self.binary)
    }

    /// The way out of an attachment: by DEL, or by a GC that knows of others only.
    #[track_caller]
    fn detach(&self, config: &Value, what: &str, by_gc: bool) {
        let valid = json!([{ "containerID": "victim", "ifname": "net1" }]);
        let outcome = if by_gc {
            self.plugin().gc(&with(config.clone(), &json!({ "cni.dev/valid-attachments": valid })))
        } else {
            self.plugin().del(config)
        };
        assert!(outcome.status.success(), "{what}: {outcome}");
        // Nothing may be left for it to do, and it does no harm.
        self.plugin().del(config).success();
        self.stage.clear(self.binary, "1.1.0");
    }

    /// Nobody else has lost or got anything, and the next pod is served.
    #[track_caller]
    fn assert_untouched(&self, what: &str) {
        assert_same(&self.before, &picture(&self.stage));
        let said = self.stage.world.snapshot().to_string();
        let leases: Vec<&str> = said.lines().filter(|line| line.starts_with("lease ")).collect();
        assert!(matches!(leases[..], [one] if one.contains("victim")), "{what}: {leases:?}");
        let (victim, attached) = &self.victim;
        victim.check(attached).success();
        let next = self.stage.world.pod("c");
        let plugin = self.stage.plugin(Binary::named("macvlan")).netns(next.path()).container("next");
        let result = plugin.add(&Binary::named("macvlan").config()).success();
        let given = result["ips"][0]["address"].as_str().unwrap().trim_end_matches("/24").to_owned();
        for space in [&*self.stage.pod, &self.nested.space] {
            let said = space.ip(&["addr"]).to_string();
            let has_it = said.contains(&format!("\"{given}\""));
            assert!(!has_it, "{what}: {given} is given to the next pod, and {} has it yet", space.name());
        }
        plugin.del(&Binary::named("macvlan").config()).success();
    }
}

/// Host and victim; what the pod does in its namespaces is its own business, and what is released rests.
fn picture(stage: &Stage) -> Snapshot {
    ["file ", "a ", "c ", "lease "]
        .iter()
        .fold(stage.world.snapshot(), |picture, prefix| picture.without(prefix))
}

fn every(visit: impl Fn(&'static Binary, &'static Deed) + Sync) {
    std::thread::scope(|scope| {
        for binary in Binary::that_need(Needs::Nothing) {
            let visit = &visit;
            scope.spawn(move || DEEDS.iter().for_each(|deed| visit(binary, deed)));
        }
    });
}

#[test]
fn what_a_pod_does_between_the_verbs_harms_nobody() {
    every(|binary, deed| {
        for by_gc in [false, true] {
            let what = format!("the pod {}, attached by {}, by GC: {by_gc}", deed.name, binary.name);
            let scene = Scene::new(binary);
            let config = scene.stage.ready(binary, "1.1.0");
            let result = scene.plugin().add(&config).success();
            deed.act(&scene.stage.pod, &scene.nested);
            let checked = with(config.clone(), &json!({ "prevResult": result }));
            answered(&what, scene.plugin().check(&checked));
            scene.plugin().status(&config).success();
            let again = scene.plugin().add(&config);
            assert!(!again.status.success() || binary.name == "rail-ipam", "{what}: attached twice");
            scene.detach(&config, &what, by_gc);
            scene.assert_untouched(&what);
        }
    });
}

#[test]
fn what_a_pod_does_while_a_plugin_works_harms_nobody() {
    every(|binary, deed| {
        let what = format!("the pod {} while {} works", deed.name, binary.name);
        let scene = Scene::new(binary);
        let config = scene.stage.ready(binary, "1.1.0");
        let act = || deed.act(&scene.stage.pod, &scene.nested);
        while_it_acts(&scene.stage.pod, act, || {
            if let Some(result) = answered(&what, scene.plugin().add(&config)) {
                answered(
                    &what,
                    scene.plugin().check(&with(config.clone(), &json!({ "prevResult": result }))),
                );
            }
            answered(&what, scene.plugin().del(&config));
        });
        scene.detach(&config, &what, false);
        scene.assert_untouched(&what);
    });
}
