//! Links.
use std::os::fd::AsFd;

use netlink::link::{LinkKind, MacVlanMode, Macvlan, NewKind, VethPeer};
use netlink::{HwAddr, Ipv4Conf, LinkChange, NewLink, Rtnetlink};
use serde_json::json;

use crate::world;

fn macvlan<'a>(name: &str, parent: u32) -> NewLink<'a> {
    let kind = NewKind::Macvlan(Macvlan::new(MacVlanMode::Bridge));
    NewLink { parent: Some(parent), ..NewLink::new(name, kind) }
}

#[test]
fn lookup_by_name_alt_name_and_index() {
    let mut route = world::enter();
    let index = world::master(&mut route);
    let long = "a-name-that-is-longer-than-fifteen-bytes";
    route.add_alt_name(index, long).unwrap();
    route.add_alt_name(index, "short").unwrap();
    for name in ["m0", "short", long] {
        let link = route.link_by_name(name).unwrap().unwrap();
        assert_eq!((link.index, link.name.as_str()), (index, "m0"));
        assert!(link.is_called(name));
    }
    assert_eq!(route.link_by_index(index).unwrap(), route.link_by_name("m0").unwrap());
    assert_eq!(world::ip_json("link show m0")[0]["altnames"], json!([long, "short"]));
    route.delete_alt_name(index, long).unwrap();
    assert_eq!(route.link_by_name(long).unwrap(), None);
    assert!(route.delete_alt_name(index, long).is_err());
}

#[test]
fn absent_and_impossible_names_are_no_error() {
    let mut route = world::enter();
    let longest = "x".repeat(127);
    let too_long = "x".repeat(128);
    for name in ["nowhere", "", "with\0nul", "a-name-longer-than-fifteen", &longest, &too_long] {
        assert_eq!(route.link_by_name(name).unwrap(), None, "{name:?}");
    }
    assert_eq!(route.link_by_index(4711).unwrap(), None);
}

#[test]
fn lo_reads_as_ip_shows_it() {
    let mut route = world::enter();
    let lo = route.link_by_name("lo").unwrap().unwrap();
    assert_eq!((lo.index, lo.mtu, lo.kind.clone(), lo.parent), (1, 65536, LinkKind::Device, None));
    assert!(lo.is_up() && lo.is_running() && lo.has_carrier());
    assert!(lo.address.unwrap().is_zero());
    assert_eq!(lo.hardware_type, 772);
}

#[test]
fn links_lists_them_all() {
    let mut route = world::enter();
    world::master(&mut route);
    let names: Vec<String> = route.links().unwrap().into_iter().map(|link| link.name).collect();
    assert_eq!(names.len(), 3);
    for name in ["lo", "m0", "m1"] {
        assert!(names.iter().any(|listed| listed == name), "{names:?}");
    }
}

#[test]
fn macvlan_is_created_complete_in_another_namespace() {
    let mut host = world::enter();
    let master = world::master(&mut host);
    let pod = world::another();
    let address: HwAddr = "02:00:5e:10:00:01".parse().unwrap();
    let kind = NewKind::Macvlan(Macvlan { mode: MacVlanMode::Vepa, bc_queue_len: Some(500) });
    let new = NewLink {
        parent: Some(master),
        netns: Some(pod.as_fd()),
        mtu: Some(1400),
        address: Some(address),
        group: Some(77),
        tx_queue_len: Some(321),
        ..NewLink::new("net1", kind)
    };
    assert_eq!(host.create_link(&new).unwrap(), None, "it is not in this namespace");
    assert_eq!(host.link_by_name("net1").unwrap(), None);

    let mut route = Rtnetlink::open_in(&pod).unwrap();
    let link = route.link_by_name("net1").unwrap().unwrap();
    assert_eq!(link.kind, LinkKind::Macvlan(Macvlan { mode: MacVlanMode::Vepa, bc_queue_len: Some(500) }));
    assert_eq!((link.parent, link.mtu, link.address), (Some(master), 1400, Some(address)));
    assert_eq!((link.group, link.tx_queue_len, link.is_up()), (77, 321, false));
    assert_eq!(route.netns_id(&netns::NetNs::current().unwrap()).unwrap(), link.parent_netnsid);

    let shown = pod.run(|| world::ip_json("link show net1")).unwrap();
    let shown = &shown[0];
    assert_eq!(shown["linkinfo"]["info_kind"], "macvlan");
    assert_eq!(shown["linkinfo"]["info_data"]["mode"], "vepa");
    assert_eq!((&shown["mtu"], &shown["address"]), (&json!(1400), &json!("02:00:5e:10:00:01")));
    assert_eq!((&shown["txqlen"], &shown["group"]), (&json!(321), &json!("77")));
}

