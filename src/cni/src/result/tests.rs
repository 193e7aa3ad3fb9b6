mod properties;

use serde_json::{Value, json};

use super::*;
use crate::Version;

/// A result with everything that any version can say.
fn full() -> CniResult {
    CniResult {
        interfaces: vec![
            Interface {
                name: "ens1f0".into(),
                mac: Some("02:00:00:00:00:01".into()),
                ..Interface::default()
            },
            Interface {
                name: "net1".into(),
                mac: Some("02:00:00:00:00:02".into()),
                mtu: Some(9000),
                sandbox: Some("/run/netns/pod".into()),
                socket_path: Some("/run/vhost.sock".into()),
                pci_id: Some("0000:03:00.1".into()),
            },
        ],
        ips: vec![
            ip("10.1.2.3/24", Some("10.1.2.1"), Some(0)),
            ip("fd00::3/64", None, Some(1)),
            ip("10.1.3.3/24", None, None),
        ],
        routes: vec![
            Route {
                mtu: Some(4200),
                advmss: Some(1400),
                priority: Some(7),
                table: Some(100),
                scope: Some(0),
                ..Route::new(parse_cidr("10.0.0.0/8").unwrap(), Some("10.1.2.254".parse().unwrap()))
            },
            Route::new(parse_cidr("::/0").unwrap(), None),
        ],
        dns: Dns { nameservers: vec!["10.1.0.1".into()], domain: "hpc".into(), ..Dns::default() },
    }
}

fn ip(address: &str, gateway: Option<&str>, interface: Option<usize>) -> IpConfig {
    IpConfig {
        address: parse_cidr(address).unwrap(),
        gateway: gateway.map(|g| g.parse().unwrap()),
        interface,
    }
}

fn full_json(version: &str) -> Value {
    json!({
        "cniVersion": version,
        "interfaces": [
            { "name": "ens1f0", "mac": "02:00:00:00:00:01" },
            { "name": "net1", "mac": "02:00:00:00:00:02", "mtu": 9000, "sandbox": "/run/netns/pod",
              "socketPath": "/run/vhost.sock", "pciID": "0000:03:00.1" },
        ],
        "ips": [
            { "address": "10.1.2.3/24", "gateway": "10.1.2.1", "interface": 0 },
            { "address": "fd00::3/64", "interface": 1 },
            { "address": "10.1.3.3/24" },
        ],
        "routes": [
            { "dst": "10.0.0.0/8", "gw": "10.1.2.254", "mtu": 4200, "advmss": 1400, "priority": 7, "table": 100, "scope": 0 },
            { "dst": "::/0" },
        ],
        "dns": { "nameservers": ["10.1.0.1"], "domain": "hpc" },
    })
}

#[test]
fn prints_1_x_in_full() {
    for version in [Version::V1_0_0, Version::V1_1_0] {
        assert_eq!(full().to_value(version).unwrap(), full_json(version.as_str()));
    }
}

#[test]
fn prints_0_3_and_0_4_with_ip_versions_and_without_newer_interface_fields() {
    let mut expected = full_json("");
    expected["interfaces"][1] =
        json!({ "name": "net1", "mac": "02:00:00:00:00:02", "sandbox": "/run/netns/pod" });
    for (i, family) in ["4", "6", "4"].into_iter().enumerate() {
        expected["ips"][i]["version"] = family.into();
    }
    for version in [Version::V0_3_0, Version::V0_3_1, Version::V0_4_0] {
        expected["cniVersion"] = version.as_str().into();
        assert_eq!(full().to_value(version).unwrap(), expected);
    }
}

#[test]
fn prints_0_1_and_0_2_with_one_address_and_bare_routes_per_family() {
    for version in [Version::V0_1_0, Version::V0_2_0] {
        let expected = json!({
            "cniVersion": version.as_str(),
            "ip4": { "ip": "10.1.2.3/24", "gateway": "10.1.2.1", "routes": [{ "dst": "10.0.0.0/8", "gw": "10.1.2.254" }] },
            "ip6": { "ip": "fd00::3/64", "routes": [{ "dst": "::/0" }] },
            "dns": { "nameservers": ["10.1.0.1"], "domain": "hpc" },
        });
        assert_eq!(full().to_value(version).unwrap(), expected);
    }
}

