use super::fake::{ETH0, Fake, ip, net, route, settings, with_default_nic};
use crate::changes::{Change, LinkSetting, Place};
use crate::check::compare;
use crate::config::{DefaultRouteNic, PolicyRoute, Settings};
use crate::limits::MOST;
use crate::model::{MAIN, PROTOCOL, Route};
use crate::shared::Shared;
use crate::undo::RoutingUndo;

fn two_rails() -> Fake {
    let mut fake = Fake::with_eth0();
    fake.rail(1, Some(Place::Last));
    fake.rail(2, Some(Place::Last));
    fake
}

fn table(fake: &Fake, number: u32) -> Vec<String> {
    let of_table = fake.view.routes.iter().filter(|route| route.table == number);
    let mut lines: Vec<String> = of_table.map(|route| fake.view.describe(route).to_string()).collect();
    lines.sort();
    lines
}

fn rules(fake: &Fake) -> Vec<String> {
    let mut lines: Vec<String> = fake.view.rules.iter().map(ToString::to_string).collect();
    lines.sort();
    lines
}

#[test]
fn a_rail_gets_its_table_and_the_first_nic_gets_100() {
    let mut fake = two_rails();
    fake.join("net1", &settings());
    assert_eq!(
        table(&fake, 101),
        [
            "172.16.1.0/24 dev net1 table 101",
            "default via 172.16.1.254 dev net1 table 101",
            "default via fd00:16:1::fe dev net1 table 101",
            "fd00:16:1::/64 dev net1 table 101",
        ]
    );
    assert_eq!(
        table(&fake, 100),
        [
            "169.254.1.1/32 dev eth0 table 100",
            "default via 169.254.1.1 dev eth0 table 100",
            "default via fe80::1 dev eth0 table 100",
            "fd00:244::1/128 dev eth0 table 100",
        ]
    );
    assert_eq!(
        rules(&fake),
        [
            "rule 10100: from 10.244.0.1 lookup 100",
            "rule 10100: from fd00:244::1 lookup 100",
            "rule 10101: from 172.16.1.10 lookup 101",
            "rule 10101: from fd00:16:1::10 lookup 101",
        ]
    );
    // net2 is not coordinated and is left alone.
    assert_eq!(fake.defaults(false), [ETH0, 12]);
    assert_eq!(fake.defaults(true), [ETH0, 12]);
}

#[test]
fn a_gateway_without_a_default_route_is_the_default_of_the_table_only() {
    let mut fake = Fake::with_eth0();
    fake.rail(1, None);
    let gateways = [ip("172.16.1.254"), ip("fd00:16:1::fe")];
    let plan = fake.plan_with("net1", &settings(), &gateways).unwrap();
    fake.changes(&plan.changes);
    assert!(table(&fake, 101).contains(&"default via 172.16.1.254 dev net1 table 101".to_owned()));
    assert_eq!(fake.defaults(false), [ETH0]);
    assert_eq!(plan.parts[0].outcome.defaults.len(), 2);
    assert!(plan.parts[0].outcome.in_main.is_empty());
}

#[test]
fn a_nic_that_is_to_own_the_default_gets_one_from_its_gateway() {
    let mut fake = Fake::with_eth0();
    fake.rail(1, None);
    let before = fake.sorted();
    let plan = fake.plan_with("net1", &with_default_nic("net1"), &[ip("172.16.1.254")]).unwrap();
    fake.changes(&plan.changes);
    assert_eq!((fake.defaults(false), fake.defaults(true)), (vec![11], vec![ETH0]));
    assert_eq!(plan.parts[0].outcome.in_main, [net("0.0.0.0/0")]);
    fake.leave(&super::fake::undo("net1", &plan));
    assert_eq!(fake.sorted(), before);
}

#[test]
fn the_owner_may_come_later_or_never() {
    let mut fake = two_rails();
    let net1 = fake.join("net1", &with_default_nic("net2"));
    assert_eq!(fake.defaults(false), [ETH0, 12], "net2 is not coordinated yet");
    let net2 = fake.join("net2", &settings());
    assert_eq!(fake.defaults(false), [12]);
    fake.leave(&net2);
    fake.leave(&net1);
    assert_eq!(fake.sorted(), two_rails().sorted());

    let mut fake = two_rails();
    fake.join("net1", &with_default_nic("net9"));
    fake.join("net2", &with_default_nic("net9"));
    assert_eq!((fake.defaults(false), fake.defaults(true)), (vec![ETH0], vec![ETH0]));
    fake.rail(9, Some(Place::First));
    let net9 = fake.join("net9", &settings());
    assert_eq!((fake.defaults(false), fake.defaults(true)), (vec![19], vec![19]));
    fake.leave(&net9);
    assert_eq!(fake.defaults(false), [19, ETH0], "as it was before net9 was coordinated");
}