#[test]
fn link_in_this_namespace_is_returned_as_created() {
    let mut route = world::enter();
    let master = world::master(&mut route);
    let link = route.create_link(&NewLink { up: true, ..macvlan("mv0", master) }).unwrap().unwrap();
    assert_eq!(
        Some(link.clone()),
        route.link_by_index(link.index).unwrap().map(|now| netlink::Link {
            flags: link.flags,
            oper_state: link.oper_state,
            ..now
        })
    );
    assert!(route.link_by_name("mv0").unwrap().unwrap().is_up());
}

#[test]
fn refusal_names_operation_object_and_reason() {
    let mut route = world::enter();
    let master = world::master(&mut route);
    route.create_link(&macvlan("mv0", master)).unwrap();
    let error = route.create_link(&macvlan("mv0", master)).unwrap_err();
    assert!(error.is_exists() && !error.is_gone());
    assert_eq!(error.to_string(), "cannot create link mv0: exists already (EEXIST)");

    let error = route.set_link(master, &LinkChange { mtu: Some(1), ..LinkChange::default() }).unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with(&format!("cannot change link {master} (mtu 1): ")), "{text}");
    assert!(
        text.contains("EINVAL") && text.contains("the kernel says: mtu less than device minimum"),
        "{text}"
    );
}

#[test]
fn offset_of_the_attribute_at_fault_is_reported() {
    let mut route = world::enter();
    let error = route.create_link(&macvlan("mv0", 4711)).unwrap_err();
    assert!(error.is_gone(), "{error}");
    let kind = NewKind::Macvlan(Macvlan { mode: MacVlanMode::Other(99), bc_queue_len: None });
    let master = world::master(&mut route);
    let error =
        route.create_link(&NewLink { parent: Some(master), ..NewLink::new("mv0", kind) }).unwrap_err();
    assert_eq!(error.errno(), Some(nix::errno::Errno::EINVAL), "{error}");
}

#[test]
fn all_changes_go_in_one_message() {
    let mut route = world::enter();
    let index = world::master(&mut route);
    let change = LinkChange {
        mtu: Some(1300),
        address: Some("02:00:5e:10:00:07".parse().unwrap()),
        up: Some(true),
        promisc: Some(true),
        allmulti: Some(true),
        tx_queue_len: Some(7),
        group: Some(9),
        alias: Some("rail 1".into()),
        ..LinkChange::default()
    };
    route.set_link(index, &change).unwrap();
    let shown = world::ip_json("link show m0");
    let shown = &shown[0];
    assert_eq!((&shown["mtu"], &shown["address"]), (&json!(1300), &json!("02:00:5e:10:00:07")));
    assert_eq!(
        (&shown["txqlen"], &shown["group"], &shown["ifalias"]),
        (&json!(7), &json!("9"), &json!("rail 1"))
    );
    let link = route.link_by_index(index).unwrap().unwrap();
    assert!(link.is_promisc() && link.is_allmulti() && link.is_up());
    assert_eq!((link.alias.as_deref(), link.promiscuity), (Some("rail 1"), 1));

    let back = LinkChange { promisc: Some(false), alias: Some(String::new()), ..LinkChange::DOWN };
    route.set_link(index, &back).unwrap();
    let link = route.link_by_index(index).unwrap().unwrap();
    assert!(!link.is_promisc() && link.is_allmulti() && !link.is_up());
    assert_eq!(link.alias, None);
}

#[test]
fn link_moves_and_takes_its_name_in_one_message() {
    let mut route = world::enter();
    let index = world::master(&mut route);
    let pod = world::another();
    let change = LinkChange { netns: Some(pod.as_fd()), name: Some("net1".into()), ..LinkChange::default() };
    route.set_link(index, &change).unwrap();
    assert_eq!(route.link_by_name("m0").unwrap(), None);
    assert!(Rtnetlink::open_in(&pod).unwrap().link_by_name("net1").unwrap().is_some());
}

#[test]
fn delete_of_what_is_gone_says_so() {
    let mut route = world::enter();
    let index = world::master(&mut route);
    route.delete_link(index).unwrap();
    assert_eq!(route.link_by_name("m1").unwrap(), None, "its peer goes with it");
    let error = route.delete_link(index).unwrap_err();
    assert!(error.is_gone());
    assert_eq!(error.to_string(), format!("cannot delete link {index}: no such link (ENODEV)"));
}

