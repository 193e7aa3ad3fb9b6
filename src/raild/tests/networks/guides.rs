//! Every object of ours in the field's guides, as its reader pastes it behind `kubectl apply -f -`: what comes of it, byte by byte, or
//! the exact reason why not.

use std::fs;
use std::path::Path;

use cluster::{Api, Kubectl};
use serde_json::Value;

use crate::definitions::{get, start, until};
use crate::injection::{Service, wait_judging};
use crate::{Process, prepared};

const GUIDES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../integration/cluster/tests/guides");
const MACVLAN: &str = r#""master":"enp11s0f0np0","type":"macvlan"},{"type":"coordinator"}]}"#;
const SRIOV: &str = r#""type":"sriov"},{"type":"rdma"},{"type":"coordinator"}]}"#;
const INFINIBAND: &str =
    r#""link_state":"enable","rdmaIsolation":true,"type":"ib-sriov"},{"type":"coordinator"}]}"#;
const NET11: &str = r#"{"ipv4":["gpu1-net11"]}"#;

/// File; network; resource, if it asks for one; pools; and what stands behind them.
const WORK: [(&str, &str, &str, &str, &str); 12] = [
    ("macvlan.yaml", "spiderpool/gpu1-macvlan", "", NET11, MACVLAN),
    ("macvlan-injected.yaml", "spiderpool/gpu1-sriov", "", NET11, MACVLAN),
    ("per-node-networks.yaml", "kube-system/sriov-eno3np1", "spidernet.io/eno3np1", RAIL1, MTU4200),
    ("per-node-networks.yaml", "kube-system/sriov-eno3np2", "spidernet.io/eno3np2", RAIL2, MTU4200),
    ("sriov-infiniband.yaml", "spiderpool/gpu1-sriov", "spidernet.io/gpu1sriov", NET91, INFINIBAND),
    ("sriov-infiniband-by-nic.yaml", "spiderpool/gpu1-sriov", "spidernet.io/eno3np2", NET91, INFINIBAND),
    ("sriov-injected.yaml", "spiderpool/gpu1-sriov", "spidernet.io/gpu1sriov", NET11, SRIOV),
    ("sriov-injected-rdma.yaml", "spiderpool/gpu1-sriov", "spidernet.io/gpu1rdma", NET11, SRIOV),
    ("sriov-mtu.yaml", "spiderpool/gpu1-sriov", "spidernet.io/gpu1sriov", NET11, MTU8000),
    ("sriov-mtu-last.yaml", "spiderpool/gpu1-sriov", "spidernet.io/gpu1sriov", NET11, MTU8000),
    ("sriov-roce.yaml", "spiderpool/gpu1-sriov", "spidernet.io/gpu1sriov", NET11, SRIOV),
    ("sriov-roce-by-nic.yaml", "spiderpool/gpu1-sriov", "spidernet.io/eno3np2", NET11, SRIOV),
];
/// The example's pool has another name than the one that it makes: nothing says so before a pod starts.
const NET91: &str = r#"{"ipv4":["gpu1-net91"]}"#;
const RAIL1: &str = r#"{"ipv4":["eno3np1-rail1*"],"matchMasterSubnet":true}"#;
const RAIL2: &str = r#"{"ipv4":["eno3np2-rail2*"],"matchMasterSubnet":true}"#;
const MTU4200: &str = r#""mtu":4200,"type":"sriov"},{"type":"rdma"},{"type":"coordinator"}]}"#;
const MTU8000: &str = r#""mtu":8000,"type":"sriov"},{"type":"rdma"},{"type":"coordinator"}]}"#;

fn guide(name: &str) -> String {
    fs::read_to_string(Path::new(GUIDES).join(name)).unwrap()
}

/// With the webhook asked about our kinds, and the networks kept.
fn served(api: &Api) -> [Process; 2] {
    let service = Service::start(1);
    let processes = [service.replica(api, 0, "7776000"), start(api)];
    api.kubectl().run(&["create", "namespace", "spiderpool"]).unwrap();
    wait_judging(api);
    processes
}