#[test]
fn the_pods_own_wish_beats_the_config_and_the_lowest_table_beats_the_others() {
    for order in [["net1", "net2"], ["net2", "net1"]] {
        let mut fake = two_rails();
        for ifname in order {
            fake.join(ifname, &with_default_nic(ifname));
        }
        assert_eq!(fake.defaults(false), [11], "{order:?}");
        let of_pod = Settings {
            default_nic: Some(DefaultRouteNic { nic: "net2".into(), from_pod: true }),
            ..settings()
        };
        let of_config = with_default_nic("net1");
        let mut fake = two_rails();
        for ifname in order {
            fake.join(ifname, if ifname == "net2" { &of_pod } else { &of_config });
        }
        assert_eq!(fake.defaults(false), [12], "{order:?}");
    }
}

#[test]
fn a_pod_without_its_first_nic_keeps_the_default_of_the_lowest_table() {
    let mut fake = Fake::default();
    fake.rail(2, Some(Place::Last));
    fake.rail(1, Some(Place::Last));
    let net2 = fake.join("net2", &settings());
    assert_eq!(fake.defaults(false), [12, 11]);
    let net1 = fake.join("net1", &settings());
    assert_eq!((fake.defaults(false), fake.defaults(true)), (vec![11], vec![11]));
    fake.leave(&net1);
    fake.leave(&net2);
    assert_eq!(fake.defaults(false), [12, 11]);
}

#[test]
fn what_the_kernel_expires_by_itself_and_link_local_routes_stay() {
    let mut fake = two_rails();
    let advertised = Route { protocol: 9, ..route("::/0", Some("fe80::99"), 11) };
    fake.view.routes.push(advertised.clone());
    fake.join("net1", &settings());
    assert!(fake.view.routes.contains(&advertised));
    assert!(fake.view.routes.iter().all(|route| route.table == MAIN || route.dst != net("fe80::/64")));
    assert!(
        !fake.view.routes.iter().any(|route| route.table == 101 && route.gateway == Some(ip("fe80::99")))
    );
}

#[test]
fn detours_leave_by_the_first_nic_in_main_and_in_every_rails_table() {
    let services = Settings { detours: vec![net("10.96.0.0/12"), net("fd00:96::/108")], ..settings() };
    let mut fake = two_rails();
    let net1 = fake.join("net1", &services);
    let net2 = fake.join("net2", &services);
    for number in [101, 102] {
        assert!(
            table(&fake, number).contains(&format!("10.96.0.0/12 via 169.254.1.1 dev eth0 table {number}"))
        );
        assert!(table(&fake, number).contains(&format!("fd00:96::/108 via fe80::1 dev eth0 table {number}")));
    }
    let detour = fake
        .view
        .routes
        .iter()
        .find(|route| route.dst == net("10.96.0.0/12") && route.table == MAIN)
        .unwrap();
    assert_eq!((detour.src, detour.onlink), (Some(ip("10.244.0.1")), false));
    fake.leave(&net1);
    assert!(table(&fake, MAIN).contains(&"10.96.0.0/12 via 169.254.1.1 dev eth0 table main".to_owned()));
    fake.leave(&net2);
    assert_eq!(fake.sorted(), two_rails().sorted());
}

#[test]
fn a_gateway_that_no_route_leads_to_is_taken_as_on_the_link() {
    let mut fake = two_rails();
    fake.view.routes.retain(|route| route.dst != net("169.254.1.1/32"));
    fake.join("net1", &Settings { detours: vec![net("10.96.0.0/12")], ..settings() });
    assert!(
        fake.view.routes.iter().filter(|route| route.dst == net("10.96.0.0/12")).all(|route| route.onlink)
    );
}

#[test]
fn a_detour_that_main_leads_elsewhere_is_refused_and_one_that_is_there_is_left() {
    let services = Settings { detours: vec![net("10.96.0.0/12")], ..settings() };
    let mut fake = two_rails();
    fake.view.routes.push(route("10.96.0.0/12", Some("172.16.1.1"), 11));
    let said = fake.plan("net1", &services).unwrap_err();
    assert!(said.contains("10.96.0.0/12 via 172.16.1.1 dev net1 table main"), "{said}");

    let mut fake = two_rails();
    let cnis = route("10.96.0.0/12", Some("169.254.1.1"), ETH0);
    fake.view.routes.push(cnis.clone());
    let undo = fake.join("net1", &services);
    fake.leave(&undo);
    assert!(fake.view.routes.contains(&cnis));
}

