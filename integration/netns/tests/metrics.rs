//! What a scrape and `railctl top` say of a node's rails, with `ip -s` as witness.

#![expect(clippy::unwrap_used, reason = "the functions between the tests are tests too")]

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use metrics::look::Eyes;
use metrics::{node, text};
use serde_json::{Value, json};
use state::calls::Calls;
use testkit::{Ping, Pod, Space, World, binary, eventually};

/// The process of a pod's sandbox; ends with the test.
struct Sandbox(Child);

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts one, and shows it in a /proc of the test's own, in the control group that containerd would give it: the machine's own
/// groups are not touched.
fn sandbox(world: &World, proc: &Path, pod: &Pod, container: &str) -> Sandbox {
    let child = pod.run(|| Command::new("sleep").arg("3600").spawn().unwrap());
    let own = proc.join(child.id().to_string());
    std::fs::create_dir_all(&own).unwrap();
    symlink(format!("/proc/{}/net", child.id()), own.join("net")).unwrap();
    let group = format!("0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-{container}.scope\n");
    world.file("group", &group);
    std::fs::rename(world.dirs().scratch.join("group"), own.join("cgroup")).unwrap();
    Sandbox(child)
}

/// What the runtime keeps, with the pod's name.
fn named(world: &World, container: &str, name: &str) {
    let results = world.dirs().peer.join("results");
    std::fs::create_dir_all(&results).unwrap();
    let entry = json!({"kind": "cniCacheV1", "containerId": container, "ifName": "eth0", "networkName": "cbr0",
        "cniArgs": [["K8S_POD_NAMESPACE", "ml"], ["K8S_POD_NAME", name]]});
    let file = world.file("entry", entry.to_string());
    std::fs::rename(file, results.join(format!("cbr0-{container}-eth0"))).unwrap();
}

/// Bytes, packets, errors and drops, of both directions, as `ip -s` says.
fn witness(space: &Space, link: &str) -> [u64; 8] {
    let seen = space.ip(&["-s", "-s", "link", "show", link])[0]["stats64"].clone();
    let number = |direction: &str, name: &str| seen[direction][name].as_u64().unwrap_or(0);
    let of = |direction: &str, more: &str| {
        let drops = number(direction, "dropped") + number(direction, more);
        [number(direction, "bytes"), number(direction, "packets"), number(direction, "errors"), drops]
    };
    let (rx, tx) = (of("rx", "missed_errors"), of("tx", "none"));
    [rx[0], rx[1], rx[2], rx[3], tx[0], tx[1], tx[2], tx[3]]
}

const NAMES: [&str; 8] = [
    "receive_bytes",
    "receive_packets",
    "receive_errs",
    "receive_drop",
    "transmit_bytes",
    "transmit_packets",
    "transmit_errs",
    "transmit_drop",
];

/// The same as a scrape says, of whatever has these labels.
fn told(scrape: &str, of: &str, labels: &str) -> Option<[u64; 8]> {
    let value = |name: &str| {
        let begin = format!("railcni_{of}_{name}_total{{{labels}}} ");
        scrape.lines().find_map(|line| line.strip_prefix(&begin))?.parse::<u64>().ok()
    };
    let values: Option<Vec<u64>> = NAMES.iter().map(|name| value(name)).collect();
    values?.try_into().ok()
}

fn config(rail: u8, ipam: &Value) -> Value {
    let (name, master) = (format!("gpu{rail}"), format!("rail{rail}"));
    json!({"cniVersion": "1.1.0", "name": name, "type": "macvlan", "master": master, "ipam": ipam})
}

