use proptest::prelude::*;

use super::*;

/// `ENABLE_POLICY_ROUTE`, `ENABLE_RDMA_DEFAULT_ROUTE` and setRdmaRule.sh of the guides, in one file.
const GUIDE: &str = "
rdmaMode: exclusive
rdmaSubnets: [172.16.0.0/16]
nics:
- {name: eno3np2, addresses: [172.16.0.10/24], gateways: [172.16.0.1], mtu: 4200, table: 152, rdmaRoute: true, vfs: 8}
- {name: eno4np3, addresses: [172.16.1.10/24, 'fd00:16:1::a/64'], gateways: [172.16.1.1, 'fd00:16:1::1']}
- {name: ib0, addresses: [172.17.0.10/24]}
roce: {preset: nvidia, cnpPriority: 7}
";

#[test]
fn a_file_says_how_the_nics_are_to_be() {
    let settings = parse(GUIDE).unwrap();
    assert_eq!(settings.rdma_mode, Some(RdmaMode::Exclusive));
    let tables: Vec<_> = settings.nics.iter().map(|nic| nic.table).collect();
    assert_eq!(tables, [Some(152), Some(151), None], "151 is the first that nobody names");
    assert_eq!(settings.roce, Some(Roce { cnp_priority: 7, cnp_dscp: 56, ..Roce::NVIDIA }));
}

fn refused(text: &str) -> String {
    parse(text).expect_err(text).to_string()
}

#[test]
fn a_wrong_key_names_the_one_that_was_meant() {
    for (text, said) in [
        ("interfaces: []", "interfaces: means nothing here; write \"nics\""),
        ("nics: [{INTERFACE: a}]", "nics[0].INTERFACE: means nothing here; write \"name\""),
        (
            "nics: [{name: a, IPV4_GATEWAY: 1.1.1.1}]",
            "nics[0].IPV4_GATEWAY: means nothing here; write \"gateways\"",
        ),
        ("nics: [{name: a, addreses: []}]", "nics[0].addreses: means nothing here; write \"addresses\""),
        (
            "roce: {colour: red}",
            "roce.colour: means nothing here; known are preset, priority, dscp, cnpPriority, cnpDscp, ets, buffers",
        ),
    ] {
        assert_eq!(refused(text), said);
    }
}

#[test]
fn classes_that_no_port_can_have_are_refused() {
    let ets = |keys: &str| refused(&format!("roce: {{ets: {{{keys}}}}}"));
    let whole = |scheduling: &str, bandwidth: &str| {
        ets(&format!("classes: [0,0,0,0,0,0,0,0], scheduling: [{scheduling}], bandwidth: [{bandwidth}]"))
    };
    assert_eq!(ets("classes: [0, 1]"), "roce.ets.classes: holds 2: eight are wanted, the one of 0 first");
    assert!(ets("prio-tc: [0]").contains("roce.ets.prio-tc: means nothing here; write \"classes\""));
    let strict = "strict,strict,strict,strict,strict,strict,strict,strict";
    assert!(
        whole(&strict.replacen("strict", "fair", 1), "0")
            .contains("roce.ets.scheduling \"fair\": strict or ets")
    );
    assert!(
        whole(&strict.replacen("strict", "vendor", 1), "0").contains("strict or ets"),
        "nothing that people set"
    );
    assert!(
        whole(strict, "1,0,0,0,0,0,0,0")
            .contains("roce.ets.bandwidth \"1\": is the share of a class that is not")
    );
    let one = strict.replacen("strict", "ets", 1);
    assert!(whole(&one, "90,0,0,0,0,0,0,0").contains("roce.ets.bandwidth \"90\": the shares"));
    let buffers = refused("roce: {buffers: {priorities: [0,0,0,0,0,1,0,0], sizes: [1024,0,0,0,0,0,0,0]}}");
    assert!(buffers.contains("roce.buffers.priorities \"1\": its size is 0"), "{buffers}");
}

