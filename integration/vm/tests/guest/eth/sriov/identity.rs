//! Whose a VF is, and by which word.

use std::path::Path;

use serde_json::{Value, json};
use vm::lab::{Pod, Vf, run, vf};

use super::ghosts::rdma_by_the_peer;
use super::state::{State, assert_untouched};
use super::upgrade::{attached_by_the_peer, write};
use crate::attachment::{Attachment, Way, plugin};
use crate::identity::{identity, inside};

pub(crate) const WAYS: [Way; 3] = [("sriov", alone), ("sriov, rdma", chained), ("rail", by_rail)];

fn settings() -> Value {
    json!({ "vlan": 50, "mac": "02:00:5e:10:00:11" })
}

fn alone(vf: &Vf, pod: &Pod, container: &str) -> Attachment {
    Attachment { calls: vec![plugin("sriov", vf, pod, container, &settings())] }
}

fn chained(vf: &Vf, pod: &Pod, container: &str) -> Attachment {
    let first = plugin("sriov", vf, pod, container, &settings());
    let second = first.then("rdma", &json!({ "vlan": null, "mac": null }));
    Attachment { calls: vec![first, second] }
}

fn by_rail(vf: &Vf, pod: &Pod, container: &str) -> Attachment {
    let rail = json!({ "link": "sriov", "rdma": "exclusive" });
    Attachment { calls: vec![plugin("rail", vf, pod, container, &settings()).with(&rail)] }
}

identity! { WAYS }

/// A name in a namespace says nothing: what has it now may be of the peer, which keeps no record of ours.
#[test]
fn a_torn_cache_of_the_pod_before_is_no_claim_to_what_the_next_one_has() {
    for ((name, way), by_peer) in WAYS.iter().flat_map(|way| [(way, false), (way, true)]) {
        let (vf, pod) = (vf(4, 0), Pod::new());
        let before = State::of(&vf);
        run(&["mkdir", "-p", "/var/lib/cni/sriov", "/var/lib/cni/rdma"]);
        let mut second = chained(&vf, &pod, pod.name());
        if by_peer {
            attached_by_the_peer(&vf, &pod);
            rdma_by_the_peer(&vf, &pod);
        } else {
            second.add();
        }
        let torn = ["/var/lib/cni/sriov/first-net1", "/var/lib/cni/rdma/rail1-first-net1"];
        let torn = &torn[..if *name == "sriov" { 1 } else { 2 }];
        for path in torn {
            write(path, "{");
        }
        let had = inside(&vf, &pod);
        way(&vf, &pod, "first").del();
        assert_eq!(inside(&vf, &pod), had, "{name}, by the peer: {by_peer}");
        assert!(torn.iter().all(|path| !Path::new(path).exists()), "{name}");
        second.del();
        assert_untouched(&vf, &before);
    }
}

/// Who changes a network's type has pods of the type before.
#[test]
fn del_by_another_type_takes_away_what_the_type_before_attached_or_names_it() {
    for (name, way) in &WAYS[..2] {
        let (vf, pod) = (vf(4, 1), Pod::new());
        let before = State::of(&vf);
        way(&vf, &pod, "first").add();
        by_rail(&vf, &pod, "first").del();
        assert!(pod.links().is_empty() && pod.rdma_devices().is_empty(), "{name}");
        assert_untouched(&vf, &before);
    }
    let (vf, pod) = (vf(4, 1), Pod::new());
    let before = State::of(&vf);
    let mut rail = by_rail(&vf, &pod, "first");
    rail.add();
    let had = inside(&vf, &pod);
    let said = json!(alone(&vf, &pod, "first").try_del()).to_string();
    assert!(said.contains("rail"), "{said}");
    assert_eq!(inside(&vf, &pod), had);
    rail.del();
    assert_untouched(&vf, &before);
}
