//! Debian's plugin of the kind [`KIND`] with `host-local` and ours with `rail-ipam` under that name, in the same pod one after the
//! other: results, `ip` views and exit codes are equal but for what stands in the lists below.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use netns_tests::suite::Stage;
use serde_json::{Value, json};
use testkit::{Outcome, Plugin, Snapshot, binary};

use crate::KIND;

pub(crate) const REFERENCE: &str = "/usr/lib/cni";
/// Each macvlan would have a MAC of its own; an ipvlan has that of its master.
const MAC: &str = "IgnoreUnknown=1;MAC=02:00:00:00:07:01";
const NO_MAC: &str = "IgnoreUnknown=1";

/// Lines of a picture in which ours differs, each with its reason.
const INTENDED: &[(&str, &str)] = &[
    (
        "a link net1 txqlen=1000",
        "the reference's link has no queue, which is what a request without a length means",
    ),
    ("a sysctl net/ipv6/conf/net1/ndisc_notify=", "ours announces its IPv6 addresses, too"),
    (
        "a sysctl net/ipv4/conf/net1/arp_notify=",
        "and keeps the announcing without an IPAM, for addresses that come later",
    ),
    (
        "a sysctl net/ipv6/conf/net1/keep_addr_on_down=",
        "IPv6 addresses outlive a link that goes down, as IPv4's do",
    ),
    (
        "a sysctl net/ipv6/conf/net1/accept_ra=",
        "ours hears no router advertisements unless the network asks for it",
    ),
    (
        r#"a addr6 "net1" {"family":"inet6","local":"fe80::"#,
        "the kernel gives each ipvlan another link-local address",
    ),
];