#[test]
fn policy_routes_win_over_the_tables_own_and_skip_a_family_that_the_nic_lacks() {
    let policy = |dst: &str, gw: &str| PolicyRoute { dst: net(dst), gw: ip(gw) };
    let routes = vec![
        policy("0.0.0.0/0", "172.16.1.1"),
        policy("192.168.0.0/16", "172.16.1.2"),
        policy("fd00:99::/64", "fd00:16:1::2"),
    ];
    let mut fake = two_rails();
    fake.view.addresses.retain(|(index, net)| *index != 11 || net.addr().is_ipv4());
    fake.join("net1", &Settings { policy_routes: routes, ..settings() });
    assert!(table(&fake, 101).contains(&"default via 172.16.1.1 dev net1 table 101".to_owned()));
    assert!(!table(&fake, 101).contains(&"default via 172.16.1.254 dev net1 table 101".to_owned()));
    assert!(table(&fake, 101).contains(&"192.168.0.0/16 via 172.16.1.2 dev net1 table 101".to_owned()));
    assert!(table(&fake, 101).iter().all(|line| !line.starts_with("fd00:99")));
}

#[test]
fn a_policy_route_over_a_gateway_out_of_reach_is_refused() {
    let mut fake = two_rails();
    let policy_routes = vec![PolicyRoute { dst: net("192.168.0.0/16"), gw: ip("10.1.1.1") }];
    let said = fake.plan("net1", &Settings { policy_routes, ..settings() }).unwrap_err();
    assert!(said.contains("gw 10.1.1.1 is in no subnet of net1 (172.16.1.10/24"), "{said}");
}

#[test]
fn without_tuning_there_are_no_rules_and_policy_routes_go_to_main() {
    let mut fake = two_rails();
    let before = fake.sorted();
    let policy_routes = vec![PolicyRoute { dst: net("192.168.0.0/16"), gw: ip("172.16.1.2") }];
    let undo = fake.join("net1", &Settings { tune: false, policy_routes, ..with_default_nic("net1") });
    assert!(fake.view.rules.is_empty());
    assert_eq!(fake.defaults(false), [ETH0, 11, 12]);
    assert!(table(&fake, MAIN).contains(&"192.168.0.0/16 via 172.16.1.2 dev net1 table main".to_owned()));
    fake.leave(&undo);
    assert_eq!(fake.sorted(), before);
}

#[test]
fn the_nics_own_settings_come_first_and_are_put_back_unless_somebody_else_changed_them() {
    let settings =
        Settings { mac_prefix: Some("0a:1b".parse().unwrap()), tx_queue_len: Some(5000), ..settings() };
    let mut fake = two_rails();
    let before = fake.sorted();
    let plan = fake.plan("net1", &settings).unwrap();
    let mac = [0x0a, 0x1b, 172, 16, 1, 10];
    let set = LinkSetting { index: 11, mac: Some(mac), tx_queue_len: Some(5000), ..LinkSetting::default() };
    assert_eq!(plan.changes[0], Change::SetLink(set));
    assert_eq!(plan.parts[0].outcome.mac, Some(mac));
    fake.changes(&plan.changes);
    let mut meddled = fake.clone();
    fake.leave(&super::fake::undo("net1", &plan));
    assert_eq!(fake.sorted(), before);
    meddled.view.links[1].tx_queue_len = 7;
    meddled.leave(&super::fake::undo("net1", &plan));
    assert_eq!((meddled.view.links[1].mac, meddled.view.links[1].tx_queue_len), (before.links[1].mac, 7));
}

#[test]
fn an_interface_without_addresses_or_that_is_not_there_is_refused() {
    let mut fake = two_rails();
    assert!(fake.plan("net3", &settings()).unwrap_err().contains("no interface net3"));
    fake.link(30, "net3", &[]);
    assert!(fake.plan("net3", &settings()).unwrap_err().contains("net3 has no address"));
}

