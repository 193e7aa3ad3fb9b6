use super::*;
use crate::witness::{first, ours, theirs};

/// `ip rule add not from 10.1.0.2 to 10.8.0.0/16 fwmark 0x10/0xf0 iif lo oif net1 priority 10101 lookup 1000 protocol 211`
const FULL: &str = "68000000200005066b96036b00000000021020000000000102000000080002000a010002080001000a08000008000a00100000
    0008001000f0000000070003006c6f0000090011006e65743100000000080006007527000008000f00e803000005001500d3000000";
/// `ip -6 rule add from fd00::2 priority 10102 lookup 102`
const V6: &str = "38000000200005066b96036b000000000a008000660000010000000014000200fd0000000000000000000000000000020800060076
    270000";

fn full() -> Rule {
    Rule {
        priority: Some(10_101),
        from: Some("10.1.0.2/32".parse().unwrap()),
        to: Some("10.8.0.0/16".parse().unwrap()),
        fwmark: Some((0x10, 0xf0)),
        iif: Some("lo".into()),
        oif: Some("net1".into()),
        invert: true,
        protocol: 211,
        ..Rule::new(Family::V4, 1000)
    }
}

#[test]
fn request_is_that_of_ip() {
    assert_eq!(ours(&add(&full()), HEADER), theirs(FULL, HEADER));
}

#[test]
fn bytes_become_the_rule() {
    assert_eq!(first(FULL, decode), Some(full()));
    let from = Some("fd00::2/128".parse().unwrap());
    assert_eq!(first(V6, decode), Some(Rule { priority: Some(10_102), from, ..Rule::new(Family::V6, 102) }));
}

#[test]
fn reads_like_ip_rule() {
    assert_eq!(full().to_string(), "10101: not from 10.1.0.2/32 to 10.8.0.0/16 lookup 1000");
    assert_eq!(Rule::new(Family::V6, 254).to_string(), "from all lookup 254");
}
