//! Several requests in one system call.

use ipnet::IpNet;
use netlink::link::{MacVlanMode, Macvlan, NewKind};
use netlink::{Address, Family, NewLink, Route, RouteFilter, Rtnetlink, Rule};

use crate::world;

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

#[test]
fn a_rail_in_one_commit() {
    let mut host = world::enter();
    let master = world::master(&mut host);
    let pod = world::another();
    let kind = NewKind::Macvlan(Macvlan::new(MacVlanMode::Bridge));
    let new = NewLink { parent: Some(master), netns: Some(pod.fd()), ..NewLink::new("net1", kind) };
    host.create_link(&new).unwrap();
    let mut route = Rtnetlink::open_in(&pod).unwrap();
    let index = route.link_by_name("net1").unwrap().unwrap().index;

    let default = Route {
        gateway: Some("10.1.0.254".parse().unwrap()),
        oif: Some(index),
        table: 101,
        ..Route::new(net("0.0.0.0/0"))
    };
    let rule = Rule { from: Some(net("10.1.0.2/32")), priority: Some(10_101), ..Rule::new(Family::V4, 101) };
    route
        .batch()
        .add_address(&Address::new(index, net("10.1.0.2/24")))
        .set_up(index)
        .add_route(&default)
        .add_rule(&rule)
        .commit()
        .unwrap();
    let shown = pod.run(|| world::ip("route get 8.8.8.8 from 10.1.0.2")).unwrap();
    assert!(shown.starts_with("8.8.8.8 from 10.1.0.2 via 10.1.0.254 dev net1 table 101"), "{shown}");
}

#[test]
fn first_refusal_is_named_and_the_rest_is_done() {
    let mut route = world::enter();
    let index = world::master(&mut route);
    let [one, two] = ["10.1.0.2/24", "10.1.0.3/24"].map(|text| Address::new(index, net(text)));
    let error = route.batch().add_address(&one).add_address(&one).add_address(&two).commit().unwrap_err();
    assert!(error.is_exists());
    assert!(error.to_string().contains("10.1.0.2/24"), "{error}");
    let listed = route.addresses(Some(index)).unwrap();
    assert!(listed.iter().any(|address| address.net == two.net), "the kernel goes on: {listed:?}");
}

#[test]
fn outcomes_are_in_the_order_of_the_requests() {
    let mut route = world::enter();
    let index = world::master(&mut route);
    let [there, absent] = ["10.1.0.2/24", "10.1.0.3/24"].map(|text| Address::new(index, net(text)));
    route.add_address(&there).unwrap();
    let outcomes =
        route.batch().delete_address(&absent).delete_address(&there).delete_link(4711).outcomes().unwrap();
    let gone: Vec<bool> =
        outcomes.iter().map(|outcome| outcome.as_ref().is_err_and(netlink::Error::is_gone)).collect();
    assert_eq!(gone, [true, false, true]);
    assert!(outcomes[1].is_ok());
}

#[test]
fn empty_batch_sends_nothing() {
    let mut route = world::enter();
    assert!(route.batch().is_empty());
    route.batch().commit().unwrap();
}

#[test]
fn hundreds_of_requests_outgrow_no_buffer() {
    let mut route = world::enter();
    let index = world::master(&mut route);
    let spec = |n: u16| {
        let [high, low] = n.to_be_bytes();
        let dst = net(&format!("10.{high}.{low}.0/24"));
        Route { oif: Some(index), table: 500, protocol: 211, ..Route::new(dst) }
    };
    let mut batch = route.batch();
    for n in 0..600 {
        batch.add_route(&spec(n));
    }
    assert_eq!(batch.len(), 600);
    batch.commit().unwrap();
    let filter = RouteFilter { table: Some(500), ..RouteFilter::default() };
    assert_eq!(route.routes(&filter).unwrap().len(), 600);
    // All of them are refused now, with texts that fill the receive buffer.
    let mut batch = route.batch();
    for n in 0..600 {
        batch.add_route(&spec(n));
    }
    assert!(
        batch
            .outcomes()
            .unwrap()
            .iter()
            .all(|outcome| outcome.as_ref().is_err_and(netlink::Error::is_exists))
    );
}
