//! The catalogue of bad input: what is refused is named by key and value, and has touched nothing.

#[path = "bad_input/coordinator.rs"]
mod coordinator;
#[path = "bad_input/devices.rs"]
mod devices;
#[path = "bad_input/every.rs"]
mod every;
#[path = "bad_input/ipam.rs"]
mod ipam;
#[path = "bad_input/links.rs"]
mod links;
#[path = "bad_input/macvlan.rs"]
mod macvlan;

use netns_tests::suite::{BINARIES, Binary, Stage, with};
use serde_json::{Value, json};
use testkit::{Plugin, Scope};

/// What changes anything, or asks the kernel for a change: validation comes before all of it.
const CHANGES: &str =
    "sendto,sendmsg,sendmmsg,mkdir,mkdirat,rename,renameat,renameat2,unlink,unlinkat,ftruncate";

/// One input that an ADD has to refuse.
struct Bad {
    code: u64,
    /// All of them are in the error.
    words: Vec<String>,
    /// `CNI_*`, in place of a good one.
    env: Vec<(&'static str, String)>,
    config: Value,
    /// Nothing but the config has to be looked at to see it.
    at_a_glance: bool,
}

impl Bad {
    fn new(code: u64, words: &[&str], config: Value) -> Self {
        let words = words.iter().map(|&word| word.to_owned()).collect();
        Self { code, words, env: Vec::new(), config, at_a_glance: true }
    }

    fn env(mut self, name: &'static str, value: &str) -> Self {
        self.env.push((name, value.to_owned()));
        self
    }

    /// It takes a look at the host or the pod.
    fn after_a_look(mut self) -> Self {
        self.at_a_glance = false;
        self
    }

    fn prepare(&self, plugin: Plugin) -> Plugin {
        self.env.iter().fold(plugin, |plugin, (name, value)| plugin.env(name, value))
    }
}

/// `config` with `value` at `path` (`ipam.pools.0.spec.subnet`): code 7 that names the last key and the value.
fn wrong(config: &Value, path: &str, value: &Value) -> Bad {
    let mut config = config.clone();
    let mut place = &mut config;
    for part in path.split('.') {
        place = match part.parse::<usize>() {
            Ok(index) => &mut place[index],
            Err(_) => &mut place[part],
        };
    }
    *place = value.clone();
    let key = path.rsplit('.').find(|part| part.parse::<usize>().is_err()).unwrap_or(path);
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let words = if value.is_object() || value.is_array() { vec![key] } else { vec![key, text.as_str()] };
    Bad::new(7, &words, config)
}

fn catalogue(binary: &Binary, config: &Value) -> Vec<Bad> {
    let own = match binary.name {
        "macvlan" => macvlan::inputs(config),
        "rail-ipam" => ipam::inputs(config),
        "coordinator" => coordinator::inputs(config),
        "rail" => links::rail(config),
        "ipvlan" => links::ipvlan(config),
        "ifacer" => links::ifacer(config),
        "ipoib" => links::ipoib(config),
        "sriov" => devices::sriov(config),
        "ib-sriov" => devices::ib_sriov(config),
        "rdma" => devices::rdma(config),
        other => panic!("{other} has no catalogue"),
    };
    every::inputs(binary, config).into_iter().chain(own).collect()
}

/// What is wrong with the answer; empty when it is as it has to be.
fn judge(bad: &Bad, plugin: &Plugin) -> String {
    let outcome = bad.prepare(plugin.clone()).add(&bad.config);
    let (status, shown) = (outcome.status, outcome.to_string());
    let object: Value = serde_json::from_str(&outcome.stdout).unwrap_or_default();
    let text = format!(
        "{} {}",
        object["msg"].as_str().unwrap_or_default(),
        object["details"].as_str().unwrap_or_default()
    );
    // The reference says MTU where the key is `mtu`.
    let text = text.to_lowercase();
    let missing: Vec<_> = bad.words.iter().filter(|word| !text.contains(&word.to_lowercase())).collect();
    if status.code() == Some(1) && object["code"] == bad.code && missing.is_empty() {
        return String::new();
    }
    format!("expected code {} and {:?} for {:?} {}\n{shown}\n", bad.code, bad.words, bad.env, bad.config)
}

#[test]
fn every_bad_input_is_refused_and_touches_nothing() {
    let (mut count, mut failures) = (0, String::new());
    for binary in BINARIES {
        let stage = Stage::new();
        let config = stage.ready(binary, "1.1.0");
        // Who looks at a pod that others may be changing takes its lock, and the lock's file stays.
        let picture =
            || stage.world.snapshot().without("file state/locks/").without("file state/masters/.lock");
        let before = picture();
        let inputs = catalogue(binary, &config);
        let plugin = stage.plugin(binary);
        for bad in &inputs {
            failures.push_str(&judge(bad, &plugin));
        }
        failures.push_str(&before.diff(&picture()));
        count += inputs.len();
    }
    assert!(failures.is_empty(), "{failures}");
    assert!(count >= 1300, "the catalogue has {count} inputs");
}

#[test]
fn what_can_be_seen_in_the_config_is_seen_before_anything_is_asked_for() {
    for binary in BINARIES {
        let stage = Stage::new();
        let config = stage.ready(binary, "1.1.0");
        let plugin = stage.plugin(binary);
        for bad in catalogue(binary, &config).iter().filter(|bad| bad.at_a_glance).step_by(7) {
            let trace = bad.prepare(plugin.clone()).trace("ADD", &bad.config, CHANGES, Scope::Delegates);
            assert!(trace.calls.is_empty(), "{:?} {}: {:?}", bad.env, bad.config, trace.calls);
        }
    }
}

/// A network whose key came to mean nothing is told before its next pod starts.
#[test]
fn status_refuses_what_cannot_be_detected_as_add_does() {
    for binary in BINARIES.iter().filter(|binary| every::DETECT.contains(&binary.name)) {
        let stage = Stage::new();
        for bad in every::detection(&stage.ready(binary, "1.1.0")) {
            let error = stage.plugin(binary).status(&bad.config).error();
            let said = bad.words.iter().all(|word| error.msg.to_lowercase().contains(word.as_str()));
            assert!(error.code == bad.code && said, "{}: {:?}: {error:?}", binary.name, bad.words);
        }
    }
}

/// What can be on no record is nothing that DEL could undo: the pod would end never.
#[test]
fn del_of_a_network_whose_name_is_too_long_for_a_record_is_no_error() {
    for binary in BINARIES {
        let stage = Stage::new();
        let config = with(stage.ready(binary, "1.1.0"), &json!({ "name": "x".repeat(256) }));
        let plugin = stage.plugin(binary);
        let refused = plugin.add(&config);
        assert!(!refused.status.success(), "{}: {refused}", binary.name);
        plugin.del(&config).success();
        plugin.gc(&with(config, &json!({ "cni.dev/valid-attachments": [] }))).success();
    }
}
