//! Routes.

use ipnet::IpNet;
use netlink::{Address, Family, Route, RouteFilter, RouteKind, RouteLookup, Rtnetlink, scope};
use serde_json::json;

use crate::world;

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

/// `m0` with an address of each family.
fn rail() -> (Rtnetlink, u32) {
    let mut route = world::enter();
    let index = world::master(&mut route);
    route.add_address(&Address::new(index, net("10.1.0.2/24"))).unwrap();
    world::ip("addr add fd00::2/64 dev m0 nodad");
    (route, index)
}

fn via(index: u32, dst: &str, gateway: &str) -> Route {
    Route { gateway: Some(gateway.parse().unwrap()), oif: Some(index), ..Route::new(net(dst)) }
}

fn listed(route: &mut Rtnetlink, filter: &RouteFilter) -> Vec<String> {
    route.routes(filter).unwrap().iter().map(ToString::to_string).collect()
}

#[test]
fn routes_read_back_as_added() {
    let (mut route, index) = rail();
    let v4 = Route {
        source: Some("10.1.0.2".parse().unwrap()),
        scope: Some(scope::UNIVERSE),
        priority: Some(30),
        protocol: 211,
        mtu: Some(1400),
        advmss: Some(1300),
        table: 1000,
        ..via(index, "10.8.0.0/16", "10.1.0.254")
    };
    let v6 = Route {
        priority: Some(1024),
        protocol: 211,
        mtu: Some(1400),
        table: 1000,
        scope: Some(scope::UNIVERSE),
        ..via(index, "::/0", "fd00::fe")
    };
    for spec in [&v4, &v6] {
        route.add_route(spec).unwrap();
    }
    let filter = RouteFilter { table: Some(1000), ..RouteFilter::default() };
    assert_eq!(route.routes(&filter).unwrap(), [v4, v6]);
    let shown = world::ip_json("route show table 1000");
    let shown = &shown[0];
    assert_eq!((&shown["dst"], &shown["gateway"]), (&json!("10.8.0.0/16"), &json!("10.1.0.254")));
    assert_eq!((&shown["dev"], &shown["prefsrc"]), (&json!("m0"), &json!("10.1.0.2")));
    assert_eq!((&shown["metric"], &shown["protocol"]), (&json!(30), &json!("211")));
    assert_eq!((&shown["metrics"][0]["mtu"], &shown["metrics"][0]["advmss"]), (&json!(1400), &json!(1300)));
}

#[test]
fn tables_have_thirty_two_bits() {
    let (mut route, index) = rail();
    for table in [1, 251, 252, 255, 256, 100_000, u32::MAX] {
        let spec = Route { table, ..via(index, "10.7.0.0/24", "10.1.0.1") };
        route.add_route(&spec).unwrap();
        let filter = RouteFilter { table: Some(table), family: Some(Family::V4), ..RouteFilter::default() };
        assert!(listed(&mut route, &filter).contains(&spec.to_string()), "{table}");
        route.delete_route(&spec).unwrap();
    }
}

#[test]
fn connected_default_and_blackhole() {
    let (mut route, index) = rail();
    let connected = Route { oif: Some(index), table: 100, ..Route::new(net("10.1.0.0/24")) };
    let default = Route { table: 100, ..via(index, "0.0.0.0/0", "10.1.0.254") };
    let hole = Route { table: 100, kind: RouteKind::BlackHole, ..Route::new(net("10.66.0.0/16")) };
    for spec in [&connected, &default, &hole] {
        route.add_route(spec).unwrap();
    }
    let shown = world::ip("route show table 100");
    let lines: Vec<&str> = shown.lines().map(str::trim_end).collect();
    assert_eq!(
        lines,
        ["default via 10.1.0.254 dev m0", "10.1.0.0/24 dev m0 scope link", "blackhole 10.66.0.0/16"]
    );
    for spec in [&connected, &default, &hole] {
        route.delete_route(spec).unwrap();
    }
    assert_eq!(world::ip("route show table all").matches("table 100").count(), 0);
}

