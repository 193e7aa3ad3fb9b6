//! Pools of the cluster: what the agent has granted to this node, and what becomes of an ADD that finds nothing left of it.

mod sticky;

use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Child;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ipam::Granted;
use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket};
use serde_json::{Value, json};
use state::{BootId, Dirs};

use crate::node::{Node, Outcome, network, pool, using};

fn granted(epoch: i64, ips: &[&str]) -> Granted {
    let spec = json!({"subnet": "172.16.1.0/24", "gateway": "172.16.1.254", "ips": ips});
    let pool =
        json!({"kind": "SpiderIPPool", "metadata": {"name": "shared"}, "spec": spec, "status": {"free": 3}});
    let (node, boot) = ("n1".to_owned(), BootId::current().ok());
    Granted { node, epoch, boot, pools: vec![pool], memory: Value::Null }
}

fn write(node: &Node, granted: &Granted) {
    granted.write(&Dirs::under(&node.path(""))).unwrap();
}

/// A node with these addresses of the pool `shared`.
fn node(ips: &[&str]) -> Node {
    let node = Node::new();
    write(&node, &granted(1, ips));
    node
}

fn shared(wait: u64) -> Value {
    network(&json!({"ippools": {"ipv4": ["shared"]}, "waitForGrant": wait}))
}

/// What stands in for the agent: it takes one question, and does something about it.
fn agent<T: Send + 'static>(
    node: &Node,
    act: impl FnOnce(String, &mut UnixStream) -> T + Send + 'static,
) -> JoinHandle<T> {
    let socket = node.path("state/node/want");
    let _ = std::fs::remove_file(&socket);
    let listener = UnixListener::bind(socket).unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut line = String::new();
        BufReader::new(stream.try_clone().unwrap()).read_line(&mut line).unwrap();
        act(line, &mut stream)
    })
}

/// Code and message, and how long it took.
fn refusal(node: &Node, wait: u64) -> (u64, String, Duration) {
    let since = Instant::now();
    let (code, message) = node.refusal("late", &shared(wait));
    (code, message, since.elapsed())
}

#[test]
fn what_is_granted_is_handed_out_beside_the_nodes_own_pools() {
    let node = node(&["172.16.1.7-172.16.1.8"]);
    node.put("config/pools.d/own.yaml", &pool("own", "{subnet: 10.0.0.0/24, ips: [10.0.0.2]}"));
    let outcome = node.run("ADD", "a", &shared(10));
    assert_eq!(outcome.ips(), ["172.16.1.7/24"]);
    assert_eq!(outcome.answer["ips"][0]["gateway"], "172.16.1.254");
    assert_eq!(node.add("b", &using(&["own"])), ["10.0.0.2/24"]);
    assert!(node.run("STATUS", "", &shared(10)).ok);
}

#[test]
fn a_pool_of_the_cluster_and_one_of_the_node_do_not_share_a_name_or_addresses() {
    let node = node(&["172.16.1.7-172.16.1.8"]);
    node.put("config/pools.d/a.yaml", &pool("other", "{subnet: 172.16.1.0/24, ips: [172.16.1.8]}"));
    let (code, message) = node.refusal("a", &using(&["other"]));
    assert!(code == 7 && message.contains("overlaps") && message.contains("shared"), "{message}");
    assert_eq!(node.add("a", &shared(10)), ["172.16.1.7/24"]);
    node.put("config/pools.d/a.yaml", &pool("shared", "{subnet: 10.0.0.0/24, ips: [10.0.0.2]}"));
    let (code, message) = node.refusal("b", &shared(10));
    assert!(code == 7 && message.contains("node/grants") && message.contains("a.yaml"), "{message}");
}

