//! VFs, as far as a link without any goes.

use netlink::{Guid, VfChange, VfVlan};

use crate::world;

#[test]
fn link_without_vfs_has_none() {
    let mut route = world::enter();
    let index = world::master(&mut route);
    assert_eq!(route.vfs(index).unwrap(), []);
    assert_eq!(route.vf(index, 0).unwrap(), None);
    assert!(route.vfs(4711).unwrap_err().is_gone());
}

/// The kernel reads the whole request before it finds that the driver knows no VFs.
#[test]
fn every_change_is_understood_and_named_when_refused() {
    let mut route = world::enter();
    let index = world::master(&mut route);
    let none = VfChange::default();
    for change in [
        VfChange { address: Some("02:00:5e:10:00:01".parse().unwrap()), ..none },
        VfChange { vlan: Some(VfVlan { id: 100, qos: 5, ..VfVlan::default() }), ..none },
        VfChange { rate: Some((0, 1000)), ..none },
        VfChange { spoofchk: Some(true), ..none },
        VfChange { trust: Some(true), ..none },
        VfChange { node_guid: Some(Guid(1)), ..none },
        VfChange { port_guid: Some(Guid(1)), ..none },
    ] {
        let error = route.set_vf(index, 2, &change).unwrap_err();
        let expected = format!("cannot change VF 2 of link {index} ({change}): ");
        assert!(error.to_string().starts_with(&expected), "{error}");
        assert!(!error.is_gone() && error.errno().is_some(), "{error}");
    }
}
