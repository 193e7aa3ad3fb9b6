//! Routers on the rails that advertise themselves, where a guest is needed to attach these.

use std::fs;
use std::net::Ipv6Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Space, eventually, pause};
use vm::lab::Pod;

pub(crate) const SOON: Duration = Duration::from_secs(20);
const OFTEN: Duration = Duration::from_millis(100);
/// So many advertisements on each rail are no accident.
const SOME: u64 = 5;

/// What the router of that rail advertises.
pub(crate) fn prefix(rail: usize) -> Ipv6Addr {
    let rail = u16::try_from(rail).expect("one of a few");
    Ipv6Addr::new(0xfd00, 0xaa, rail, 0, 0, 0, 0, 0)
}

/// Runs `work` while the router advertises a prefix of its own on each of its ports.
pub(crate) fn while_advertised<T>(router: &Pod, ports: &[&str], work: impl FnOnce() -> T) -> T {
    let ready = || ports.iter().all(|port| has_settled(router, port)).then_some(());
    eventually(SOON, ready).expect("a router speaks from a link-local address");
    let (over, space) = (AtomicBool::new(false), Space::at(&router.path()));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                ports.iter().enumerate().for_each(|(rail, port)| space.advertise(port, prefix(rail)));
                pause(OFTEN);
            }
        });
        let outcome = work();
        over.store(true, Ordering::Relaxed);
        outcome
    })
}

fn has_settled(router: &Pod, port: &str) -> bool {
    let shown = router.ip(&format!("-6 addr show dev {port} scope link"));
    shown.contains("fe80::") && !shown.contains("tentative")
}

/// Waits until the pod has got so many on each of its interfaces that it would have done by now what they ask for.
#[track_caller]
pub(crate) fn assert_heard(pod: &Pod, ifnames: &[&str]) {
    let space = Space::at(&pod.path());
    for ifname in ifnames {
        let got = || space.run(|| advertisements(ifname));
        let before = got();
        let heard = eventually(SOON, || (got() >= before + SOME).then_some(()));
        assert!(heard.is_some(), "{ifname} got {} advertisements", got() - before);
    }
}

/// In the namespace of the thread, as the interface counts them.
fn advertisements(ifname: &str) -> u64 {
    let shown =
        fs::read_to_string(format!("/proc/thread-self/net/dev_snmp6/{ifname}")).expect("its counters");
    let mut words = shown.split_whitespace().skip_while(|word| *word != "Icmp6InRouterAdvertisements");
    words.nth(1).and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("{ifname}: {shown}"))
}

/// Addresses of the pod that a router brought.
#[track_caller]
pub(crate) fn brought(pod: &Pod) -> Vec<Ipv6Addr> {
    let links: Value =
        serde_json::from_str(&pod.ip("-6 -j addr show scope global dynamic")).expect("ip prints JSON");
    let links = links.as_array().cloned().unwrap_or_default();
    let infos = links.iter().flat_map(|link| link["addr_info"].as_array().into_iter().flatten());
    infos.filter_map(|info| info["local"].as_str()?.parse().ok()).collect()
}

/// It has heard them, and nothing has come of it.
#[track_caller]
pub(crate) fn assert_nothing_brought(pod: &Pod, what: &str) {
    assert_eq!(brought(pod), [Ipv6Addr::UNSPECIFIED; 0], "{what}");
    let routes = pod.ip("-6 -j route show table all proto ra");
    assert_eq!(serde_json::from_str::<Value>(&routes).ok(), Some(json!([])), "{what}");
}
