use crate::{Catalog, Pool};

/// One inline pool: the pool, or the message, and the warnings.
fn read(pool: &str) -> (Result<Pool, String>, Vec<String>) {
    let mut catalog = Catalog::default();
    let document = yaml::documents(pool).unwrap().remove(0);
    catalog.add_inline("test", &document);
    let refused = catalog.refused().next().map(ToString::to_string);
    let outcome = catalog.pools().next().cloned().ok_or_else(|| refused.unwrap());
    (outcome, catalog.warnings().to_vec())
}

fn accepted(pool: &str) -> Pool {
    let (outcome, warnings) = read(pool);
    assert!(warnings.is_empty(), "{warnings:?}");
    outcome.unwrap()
}

fn refused(pool: &str) -> String {
    read(pool).0.unwrap_err()
}

fn offered(pool: &Pool) -> String {
    pool.offered.ranges().iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

#[test]
fn what_is_offered_is_the_ranges_without_the_excluded() {
    let pool = accepted(
        "{name: a, subnet: 10.0.0.0/24, gateway: 10.0.0.1, ips: [10.0.0.1-10.0.0.20, 10.0.0.40], excludeIPs: [10.0.0.1, 10.0.0.5-10.0.0.9]}",
    );
    assert_eq!(offered(&pool), "10.0.0.2-10.0.0.4 10.0.0.10-10.0.0.20 10.0.0.40");
    assert_eq!(offered(&accepted("{name: a, subnet: 10.0.0.0/24}")), "", "an empty pool is legal");
    let six = accepted("{name: a, ipVersion: 6, subnet: 'fd00::/64', ips: ['fd00::10-fd00::ffff:0']}");
    assert_eq!(six.offered.len(), 0xffff_0000 - 0xf);
}

#[test]
fn every_plain_spelling_of_the_ip_version() {
    for version in ["4", "'4'", "ipv4", "IPv4", "v4"] {
        accepted(&format!("{{name: a, ipVersion: {version}, subnet: 10.0.0.0/24}}"));
    }
    let wrong = |version: &str| refused(&format!("{{name: a, ipVersion: {version}, subnet: 10.0.0.0/24}}"));
    assert_eq!(wrong("6"), r#"pool "a": subnet "10.0.0.0/24": is not IPv6, as ipVersion says"#);
    assert_eq!(wrong("5"), r#"pool "a": ipVersion "5": is no IP version; write 4 or 6"#);
    assert_eq!(wrong("ipx"), r#"pool "a": ipVersion "ipx": is no IP version; write 4 or 6"#);
}

#[test]
fn a_wrong_subnet() {
    assert_eq!(
        refused("{name: a}"),
        r#"pool "a": subnet: is missing; write ADDRESS/LENGTH such as 172.16.1.0/24"#
    );
    for subnet in ["10.0.0.0", "10.0.0.0/33", "10.0.0/24", "rail"] {
        let message = format!(
            r#"pool "a": subnet "{subnet}": is no subnet; write ADDRESS/LENGTH such as 172.16.1.0/24"#
        );
        assert_eq!(refused(&format!("{{name: a, subnet: {subnet}}}")), message);
    }
}

#[test]
fn ranges_that_leave_the_subnet_or_are_none() {
    let ips = |ips: &str| refused(&format!("{{name: a, subnet: 172.16.1.0/27, ips: [172.16.1.2, {ips}]}}"));
    assert_eq!(
        ips("172.16.1.20-172.16.1.32"),
        r#"pool "a": ips[1] "172.16.1.20-172.16.1.32": leaves the subnet 172.16.1.0/27, whose last address for a host is 172.16.1.30"#
    );
    assert_eq!(
        ips("172.16.2.1"),
        r#"pool "a": ips[1] "172.16.2.1": is outside the subnet 172.16.1.0/27, which is 172.16.1.0-172.16.1.31"#
    );
    assert_eq!(
        ips("172.16.1.26-172.16.1.256"),
        r#"pool "a": ips[1] "172.16.1.26-172.16.1.256": "172.16.1.256" is not an IP address; write ADDRESS or FIRST-LAST"#
    );
    let exclude = refused("{name: a, subnet: 172.16.1.0/27, excludeIPs: [172.16.1.99]}");
    assert_eq!(
        exclude,
        r#"pool "a": excludeIPs[0] "172.16.1.99": is outside the subnet 172.16.1.0/27, which is 172.16.1.0-172.16.1.31"#
    );
}

#[test]
fn network_and_broadcast_addresses_are_left_out_with_a_warning() {
    let (pool, warnings) = read("{name: a, subnet: 10.0.0.0/30, ips: [10.0.0.0-10.0.0.3]}");
    assert_eq!(offered(&pool.unwrap()), "10.0.0.1-10.0.0.2");
    assert_eq!(
        warnings,
        [
            r#"pool "a": ips "10.0.0.0": is no address for a host of the subnet and left out"#,
            r#"pool "a": ips "10.0.0.3": is no address for a host of the subnet and left out"#
        ]
    );
    assert_eq!(
        offered(&accepted("{name: a, subnet: 10.0.0.0/31, ips: [10.0.0.0-10.0.0.1]}")),
        "10.0.0.0-10.0.0.1"
    );
}

#[test]
fn the_gateway_is_a_neighbour_that_nobody_gets() {
    let gateway = |gateway: &str| {
        refused(&format!("{{name: a, subnet: 10.0.0.0/24, ips: [10.0.0.2-10.0.0.9], gateway: {gateway}}}"))
    };
    assert_eq!(gateway("10.0.0.x"), r#"pool "a": gateway "10.0.0.x": is not an IP address"#);
    assert_eq!(
        gateway("10.0.1.1"),
        r#"pool "a": gateway "10.0.1.1": is outside the subnet 10.0.0.0/24, and not link-local"#
    );
    assert_eq!(
        gateway("fd00::1"),
        r#"pool "a": gateway "fd00::1": is outside the subnet 10.0.0.0/24, and not link-local"#
    );
    assert_eq!(
        gateway("10.0.0.2"),
        r#"pool "a": gateway "10.0.0.2": is among ips: take it out there, or add it to excludeIPs"#
    );
}

#[test]
fn routes_in_both_spellings() {
    let pool = accepted(
        "{name: a, subnet: 10.0.0.0/24, routes: [{to: 10.0.0.0/8, via: 10.0.0.1}, {dst: 172.16.0.0/12, gw: 10.0.0.1}]}",
    );
    let routes = pool.routes.iter().map(|route| format!("{} {}", route.dst, route.gw)).collect::<Vec<_>>();
    assert_eq!(routes, ["10.0.0.0/8 10.0.0.1", "172.16.0.0/12 10.0.0.1"]);
    let wrong = |routes: &str| refused(&format!("{{name: a, subnet: 10.0.0.0/24, routes: [{routes}]}}"));
    let cases = [
        (
            "{dst: 0.0.0.0/0, gw: 10.0.0.1}",
            r#"routes[0].dst "0.0.0.0/0": is the default route; the pool's gateway stands for it"#,
        ),
        ("{dst: 10.1.0.0, gw: 10.0.0.1}", r#"routes[0].dst "10.1.0.0": is no subnet; write ADDRESS/LENGTH"#),
        ("{dst: 'fd00::/8', gw: 10.0.0.1}", r#"routes[0].dst "fd00::/8": is not of the pool's family"#),
        ("{dst: 10.1.0.0/16, gw: me}", r#"routes[0].gw "me": is not an IP address"#),
        (
            "{dst: 10.1.0.0/16, gw: 10.0.1.1}",
            r#"routes[0].gw "10.0.1.1": is outside the subnet 10.0.0.0/24, and not link-local"#,
        ),
        ("{dst: 10.1.0.0/16}", "routes[0].gw: is missing; a route needs dst and gw"),
        ("{gw: 10.0.0.1}", "routes[0].dst: is missing; a route needs dst and gw"),
        (
            "{dst: 10.1.0.0/16, gw: 10.0.0.1}, {to: 10.1.0.0/16, via: 10.0.0.2}",
            r#"routes[1].dst "10.1.0.0/16": has a route already"#,
        ),
    ];
    for (routes, message) in cases {
        assert_eq!(wrong(routes), format!("pool \"a\": {message}"));
    }
}

#[test]
fn a_misspelt_field_is_refused_and_a_foreign_one_ignored() {
    assert_eq!(
        refused("{name: a, subnt: 10.0.0.0/24}"),
        r#"pool "a": subnt: is no field of a pool; write "subnet""#
    );
    assert_eq!(
        refused("{name: a, subnet: 10.0.0.0/24, exclude: []}"),
        r#"pool "a": exclude: is no field of a pool; write "excludeIPs""#
    );
    let (pool, warnings) = read("{name: a, subnet: 10.0.0.0/24, controlledBy: me, vlan: 0}");
    pool.unwrap();
    assert_eq!(warnings, [r#"pool "a": controlledBy: is no field of a pool and ignored"#]);
}

#[test]
fn a_value_of_the_wrong_type_is_named_with_its_path() {
    let message = refused("{name: a, subnet: 10.0.0.0/24, ips: 10.0.0.1}");
    assert!(
        message.contains("\"ips\"") && message.contains("10.0.0.1") && message.contains("a list"),
        "{message}"
    );
    let message =
        refused("{kind: SpiderIPPool, metadata: {name: a}, spec: {subnet: 10.0.0.0/24, default: 'yes'}}");
    assert!(message.contains("\"spec.default\"") && message.contains("true or false"), "{message}");
}

#[test]
fn an_affinity_that_says_nothing_selects_everything() {
    let scope = |affinity: &str| accepted(&format!("{{name: a, subnet: 10.0.0.0/24, {affinity}}}")).scope;
    assert!(scope("nodeAffinity: {}, podAffinity: {matchLabels: {}}").unanswerable.is_empty());
    assert_eq!(scope("podAffinity: {matchLabels: {app: x}}").unanswerable, ["podAffinity"]);
    assert!(
        scope("nodeName: [n1], nodeAffinity: {matchLabels: {zone: x}}").unanswerable.is_empty(),
        "a name beats an affinity"
    );
}
