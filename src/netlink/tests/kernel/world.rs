//! A private namespace per test, and `ip` as the witness.

use std::process::Command;

use netlink::{NewLink, Rtnetlink, link};
use netns::NetNs;
use nix::sched::{CloneFlags, unshare};
use serde_json::Value;

/// Moves the calling thread into a fresh namespace; the thread's end is the namespace's end.
pub(crate) fn enter() -> Rtnetlink {
    unshare(CloneFlags::CLONE_NEWNET).expect("the tests of this crate need root");
    ip("link set lo up");
    Rtnetlink::open().unwrap()
}

/// A further namespace, alive through the handle alone.
pub(crate) fn another() -> NetNs {
    std::thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        NetNs::current().unwrap()
    })
    .join()
    .unwrap()
}

/// A veth pair `m0`-`m1`, both up: the master of the tests. Returns the index of `m0`.
pub(crate) fn master(route: &mut Rtnetlink) -> u32 {
    let peer = link::VethPeer::new("m1");
    let m0 = route.create_link(&NewLink::new("m0", link::NewKind::Veth(peer))).unwrap().unwrap();
    ip("link set m0 up");
    ip("link set m1 up");
    m0.index
}

/// Runs `ip` in the namespace of the calling thread, and expects success.
pub(crate) fn ip(arguments: &str) -> String {
    let output = Command::new("ip").args(arguments.split_whitespace()).output().unwrap();
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What `ip -j -d` says.
pub(crate) fn ip_json(arguments: &str) -> Value {
    let text = ip(&format!("-j -d {arguments}"));
    serde_json::from_str(&text).unwrap_or_else(|_| Value::Array(Vec::new()))
}