#[test]
fn a_scrape_agrees_with_ip_about_every_counter() {
    let world = World::new();
    let (one, two) = (world.rail(1), world.rail(2));
    let pod = world.pod("a");
    let proc: PathBuf = world.dirs().scratch.join("proc");
    let _sandbox = sandbox(&world, &proc, &pod, "ab12");
    named(&world, "ab12", "train-0");
    let call = |ifname: &str| world.plugin("macvlan").netns(pod.path()).container("ab12").ifname(ifname);
    for (rail, ifname) in [(&one, "net1"), (&two, "net2")] {
        let address = rail.address4(10);
        let range = json!({"subnet": rail.subnet4(), "rangeStart": address, "rangeEnd": address});
        call(ifname).add(&config(rail.number, &json!({"type": "rail-ipam", "ranges": [[range]]}))).success();
    }
    for (ifname, gateway) in [("net1", one.gateway4()), ("net2", two.gateway4())] {
        for _ in 0..3 {
            pod.assert_ping(&Ping::to(gateway).through(ifname));
        }
    }
    let dirs = state::Dirs::under(world.dirs().state.parent().unwrap());
    let mut eyes = Eyes::new(dirs, &proc, Path::new("/sys"));
    let labels = |interface: &str, network: &str, device: &str| {
        format!(
            r#"namespace="ml",pod="train-0",workload="train",interface="{interface}",network="{network}",device="{device}""#
        )
    };
    // Neighbour discovery goes on meanwhile: what was so before the scrape and after it was so in it.
    let ip = || {
        let rails = [witness(&pod, "net1"), witness(&pod, "net2")];
        (rails, [witness(world.host(), "rail1"), witness(world.host(), "rail2")])
    };
    let (scrape, (rails, nics)) = eventually(Duration::from_secs(60), || {
        let before = ip();
        let scrape = text(node(&eyes.look())).unwrap();
        (ip() == before).then_some((scrape, before))
    })
    .expect("a moment without traffic");
    assert_eq!(told(&scrape, "rail", &labels("net1", "gpu1", "rail1")), Some(rails[0]), "{scrape}");
    assert_eq!(told(&scrape, "rail", &labels("net2", "gpu2", "rail2")), Some(rails[1]), "{scrape}");
    assert_eq!(told(&scrape, "device", r#"device="rail1""#), Some(nics[0]), "{scrape}");
    assert_eq!(told(&scrape, "device", r#"device="rail2""#), Some(nics[1]), "{scrape}");
    assert!(
        rails.iter().chain(&nics).all(|of| of[0] > 0 && of[4] > 0),
        "there was traffic: {rails:?} {nics:?}"
    );
    assert!(scrape.contains("railcni_rails_without_counters 0.0\n"), "{scrape}");
    // Its DEL takes it out of the next scrape.
    call("net1").del(&config(1, &json!({"type": "rail-ipam"}))).success();
    let after = text(node(&eyes.look())).unwrap();
    assert_eq!(told(&after, "rail", &labels("net1", "gpu1", "rail1")), None, "{after}");
    assert!(told(&after, "rail", &labels("net2", "gpu2", "rail2")).is_some(), "{after}");
}

/// By the plugins themselves, where an agent counts them; elsewhere nothing is made.
#[test]
fn a_call_is_counted_by_how_it_ended_and_how_long_it_took() {
    let world = World::new();
    let (rail, pod) = (world.rail(1), world.pod("a"));
    let dirs = state::Dirs::under(world.dirs().state.parent().unwrap());
    let plugin = |name: &str| world.plugin(name).netns(pod.path()).container("ab12").ifname("net1");
    let address = rail.address4(10);
    let range = json!({"subnet": rail.subnet4(), "rangeStart": address, "rangeEnd": address});
    let good = config(1, &json!({"type": "rail-ipam", "ranges": [[range]]}));
    let mut bad = good.clone();
    bad["master"] = json!("nic-of-nobody");
    plugin("macvlan").add(&good).success();
    assert!(!world.dirs().state.join("node").exists(), "nobody counts");
    let mut calls = Calls::begin(&dirs).unwrap();
    plugin("macvlan").del(&good).success();
    plugin("macvlan").add(&good).success();
    let code = plugin("macvlan").ifname("net2").add(&bad).error().code;
    // Called by itself, and so a process of its own; its one address is taken.
    plugin("rail-ipam").ifname("net3").run("STATUS", &good).error();
    let found = calls.take().unwrap();
    let told: Vec<_> = found.calls.iter().map(|call| (&*call.plugin, &*call.command, call.code)).collect();
    let code = u32::try_from(code).unwrap();
    let wanted = [
        ("macvlan", "DEL", None),
        ("macvlan", "ADD", None),
        ("macvlan", "ADD", Some(code)),
        ("rail-ipam", "STATUS", Some(50)),
    ];
    assert_eq!(told, wanted);
    let long = Duration::from_secs(60);
    assert!(found.calls.iter().all(|call| !call.took.is_zero() && call.took < long), "{found:?}");
    // An agent that counts no more takes the file away.
    Calls::end(&dirs).unwrap();
    plugin("macvlan").del(&good).success();
    assert_eq!(std::fs::read_dir(world.dirs().state.join("node")).unwrap().count(), 0);
}

fn top(world: &World, args: &[&str]) -> (bool, String, String) {
    let root = world.dirs().scratch.display().to_string();
    let mut command = Command::new(binary("railctl"));
    command
        .args(["top", "--root", &root, "--every", "1"])
        .args(args)
        .env("NO_COLOR", "1")
        .envs(world.dirs().env());
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

#[test]
fn top_shows_the_rail_that_carries_something() {
    let world = World::new();
    let (one, two) = (world.rail(1), world.rail(2));
    let pod = world.pod("a");
    let (done, printed, said) = top(&world, &["--once"]);
    assert_eq!((done, &*printed), (true, "no rail of a pod is on record here\n"), "{said}");
    let proc: PathBuf = world.dirs().scratch.join("proc");
    let _sandbox = sandbox(&world, &proc, &pod, "ab12");
    named(&world, "ab12", "train-0");
    for (rail, ifname) in [(&one, "net1"), (&two, "net2")] {
        let address = rail.address4(10);
        let range = json!({"subnet": rail.subnet4(), "rangeStart": address, "rangeEnd": address});
        let call = world.plugin("macvlan").netns(pod.path()).container("ab12").ifname(ifname);
        call.add(&config(rail.number, &json!({"type": "rail-ipam", "ranges": [[range]]}))).success();
    }
    let gateway = one.gateway4().to_string();
    let ping = ["-q", "-i", "0.01", "-s", "1000", "-I", "net1", &gateway];
    let traffic = pod.run(|| Command::new("ping").args(ping).stdout(Stdio::null()).spawn().unwrap());
    let _traffic = Sandbox(traffic);
    let (before, begun) = (witness(&pod, "net1"), Instant::now());
    let (done, printed, said) = top(&world, &["--once", "-o", "json", "--pod", "ml/train-0"]);
    let (after, seconds) = (witness(&pod, "net1"), begun.elapsed().as_secs_f64());
    assert!(done, "{said}");
    let rows: Value = serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"));
    assert_eq!((&rows[0]["interface"], &rows[0]["device"]), (&json!("net1"), &json!("rail1")), "{printed}");
    assert_eq!(
        (&rows[1]["interface"], &rows[1]["countedBy"]),
        (&json!("net2"), &json!("interface")),
        "{printed}"
    );
    let packets = rows[0]["rate"]["transmitPackets"].as_f64().unwrap();
    let idle = rows[1]["rate"]["transmitPackets"].as_f64().unwrap();
    // What the second of the look carried is some of what was sent around it.
    let sent = f64::from(u32::try_from(after[5] - before[5]).unwrap());
    assert!(packets > 10.0 && packets <= sent, "{packets} of {sent} in {seconds} s");
    assert!(idle < packets / 4.0, "{printed}");
    assert!(rows[0]["rate"]["receiveBytes"].as_f64().unwrap() > 1000.0 * packets / 2.0, "{printed}");
    let (_, printed, _) = top(&world, &["--once"]);
    let lines: Vec<&str> = printed.lines().collect();
    assert!(lines[0].starts_with("POD         RAIL  NIC    RX BIT/S"), "{printed}");
    assert!(lines[1].starts_with("ml/train-0  net1  rail1  "), "{printed}");
    assert_eq!(top(&world, &["--once", "--pod", "ml/other"]).1, "no rail of a pod is on record here\n");
}

#[test]
fn the_map_has_the_rails_of_pods_below_their_nic() {
    let world = World::new();
    let (rail, pod) = (world.rail(1), world.pod("a"));
    named(&world, "ab12", "train-0");
    let address = rail.address4(10);
    let range = json!({"subnet": rail.subnet4(), "rangeStart": address, "rangeEnd": address});
    let call = world.plugin("macvlan").netns(pod.path()).container("ab12").ifname("net1");
    call.add(&config(1, &json!({"type": "rail-ipam", "ranges": [[range]]}))).success();
    let root = world.dirs().scratch.display().to_string();
    let map = |form: &str| {
        let mut command = Command::new(binary("railctl"));
        let output =
            command.args(["map", "--root", &root, "-o", form]).envs(world.dirs().env()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(map("table"), "without an RDMA device\n  NIC rail1\n    net1 of ml/train-0 (macvlan)\n");
    let json: Value = serde_json::from_str(&map("json")).unwrap();
    let wanted = json!([{"kind": "rail", "netdev": "rail1", "pod": "ml/train-0", "interface": "net1", "plugin": "macvlan"}]);
    assert_eq!(json, wanted);
    let picture = map("svg");
    assert!(picture.starts_with("<svg ") && picture.ends_with("</svg>\n"), "{picture}");
    assert!(picture.contains(">net1 of ml/train-0 (macvlan)</text>"), "{picture}");
}

/// As long as somebody reads, and no longer.
#[test]
fn top_ends_with_its_reader() {
    let world = World::new();
    let root = world.dirs().scratch.display().to_string();
    let mut command = Command::new(binary("railctl"));
    command.args(["top", "--root", &root, "--every", "1"]).envs(world.dirs().env()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    let mut lines = [String::new(), String::new(), String::new()];
    for line in &mut lines {
        reader.read_line(line).unwrap();
    }
    let line = "no rail of a pod is on record here\n";
    assert_eq!(lines, [line, "\n", line]);
    drop(reader);
    let ended = eventually(Duration::from_secs(30), || child.try_wait().unwrap());
    assert!(ended.is_some_and(|status| status.success()), "{ended:?}");
}
