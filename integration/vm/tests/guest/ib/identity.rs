//! Whose an InfiniBand VF is, and by which word.

use serde_json::{Value, json};
use vm::lab::{Pod, Vf, run, vf};

use super::upgrade::attached_by_the_peer;
use crate::attachment::{Attachment, Way, plugin};
use crate::eth::sriov::state::{State, assert_no_file};
use crate::eth::sriov::upgrade::write;
use crate::identity::{identity, inside};

pub(crate) const WAYS: [Way; 3] =
    [("ib-sriov", alone), ("ib-sriov with its RDMA device", isolated), ("rail", by_rail)];

fn settings(vf: &Vf) -> Value {
    json!({ "guid": format!("11:22:33:44:55:66:ee:{:02x}", vf.index()), "link_state": "enable" })
}

fn alone(vf: &Vf, pod: &Pod, container: &str) -> Attachment {
    Attachment { calls: vec![plugin("ib-sriov", vf, pod, container, &settings(vf))] }
}

fn isolated(vf: &Vf, pod: &Pod, container: &str) -> Attachment {
    let more = json!({ "rdmaIsolation": true });
    Attachment { calls: vec![plugin("ib-sriov", vf, pod, container, &settings(vf)).with(&more)] }
}

fn by_rail(vf: &Vf, pod: &Pod, container: &str) -> Attachment {
    let rail = json!({ "link": "ib-sriov", "rdma": "exclusive" });
    Attachment { calls: vec![plugin("rail", vf, pod, container, &settings(vf)).with(&rail)] }
}

identity! { rarely WAYS }

#[test]
fn a_torn_cache_of_the_pod_before_is_no_claim_to_what_the_next_one_has() {
    for ((name, way), by_peer) in WAYS.iter().flat_map(|way| [(way, false), (way, true)]) {
        let (vf, pod) = (vf(4, 0), Pod::new());
        run(&["mkdir", "-p", "/var/lib/cni/ib-sriov"]);
        let mut second = alone(&vf, &pod, pod.name());
        if by_peer {
            attached_by_the_peer(&vf, &pod);
        } else {
            second.add();
        }
        let torn = "/var/lib/cni/ib-sriov/first-net1";
        write(torn, "{");
        let had = inside(&vf, &pod);
        way(&vf, &pod, "first").del();
        assert_eq!(inside(&vf, &pod), had, "{name}, by the peer: {by_peer}");
        assert!(!std::path::Path::new(torn).exists(), "{name}");
        second.del();
        assert_no_file();
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
        assert_eq!(State::of(&vf), before, "{name}");
        assert_no_file();
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
    assert_eq!(State::of(&vf), before);
    assert_no_file();
}