/// What of a shared subnet is not granted here, is another node's.
#[test]
fn no_config_and_no_file_takes_an_address_of_a_subnet_that_the_cluster_shares_out() {
    let node = node(&["172.16.1.7-172.16.1.8"]);
    let subnet = json!({"name": "mine", "subnet": "172.16.1.0/24", "ips": ["172.16.1.30"]});
    let within = json!({"name": "mine", "subnet": "172.16.1.128/25", "ips": ["172.16.1.130"]});
    let around = json!({"name": "mine", "subnet": "172.16.0.0/16", "ips": ["172.16.1.30"]});
    let inline = [subnet, within, around].map(|pool| json!({"pools": [pool]}));
    let range = |subnet: &str, start: &str, end: &str| json!({"subnet": subnet, "rangeStart": start, "rangeEnd": end});
    let ranges = [
        range("172.16.1.0/24", "172.16.1.30", "172.16.1.31"),
        range("172.16.0.0/16", "172.16.0.9", "172.16.1.0"),
        json!({"ranges": [[{"subnet": "10.0.0.0/24"}], [{"subnet": "172.16.1.128/25"}]]}),
    ];
    for ipam in inline.iter().chain(&ranges) {
        let (code, message) = node.refusal("a", &network(ipam));
        assert!(code == 7 && message.contains("overlaps") && message.contains("\"shared\""), "{message}");
    }
    node.put("config/pools.d/a.yaml", &pool("own", "{subnet: 172.16.1.0/24, ips: [172.16.1.30]}"));
    let (code, message) = node.refusal("a", &using(&["own"]));
    assert!(code == 7 && message.contains("overlaps") && message.contains("\"shared\""), "{message}");
    assert_eq!(
        node.add("b", &network(&range("172.16.0.0/16", "172.16.0.9", "172.16.0.9"))),
        ["172.16.0.9/16"]
    );
    assert_eq!(node.add("a", &shared(0)), ["172.16.1.7/24"]);
}

#[test]
fn within_the_grant_no_agent_is_asked() {
    let node = node(&["172.16.1.7-172.16.1.8"]);
    let log = node.path("calls");
    for container in ["a", "b"] {
        let trace =
            format!("exec /usr/bin/strace -qq -o {} -e trace=%network,openat,?open \"$0\"", log.display());
        node.call("ADD", container, &shared(10)).under(&trace).run().ips();
        let calls = std::fs::read_to_string(&log).unwrap();
        assert!(calls.contains("AF_NETLINK") && calls.contains("node/grants"), "{calls}");
        let sockets = calls.lines().filter(|line| line.starts_with("socket("));
        assert!(
            sockets.into_iter().all(|line| line.contains("AF_NETLINK")) && !calls.contains("connect("),
            "{calls}"
        );
    }
    let trace = format!("exec /usr/bin/strace -qq -o {} -e trace=%network \"$0\"", log.display());
    assert!(node.call("DEL", "a", &shared(10)).under(&trace).run().ok);
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "");
}

#[test]
fn an_add_that_finds_nothing_waits_for_more_with_the_lock_free() {
    let node = node(&["172.16.1.7"]);
    node.add("a", &shared(10));
    let (dirs, home) = (Dirs::under(&node.path("")), node.path("state/ipam/lock"));
    let asked = agent(&node, move |line, stream| {
        // Whoever wants to release an address meanwhile can.
        drop(state::Lock::acquire(&home, Duration::ZERO).unwrap());
        granted(2, &["172.16.1.7", "172.16.1.20"]).write(&dirs).unwrap();
        writeln!(stream, "granted 2").unwrap();
        line
    });
    assert_eq!(node.add("b", &shared(10)), ["172.16.1.20/24"]);
    let line = asked.join().unwrap();
    let patience: u64 = line.strip_prefix("want shared 1 ").unwrap().trim_end().parse().unwrap();
    assert!((8_000..10_000).contains(&patience), "{line}");
}

#[test]
fn of_several_pools_the_ones_of_the_cluster_are_asked_for_in_turn() {
    let node = Node::new();
    let mut two = granted(1, &[]);
    let mut second = two.pools[0].clone();
    (second["metadata"]["name"], second["spec"]["ips"]) = ("second".into(), json!([]));
    two.pools.push(second);
    write(&node, &two);
    let (dirs, socket) = (Dirs::under(&node.path("")), node.path("state/node/want"));
    let listener = UnixListener::bind(socket).unwrap();
    let asked = thread::spawn(move || {
        let mut lines = Vec::new();
        for answer in ["none nobody can spare one", "granted 2"] {
            let (mut stream, _) = listener.accept().unwrap();
            let mut line = String::new();
            BufReader::new(stream.try_clone().unwrap()).read_line(&mut line).unwrap();
            if answer.starts_with("granted") {
                two.pools[1]["spec"]["ips"] = json!(["172.16.1.9"]);
                two.write(&dirs).unwrap();
            }
            writeln!(stream, "{answer}").unwrap();
            lines.push(line.split(' ').nth(1).unwrap().to_owned());
        }
        lines
    });
    assert_eq!(node.add("a", &using(&["shared", "second"])), ["172.16.1.9/24"]);
    assert_eq!(asked.join().unwrap(), ["shared", "second"]);
}

