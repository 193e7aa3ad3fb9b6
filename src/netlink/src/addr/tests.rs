use super::*;
use crate::witness::{first, ours, theirs};

/// `ip addr add 10.1.0.2/24 dev m0 broadcast 10.1.0.255 metric 50 noprefixroute`
const ADD_V4: &str =
    "40000000140005068496036b000000000218000003000000080002000a010002080004000a0100ff080009003200
    00000800080000020000080001000a010002";
/// `ip addr add fd00::2/64 dev m0 nodad`
const ADD_V6: &str =
    "40000000140005068496036b000000000a4002000300000014000200fd00000000000000000000000000000214000100
    fd000000000000000000000000000002";
/// `ip addr del 10.1.0.2/24 dev m0`
const DEL_V4: &str = "28000000150005008496036b000000000218000003000000080002000a010002080001000a010002";

fn v4() -> Address {
    Address {
        broadcast: Some(Ipv4Addr::new(10, 1, 0, 255)),
        flags: AddressFlags::Noprefixroute,
        metric: Some(50),
        ..Address::new(3, "10.1.0.2/24".parse().unwrap())
    }
}

fn v6() -> Address {
    Address { flags: AddressFlags::Nodad, ..Address::new(3, "fd00::2/64".parse().unwrap()) }
}

#[test]
fn requests_are_those_of_ip() {
    assert_eq!(ours(&add(&v4()), HEADER), theirs(ADD_V4, HEADER));
    assert_eq!(ours(&add(&v6()), HEADER), theirs(ADD_V6, HEADER));
    assert_eq!(ours(&delete(&Address::new(3, v4().net)), HEADER), theirs(DEL_V4, HEADER));
}

#[test]
fn bytes_become_the_address() {
    assert_eq!(first(ADD_V4, decode), Some(v4()));
    assert_eq!(first(ADD_V6, decode), Some(v6()));
    assert_eq!(first(DEL_V4, decode), Some(Address::new(3, v4().net)));
}

#[test]
fn tentative_is_not_optimistic_nor_failed() {
    let with = |flags| Address { flags, ..v4() };
    assert!(with(AddressFlags::Tentative).is_tentative());
    assert!(!with(AddressFlags::Tentative | AddressFlags::Optimistic).is_tentative());
    let failed = with(AddressFlags::Tentative | AddressFlags::Dadfailed);
    assert!(!failed.is_tentative() && failed.is_duplicate());
}