#[test]
fn host_bits_are_taken_off() {
    let (mut route, index) = rail();
    route.add_route(&via(index, "10.7.0.9/24", "10.1.0.1")).unwrap();
    assert!(world::ip("route show").contains("10.7.0.0/24 via 10.1.0.1 dev m0"));
}

#[test]
fn onlink_gateway_needs_no_route() {
    let (mut route, index) = rail();
    let spec = via(index, "10.7.0.0/24", "192.0.2.1");
    let error = route.add_route(&spec).unwrap_err();
    assert!(error.to_string().contains("the kernel says: Nexthop has invalid gateway"), "{error}");
    let onlink = Route { onlink: true, ..spec };
    route.add_route(&onlink).unwrap();
    let filter = RouteFilter { oif: Some(index), family: Some(Family::V4), ..RouteFilter::default() };
    assert!(route.routes(&filter).unwrap().iter().any(|listed| listed.onlink && listed.dst == onlink.dst));
}

#[test]
fn add_replace_append_and_delete() {
    let (mut route, index) = rail();
    for (dst, first, second) in [("10.7.0.0/24", "10.1.0.1", "10.1.0.3"), ("fd07::/64", "fd00::1", "fd00::3")]
    {
        let one = Route { protocol: 211, ..via(index, dst, first) };
        let two = Route { protocol: 211, ..via(index, dst, second) };
        route.add_route(&one).unwrap();
        assert!(route.add_route(&one).unwrap_err().is_exists());
        route.append_route(&two).unwrap();
        assert!(route.append_route(&two).unwrap_err().is_exists());
        route.delete_route(&two).unwrap();
        route.replace_route(&two).unwrap();
        let filter = RouteFilter { protocol: Some(211), ..RouteFilter::default() };
        let gateways: Vec<_> =
            route.routes(&filter).unwrap().into_iter().filter_map(|route| route.gateway).collect();
        assert_eq!(gateways, [second.parse::<std::net::IpAddr>().unwrap()]);
        route.delete_route(&two).unwrap();
        let error = route.delete_route(&two).unwrap_err();
        assert!(error.is_gone(), "{error}");
    }
}

#[test]
fn delete_leaves_what_somebody_else_added() {
    let (mut route, index) = rail();
    let ours = Route { protocol: 211, ..via(index, "10.7.0.0/24", "10.1.0.1") };
    world::ip("route add 10.7.0.0/24 via 10.1.0.1 dev m0 proto static");
    assert!(route.delete_route(&ours).unwrap_err().is_gone());
    route.append_route(&Route { priority: Some(5), ..ours.clone() }).unwrap();
    route.delete_route(&ours).unwrap();
    assert!(world::ip("route show 10.7.0.0/24").contains("proto static"));
}

#[test]
fn filters_are_the_kernels() {
    let (mut route, index) = rail();
    route.add_route(&Route { protocol: 211, table: 300, ..via(index, "10.7.0.0/24", "10.1.0.1") }).unwrap();
    route.add_route(&Route { protocol: 212, table: 300, ..via(index, "10.7.1.0/24", "10.1.0.1") }).unwrap();
    let by = |filter: RouteFilter| RouteFilter { family: Some(Family::V4), ..filter };
    let count = |route: &mut Rtnetlink, filter| listed(route, &by(filter)).len();
    assert_eq!(count(&mut route, RouteFilter { table: Some(300), ..Default::default() }), 2);
    assert_eq!(count(&mut route, RouteFilter { protocol: Some(211), ..Default::default() }), 1);
    assert_eq!(count(&mut route, RouteFilter { table: Some(300), oif: Some(1), ..Default::default() }), 0);
    assert_eq!(count(&mut route, RouteFilter { table: Some(301), ..Default::default() }), 0);
    assert_eq!(count(&mut route, RouteFilter { oif: Some(4711), ..Default::default() }), 0);
    let all = listed(&mut route, &RouteFilter::default());
    assert!(
        all.iter().any(|line| line.starts_with("fd00::/64"))
            && all.iter().any(|line| line.starts_with("127."))
    );
}

