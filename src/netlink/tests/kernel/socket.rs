//! What all operations rest on.

use netlink::{NewLink, RouteFilter, Rtnetlink, link};

use crate::world;

#[test]
fn socket_stays_in_its_namespace() {
    let mut host = world::enter();
    world::master(&mut host);
    let pod = world::another();
    let mut inside = Rtnetlink::open_in(&pod).unwrap();
    assert_eq!(inside.links().unwrap().len(), 1);
    assert_eq!(pod.run(|| host.links().unwrap().len()).unwrap(), 3);
}

/// Two sockets of one process in two namespaces have the same port, so the kernel can mix up their unicasts.
#[test]
fn answers_for_another_socket_are_passed_over() {
    let mut host = world::enter();
    let pod = world::another();
    let mut inside = Rtnetlink::open_in(&pod).unwrap();
    let peer = link::VethPeer { netns: Some(pod.fd()), ..link::VethPeer::new("m1") };
    for n in 0..20 {
        let made = host.create_link(&NewLink::new("m0", link::NewKind::Veth(peer.clone()))).unwrap().unwrap();
        assert_eq!(made.name, "m0", "round {n}");
        assert_eq!(inside.link_by_name("m1").unwrap().unwrap().name, "m1");
        assert_eq!(inside.link_by_name("m0").unwrap(), None);
        host.delete_link(made.index).unwrap();
    }
}

#[test]
fn answers_may_be_of_any_size() {
    let mut route = world::enter();
    let index = world::master(&mut route);
    for n in 0..300 {
        route.add_alt_name(index, &format!("{n:0>120}")).unwrap();
    }
    let link = route.link_by_index(index).unwrap().unwrap();
    assert_eq!(link.alt_names.len(), 300);
    assert!(route.links().unwrap().contains(&link));
}

#[test]
fn dumps_in_many_pieces_are_whole() {
    let mut route = world::enter();
    world::ip("link set lo up");
    let mut batch = route.batch();
    for n in 0..3000_u16 {
        let [high, low] = n.to_be_bytes();
        let dst = format!("10.{high}.{low}.0/24").parse().unwrap();
        batch.add_route(&netlink::Route { oif: Some(1), table: 77, ..netlink::Route::new(dst) });
    }
    batch.commit().unwrap();
    let filter = RouteFilter { table: Some(77), ..RouteFilter::default() };
    let routes = route.routes(&filter).unwrap();
    assert_eq!(routes.len(), 3000);
    assert_eq!(world::ip("route show table 77").lines().count(), 3000);
}

#[test]
fn gone_namespace_is_gone() {
    let error = netns::NetNs::open("/nowhere".as_ref()).map_err(netlink::Error::from).unwrap_err();
    assert!(error.is_gone());
}
