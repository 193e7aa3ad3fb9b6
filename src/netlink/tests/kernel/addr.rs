//! Addresses.

use ipnet::IpNet;
use netlink::{Address, AddressFlags};
use serde_json::json;

use crate::world;

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

#[test]
fn addresses_read_back_as_added() {
    let mut route = world::enter();
    let index = world::master(&mut route);
    let v4 = Address {
        broadcast: Some("10.1.0.255".parse().unwrap()),
        label: Some("m0:rail".into()),
        flags: AddressFlags::Noprefixroute,
        protocol: Some(211),
        metric: Some(50),
        ..Address::new(index, net("10.1.0.2/24"))
    };
    let v6 =
        Address { flags: AddressFlags::Nodad, protocol: Some(211), ..Address::new(index, net("fd00::2/64")) };
    route.add_address(&v4).unwrap();
    route.add_address(&v6).unwrap();

    let listed = route.addresses(Some(index)).unwrap();
    let found = |net: IpNet| listed.iter().find(|address| address.net == net).unwrap().clone();
    let permanent = AddressFlags::Permanent;
    assert_eq!(found(v4.net), Address { flags: v4.flags | permanent, ..v4.clone() });
    assert_eq!(found(v6.net), Address { flags: v6.flags | permanent, ..v6.clone() });

    let shown = world::ip_json("addr show dev m0");
    let shown = shown[0]["addr_info"].as_array().unwrap().iter().find(|a| a["local"] == "10.1.0.2").unwrap();
    assert_eq!((&shown["prefixlen"], &shown["broadcast"]), (&json!(24), &json!("10.1.0.255")));
    assert_eq!((&shown["label"], &shown["noprefixroute"]), (&json!("m0:rail"), &json!(true)));
}

#[test]
fn peer_is_told_from_the_address() {
    let mut route = world::enter();
    let index = world::master(&mut route);
    world::ip("addr add 10.9.0.1 peer 10.9.0.2/32 dev m0");
    world::ip("addr add fd09::1 peer fd09::2/128 dev m0 nodad");
    let peers: Vec<_> =
        route.addresses(Some(index)).unwrap().into_iter().filter(|a| a.peer.is_some()).collect();
    let expected = [("10.9.0.1/32", "10.9.0.2"), ("fd09::1/128", "fd09::2")];
    assert_eq!(peers.len(), expected.len());
    for (address, (own, peer)) in peers.iter().zip(expected) {
        assert_eq!((address.net, address.peer), (net(own), Some(peer.parse().unwrap())));
    }
}

#[test]
fn list_is_of_the_one_link() {
    let mut route = world::enter();
    let index = world::master(&mut route);
    route.add_address(&Address::new(index, net("10.1.0.2/24"))).unwrap();
    assert!(route.addresses(None).unwrap().iter().any(|address| address.net == net("127.0.0.1/8")));
    assert!(route.addresses(Some(index)).unwrap().iter().all(|address| address.index == index));
    assert_eq!(route.addresses(Some(4711)).unwrap(), []);
}

#[test]
fn twice_is_exists_and_absent_is_gone() {
    let mut route = world::enter();
    let index = world::master(&mut route);
    for text in ["10.1.0.2/24", "fd00::2/64"] {
        let address = Address::new(index, net(text));
        route.add_address(&address).unwrap();
        let error = route.add_address(&address).unwrap_err();
        assert!(error.is_exists(), "{error}");
        assert!(
            error
                .to_string()
                .starts_with(&format!("cannot add address {text} on link {index}: exists already"))
        );
        route.replace_address(&address).unwrap();
        route.delete_address(&address).unwrap();
        let error = route.delete_address(&address).unwrap_err();
        assert!(error.is_gone(), "{error}");
    }
    assert!(route.add_address(&Address::new(4711, net("10.1.0.2/24"))).unwrap_err().is_gone());
}

#[test]
fn delete_does_not_need_flags_or_label() {
    let mut route = world::enter();
    let index = world::master(&mut route);
    let bare = Address::new(index, net("10.1.0.2/24"));
    route.add_address(&Address { label: Some("m0:x".into()), protocol: Some(211), ..bare.clone() }).unwrap();
    route.delete_address(&bare).unwrap();
    assert!(route.addresses(Some(index)).unwrap().iter().all(|address| address.net != bare.net));
}