#[test]
fn old_versions_always_print_dns_and_drop_routes_of_a_family_without_address() {
    let result =
        CniResult { ips: vec![ip("10.1.2.3/24", None, None)], routes: full().routes, ..CniResult::default() };
    let old = result.to_value(Version::V0_2_0).unwrap();
    let routes = json!([{ "dst": "10.0.0.0/8", "gw": "10.1.2.254" }]);
    assert_eq!(
        old,
        json!({ "cniVersion": "0.2.0", "ip4": { "ip": "10.1.2.3/24", "routes": routes }, "dns": {} })
    );
    assert_eq!(result.to_value(Version::V0_4_0).unwrap()["dns"], json!({}));
    assert_eq!(result.to_value(Version::V1_0_0).unwrap().get("dns"), None);
}

#[test]
fn empty_lists_are_omitted() {
    let empty = CniResult::default();
    assert_eq!(empty.to_value(Version::V1_1_0).unwrap(), json!({ "cniVersion": "1.1.0" }));
    assert_eq!(empty.to_value(Version::V0_3_1).unwrap(), json!({ "cniVersion": "0.3.1", "dns": {} }));
}

#[test]
fn result_without_addresses_cannot_be_old() {
    for version in [Version::V0_1_0, Version::V0_2_0] {
        let error = CniResult { ips: Vec::new(), ..full() }.to_value(version).unwrap_err();
        assert_eq!(error, ConvertError::NoAddress(version));
        assert!(error.to_string().starts_with("cannot convert: no valid IP addresses"), "{error}");
    }
}

#[test]
fn reads_what_it_prints() {
    for version in [Version::V1_0_0, Version::V1_1_0] {
        assert_eq!(CniResult::from_value(&full_json(version.as_str()), Version::V0_2_0), Ok(full()));
    }
    let read = CniResult::from_value(&full().to_value(Version::V0_4_0).unwrap(), Version::V1_1_0).unwrap();
    assert_eq!((read.ips, read.routes, read.dns), (full().ips, full().routes, full().dns));
    assert_eq!(read.interfaces[1].pci_id, None);
}

#[test]
fn reads_old_results_v4_first() {
    let old = json!({
        "ip6": { "ip": "fd00::3/64", "gateway": "fd00::1", "routes": [{ "dst": "::0/0", "gw": "fd00::1" }] },
        "ip4": { "ip": "10.1.2.3/24", "routes": [{ "dst": "0.0.0.0/0" }] },
    });
    let read = CniResult::from_value(&old, Version::V0_2_0).unwrap();
    assert_eq!(read.ips, [ip("10.1.2.3/24", None, None), ip("fd00::3/64", Some("fd00::1"), None)]);
    let [v4, v6] = &read.routes[..] else { panic!("{:?}", read.routes) };
    assert_eq!((v4.dst.to_string(), v4.gw), ("0.0.0.0/0".into(), None));
    assert_eq!((v6.dst.to_string(), v6.gw.unwrap().to_string()), ("::/0".into(), "fd00::1".into()));
    assert!(read.interfaces.is_empty());
}

#[test]
fn version_in_the_result_goes_before_the_default() {
    let new = json!({ "cniVersion": "1.0.0", "ips": [{ "address": "10.1.2.3/24" }] });
    assert_eq!(CniResult::from_value(&new, Version::V0_1_0).unwrap().ips.len(), 1);
    let blank = json!({ "cniVersion": "", "ip4": { "ip": "10.1.2.3/24" } });
    assert_eq!(CniResult::from_value(&blank, Version::V0_1_0).unwrap().ips.len(), 1);
    let error = CniResult::from_value(&json!({ "cniVersion": "2.0" }), Version::V1_0_0).unwrap_err();
    assert_eq!(
        error.to_string(),
        Version::ALL.iter().fold(String::from("cniVersion \"2.0\" is not one of "), |text, v| {
            format!("{text}{}{v}", if *v == Version::V0_1_0 { "" } else { ", " })
        })
    );
}

