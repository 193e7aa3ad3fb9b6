//! What a pod can leave on the interface that it was lent.

use std::io::Write;

use netlink::{Bits, Ethtool, Features, Rtnetlink};
use netns::NetNs;
use netns_tests::program::passes_everything;
use serde_json::json;
use vm::lab::{Pod, Vf, ip, run, vf};

use super::call::{Call, sriov};
use super::state::{State, assert_untouched, returned};
use super::upgrade::{attached_by_the_peer, detached_by_the_peer};

/// A program that passes every packet, as an object that `ip` can load.
fn program() -> &'static str {
    const OBJECT: &str = "/run/pass.o";
    std::fs::File::create(OBJECT)
        .and_then(|mut file| file.write_all(passes_everything()))
        .expect("the object");
    OBJECT
}

/// All that can be said in one breath.
fn litter(pod: &Pod) {
    pod.ip_do(
        "link set dev net1 promisc on\nlink set dev net1 allmulticast on\nlink set dev net1 group 42\n\
         link set dev net1 alias evil\nlink set dev net1 txqueuelen 7\nlink set dev net1 mtu 1280\n\
         link set dev net1 gso_max_size 20000\nlink set dev net1 gso_max_segs 7\nlink set dev net1 gro_max_size 30000\n\
         link set dev net1 arp off\nlink set dev net1 multicast off\nlink set dev net1 mode dormant\n\
         link property add dev net1 altname evil0 altname evil-with-a-name-that-is-longer\n",
    );
    pod.ip(&format!("link set dev net1 xdpgeneric obj {} sec xdp", program()));
}

fn attached(vf: &Vf, pod: &Pod) -> Call {
    let call = sriov(vf, pod, &json!({}));
    call.run("ADD");
    call
}

#[test]
fn nothing_of_it_comes_home() {
    for kill_pod in [false, true] {
        let (vf, pod) = (vf(6, 1), Pod::new());
        let before = State::of(&vf);
        let call = attached(&vf, &pod);
        litter(&pod);
        let pod = (!kill_pod).then_some(pod);
        call.run("DEL");
        assert_untouched(&vf, &before);
        drop(pod);
    }
}

/// The host's own settings are the host's.
#[test]
fn what_the_host_had_set_comes_back() {
    let (vf, pod) = (vf(6, 2), Pod::new());
    let name = vf.ifname();
    ip(&format!("link set dev {name} group 9 txqueuelen 500 alias rail6"));
    ip(&format!("link set dev {name} gso_max_segs 1000"));
    let before = State::of(&vf);
    let call = attached(&vf, &pod);
    let inside = pod.link("net1");
    assert_eq!((&inside["group"], &inside["ifalias"]), (&json!("default"), &json!(null)), "{inside}");
    litter(&pod);
    call.run("DEL");
    assert_untouched(&vf, &before);
    ip(&format!("link set dev {name} group 0 txqueuelen 1000 gso_max_segs 65535"));
    run(&["ip", "link", "set", "dev", &name, "alias", ""]);
}

/// The peer cleans nothing, and has no word of what there was.
#[test]
fn the_next_pod_gets_a_clean_interface_after_one_of_the_peer() {
    for with_cache in [true, false] {
        let (vf, dead) = (vf(6, 3), Pod::new());
        let before = State::of(&vf);
        attached_by_the_peer(&vf, &dead);
        litter(&dead);
        if !with_cache {
            detached_by_the_peer(&vf, &dead, &before);
        }
        drop(dead);
        returned(&vf);
        let pod = Pod::new();
        let call = attached(&vf, &pod);
        let inside = pod.link("net1");
        assert_eq!(
            (&inside["group"], &inside["ifalias"], &inside["xdp"]),
            (&json!("default"), &json!(null), &json!(null))
        );
        assert_eq!((&inside["promiscuity"], &inside["allmulti"]), (&json!(0), &json!(0)), "{inside}");
        let flags = inside["flags"].to_string();
        assert!(!flags.contains("PROMISC") && !flags.contains("ALLMULTI"), "{flags}");
        call.run("DEL");
        assert!(State::of(&vf).name() == before.name() && vf.attributes() == *before.attributes());
        vf.rebind();
    }
}

fn offloads(netns: &NetNs, ifname: &str) -> (Ethtool, u32) {
    let link =
        Rtnetlink::open_in(netns).expect("a socket").link_by_name(ifname).expect("look").expect("the link");
    (Ethtool::open_in(netns).expect("a socket"), link.index)
}

#[test]
fn offloads_that_the_pod_switched_off_are_on_again() {
    for kill_pod in [false, true] {
        let (vf, pod) = (vf(7, 0), Pod::new());
        let host = NetNs::current().expect("the host");
        let (mut ethtool, index) = offloads(&host, &vf.ifname());
        let before = ethtool.features(index).expect("offloads");
        let call = attached(&vf, &pod);
        let (mut inside, index) = offloads(&NetNs::open(&pod.path()).expect("the pod"), "net1");
        let none = Features { wanted: Bits::default(), ..before.clone() };
        inside.set_features(index, &none).expect("switched off");
        assert_ne!(inside.features(index).expect("offloads").wanted, before.wanted);
        let pod = (!kill_pod).then_some(pod);
        drop(inside);
        call.run("DEL");
        let (mut ethtool, index) = offloads(&host, &vf.ifname());
        assert_eq!(ethtool.features(index).expect("offloads"), before);
        drop(pod);
    }
}

/// Its host name, taken by a VF that comes home before it, as the name or an alternative one.
#[test]
fn a_name_that_another_pods_vf_brought_home_goes_to_the_vf_whose_it_is() {
    for line in ["link property add dev net1 altname {}", "link set dev net1 name {}"] {
        let (thief, absent) = (vf(7, 1), vf(7, 2));
        let before = [State::of(&thief), State::of(&absent)];
        let (hostile, pod) = (Pod::new(), Pod::new());
        let calls = [attached(&thief, &hostile), attached(&absent, &pod)];
        hostile.ip("link set dev net1 down");
        hostile.ip(&line.replace("{}", before[1].name()));
        drop(hostile);
        returned(&thief);
        calls[1].run("DEL");
        assert_eq!(State::of(&absent), before[1], "{line}");
        calls[0].run("DEL");
        assert_untouched(&thief, &before[0]);
    }
}

/// They stay on it when it moves, and the next pod's frames would reach them.
#[test]
fn links_that_the_pod_has_made_on_it_do_not_outlive_its_return() {
    for kind in ["macvlan mode bridge", "ipvlan mode l2", "vlan id 7"] {
        for nest in [false, true] {
            let (vf, pod, nested) = (vf(7, 3), Pod::new(), Pod::new());
            let before = State::of(&vf);
            let call = attached(&vf, &pod);
            pod.ip(&format!("link add link net1 name sib type {kind}"));
            let at = if nest { &nested } else { &pod };
            if nest {
                pod.ip(&format!("link set dev sib netns {}", nested.name()));
            }
            at.ip("link set dev sib up");
            call.run("DEL");
            assert!(at.links().is_empty(), "{kind}, nested: {nest}: {:?}", at.links());
            // What they had it listen to, the kernel counts again when it comes up (`__dev_set_rx_mode`).
            ip(&format!("link set dev {} up", before.name()));
            ip(&format!("link set dev {} down", before.name()));
            assert_untouched(&vf, &before);
        }
    }
}