#[test]
fn what_was_given_back_after_the_pools_were_read_is_not_handed_out() {
    let node = node(&["172.16.1.7"]);
    std::fs::create_dir_all(node.path("state/ipam")).unwrap();
    let held = state::Lock::acquire(&node.path("state/ipam/lock"), Duration::ZERO).unwrap();
    let waits = |child: &Child| {
        std::fs::read_dir(format!("/proc/{}/fd", child.id())).is_ok_and(|files| {
            files.flatten().any(|file| file.path().read_link().is_ok_and(|to| to.ends_with("ipam/lock")))
        })
    };
    let child = node.call("ADD", "a", &shared(0)).spawn();
    testkit::eventually(Duration::from_secs(30), || waits(&child).then_some(()))
        .expect("it waits for the lock");
    write(&node, &granted(2, &["172.16.1.9"]));
    drop(held);
    assert_eq!(Outcome::of(child).ips(), ["172.16.1.9/24"]);
}

#[test]
fn without_an_agent_the_error_says_so_at_once_with_all_figures() {
    let node = node(&["172.16.1.7"]);
    node.add("a", &shared(10));
    let (code, message, took) = refusal(&node, 10);
    assert_eq!(code, 11, "{message}");
    assert!(took < Duration::from_secs(5), "{took:?}");
    let pool =
        "pool \"shared\" (172.16.1.0/24) of which this node has 1, and no node had 3 at the last grant";
    assert!(
        message.starts_with(&format!("no address is left in {pool}, and no more were granted: ")),
        "{message}"
    );
    assert!(message.contains("no raild agent listens at") && message.contains("node/want"), "{message}");
    // It is not this node that has none: another pod may be given one.
    assert!(node.run("STATUS", "", &shared(10)).ok);
    node.del("a", &shared(10));
    assert_eq!(node.add("b", &shared(10)), ["172.16.1.7/24"]);
}

#[test]
fn a_node_that_was_granted_nothing_yet_asks_for_its_first_address() {
    let node = node(&[]);
    let dirs = Dirs::under(&node.path(""));
    let asked = agent(&node, move |_, stream| {
        granted(2, &["172.16.1.30"]).write(&dirs).unwrap();
        writeln!(stream, "granted 2").unwrap();
    });
    assert_eq!(node.add("a", &shared(10)), ["172.16.1.30/24"]);
    asked.join().unwrap();
}

#[test]
fn an_agent_that_hangs_holds_nobody_beyond_the_deadline() {
    let node = node(&[]);
    let hung = agent(&node, |_, stream| {
        let mut rest = String::new();
        // Until the plugin hangs up.
        BufReader::new(stream).read_line(&mut rest).unwrap();
    });
    let (code, message, took) = refusal(&node, 2);
    assert!(code == 11 && message.contains("did not answer within 2.0 s"), "{message}");
    assert!((Duration::from_secs(2)..Duration::from_secs(8)).contains(&took), "{took:?}");
    hung.join().unwrap();
}

#[test]
fn an_agent_whose_backlog_is_full_holds_nobody_either() {
    let node = node(&[]);
    let path = node.path("state/node/want");
    let listener = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).unwrap();
    bind(listener.as_raw_fd(), &UnixAddr::new(&path).unwrap()).unwrap();
    listen(&listener, Backlog::new(1).unwrap()).unwrap();
    // Nobody accepts: the kernel takes two, and lets everybody else wait.
    let crowd = [UnixStream::connect(&path).unwrap(), UnixStream::connect(&path).unwrap()];
    let (code, message, took) = refusal(&node, 1);
    assert!(code == 11 && message.contains("raild agent at"), "{message}");
    assert!(took < Duration::from_secs(8), "{took:?}");
    drop((listener, crowd));
}

#[test]
fn an_agent_that_answers_too_late_or_drips_is_not_waited_for() {
    let node = node(&[]);
    let slow = agent(&node, |_, stream| {
        // A letter now and then, and never an end.
        while stream.write_all(b"g").is_ok() {
            testkit::pause(Duration::from_millis(300));
        }
    });
    let (code, message, took) = refusal(&node, 1);
    assert!(code == 11 && message.contains("did not answer"), "{message}");
    assert!(took < Duration::from_secs(7), "{took:?}");
    slow.join().unwrap();
}