#[test]
fn a_default_route_that_multus_removed_is_not_put_back_and_no_difference() {
    let mut fake = two_rails();
    let net1 = fake.join("net1", &settings());
    let multus = route("0.0.0.0/0", Some("172.16.1.1"), 11);
    fake.view
        .routes
        .retain(|route| !(route.table == MAIN && route.dev == ETH0 && route.dst == net("0.0.0.0/0")));
    fake.add(multus.clone(), Place::Last);
    let listed = [cni::Route::new(net("0.0.0.0/0"), Some(ip("172.16.1.1")))];
    assert_eq!(compare(&fake.view, &fake.shared, &net1, &listed), [""; 0]);
    let net2 = fake.join("net2", &settings());
    assert_eq!(fake.defaults(false), [11], "what Multus put there stays");
    fake.leave(&net2);
    fake.leave(&net1);
    assert!(!fake.defaults(false).contains(&ETH0));
    assert!(fake.view.routes.contains(&multus));
}

#[test]
fn a_lost_record_is_undone_by_our_mark() {
    let mut fake = two_rails();
    let before = fake.sorted();
    let undo = fake.join("net1", &settings());
    fake.leave(&RoutingUndo { own: None, ..undo });
    assert_eq!(fake.sorted(), before);
}

/// The state directory emptied under a living pod, whose NICs then leave in whatever order.
#[test]
fn what_no_record_knows_is_undone_by_the_addresses_of_the_result() {
    for order in [["net1", "net2"], ["net2", "net1"]] {
        let mut fake = two_rails();
        let rules = fake.view.rules.clone();
        for ifname in ["net1", "net2"] {
            fake.join(ifname, &settings());
        }
        fake.shared = Shared::default();
        for ifname in order {
            let undo = fake.lost(ifname);
            fake.leave(&undo);
            fake.leave(&undo);
        }
        assert_eq!(fake.view.rules, rules);
        assert!(fake.view.routes.iter().all(|route| route.protocol != PROTOCOL), "{:?}", fake.view.routes);
        assert!(fake.defaults(false).contains(&ETH0));
    }
}

#[test]
fn what_no_record_knows_of_a_rail_that_owned_the_default_route_gives_that_back() {
    let mut fake = two_rails();
    fake.join("net1", &with_default_nic("net1"));
    assert!(!fake.defaults(false).contains(&ETH0));
    fake.shared = Shared::default();
    let undo = fake.lost("net1");
    fake.leave(&undo);
    assert!(fake.defaults(false).contains(&ETH0), "the pod has a way out by its first NIC");
    assert!(fake.view.rules.iter().all(|rule| rule.protocol != PROTOCOL), "{:?}", fake.view.rules);
}

#[test]
fn what_a_living_record_has_is_nobody_elses_to_undo() {
    let mut fake = two_rails();
    let net2 = fake.join("net2", &settings());
    let before = fake.sorted();
    let late = RoutingUndo { own: None, addresses: fake.lost("net2").addresses, ..fake.lost("net9") };
    fake.leave(&late);
    assert_eq!(fake.sorted(), before);
    fake.leave(&net2);
}

/// Copies of all would be a record that nobody reads any more.
#[test]
fn more_routes_or_addresses_than_any_nic_has_are_refused_with_their_number() {
    let far = |n: usize| route(&format!("fd00:99::{n:x}/128"), Some("fe80::1"), ETH0);
    let refusal = |fake: &mut Fake| fake.plan("net1", &settings()).unwrap_err();
    let mut fake = two_rails();
    fake.view.routes.retain(|route| route.dev != ETH0);
    fake.view.routes.extend((0..=MOST).map(far));
    let said = refusal(&mut fake);
    assert!(said.starts_with("eth0 has 1001 routes in main, and no more than 1000 can be"), "{said}");

    let mut fake = two_rails();
    fake.view.addresses.retain(|(index, _)| *index != 11);
    fake.view.addresses.extend((0..=MOST).map(|n| (11, net(&format!("fd00:99::{n:x}/128")))));
    let said = refusal(&mut fake);
    assert!(said.starts_with("net1 has 1001 addresses, "), "{said}");

    let mut fake = two_rails();
    let metric = |n: u32| Route { priority: 5000 + n, ..route("::/0", Some("fe80::1"), 12) };
    fake.view.routes.extend((0..=1000).map(metric));
    let said = refusal(&mut fake);
    assert!(said.starts_with("the pod has 100") && said.contains("default routes in main"), "{said}");

    let mut fake = two_rails();
    fake.view.routes.extend((0..=MOST).map(|n| Route { dev: 12, ..far(n) }));
    fake.plan("net1", &settings()).expect("net2 is not coordinated, and nothing of it is copied");
}