/// What a line says on both sides. Our routes have our protocol number and not "boot", our default route comes after
/// those that are there, so that the pod's traffic stays where it was, and our addresses have no broadcast, as those that
/// `ip address add` makes; the kernel's route for it is there all the same. An `ip` of 2024 or later shows our protocol
/// number on addresses, too.
fn common(line: &str) -> String {
    let line = line.replace(r#","protocol":"0xd3","#, ",");
    let line = line.replace(r#""protocol":"211""#, r#""protocol":"boot""#);
    let line = line.replace(r#""broadcast":"172.16.1.255","#, "");
    line.replace("#1 ", "#0 ").trim_start_matches(['-', '+', ' ']).to_owned()
}

struct Case {
    title: &'static str,
    /// Put over the common config; null takes a key out.
    more: Value,
    args: &'static str,
    /// Where the reference's code is 999 for everything, and ours says more.
    our_code: Option<u64>,
}

fn case(title: &'static str, more: Value) -> Case {
    Case { title, more, args: if KIND == "macvlan" { MAC } else { NO_MAC }, our_code: None }
}

fn refused(title: &'static str, our_code: u64, more: Value) -> Case {
    Case { our_code: Some(our_code), ..case(title, more) }
}

/// Those of both kinds, and the kind's own.
fn cases() -> Vec<Case> {
    let ranges = |ranges: Value| json!({ "type": "host-local", "ranges": ranges });
    let four = json!([{ "subnet": "172.16.1.0/24", "rangeStart": "172.16.1.20", "gateway": "172.16.1.254" }]);
    let six = json!([{ "subnet": "fd00:16:1::/64", "rangeStart": "fd00:16:1::20" }]);
    // Debian's are from before 1.1.0.
    let versions = netns_tests::suite::VERSIONS[..6].iter();
    let mut cases: Vec<_> = versions.map(|version| case(version, json!({ "cniVersion": version }))).collect();
    cases.extend([
        case("dual stack", json!({ "ipam": ranges(json!([four.clone(), six])) })),
        case("the old form", json!({ "ipam": { "type": "host-local", "subnet": "172.16.1.0/24" } })),
        case(
            "routes",
            json!({ "ipam": { "type": "host-local", "ranges": [four], "routes": [
            { "dst": "0.0.0.0/0" }, { "dst": "10.0.0.0/8", "gw": "172.16.1.1" }] } }),
        ),
        case("mtu", json!({ "mtu": 1400 })),
        case("dns", json!({ "dns": { "nameservers": ["10.0.0.53"], "search": ["a.example"] } })),
        case("addresses of the runtime", json!({ "runtimeConfig": { "ips": ["172.16.1.77/24"] } })),
        refused("no such master", 7, json!({ "master": "nosuch" })),
        refused("no such mode", 7, json!({ "mode": "brdige" })),
        refused("a name that is taken", 7, json!({ "ifname": "eth0" })),
        refused("an mtu in quotes", 7, json!({ "mtu": "1400" })),
        refused("no such version", 1, json!({ "cniVersion": "9.0.0" })),
        refused("no name", 7, json!({ "name": null })),
        refused("no such prefix", 7, json!({ "ipam": { "type": "host-local", "subnet": "172.16.1.0/33" } })),
        refused("an address outside", 7, json!({ "runtimeConfig": { "ips": ["192.0.2.7/24"] } })),
        refused("a missing ipam plugin", 999, json!({ "ipam": { "type": "nosuch" } })),
    ]);
    if testkit::in_part() {
        // The namespaces have all of these, by macvlan.
        cases = cases.into_iter().step_by(3).collect();
    }
    cases.extend(if KIND == "macvlan" { macvlans() } else { ipvlans() });
    cases
}

fn macvlans() -> Vec<Case> {
    vec![
        case("layer 2", json!({ "ipam": {} })),
        refused("an mtu above the master's", 7, json!({ "mtu": 9500 })),
        case("mode private", json!({ "mode": "private" })),
        case("mode vepa", json!({ "mode": "vepa" })),
        case("a mac of the runtime", json!({ "runtimeConfig": { "mac": "02:00:00:00:07:02" } })),
        Case {
            args: "IgnoreUnknown=1;COLOR=blue;MAC=02:00:00:00:07:03;IP=172.16.1.78",
            ..case("an address by CNI_ARGS", json!({}))
        },
        Case { args: "COLOR=blue", our_code: Some(4), ..case("unknown CNI_ARGS", json!({})) },
    ]
}

/// Debian's takes an MTU above its master's, which the kernel then cuts: ours refuses it, as `ipvlan_refusals` shows.
fn ipvlans() -> Vec<Case> {
    vec![
        case("mode l2", json!({ "mode": "l2" })),
        case("mode l3", json!({ "mode": "l3" })),
        case("mode l3s", json!({ "mode": "l3s" })),
    ]
}

/// Each case has a network of its own: none goes on where another left off.
fn config(case: &Case, number: usize) -> Value {
    let range = json!({ "subnet": "172.16.1.0/24", "rangeStart": "172.16.1.10", "gateway": "172.16.1.254" });
    let config = json!({ "cniVersion": "1.0.0", "name": format!("case{number}"), "type": KIND, "master": "rail1",
                         "ipam": { "type": "host-local", "ranges": [[range]] } });
    netns_tests::suite::with(config, &case.more)
}

/// What one side did in one case.
#[derive(Debug)]
struct Trail {
    add: Outcome,
    picture: Snapshot,
    check: Outcome,
    del: Outcome,
    del_again: Outcome,
}

fn follow(stage: &Stage, program: &Path, path: &Path, config: &Value, args: &str) -> Trail {
    let plugin = stage.world.foreign_plugin(program).netns(stage.pod.path()).env("CNI_PATH", path).args(args);
    // What ours released in an earlier case rests, in whatever network it was.
    let plugin = plugin.env(
        "RAILCNI_STATE_DIR",
        stage.world.dirs().state.join(config["name"].as_str().unwrap_or("nameless")),
    );
    let plugin: Plugin = match config["ifname"].as_str() {
        Some(ifname) => plugin.ifname(ifname),
        None => plugin,
    };
    let add = plugin.add(config);
    let picture = stage.world.snapshot().without("file ");
    let result: Value = serde_json::from_str(&add.stdout).unwrap_or_default();
    let checked = netns_tests::suite::with(config.clone(), &json!({ "prevResult": result }));
    let check = plugin.check(&checked);
    // The reference deletes whatever has the name, and that would be the pod's own interface.
    let (del, del_again) = match config["ifname"].as_str() {
        Some(_) => (plugin.clone().ifname("none").del(config), plugin.clone().ifname("none").del(config)),
        None => (plugin.del(config), plugin.del(config)),
    };
    Trail { add, picture, check, del, del_again }
}

/// A result without what may differ: ours tells the MTU, which the reference leaves out, and no `dns` that is empty,
/// as the reference does since 1.2.
fn comparable(outcome: &Outcome) -> Value {
    let mut result: Value = serde_json::from_str(&outcome.stdout).unwrap_or_default();
    for interface in result["interfaces"].as_array_mut().into_iter().flatten() {
        if let Some(keys) = interface.as_object_mut() {
            keys.remove("mtu");
        }
    }
    if let Some(keys) = result.as_object_mut() {
        keys.retain(|key, value| key != "dns" || *value != json!({}));
    }
    result
}

/// A directory in which our binaries have the reference's names.
pub(crate) fn our_path(stage: &Stage) -> PathBuf {
    let path = stage.world.dirs().scratch.join("bin");
    std::fs::create_dir(&path)
        .and_then(|()| {
            symlink(binary(KIND), path.join(KIND))?;
            symlink(binary("rail-ipam"), path.join("host-local"))
        })
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    path
}

fn unexpected(theirs: &Snapshot, ours: &Snapshot) -> String {
    let diff = theirs.diff(ours);
    let sides = |line: &str| diff.lines().filter(|other| common(other) == common(line)).count();
    let is_intended = |line: &&str| sides(line) == 2 || INTENDED.iter().any(|(part, _)| line.contains(part));
    diff.lines().filter(|line| !is_intended(line)).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_reference_plugins_do_the_same() {
    let reference = Path::new(REFERENCE);
    assert!(
        reference.join(KIND).is_file(),
        "no reference plugins in {REFERENCE}: apt-get install containernetworking-plugins, or `make setup`"
    );
    let stage = Stage::new();
    let ours_in = our_path(&stage);
    let before = stage.world.snapshot().without("file ");
    let mut failures = Vec::new();
    for (number, case) in cases().into_iter().enumerate() {
        let config = config(&case, number);
        let theirs = follow(&stage, &reference.join(KIND), reference, &config, case.args);
        remove_what_is_left(&stage);
        let ours = follow(&stage, &ours_in.join(KIND), &ours_in, &config, case.args);
        failures.extend(
            compare(&case, &before, &theirs, &ours).into_iter().map(|what| format!("{}: {what}", case.title)),
        );
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// What the reference could not make whole it may not be able to take back either; its ipvlan has another name at first.
fn remove_what_is_left(stage: &Stage) {
    let links = stage.pod.ip(&["link", "show"]);
    let names = links.as_array().into_iter().flatten().filter_map(|link| link["ifname"].as_str());
    for name in names.filter(|name| !["lo", "eth0"].contains(name)) {
        stage.pod.ip_do(&format!("link del {name}"));
    }
}

fn compare(case: &Case, before: &Snapshot, theirs: &Trail, ours: &Trail) -> Vec<String> {
    let mut failures = Vec::new();
    let runs = [
        ("ADD", &theirs.add, &ours.add),
        ("CHECK", &theirs.check, &ours.check),
        ("DEL", &theirs.del, &ours.del),
        ("second DEL", &theirs.del_again, &ours.del_again),
    ];
    for (verb, theirs, ours) in runs {
        // The reference cannot take back what it would not make; our DEL needs no valid config.
        let is_better = verb.ends_with("DEL") && case.our_code.is_some() && ours.status.success();
        if !is_better && theirs.status.code() != ours.status.code() {
            failures.push(format!("{verb}\n- {theirs}\n+ {ours}"));
        }
    }
    // The reference leaves its link behind when the IPAM fails.
    let expected = if case.our_code.is_some() { before } else { &theirs.picture };
    let diff = unexpected(expected, &ours.picture);
    if !diff.is_empty() {
        failures.push(format!("after ADD\n{diff}"));
    }
    match case.our_code {
        None if comparable(&theirs.add) != comparable(&ours.add) => {
            failures.push(format!("ADD\n- {}\n+ {}", theirs.add, ours.add));
        }
        Some(code) if comparable(&ours.add)["code"] != code => failures.push(format!("ADD\n+ {}", ours.add)),
        _ => (),
    }
    failures
}