#[test]
fn group_is_deleted_at_once() {
    let mut route = world::enter();
    let master = world::master(&mut route);
    for name in ["mv0", "mv1", "mv2"] {
        route.create_link(&NewLink { group: Some(42), ..macvlan(name, master) }).unwrap();
    }
    route.create_link(&macvlan("stays", master)).unwrap();
    route.delete_group(42).unwrap();
    let left = route.links().unwrap();
    assert_eq!(left.len(), 4, "{left:?}");
    assert!(route.link_by_name("stays").unwrap().is_some());
    assert!(route.delete_group(42).unwrap_err().is_gone());
    assert!(route.delete_group(0).is_err(), "group 0 holds everything");
    assert_eq!(route.links().unwrap().len(), 4);
}

#[test]
fn group_does_not_reach_into_other_namespaces() {
    let mut host = world::enter();
    let master = world::master(&mut host);
    let pods = [world::another(), world::another()];
    for pod in &pods {
        host.create_link(&NewLink { group: Some(5), netns: Some(pod.as_fd()), ..macvlan("net1", master) })
            .unwrap();
    }
    Rtnetlink::open_in(&pods[0]).unwrap().delete_group(5).unwrap();
    assert_eq!(Rtnetlink::open_in(&pods[0]).unwrap().link_by_name("net1").unwrap(), None);
    assert!(Rtnetlink::open_in(&pods[1]).unwrap().link_by_name("net1").unwrap().is_some());
}

#[test]
fn kinds_this_kernel_lacks_are_unsupported() {
    let mut route = world::enter();
    for kind in [NewKind::Dummy, NewKind::Bond(netlink::link::Bond::default())] {
        match route.create_link(&NewLink::new("x0", kind)) {
            Ok(link) => assert_eq!(link.unwrap().name, "x0", "a kernel that has it makes it"),
            Err(error) => assert!(error.is_unsupported(), "{error}"),
        }
        if let Some(link) = route.link_by_name("x0").unwrap() {
            route.delete_link(link.index).unwrap();
        }
    }
}

#[test]
fn a_veth_pair_appears_complete_on_both_sides() {
    let mut route = world::enter();
    let pod = world::another();
    let (near, far): (HwAddr, HwAddr) =
        ("02:00:5e:00:53:01".parse().unwrap(), "02:00:5e:00:53:02".parse().unwrap());
    let peer =
        VethPeer { netns: Some(pod.fd()), mtu: Some(1400), address: Some(far), ..VethPeer::new("veth0") };
    let pair = NewLink {
        mtu: Some(1400),
        address: Some(near),
        up: true,
        ..NewLink::new("veth0123456789a", NewKind::Veth(peer))
    };
    route.create_link(&pair).unwrap();
    let near_end = route.link_by_name("veth0123456789a").unwrap().unwrap();
    let far_end = Rtnetlink::open_in(&pod).unwrap().link_by_name("veth0").unwrap().unwrap();
    for (end, address, peer) in [(&near_end, near, &far_end), (&far_end, far, &near_end)] {
        assert_eq!((end.mtu, end.address, end.parent), (1400, Some(address), Some(peer.index)));
        assert!(end.parent_netnsid.is_some());
    }
    assert!(near_end.is_up() && !far_end.is_up());
}

#[test]
fn ipv4_settings_are_those_below_proc() {
    let mut route = world::enter();
    let index = world::master(&mut route);
    let proc = |name: &str| std::fs::read_to_string(format!("/proc/sys/net/ipv4/conf/m0/{name}"));
    let settings = [(Ipv4Conf::RpFilter, 2), (Ipv4Conf::ArpAnnounce, 2), (Ipv4Conf::ArpIgnore, 1)];
    for (setting, value) in settings {
        let before = proc(&setting.to_string()).unwrap().trim().parse().unwrap();
        assert_eq!(route.link_by_index(index).unwrap().unwrap().ipv4(setting), Some(before), "{setting}");
        route.set_link(index, &LinkChange { ipv4: vec![(setting, value)], ..LinkChange::default() }).unwrap();
        assert_eq!(proc(&setting.to_string()).unwrap().trim(), value.to_string(), "{setting}");
        assert_eq!(route.link_by_index(index).unwrap().unwrap().ipv4(setting), Some(value), "{setting}");
    }
}