#[test]
fn an_agent_that_talks_nonsense_is_quoted() {
    for said in [&b"error expected: want POOL N MS\n"[..], b"\xff\xfe\x00\x1b[2J\n", &[b'x'; 4096]] {
        let node = node(&[]);
        let asked = agent(&node, move |_, stream| {
            let _ = stream.write_all(said);
        });
        let (code, message, _) = refusal(&node, 10);
        assert!(code == 11 && message.contains("which is none of its answers"), "{message}");
        assert!(message.len() < 2_048 && !message.contains('\u{1b}'), "{message}");
        asked.join().unwrap();
    }
    let node = node(&[]);
    let asked = agent(&node, |_, _| ());
    let (code, message, _) = refusal(&node, 10);
    assert!(code == 11 && message.contains("it hung up"), "{message}");
    asked.join().unwrap();
}

#[test]
fn the_agents_last_word_is_the_end_of_the_error() {
    let node = node(&[]);
    let asked =
        agent(&node, |_, stream| writeln!(stream, "none it last heard the API server 7 s ago").unwrap());
    let (code, message, _) = refusal(&node, 10);
    assert!(code == 11 && message.contains("granted: it last heard the API server 7 s ago"), "{message}");
    asked.join().unwrap();
    let (code, message, took) = refusal(&node, 0);
    assert!(code == 11 && message.contains("ipam.waitForGrant is 0 s"), "{message}");
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn an_agent_that_promises_what_is_not_there_does_not_keep_an_add_for_ever() {
    let node = node(&[]);
    let listener = UnixListener::bind(node.path("state/node/want")).unwrap();
    let liar = thread::spawn(move || {
        let mut counts = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut line = String::new();
            BufReader::new(stream.try_clone().unwrap()).read_line(&mut line).unwrap();
            if line == "end\n" {
                return counts;
            }
            // Its time was over before it could ask.
            let Some(count) = line.split(' ').nth(2) else { continue };
            counts.push(count.parse::<u64>().unwrap());
            // Whose time is over does not listen any more.
            let _ = writeln!(stream, "granted 1");
        }
        counts
    });
    let (code, _, took) = refusal(&node, 1);
    assert!(code == 11 && took < Duration::from_secs(7), "{took:?}");
    writeln!(UnixStream::connect(node.path("state/node/want")).unwrap(), "end").unwrap();
    // Each time it asks for one more: what is free there is nothing that it can use.
    let counts = liar.join().unwrap();
    assert!(counts.len() > 1 && counts.iter().zip(1..).all(|(count, index)| *count == index), "{counts:?}");
}

#[test]
fn damaged_grants_and_those_of_another_node_or_boot_give_nothing() {
    let node = node(&["172.16.1.7-172.16.1.9"]);
    node.add("a", &shared(0));
    let path = node.path("state/node/grants");
    let whole = std::fs::read(&path).unwrap();
    state::file::replace(&path, &whole[..whole.len() - 9]).unwrap();
    let (code, message, _) = refusal(&node, 0);
    assert!(code == 5 && message.contains("node/grants are damaged (its checksum is wrong)"), "{message}");

    write(&node, &Granted { node: "n2".to_owned(), ..granted(1, &["172.16.1.8"]) });
    let (code, message, _) = refusal(&node, 0);
    assert!(code == 5 && message.contains("are of node \"n2\", and this is \"n1\""), "{message}");

    write(&node, &Granted { boot: Some(BootId::new("before")), ..granted(1, &["172.16.1.8"]) });
    let (code, message, _) = refusal(&node, 0);
    assert!(code == 11 && message.contains("have not been confirmed since this boot"), "{message}");
    // Whatever is wrong with them, a pod can go.
    node.del("a", &shared(0));
    write(&node, &granted(2, &["172.16.1.7"]));
    assert_eq!(node.add("b", &shared(0)), ["172.16.1.7/24"]);
}

#[test]
fn an_address_that_is_asked_for_by_name_has_to_be_this_nodes() {
    let node = node(&["172.16.1.7"]);
    let mut config = shared(0);
    config["args"] = json!({"cni": {"ips": ["172.16.1.99"]}});
    let (code, message) = node.refusal("a", &config);
    assert!(
        code == 7 && message.contains("not among the addresses that the cluster has granted to this node"),
        "{message}"
    );
}
