//! A pod that owns its namespace (`CAP_NET_ADMIN`): what it does there, before a verb or in the middle of it, and what has to be
//! as before in the end, whichever plugin has attached it.

mod deeds;

pub use deeds::{DEEDS, Deed, Nested};

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use netlink::{Event, Group, Monitor};
use serde_json::{Value, json};
use testkit::{Outcome, Plugin, Snapshot, Space, World, assert_same};

use crate::suite::with;

/// Runs `act` in the pod on every change of links and addresses there, while `work` goes on.
pub fn while_pod_acts<T>(pod: &Space, act: impl Fn() + Send + Sync, work: impl FnOnce() -> T) -> T {
    let (ready, over) = (Barrier::new(2), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            pod.run(|| {
                let mut monitor =
                    Monitor::subscribe(&[Group::Link, Group::Ipv4Address]).expect("rtnetlink's groups");
                ready.wait();
                while !over.load(Ordering::Relaxed) {
                    let soon = Instant::now() + Duration::from_millis(20);
                    let heard: Option<Event> = monitor.wait(soon, Some).expect("an event, or none");
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

/// A plugin with a config that its ADD succeeds with.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Of the binary: the config of an IPAM has the type of the plugin before it.
    pub name: &'static str,
    /// With the environment of an attachment.
    pub plugin: Plugin,
    /// For each verb.
    pub config: Value,
}

impl Subject {
    /// ADD, and the config of its CHECK.
    #[track_caller]
    fn attach(&self) -> (Value, Value) {
        let result = self.plugin.add(&self.config).success();
        (with(self.config.clone(), &json!({ "prevResult": result })), result)
    }
}

/// The pod that acts, in namespace `a`; another beside it; and one that comes after it, in `c`.
pub struct Scene<'a> {
    /// What is to stay as it is, but for the inside of `a` and `c`.
    pub world: &'a World,
    /// What it owns.
    pub pod: &'a Space,
    /// What attaches it; asked for when the picture is taken, for it may need another plugin's link.
    pub subject: &'a dyn Fn() -> Subject,
    /// As `victim`, not attached yet.
    pub beside: Subject,
    /// As `next`.
    pub next: Subject,
    /// Takes away what the subject stood on.
    pub clear: &'a dyn Fn(),
}

impl Scene<'_> {
    /// It acts once the pod is attached; the way out is DEL, or a GC that knows of the others only.
    #[track_caller]
    pub fn act_between_the_verbs(&self, deed: &Deed, by_gc: bool) {
        let run = self.begin();
        let Subject { name, plugin, config } = &run.subject;
        let what = format!("the pod {}, attached by {name}, by GC: {by_gc}", deed.name);
        let (checked, _) = run.subject.attach();
        deed.act(self.pod, &run.nested);
        answered(&what, plugin.check(&checked));
        plugin.status(config).success();
        let again = plugin.add(config);
        let repeats = ["rail-ipam", "ifacer"].contains(name);
        assert!(!again.status.success() || repeats, "{what}: attached twice");
        self.end(&run, &what, by_gc);
    }

    /// It acts on each change that it sees, from before ADD until after DEL.
    #[track_caller]
    pub fn act_while_the_plugin_works(&self, deed: &Deed) {
        let run = self.begin();
        let Subject { name, plugin, config } = &run.subject;
        let what = format!("the pod {} while {name} works", deed.name);
        while_pod_acts(
            self.pod,
            || deed.act(self.pod, &run.nested),
            || {
                if let Some(result) = answered(&what, plugin.add(config)) {
                    let checked = with(config.clone(), &json!({ "prevResult": result }));
                    answered(&what, plugin.check(&checked));
                }
                answered(&what, plugin.del(config));
            },
        );
        self.end(&run, &what, false);
    }

    #[track_caller]
    fn begin(&self) -> Run {
        let nested = Nested::new(self.world);
        let (checked, _) = self.beside.attach();
        let before = picture(self.world);
        Run { nested, checked, before, subject: (self.subject)() }
    }

    #[track_caller]
    fn end(&self, run: &Run, what: &str, by_gc: bool) {
        let Subject { plugin, config, .. } = &run.subject;
        let outcome = if by_gc {
            let valid = json!([{ "containerID": "victim", "ifname": "net1" }]);
            plugin.gc(&with(config.clone(), &json!({ "cni.dev/valid-attachments": valid })))
        } else {
            plugin.del(config)
        };
        assert!(outcome.status.success(), "{what}: {outcome}");
        // Nothing may be left for it to do, and it does no harm.
        plugin.del(config).success();
        (self.clear)();
        self.assert_untouched(run, what);
        self.beside.plugin.del(&self.beside.config).success();
    }

    /// Nobody else has lost or got anything, and the next pod is served.
    #[track_caller]
    fn assert_untouched(&self, run: &Run, what: &str) {
        assert_same(&run.before, &picture(self.world));
        let said = self.world.snapshot().to_string();
        let leases: Vec<&str> = said.lines().filter(|line| line.starts_with("lease ")).collect();
        assert!(leases.iter().all(|lease| lease.contains("victim")), "{what}: {leases:?}");
        self.beside.plugin.check(&run.checked).success();
        let (_, result) = self.next.attach();
        let given = result["ips"][0]["address"].as_str().unwrap_or("none/0");
        let given = given.split('/').next().unwrap_or_default();
        for space in [self.pod, &run.nested.space] {
            let has_it = space.ip(&["addr"]).to_string().contains(&format!("\"{given}\""));
            assert!(!has_it, "{what}: {given} is given to the next pod, and {} has it yet", space.name());
        }
        self.next.plugin.del(&self.next.config).success();
    }
}

struct Run {
    subject: Subject,
    nested: Nested,
    /// The config of the victim's CHECK.
    checked: Value,
    before: Snapshot,
}

/// Host and victim; what the pod does in its namespaces is its own business, and what is released rests.
fn picture(world: &World) -> Snapshot {
    ["file ", "a ", "c ", "lease "].iter().fold(world.snapshot(), |picture, prefix| picture.without(prefix))
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
