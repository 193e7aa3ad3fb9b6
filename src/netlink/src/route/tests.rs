use super::*;
use crate::witness::{bytes, first, meaning, ours, theirs};

const HEADER: usize = 12;

/// `ip route add 10.8.0.0/16 via 10.1.0.254 dev m0 src 10.1.0.9 metric 30 proto 211 mtu 1400 advmss 1300 table 1000`
const FULL: &str =
    "60000000180005068496036b000000000210000000d3000100000000080001000a080000080005000a0100fe08000700
    0a010009080006001e00000008000f00e803000008000400030000001400080008000200780500000800080014050000";
/// `ip route add 10.1.0.0/24 dev m0 table 100`
const CONNECTED: &str =
    "2c000000180005068496036b00000000021800006403fd0100000000080001000a0100000800040003000000";
/// `ip route add 10.7.0.0/24 via 192.0.2.1 dev m0 onlink`
const ONLINK: &str =
    "34000000180005068496036b0000000002180000fe03000104000000080001000a07000008000500c000020108000400
    03000000";
/// `ip route append 10.7.0.0/24 via 10.1.0.3 dev m0`
const APPEND: &str =
    "340000001800050c8496036b0000000002180000fe03000100000000080001000a070000080005000a01000308000400
    03000000";
/// `ip route replace 10.7.0.0/24 via 10.1.0.3 dev m0`
const REPLACE: &str =
    "34000000180005058496036b0000000002180000fe03000100000000080001000a070000080005000a0100030800
    040003000000";
/// `ip -6 route add default via fd00::fe dev m0 table 101`
const DEFAULT_V6: &str =
    "4c000000180005068496036b000000000a00000065030001000000001400010000000000000000000000000000
    00000014000500fd0000000000000000000000000000fe0800040003000000";

fn full() -> Route {
    Route {
        source: Some("10.1.0.9".parse().unwrap()),
        priority: Some(30),
        protocol: 211,
        mtu: Some(1400),
        advmss: Some(1300),
        table: 1000,
        ..via("10.8.0.0/16", "10.1.0.254")
    }
}

fn via(dst: &str, gateway: &str) -> Route {
    Route { gateway: Some(gateway.parse().unwrap()), oif: Some(3), ..Route::new(dst.parse().unwrap()) }
}

#[test]
fn requests_are_those_of_ip() {
    let connected = Route { oif: Some(3), table: 100, ..Route::new("10.1.0.0/24".parse().unwrap()) };
    let onlink = Route { onlink: true, ..via("10.7.0.0/24", "192.0.2.1") };
    let second = via("10.7.0.0/24", "10.1.0.3");
    for (request, hex) in [
        (add(&connected), CONNECTED),
        (add(&onlink), ONLINK),
        (append(&second), APPEND),
        (replace(&second), REPLACE),
    ] {
        assert_eq!(ours(&request, HEADER), theirs(hex, HEADER));
    }
}

#[test]
fn bytes_become_the_route() {
    let universe = |spec: Route| Route { scope: Some(scope::UNIVERSE), ..spec };
    assert_eq!(first(FULL, decode), Some(universe(full())));
    assert_eq!(
        first(ONLINK, decode),
        Some(universe(Route { onlink: true, ..via("10.7.0.0/24", "192.0.2.1") }))
    );
    let default = Route { table: 101, ..via("::/0", "fd00::fe") };
    assert_eq!(first(DEFAULT_V6, decode), Some(universe(default)));
    assert_eq!(first(CONNECTED, decode).unwrap().scope, Some(scope::LINK));
}

/// `ip` writes 0 for a table above 255, and the kernel itself `RT_TABLE_COMPAT`, as we do.
#[test]
fn large_tables_differ_from_ip_in_the_header_alone() {
    let mut theirs = bytes(FULL);
    theirs[16 + 4] = 252;
    assert_eq!(ours(&add(&full()), HEADER), meaning(&theirs, HEADER));
}

#[test]
fn reads_like_ip_route() {
    assert_eq!(full().to_string(), "10.8.0.0/16 via 10.1.0.254 on link 3 metric 30 in table 1000");
}
