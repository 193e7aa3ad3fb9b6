use super::*;
use crate::witness::{first, ours, theirs};

/// `ip neigh add 10.1.0.77 lladdr 02:00:5e:00:53:01 dev m0 nud permanent protocol 211`
const ADD: &str =
    "380000001c0005068596036b0000000002000000030000008000000005000c00d3000000080001000a01004d0a000200
    02005e0053010000";
/// `ip neigh replace fd00::9 lladdr 02:00:5e:00:53:01 dev m0 nud permanent`
const REPLACE: &str =
    "3c0000001c0005058596036b000000000a000000030000008000000014000100fd00000000000000000000000000
    00090a00020002005e0053010000";

/// `ip neigh replace 10.1.0.77 dev m0 nud none use`
const RESOLVE: &str = "240000001c000505073a086b00000000020000000300000000000100080001000a01004d";

fn entry(ip: &str, protocol: Option<u8>) -> Neighbour {
    let address = "02:00:5e:00:53:01".parse().unwrap();
    Neighbour { protocol, ..Neighbour::permanent(3, ip.parse().unwrap(), address) }
}

#[test]
fn requests_are_those_of_ip() {
    assert_eq!(ours(&add(&entry("10.1.0.77", Some(211))), HEADER), theirs(ADD, HEADER));
    assert_eq!(ours(&replace(&entry("fd00::9", None)), HEADER), theirs(REPLACE, HEADER));
    assert_eq!(ours(&resolve(3, "10.1.0.77".parse().unwrap()), HEADER), theirs(RESOLVE, HEADER));
}

#[test]
fn bytes_become_the_neighbour() {
    assert_eq!(first(ADD, decode), Some(entry("10.1.0.77", Some(211))));
    assert_eq!(first(REPLACE, decode), Some(entry("fd00::9", None)));
}

#[test]
fn known_is_who_has_answered() {
    let known = |state| Neighbour { state, ..entry("10.1.0.77", None) }.is_known();
    assert!(
        known(NeighbourState::Reachable) && known(NeighbourState::Stale) && known(NeighbourState::Permanent)
    );
    assert!(
        !known(NeighbourState::None) && !known(NeighbourState::Incomplete) && !known(NeighbourState::Failed)
    );
    assert!(!Neighbour { address: None, ..entry("10.1.0.77", None) }.is_known());
}
