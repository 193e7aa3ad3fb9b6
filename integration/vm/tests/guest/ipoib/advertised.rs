//! Routers in the partition: no multicast of IPv6 reaches a child in the lab, so the kernel's own word has to do.

use vm::lab::Pod;

use super::identity::{WAYS, call};
use super::parent;

#[test]
fn a_child_hears_no_router() {
    let master = parent(0);
    for way in WAYS {
        let pod = Pod::new();
        let call = call(way, &master, &pod, "first");
        call.run("ADD");
        for (ifname, accepts) in [("net1", "0"), ("lo", "1")] {
            let shown = pod.run(&["cat", &format!("/proc/sys/net/ipv6/conf/{ifname}/accept_ra")]);
            assert_eq!(shown.trim(), accepts, "{way}: {ifname}");
        }
        call.run("DEL");
    }
}
