//! `railctl doctor` beside links of the kernel; RDMA devices of a real core are in the VM lab, each check by itself in `src/host`.

#![expect(clippy::unwrap_used, reason = "the functions between the tests are tests too")]
#![expect(clippy::disallowed_methods, reason = "nobody reads a test's own file while it is written")]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::fd::AsRawFd as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use nix::ifaddrs::getifaddrs;
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, sendto, socket};
use nix::unistd::Pid;
use serde_json::Value;
use testkit::{Space, World, assert_same, binary, eventually};

fn doctor(world: &World, args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(binary("railctl"));
    let Output { status, stdout, stderr } =
        command.arg("doctor").args(args).env("NO_COLOR", "1").envs(world.dirs().env()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

/// One RoCE device whose interface is `rail1` of the world, with the GID of 172.16.1.10 at index 3.
fn with_device(world: &World) -> String {
    let root = world.dirs().scratch.join("root");
    let port = "sys/class/infiniband/mlx5_0/ports/1";
    for (path, content) in [
        ("sys/class/infiniband/mlx5_0/node_guid".to_owned(), "0002:c903:0028:7a1c"),
        (format!("{port}/state"), "4: ACTIVE"),
        (format!("{port}/phys_state"), "5: LinkUp"),
        (format!("{port}/link_layer"), "Ethernet"),
        (format!("{port}/gids/3"), "0000:0000:0000:0000:0000:ffff:ac10:010a"),
        (format!("{port}/gid_attrs/types/3"), "RoCE v2"),
        (format!("{port}/gid_attrs/ndevs/3"), "rail1"),
    ] {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    root.display().to_string()
}

fn finding(world: &World, root: &str, check: &str) -> Value {
    let (_, printed, said) = doctor(world, &["--root", root, "-o", "json"]);
    let report: Value =
        serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}{said}"));
    let of = |finding: &&Value| finding["check"] == check;
    report["findings"].as_array().unwrap().iter().find(of).cloned().unwrap_or_default()
}

#[test]
fn a_machine_without_rdma_is_told_in_one_line() {
    let world = World::new();
    let pod = world.bare_pod("a");
    let before = world.snapshot();
    let netns = pod.path().display().to_string();
    let empty = world.dirs().scratch.display().to_string();
    for args in [vec!["--root", empty.as_str()], vec![netns.as_str()], vec!["--pod", "a"]] {
        let (code, printed, _) = doctor(&world, &args);
        assert_eq!((code, printed.lines().count()), (Some(4), 1), "{args:?}: {printed}");
        let (code, printed, _) = doctor(&world, &[&args[..], &["--allow-none"]].concat());
        assert_eq!(code, Some(0), "{printed}");
        assert!(printed.starts_with("no RDMA device in "), "{printed}");
        let (code, printed, said) = doctor(&world, &[&args[..], &["-o", "json"]].concat());
        assert_eq!(code, Some(4), "{said}");
        assert!(said.contains("no RDMA device in "), "{said}");
        let report: Value =
            serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"));
        assert_eq!(report["findings"], Value::Array(Vec::new()), "{printed}");
    }
    assert_same(&before, &world.snapshot());
}

#[test]
fn a_device_is_judged_by_its_interface_in_the_kernel() {
    let world = World::new();
    world.rail(1);
    let root = with_device(&world);
    world.host().ip_do("address add 172.16.1.10/24 dev rail1");
    let gid = finding(&world, &root, "gid");
    assert_eq!((&gid["level"], &gid["value"]), (&"good".into(), &"RoCE v2 GID index 3".into()), "{gid}");
    assert_eq!(finding(&world, &root, "mtu")["value"], "9000");
    world.host().ip_do("link set rail1 mtu 1500\naddress delete 172.16.1.10/24 dev rail1\naddress add 172.16.1.11/24 dev rail1");
    let gid = finding(&world, &root, "gid");
    assert_eq!((&gid["level"], &gid["value"]), (&"error".into(), &"no RoCE v2 GID".into()), "{gid}");
    assert_eq!(finding(&world, &root, "mtu")["level"], "warning");
    let (code, printed, _) = doctor(&world, &["--root", &root]);
    assert_eq!(code, Some(3), "{printed}");
    for said in ["✗ gid", "wanted: an entry for 172.16.1.11", "cure:   ip link set rail1 down", "! mtu"] {
        assert!(printed.contains(said), "{said:?} is not in\n{printed}");
    }
}

#[test]
fn the_nodes_file_is_compared_too() {
    let world = World::new();
    world.rail(1);
    let root = with_device(&world);
    fs::write(world.dirs().config.join("host.yaml"), "nics: [{name: rail1, mtu: 4200}]").unwrap();
    let found = finding(&world, &root, "hostFile");
    assert_eq!(
        (&found["level"], &found["value"]),
        (&"error".into(), &"rail1: mtu is 9000, wanted is 4200".into())
    );
    world.host().ip_do("link set rail1 mtu 4200");
    assert_eq!(finding(&world, &root, "hostFile"), Value::Null);
    fs::write(world.dirs().config.join("host.yaml"), "nics: [{nam: rail1}]").unwrap();
    let (code, _, said) = doctor(&world, &["--root", &root]);
    assert_eq!(code, Some(1));
    assert!(said.contains("nics[0].nam: means nothing here; write \"name\""), "{said}");
}

#[test]
fn a_pod_that_nobody_knows_is_refused() {
    let world = World::new();
    let (code, _, said) = doctor(&world, &["--pod", "ml/worker-0"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("nothing is on record for \"ml/worker-0\""), "{said}");
}

fn findings(printed: &str, check: &str) -> Vec<Value> {
    let report: Value = serde_json::from_str(printed).unwrap_or_else(|error| panic!("{error}: {printed}"));
    let all = report["findings"].as_array().unwrap().iter();
    all.filter(|finding| finding["check"] == check).cloned().collect()
}

#[test]
fn a_rail_asks_its_gateway_and_whom_it_is_told() {
    let world = World::new();
    world.rail(1);
    let root = with_device(&world);
    world.host().ip_do(
        "address add 172.16.1.10/24 dev rail1\nroute add default via 172.16.1.254 dev rail1 table 151",
    );
    let (code, printed, said) =
        doctor(&world, &["--root", &root, "-o", "json", "--ping", "--peers", "172.16.1.77"]);
    assert_eq!(code, Some(3), "{said}");
    let pings = findings(&printed, "ping");
    assert_eq!(pings[0]["subject"], "rail1 172.16.1.10 to 172.16.1.254", "{printed}");
    assert_eq!(pings[0]["level"], "good", "{printed}");
    assert!(pings[0]["value"].as_str().unwrap().ends_with(" ms"), "{printed}");
    assert_eq!((&pings[1]["level"], &pings[1]["value"]), (&"error".into(), &"no answer within 3 s".into()));
    assert!(findings(&doctor(&world, &["--root", &root, "-o", "json"]).1, "ping").is_empty(), "unless asked");
}

#[test]
fn a_rail_asks_by_both_families() {
    let world = World::new();
    world.rail(1);
    let root = with_device(&world);
    // With duplicate address detection, which it has to outwait.
    world.host().ip_do(
        "address add fd00:16:1::10/64 dev rail1\nroute add ::/0 via fd00:16:1::fe dev rail1 table 151\n\
         address add 172.16.1.10/24 dev rail1",
    );
    let peers = "fd00:16:1::77,172.16.1.254";
    let (code, printed, said) = doctor(&world, &["--root", &root, "-o", "json", "--ping", "--peers", peers]);
    assert_eq!(code, Some(3), "{said}");
    let pings = findings(&printed, "ping");
    let told: Vec<_> = pings.iter().map(|ping| [&ping["subject"], &ping["level"]]).collect();
    let told: Vec<_> = told.into_iter().flatten().map(|value| value.as_str().unwrap()).collect();
    let wanted = [
        "rail1 172.16.1.10 to 172.16.1.254",
        "good",
        "rail1 fd00:16:1::10 to fd00:16:1::fe",
        "good",
        "rail1 fd00:16:1::10 to fd00:16:1::77",
        "error",
    ];
    assert_eq!(told, wanted, "{printed}");
}

/// An LLDP frame of the switch of that name.
fn lldp(name: &str) -> Vec<u8> {
    let mut frame = vec![0x01, 0x80, 0xc2, 0, 0, 0x0e, 2, 0, 0, 0, 0, 9, 0x88, 0xcc];
    for (kind, value) in
        [(1_u8, &b"\x04\x02\0\0\0\0\x09"[..]), (2, b"\x05Ethernet1/3"), (3, &[0, 120]), (5, name.as_bytes())]
    {
        frame.extend([kind << 1, u8::try_from(value.len()).unwrap()]);
        frame.extend(value);
    }
    frame.extend([0, 0]);
    frame
}

fn send(from: &Space, ifname: &str, frame: &[u8]) {
    from.run(|| {
        let mut link = getifaddrs().unwrap().filter(|entry| entry.interface_name == ifname);
        let address: LinkAddr = link.find_map(|entry| entry.address?.as_link_addr().copied()).unwrap();
        let socket =
            socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::EthAll)
                .unwrap();
        sendto(socket.as_raw_fd(), frame, &address, MsgFlags::empty()).unwrap();
    });
}

fn takes_lldp(world: &World, nic: &str) -> bool {
    let output = world.host().exec(&["bridge", "fdb", "show", "dev", nic]);
    String::from_utf8(output.stdout).unwrap().contains("01:80:c2:00:00:0e")
}

#[test]
fn rails_in_each_others_switch_are_named_and_nothing_is_left_of_the_ear() {
    let world = World::new();
    let rails = [world.rail(1), world.rail(2)];
    let root = with_device(&world);
    let file = "nics: [{name: rail1, leaf: leaf1}, {name: rail2, leaf: leaf2}]";
    fs::write(world.dirs().config.join("host.yaml"), file).unwrap();
    let before = world.snapshot();
    let mut command = Command::new(binary("railctl"));
    command.args(["doctor", "--root", &root, "-o", "json", "--leaf"]).envs(world.dirs().env());
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let listens = || (takes_lldp(&world, "rail1") && takes_lldp(&world, "rail2")).then_some(());
    eventually(Duration::from_secs(20), listens).expect("both NICs take LLDP in");
    // What is no word of a switch is passed over.
    send(world.switch(), &rails[0].port, &lldp("leaf9")[..30]);
    let ended = eventually(Duration::from_secs(30), || {
        send(world.switch(), &rails[0].port, &lldp("leaf2"));
        send(world.switch(), &rails[1].port, &lldp("leaf1"));
        child.try_wait().unwrap()
    });
    assert_eq!(ended.and_then(|status| status.code()), Some(3));
    let printed = std::io::read_to_string(child.stdout.take().unwrap()).unwrap();
    let leaves = findings(&printed, "leaf");
    assert_eq!(leaves[0]["value"], "leaf2, port Ethernet1/3", "{printed}");
    assert_eq!(leaves[0]["wanted"], "leaf1, as the file says");
    assert_eq!(leaves[0]["cure"], "swap the cables of rail1 and rail2: each is in the other's switch");
    assert_eq!(leaves[1]["level"], "error", "{printed}");
    assert!(!takes_lldp(&world, "rail1") && !takes_lldp(&world, "rail2"));
    assert_same(&before, &world.snapshot());
}

#[test]
fn who_is_interrupted_while_he_listens_leaves_nothing_either_on_a_wire_that_is_never_silent() {
    let world = World::new();
    let rail = world.rail(1);
    let root = with_device(&world);
    let before = world.snapshot();
    let mut command = Command::new(binary("railctl"));
    command.args(["doctor", "--root", &root, "--leaf"]).envs(world.dirs().env());
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    eventually(Duration::from_secs(20), || takes_lldp(&world, "rail1").then_some(())).expect("it listens");
    kill(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGINT).unwrap();
    let ended = eventually(Duration::from_secs(20), || {
        for _ in 0..200 {
            send(world.switch(), &rail.port, &lldp("leaf9")[..30]);
        }
        child.try_wait().unwrap()
    });
    assert_eq!(ended.and_then(|status| status.signal()), Some(2), "{ended:?}: as by a signal");
    assert!(!takes_lldp(&world, "rail1"));
    assert_same(&before, &world.snapshot());
}

#[test]
fn a_watch_prints_again_what_has_changed() {
    let world = World::new();
    world.rail(1);
    let root = with_device(&world);
    // A look comes every 15 seconds: one that says nothing new for a minute is ended.
    let mut command = Command::new("timeout");
    command.arg("60").arg(binary("railctl"));
    command.args(["doctor", "--root", &root, "--watch"]).env("NO_COLOR", "1").envs(world.dirs().env());
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    lines.by_ref().find(|line| line.contains("✓ mtu")).expect("the first report");
    world.host().ip_do("link set rail1 mtu 1500");
    lines.by_ref().find(|line| line.contains("! mtu")).expect("the second");
    drop(lines);
    let ended = eventually(Duration::from_secs(60), || child.try_wait().unwrap());
    // As the last report says; or as one whose reader goes while it is being printed.
    let code = ended.and_then(|status| status.code());
    assert!(matches!(code, Some(0 | 3)), "{ended:?}");
}
