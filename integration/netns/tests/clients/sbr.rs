//! Debian's chain of `macvlan`, `host-local` and `sbr`, and ours of `macvlan`, `rail-ipam` and `coordinator`, in the same pod one
//! after the other: the same rules and tables, but for what stands in the list below.

use std::collections::BTreeSet;
use std::path::Path;

use netns_tests::suite::{Stage, with};
use serde_json::{Value, json};
use testkit::{Plugin, assert_same, binary};

use super::reference::{REFERENCE, our_path};

/// What one side alone has (`-` the reference, `+` ours) after ADD, each with its reason.
const INTENDED: &[(&str, &str)] = &[
    (
        "+ main: dst \"172.16.1.0/24\"",
        "connected routes stay in main, as sockets without an address need them",
    ),
    ("+ main: dst \"fd00:16:1::/64\"", "the same"),
    ("+ main: dst \"fe80::/64\"", "link-local addresses stay where they are"),
    ("- its table: dst \"fe80::/64\"", "the same"),
    (
        "+ rule from \"10.244.0.1\"",
        "the pod's first NIC has a table, too: its replies leave by it whoever has main's default route",
    ),
    ("+ rule from \"fd00:244::1\"", "the same"),
    (
        "- \"100\": ",
        "the reference copies the IPv6 routes to the table of the IPv4 address as well, to which no rule leads",
    ),
];

/// What only some releases of the reference do, too.
const OF_SOME_RELEASES: &[(&str, &str)] = &[(
    "- main: dst \"default\" gateway null",
    "that of Debian 13 leaves a default route without gateway in main, beside that of eth0",
)];

/// The same after DEL, while the link is there.
const INTENDED_AFTER_DEL: &[(&str, &str)] = &[
    ("- \"100\": ", "the reference takes its rules away, and leaves the tables"),
    ("- \"101\": ", "the same"),
    ("+ main: ", "ours puts main's routes back"),
];

/// Rules and routes of `net1` without what both sides call differently: the number of the table (the reference's first is 100, which
/// is eth0's here), the priority of its rule, and the protocol.
fn routing(stage: &Stage) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for family in ["-4", "-6"] {
        let list = |words: &[&str]| -> Vec<Value> {
            stage.pod.ip(&[&[family], words].concat()).as_array().cloned().unwrap_or_default()
        };
        let mut rules = list(&["rule", "show"]);
        rules.retain(|rule| rule["src"] != "all");
        lines.extend(rules.iter().map(|rule| format!("rule from {} to its table", rule["src"])));
        for route in list(&["route", "show", "table", "all", "dev", "net1"]) {
            let table = match &route["table"] {
                Value::Null => "main".to_owned(),
                table if rules.iter().any(|rule| rule["table"] == *table) => "its table".to_owned(),
                table => table.to_string(),
            };
            let keys = ["dst", "gateway", "prefsrc", "scope"].map(|key| format!("{key} {}", route[key]));
            lines.insert(format!("{table}: {}", keys.join(" ")));
        }
    }
    lines.retain(|line| !line.starts_with("\"local\""));
    lines
}

/// Plugins of one side.
struct Side<'a> {
    folder: &'a Path,
    routing: &'a str,
}

/// What one side did: after ADD of both plugins, and after DEL of the second.
struct Trail {
    added: BTreeSet<String>,
    undone: BTreeSet<String>,
}

impl Side<'_> {
    fn follow(&self, stage: &Stage, first: &Value) -> Trail {
        let plugin = |program: &Path| -> Plugin {
            stage.world.foreign_plugin(program).netns(stage.pod.path()).env("CNI_PATH", self.folder)
        };
        let (link, routed) = (plugin(&self.folder.join("macvlan")), plugin(&self.folder.join(self.routing)));
        let second = with(first.clone(), &json!({ "type": self.routing, "master": null, "ipam": null }));
        let chained = |result: Value| with(second.clone(), &json!({ "prevResult": result }));
        assert!(!routed.add(&second).status.success(), "{} has to be chained", self.routing);
        let result = routed.add(&chained(link.add(first).success())).success();
        // Which came with 0.4.0.
        if first["cniVersion"] != "0.3.0" {
            routed.check(&chained(result.clone())).success();
        }
        let added = routing(stage);
        routed.del(&chained(result)).success();
        let undone = routing(stage);
        link.del(first).success();
        Trail { added, undone }
    }
}

fn differences(theirs: &BTreeSet<String>, ours: &BTreeSet<String>) -> Vec<String> {
    let only = |sign: &str, one: &BTreeSet<String>, other: &BTreeSet<String>| -> Vec<String> {
        one.difference(other).map(|line| format!("{sign} {line}")).collect()
    };
    [only("-", theirs, ours), only("+", ours, theirs)].concat()
}

fn configs() -> [Value; 3] {
    let four = json!([{ "subnet": "172.16.1.0/24", "rangeStart": "172.16.1.20", "gateway": "172.16.1.254" }]);
    let six =
        json!([{ "subnet": "fd00:16:1::/64", "rangeStart": "fd00:16:1::20", "gateway": "fd00:16:1::fe" }]);
    let config = |version: &str, ranges: Value, routes: Value| {
        let ipam = json!({ "type": "host-local", "ranges": ranges, "routes": routes });
        json!({ "cniVersion": version, "name": "rail1", "type": "macvlan", "master": "rail1", "ipam": ipam })
    };
    let default = |dst: &str| json!({ "dst": dst });
    [
        config("0.3.0", json!([four.clone()]), json!([default("0.0.0.0/0")])),
        config("0.4.0", json!([six.clone()]), json!([default("::/0")])),
        config("1.0.0", json!([four, six]), json!([default("0.0.0.0/0"), default("::/0")])),
    ]
}

#[test]
fn the_reference_chain_routes_alike() {
    let (mut found, mut found_after) = (Vec::new(), Vec::new());
    for first in configs() {
        let stage = Stage::new();
        let before = stage.kernel();
        let ours = our_path(&stage);
        std::os::unix::fs::symlink(binary("coordinator"), ours.join("coordinator")).expect("a plugin");
        let theirs = Side { folder: Path::new(REFERENCE), routing: "sbr" }.follow(&stage, &first);
        assert_same(&before, &stage.kernel());
        let ours = Side { folder: &ours, routing: "coordinator" }.follow(&stage, &first);
        assert_same(&before, &stage.kernel());
        found.extend(differences(&theirs.added, &ours.added));
        found_after.extend(differences(&theirs.undone, &ours.undone));
    }
    for (found, intended) in [(found, INTENDED), (found_after, INTENDED_AFTER_DEL)] {
        let known = intended.iter().chain(OF_SOME_RELEASES).map(|(start, _)| *start);
        let begins = |line: &&String| known.clone().any(|start| line.starts_with(start));
        let unexpected: Vec<_> = found.iter().filter(|line| !begins(line)).collect();
        assert!(unexpected.is_empty(), "{unexpected:#?}");
        // Or the list would tell of differences that are over.
        for (start, reason) in intended {
            assert!(
                found.iter().any(|line| line.starts_with(start)),
                "no difference {start:?} any more: {reason}"
            );
        }
    }
}