#[test]
fn a_wrong_value_names_its_place_and_what_is_allowed() {
    let nic = |keys: &str| format!("nics: [{{name: a, {keys}}}]");
    for (text, said) in [
        (nic("mtu: 60"), "nics[0].mtu \"60\": 68 to 65520"),
        (nic("vfs: 5000"), "nics[0].vfs \"5000\": 0 to 4096"),
        (nic("vfs: -1"), "nics[0].vfs"),
        (nic("pci: eth0"), "nics[0].pci \"eth0\": a PCI address such as 0000:1a:00.0 is wanted"),
        (nic("linkType: roce"), "nics[0].linkType \"roce\": ethernet or infiniband is allowed"),
        (nic("addresses: [172.16.0.10]"), "nics[0].addresses[0] \"172.16.0.10\": an address with the length"),
        (nic("addresses: [172.16.0.0/24]"), "is the subnet itself"),
        (nic("addresses: [172.16.0.255/24]"), "is the broadcast address"),
        (nic("addresses: [10.0.0.1/24, 10.0.0.1/16]"), "\"10.0.0.1/16\": is there twice"),
        (nic("addresses: [127.0.0.1/8]"), "is no address of a NIC"),
        (nic("addresses: ['fe80::1/64']"), "is link-local"),
        (nic("addresses: [10.0.0.1/24], gateways: [10.0.1.1]"), "\"10.0.1.1\": is in the subnet of none"),
        (nic("addresses: [10.0.0.1/24], gateways: [10.0.0.1]"), "is an address of the NIC itself"),
        (
            nic("addresses: [10.0.0.1/24], gateways: [10.0.0.2, 10.0.0.3]"),
            "\"10.0.0.3\": is the second of its family",
        ),
        (
            nic("addresses: [10.0.0.1/24], gateways: [10.0.0.2], table: 254"),
            "table \"254\": is the kernel's own",
        ),
        (nic("addresses: [10.0.0.1/24], table: 152"), "nics[0].table \"152\": a table needs policy routing"),
        (nic("addresses: [10.0.0.1/24], policyRouting: true"), "policyRouting \"true\": needs a gateway"),
        (nic("rdmaRoute: true"), "nics[0].rdmaRoute \"true\": needs rdmaSubnets"),
        ("nics: [{name: a/b}]".to_owned(), "nics[0].name \"a/b\""),
        ("nics: [{mtu: 1500}]".to_owned(), "nics[0].name: is missing"),
        ("nics: [{name: a}, {name: a}]".to_owned(), "nics[1].name \"a\": a has the same"),
        (
            "rdmaSubnets: [10.0.0.1/16]".to_owned(),
            "rdmaSubnets[0] \"10.0.0.1/16\": a subnet is wanted, such as 10.0.0.0/16",
        ),
        ("rdmaSubnets: [10.0.0.0/16, 10.1.0.0/16]".to_owned(), "is the second of its family"),
        ("rdmaMode: private".to_owned(), "rdmaMode \"private\": exclusive or shared"),
        ("roce: {priority: 8}".to_owned(), "roce.priority \"8\": 0 to 7"),
        ("roce: {priority: 6}".to_owned(), "roce.cnpPriority \"6\": RDMA traffic has the same"),
        ("roce: {preset: cisco}".to_owned(), "roce.preset \"cisco\""),
        ("[]".to_owned(), "holds no mapping"),
        ("apiVersion: a/v1\nkind: Fabric\nspec: {}".to_owned(), "kind \"Fabric\": is no host file"),
        ("a: 1\n---\nb: 2".to_owned(), "holds 2 documents"),
        ("a: [".to_owned(), "file: "),
    ] {
        let error = refused(&text);
        assert!(error.contains(said), "{text}: {error}");
    }
}

#[test]
fn two_nics_share_nothing() {
    for (one, two, key) in [
        ("addresses: [10.0.0.1/24]", "addresses: [10.0.0.1/16]", "addresses"),
        (
            "addresses: [10.0.0.1/24], gateways: [10.0.0.9], table: 7",
            "addresses: [10.0.1.1/24], gateways: [10.0.1.9], table: 7",
            "table",
        ),
    ] {
        let error = refused(&format!("nics: [{{name: a, {one}}}, {{name: b, {two}}}]"));
        assert!(error.starts_with(&format!("nics[1].{key} ")), "{error}");
        assert!(error.ends_with("a has the same"), "{error}");
    }
}

proptest! {
    /// What is valid after the change is as apart as any other file, and nothing panics.
    #[test]
    fn a_file_that_was_mangled_is_refused_or_valid(cuts in proptest::collection::vec((0_usize..600, 0_usize..12, "[0-9a-z:/.,{}\\[\\]\" -]{0,6}"), 1..5)) {
        let mut text: Vec<char> = GUIDE.chars().collect();
        for (at, length, put) in cuts {
            let at = at.min(text.len());
            let end = (at + length).min(text.len());
            text.splice(at..end, put.chars());
        }
        let text: String = text.into_iter().collect();
        if let Ok(settings) = parse(&text) {
            let wanted = crate::wants(&settings, &crate::Inventory::default(), None);
            for (at, want) in wanted.iter().enumerate() {
                prop_assert!(wanted[..at].iter().all(|other| other.key != want.key), "{:?} twice: {text}", want.key);
            }
        }
    }
}