/// The network's config, and the resource of its annotation.
fn network(kubectl: &Kubectl, network: &str) -> Option<(String, String)> {
    let (namespace, name) = network.split_once('/').unwrap();
    let found = kubectl.get(&["-n", namespace, "net-attach-def", name]).ok()?;
    let annotations = &found["metadata"]["annotations"];
    // kubectl's word about the config is none about its network.
    assert_eq!(annotations["kubectl.kubernetes.io/last-applied-configuration"], Value::Null);
    let resource = annotations["k8s.v1.cni.cncf.io/resourceName"].as_str().unwrap_or_default();
    Some((found["spec"]["config"].as_str()?.to_owned(), resource.to_owned()))
}

fn refused(kubectl: &Kubectl, document: &str) -> String {
    format!("{:#}", kubectl.apply(document).expect_err("refused"))
}

#[test]
fn every_object_of_the_guides_as_pasted_works_or_is_refused_with_its_exact_reason() {
    let api = prepared();
    let kubectl = api.kubectl();
    let _served = served(&api);
    let mut tried: Vec<_> = WORK.iter().map(|(file, ..)| *file).collect();
    for (file, name, resource, pools, rest) in WORK {
        kubectl.apply(&guide(file)).unwrap_or_else(|error| panic!("{file}: {error:#}"));
        let bare = name.split_once('/').unwrap().1;
        let wanted = format!(
            r#"{{"cniVersion":"1.0.0","name":"{bare}","plugins":[{{"ipam":{{"ippools":{pools},"type":"rail-ipam"}},{rest}"#
        );
        // The one before it of this name may have to become this one first.
        until(&format!("{file}: {wanted} in place of {:?}", network(&kubectl, name)), || {
            network(&kubectl, name).filter(|found| *found == (wanted.clone(), resource.to_owned()))
        });
    }
    assert_eq!(get(&kubectl, "spiderippool", "gpu1-net11").unwrap()["spec"]["subnet"], "172.16.11.0/16");
    kubectl.run(&["delete", "spiderippool", "gpu1-net11"]).unwrap();

    // Cut off by its own "...", and with digits that may be meant either way.
    let cut = refused(&kubectl, &guide("infiniband-pkey.yaml"));
    assert!(cut.contains("line 11: could not find expected ':'"), "{cut}");
    let number = refused(&kubectl, &guide("infiniband-pkey.yaml").replace("    ...\n", ""));
    assert!(number.contains("spec.ibsriov.pkey in body must be of type string: \"integer\""), "{number}");

    // A word for a number; and behind it ranges that leave their subnets.
    let pools = guide("per-node-pools.yaml");
    let word = refused(&kubectl, &pools);
    let wanted = "spec.ipVersion: Invalid value: \"string\": spec.ipVersion in body must be of type integer";
    assert!(word.contains(wanted) && !word.contains("unknown field"), "{word}");
    let mended = pools.replace("  ipVersion: ipv4\n", "");
    let behind = refused(&kubectl, &mended);
    for rail in 1..=8 {
        let name = format!("eno3np{rail}-rail{rail}-node1");
        let reason =
            if rail == 8 { "\"172.16.1.256\" is not an IP address" } else { "leaves the subnet 172.16.1." };
        assert!(
            behind.contains(&format!("pool \"{name}\": spec.ips[0] ")) && behind.contains(reason),
            "{behind}"
        );
        assert!(get(&kubectl, "spiderippool", &name).is_none(), "{name} was taken");
    }
    // With ranges that stay inside, and the words that the guide has for a route.
    let inside = mended.split("---").next().unwrap().replace("172.16.1.32\n", "172.16.1.30\n");
    assert!(inside.contains("- to:") && inside.contains("via:"), "{inside}");
    kubectl.apply(&inside).unwrap();
    let doubled = inside.replace("- to:", "- dst: 172.16.0.0/16\n      to:").replace("-node1", "-node2");
    let doubled = refused(&kubectl, &doubled);
    assert!(doubled.contains("a route needs dst (or to, as the guides write it)"), "{doubled}");
    tried.extend(["infiniband-pkey.yaml", "per-node-pools.yaml"]);
    let files =
        fs::read_dir(GUIDES).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    for file in files.filter(|file| Path::new(file).extension().is_some_and(|end| end == "yaml")) {
        assert!(tried.contains(&file.as_str()), "{file} is applied nowhere");
    }
}
