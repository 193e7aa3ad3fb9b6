//! Whatever a result holds: what a version can say, it says and reads back.

use std::net::IpAddr;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::super::*;
use crate::Version;

fn prefix() -> impl Strategy<Value = IpNet> {
    let v4 = (any::<[u8; 4]>(), 0..=32u8).prop_map(|(a, l)| IpNet::new(a.into(), l).unwrap());
    // From 2000::/3, so that none is a mapped IPv4 address.
    let v6 = (any::<[u8; 16]>(), 0..=128u8).prop_map(|(mut a, l)| {
        a[0] = 0x20 | (a[0] & 0x1f);
        IpNet::new(a.into(), l).unwrap()
    });
    prop_oneof![v4, v6]
}

fn gateway() -> impl Strategy<Value = Option<IpAddr>> {
    option::of(prefix().prop_map(|net| net.addr()))
}

fn number() -> impl Strategy<Value = Option<u32>> {
    option::of(1..u32::MAX)
}

fn text() -> impl Strategy<Value = Option<String>> {
    option::of("[ -~é]{1,12}")
}

fn interface() -> impl Strategy<Value = Interface> {
    (".{0,15}", text(), number(), text(), text(), text()).prop_map(
        |(name, mac, mtu, sandbox, socket_path, pci_id)| Interface {
            name,
            mac,
            mtu,
            sandbox,
            socket_path,
            pci_id,
        },
    )
}

fn ip() -> impl Strategy<Value = IpConfig> {
    (prefix(), gateway(), option::of(0..9usize)).prop_map(|(address, gateway, interface)| IpConfig {
        address,
        gateway,
        interface,
    })
}

fn route() -> impl Strategy<Value = Route> {
    (prefix(), gateway(), number(), number(), number(), option::of(any::<u32>()), option::of(any::<u8>()))
        .prop_map(|(dst, gw, mtu, advmss, priority, table, scope)| Route {
            dst,
            gw,
            mtu,
            advmss,
            priority,
            table,
            scope,
        })
}

fn dns() -> impl Strategy<Value = Dns> {
    (vec(".{0,9}", 0..3), ".{0,9}", vec(".{0,9}", 0..3), vec(".{0,9}", 0..3))
        .prop_map(|(nameservers, domain, search, options)| Dns { nameservers, domain, search, options })
}

fn result() -> impl Strategy<Value = CniResult> {
    (vec(interface(), 0..4), vec(ip(), 0..4), vec(route(), 0..4), dns())
        .prop_map(|(interfaces, ips, routes, dns)| CniResult { interfaces, ips, routes, dns })
}

fn round_trip(result: &CniResult, version: Version) -> CniResult {
    let printed = result.to_value(version).unwrap().to_string();
    // The version in the printed result must decide, not this default.
    CniResult::from_slice(printed.as_bytes(), Version::V0_1_0).unwrap()
}

/// What is left of a result in 0.1.0 and 0.2.0.
fn reduced(result: &CniResult) -> CniResult {
    let mut old = CniResult { dns: result.dns.clone(), ..CniResult::default() };
    for is_family in [IpAddr::is_ipv4 as fn(&IpAddr) -> bool, IpAddr::is_ipv6] {
        let Some(ip) = result.ips.iter().find(|ip| is_family(&ip.address.addr())) else { continue };
        old.ips.push(IpConfig { interface: None, ..ip.clone() });
        let routes = result.routes.iter().filter(|route| is_family(&route.dst.addr()));
        old.routes.extend(routes.map(|route| Route::new(route.dst, route.gw)));
    }
    old
}

proptest! {
    #[test]
    fn new_versions_keep_everything(result in result()) {
        for version in [Version::V1_0_0, Version::V1_1_0] {
            prop_assert_eq!(&round_trip(&result, version), &result);
        }
    }

    #[test]
    fn middle_versions_lose_the_newer_interface_fields(result in result()) {
        let mut expected = result.clone();
        for interface in &mut expected.interfaces {
            (interface.mtu, interface.socket_path, interface.pci_id) = (None, None, None);
        }
        for version in [Version::V0_3_0, Version::V0_3_1, Version::V0_4_0] {
            prop_assert_eq!(&round_trip(&result, version), &expected);
        }
    }

    #[test]
    fn old_versions_keep_one_address_per_family(result in result()) {
        for version in [Version::V0_1_0, Version::V0_2_0] {
            if result.ips.is_empty() {
                prop_assert_eq!(result.to_value(version), Err(ConvertError::NoAddress(version)));
            } else {
                prop_assert_eq!(&round_trip(&result, version), &reduced(&result));
            }
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused_without_panic(bytes in vec(any::<u8>(), 0..64)) {
        for version in Version::ALL {
            let _ = CniResult::from_slice(&bytes, version);
        }
    }
}