#[test]
fn null_is_an_empty_result() {
    assert_eq!(CniResult::from_slice(b"null", Version::V1_0_0), Ok(CniResult::default()));
    assert_eq!(CniResult::from_slice(b"null", Version::V0_2_0), Ok(CniResult::default()));
}

#[test]
fn interface_index_keeps_zero_apart_from_none_and_minus_one() {
    for (index, expected) in
        [(json!(0), Some(0)), (json!(1), Some(1)), (json!(-1), None), (json!(null), None)]
    {
        let value = json!({ "ips": [{ "address": "10.1.2.3/24", "interface": index }] });
        assert_eq!(CniResult::from_value(&value, Version::V1_0_0).unwrap().ips[0].interface, expected);
    }
    let absent =
        CniResult::from_value(&json!({ "ips": [{ "address": "10.1.2.3/24" }] }), Version::V1_0_0).unwrap();
    assert_eq!(absent.ips[0].interface, None);
}

#[test]
fn zero_numbers_are_omitted_but_not_table_and_scope() {
    let route =
        Route { mtu: Some(0), priority: Some(0), table: Some(0), scope: Some(0), ..full().routes[1].clone() };
    assert_eq!(serde_json::to_value(&route).unwrap(), json!({ "dst": "::/0", "table": 0, "scope": 0 }));
    let interface =
        Interface { name: "net1".into(), mtu: Some(0), mac: Some(String::new()), ..Interface::default() };
    assert_eq!(serde_json::to_value(&interface).unwrap(), json!({ "name": "net1" }));
}

#[test]
fn errors_name_the_place() {
    let cases = [
        (json!({ "ips": [{ "address": "10.1.2.3" }] }), "ips[0].address"),
        (json!({ "ips": [{ "gateway": "10.1.2.1" }] }), "ips[0].address"),
        (json!({ "ips": [{ "address": "10.1.2.3/33" }] }), "ips[0].address"),
        (json!({ "routes": [{ "dst": "::/0", "gw": "fe80::1%eth0" }] }), "routes[0].gw"),
        (json!({ "routes": [{ "dst": "::/0", "scope": 256 }] }), "routes[0].scope"),
        (json!({ "interfaces": { "name": "net1" } }), "interfaces"),
    ];
    for (value, place) in cases {
        let error = CniResult::from_value(&value, Version::V1_1_0).unwrap_err().to_string();
        assert!(error.contains(&format!("key \"{place}\"")), "{error}");
    }
}

#[test]
fn prefixes_are_read_as_go_reads_them() {
    let read = |text: &str| parse_cidr(text).map(|net| net.to_string()).ok();
    assert_eq!(read("::0/0").as_deref(), Some("::/0"));
    assert_eq!(read("10.1.2.3/24").as_deref(), Some("10.1.2.3/24"));
    assert_eq!(read("::ffff:10.1.2.3/120").as_deref(), Some("10.1.2.3/24"));
    for bad in [
        "",
        "10.1.2.3",
        "10.1.2.03/24",
        "10.1.2.3/",
        "10.1.2.3/33",
        "10.1.2.3/+8",
        "10.1.2/24",
        "::/129",
        "/24",
    ] {
        assert_eq!(read(bad), None, "{bad}");
    }
}

#[test]
fn mapped_gateway_is_v4_and_blank_gateway_is_none() {
    let gateway = |text: &str| {
        let value = json!({ "ips": [{ "address": "10.1.2.3/24", "gateway": text }] });
        CniResult::from_value(&value, Version::V1_0_0).unwrap().ips[0].gateway.map(|g| g.to_string())
    };
    assert_eq!(gateway("::ffff:10.1.2.1").as_deref(), Some("10.1.2.1"));
    assert_eq!(gateway(""), None);
}