#[test]
fn multipath_is_read_branch_by_branch() {
    let (mut route, index) = rail();
    world::ip("route add 10.7.0.0/24 nexthop via 10.1.0.1 dev m0 weight 3 nexthop via 10.1.0.3 dev m0");
    world::ip("-6 route add fd07::/64 nexthop via fd00::1 dev m0 nexthop via fd00::3 dev m0 weight 2");
    for (dst, expected) in
        [("10.7.0.0/24", [("10.1.0.1", 3), ("10.1.0.3", 1)]), ("fd07::/64", [("fd00::1", 1), ("fd00::3", 2)])]
    {
        let routes = route.routes(&RouteFilter::default()).unwrap();
        let spec = routes.into_iter().find(|route| route.dst == net(dst)).unwrap();
        let hops: Vec<_> =
            spec.next_hops.iter().map(|hop| (hop.gateway.unwrap(), hop.weight, hop.oif)).collect();
        assert_eq!(hops, expected.map(|(gateway, weight)| (gateway.parse().unwrap(), weight, index)));
        assert_eq!((spec.gateway, spec.oif), (None, None));
    }
}

#[test]
fn gateway_of_the_other_family_is_read() {
    let (mut route, _) = rail();
    world::ip("route add 10.7.0.0/24 via inet6 fd00::1 dev m0");
    let routes = route.routes(&RouteFilter::default()).unwrap();
    let spec = routes.into_iter().find(|route| route.dst == net("10.7.0.0/24")).unwrap();
    assert_eq!(spec.gateway, Some("fd00::1".parse().unwrap()));
}

#[test]
fn lookup_takes_source_and_mark_into_account() {
    let (mut route, index) = rail();
    route.add_route(&Route { table: 150, ..via(index, "0.0.0.0/0", "10.1.0.254") }).unwrap();
    world::ip("rule add from 10.1.0.2 lookup 150 priority 1000");
    world::ip("rule add fwmark 7 lookup 150 priority 1001");
    let to = RouteLookup::new("8.8.8.8".parse().unwrap());
    assert_eq!(route.route_to(&to).unwrap(), None, "main has no default route");
    let from = RouteLookup { source: Some("10.1.0.2".parse().unwrap()), ..to.clone() };
    for packet in [from, RouteLookup { mark: Some(7), ..to }] {
        let taken = route.route_to(&packet).unwrap().unwrap();
        assert_eq!(
            (taken.gateway, taken.oif, taken.table),
            (Some("10.1.0.254".parse().unwrap()), Some(index), 150)
        );
    }
    let v6 = RouteLookup { oif: Some(index), ..RouteLookup::new("fd00::9".parse().unwrap()) };
    assert_eq!(route.route_to(&v6).unwrap().unwrap().oif, Some(index));
    assert_eq!(route.route_to(&RouteLookup::new("fd99::9".parse().unwrap())).unwrap(), None);
}

#[test]
fn lookup_as_listed_tells_the_prefix_that_matched() {
    let (mut route, index) = rail();
    route.add_route(&Route { table: 150, ..via(index, "172.16.0.0/16", "10.1.0.254") }).unwrap();
    world::ip("rule add from all lookup 150 priority 1000");
    for (to, prefix, table) in [
        ("172.16.9.9", "172.16.0.0/16", 150),
        ("10.1.0.7", "10.1.0.0/24", 254),
        ("fd00::9", "fd00::/64", 254),
    ] {
        let packet = RouteLookup { as_listed: true, ..RouteLookup::new(to.parse().unwrap()) };
        let taken = route.route_to(&packet).unwrap().unwrap();
        assert_eq!((taken.dst, taken.table), (net(prefix), table));
    }
    let own = RouteLookup { as_listed: true, ..RouteLookup::new("10.1.0.2".parse().unwrap()) };
    assert_eq!(route.route_to(&own).unwrap().unwrap().kind, netlink::RouteKind::Local);
}
