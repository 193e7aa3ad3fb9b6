//! What an API server is answered, question by question.

use admission::{Answer, Books, Loss, Request, User, World, asked, is_as_known, judge, losing, mutate};
use api::{PoolUse, RailBlockSpec};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fabric::Options;
use inject::Policy;
use proptest::prelude::*;
use serde_json::{Value, json};

const RDMA: &str = "cni.spidernet.io/rdma-resource-inject";

fn world() -> World {
    let policy = Policy { configs: ["rails".to_owned()].into(), ..Policy::default() };
    World::new(policy, Options::of_cluster("default"))
}

fn document(text: &str) -> Value {
    yaml::documents(text).expect("YAML").remove(0)
}

fn request(operation: &str, object: &Value, old: &Value) -> Request {
    let of = if object.is_null() { old } else { object };
    let review = json!({ "request": {
        "uid": "u", "operation": operation, "kind": { "group": "g", "kind": of["kind"] },
        "namespace": of["metadata"]["namespace"].as_str().unwrap_or_default(), "object": object, "oldObject": old,
    }});
    Request::parse(review.to_string().as_bytes()).expect("a request")
}

fn create(object: &Value) -> Request {
    request("CREATE", object, &Value::Null)
}

fn pool(name: &str, subnet: &str, ips: &str) -> Value {
    document(&format!(
        "{{kind: SpiderIPPool, metadata: {{name: {name}}}, spec: {{subnet: {subnet}, ips: [{ips}]}}}}"
    ))
}

fn config(name: &str, annotations: &str, spec: &str) -> Value {
    document(&format!(
        "{{kind: SpiderMultusConfig, metadata: {{name: {name}, namespace: rails, annotations: {{{annotations}}}}}, spec: {{{spec}}}}}"
    ))
}

const MACVLAN: &str = "cniType: macvlan, macvlan: {master: [eno1], rdmaResourceName: spidernet.io/a}";

#[track_caller]
fn refused(answer: &Answer, said: &str) {
    let refusal = answer.refusal.as_deref().unwrap_or("allowed");
    assert!(refusal.contains(said), "{refusal}");
}

fn ranges(set: &ipam::RangeSet) -> Vec<String> {
    set.ranges().iter().map(ToString::to_string).collect()
}

fn user(pod: &str, address: &str) -> User {
    let status = json!([{ "name": "rails/a", "interface": "net1", "ips": [address] }]).to_string();
    let (namespace, name) = pod.split_once('/').expect("NAMESPACE/NAME");
    let annotations = json!({ "k8s.v1.cni.cncf.io/network-status": status });
    User::of(&json!({ "metadata": { "name": name, "namespace": namespace, "annotations": annotations } }))
        .expect("a user")
}

/// Pool a: worker-1 may hand out 172.16.0.1-172.16.0.8; and what nodes say that they use of it.
fn books(nodes: &[(&str, i64)]) -> Books {
    let mut books = Books::default();
    books.add_block(&RailBlockSpec {
        group: "a".to_owned(),
        count: 128,
        epoch: 1,
        pools: vec!["a".to_owned()],
        subnets: vec!["172.16.0.0/24".to_owned()],
        rails: vec!["worker-1=1-8".to_owned()],
        since: "worker-1=1".to_owned(),
        ..RailBlockSpec::default()
    });
    for (node, used) in nodes {
        books.add_node(node, &[PoolUse { name: "a".to_owned(), used: *used, ..PoolUse::default() }]);
    }
    books
}

/// With what pods of nodes say, as far as they are asked.
fn losses(books: &Books, request: &Request, pods: &[(&str, &[User])]) -> Vec<Loss> {
    let mut losses = books.losses(request).expect("books that can be read");
    let asked = asked(&losses);
    for loss in &mut losses {
        let of_node = pods.iter().find(|(node, _)| *node == loss.node && asked.contains(*node));
        loss.pods = of_node.map(|(_, pods)| pods.to_vec()).unwrap_or_default();
    }
    losses
}

#[test]
fn a_claim_in_an_annotation_keeps_no_pool_from_being_changed() {
    let old = pool("a", "172.16.0.0/24", "172.16.0.1-172.16.0.99");
    let gone = request("DELETE", &Value::Null, &old);
    let squatter = [user("tenant/squatter", "172.16.0.5"), user("tenant/squatter", "172.16.0.50")];
    let answer = |nodes: &[(&str, i64)], pods: &[(&str, &[User])]| {
        judge(&gone, &world(), &losses(&books(nodes), &gone, pods))
    };
    // No node has been granted any; the one that was uses none; he is on another; or he claims what no node has.
    assert_eq!(
        judge(&gone, &world(), &losses(&Books::default(), &gone, &[("worker-1", &squatter)])),
        Answer::allowed()
    );
    assert_eq!(answer(&[("worker-1", 0)], &[("worker-1", &squatter)]), Answer::allowed());
    let shrunk = request("UPDATE", &pool("a", "172.16.0.0/24", "172.16.0.1-172.16.0.4"), &old);
    let of_shrunk = |pods: &[(&str, &[User])]| {
        judge(&shrunk, &world(), &losses(&books(&[("worker-1", 2)]), &shrunk, pods))
    };
    assert_eq!(of_shrunk(&[("worker-2", &squatter)]), Answer::allowed());
    assert_eq!(of_shrunk(&[("worker-1", &squatter[1..])]), Answer::allowed());
}

#[test]
fn what_the_books_say_counts_though_no_pod_says_it() {
    let old = pool("a", "172.16.0.0/24", "172.16.0.1-172.16.0.99");
    let gone = request("DELETE", &Value::Null, &old);
    let answer = judge(&gone, &world(), &losses(&books(&[("worker-1", 3)]), &gone, &[]));
    refused(&answer, "pool \"a\" would lose addresses that pods have: 3 in use on node worker-1; set");
    // Six of eight are in use, and five stay: one at least is lost.
    let shrunk = request("UPDATE", &pool("a", "172.16.0.0/24", "172.16.0.1-172.16.0.5"), &old);
    let answer = judge(&shrunk, &world(), &losses(&books(&[("worker-1", 6)]), &shrunk, &[]));
    refused(&answer, "pods have: 1 in use on node worker-1; set");
    // A node whose agent has not spoken of the pool yet.
    let mut books = books(&[]);
    books.add_node("worker-1", &[]);
    let pods = [user("jobs/one", "172.16.0.5")];
    refused(
        &judge(&gone, &world(), &losses(&books, &gone, &[("worker-1", &pods)])),
        "172.16.0.5 of pod jobs/one",
    );
}

#[test]
fn books_that_cannot_be_read_say_so_of_their_pools_alone() {
    let mut books = Books::default();
    books.add_block(&RailBlockSpec { pools: vec!["a".to_owned()], ..RailBlockSpec::default() });
    let of = |name: &str| {
        books.losses(&request("DELETE", &Value::Null, &pool(name, "172.16.0.0/24", "172.16.0.1")))
    };
    assert!(of("a").is_err() && of("b").is_ok());
}

#[test]
fn an_admin_who_means_it_takes_addresses_in_use() {
    let old = pool("a", "172.16.0.0/24", "172.16.0.1-172.16.0.99");
    let mut meant = old.clone();
    meant["metadata"]["annotations"] = json!({ "railcni.dev/take-addresses-in-use": "true" });
    assert!(losing(&request("DELETE", &Value::Null, &meant)).is_empty());
    let mut shrunk = pool("a", "172.16.0.0/24", "172.16.0.1");
    shrunk["metadata"]["annotations"] = meant["metadata"]["annotations"].clone();
    assert!(losing(&request("UPDATE", &shrunk, &old)).is_empty());
    assert!(!losing(&request("UPDATE", &pool("a", "172.16.0.0/24", "172.16.0.1"), &meant)).is_empty());
}

#[test]
fn a_pool_that_is_made_up_is_none_that_the_cluster_has() {
    let mut world = world();
    let mut known = pool("a", "172.16.0.0/24", "172.16.0.1-172.16.0.99");
    let gone = |pool: &Value| request("DELETE", &Value::Null, pool);
    assert!(!is_as_known(&gone(&known), &world));
    world.pools.insert("a".to_owned(), known.clone());
    assert!(!is_as_known(&gone(&known), &world), "without a UID anybody could name it");
    known["metadata"]["uid"] = "0b5e".into();
    world.pools.insert("a".to_owned(), known.clone());
    assert!(is_as_known(&gone(&known), &world));
    let mut other = known.clone();
    other["metadata"]["uid"] = "1".into();
    assert!(!is_as_known(&gone(&other), &world));
    known["spec"] = pool("a", "10.0.0.0/8", "10.0.0.0-10.255.255.255")["spec"].clone();
    assert!(!is_as_known(&gone(&known), &world));
}

#[test]
fn a_config_that_is_longer_than_any_network_is_refused() {
    let long = config("a", &format!("x: {}", "y".repeat(70_000)), MACVLAN);
    refused(&judge(&create(&long), &world(), &[]), "longer than 64 KiB");
}

#[test]
fn a_pod_gets_its_rails_as_a_patch() {
    let mut world = world();
    world.configs.insert("rails/a".to_owned(), config("a", &format!("{RDMA}: gpu"), MACVLAN));
    let pod = document(&format!(
        "{{kind: Pod, metadata: {{name: p, annotations: {{{RDMA}: gpu}}}}, spec: {{containers: [{{name: c}}]}}}}"
    ));
    let review = mutate(&create(&pod), &mut world).review("u");
    let response = &review["response"];
    assert_eq!((&response["uid"], &response["allowed"]), (&json!("u"), &json!(true)));
    let patch = STANDARD.decode(response["patch"].as_str().expect("a patch")).expect("base64");
    let mut patched = pod.clone();
    let patch: json_patch::Patch = serde_json::from_slice(&patch).expect("JSON");
    json_patch::patch(&mut patched, &patch).expect("applies");
    assert_eq!(patched["metadata"]["annotations"]["k8s.v1.cni.cncf.io/networks"], "rails/a");
    assert_eq!(patched["spec"]["containers"][0]["resources"]["limits"]["spidernet.io/a"], "1");
}

#[test]
fn what_is_not_known_is_looked_for_again_before_it_is_refused() {
    let mut world = world();
    let pod = document(&format!(
        "{{kind: Pod, metadata: {{annotations: {{{RDMA}: gpu}}}}, spec: {{containers: [{{}}]}}}}"
    ));
    let answer = mutate(&create(&pod), &mut world);
    assert!(answer.look_again && answer.refusal.is_some());
    world.configs.insert("rails/a".to_owned(), config("a", &format!("{RDMA}: gpu"), MACVLAN));
    world.changed();
    assert_eq!(mutate(&create(&pod), &mut world).refusal, None);
}

#[test]
fn a_pool_is_refused_in_the_words_of_the_files() {
    let mut world = world();
    world.pools.insert("a".to_owned(), pool("a", "172.16.0.0/24", "172.16.0.1-172.16.0.9"));
    world.pools.insert("b".to_owned(), pool("b", "172.16.9.0/24", "172.16.9.1"));
    let answer = |pool: &Value| judge(&create(pool), &world, &[]);
    assert_eq!(answer(&pool("c", "172.16.0.0/24", "172.16.0.10-172.16.0.19")), Answer::allowed());
    refused(
        &answer(&pool("c", "172.16.0.0/24", "172.16.0.9-172.16.0.19")),
        "overlaps 172.16.0.1-172.16.0.9 of pool \"a\"",
    );
    refused(&answer(&pool("c", "172.16.0.0/16", "172.16.1.1")), "of pool \"b\"; give both the same subnet");
    refused(&answer(&pool("c", "172.16.1.0/24", "172.16.2.1")), "spec.ips[0] \"172.16.2.1\"");
    let warnings = answer(&pool("c", "172.16.1.7/24", "172.16.1.1")).warnings;
    assert!(warnings[0].contains("has host bits; taken as 172.16.1.0/24"), "{warnings:?}");
    // Its own earlier self is no other pool.
    let (old, new) = (
        pool("a", "172.16.0.0/24", "172.16.0.1-172.16.0.9"),
        pool("a", "172.16.0.0/24", "172.16.0.1-172.16.0.20"),
    );
    assert_eq!(judge(&request("UPDATE", &new, &old), &world, &[]), Answer::allowed());
}

#[test]
fn an_edit_that_would_cut_a_pods_address_names_the_pod_and_the_cure() {
    let old = pool("a", "172.16.0.0/24", "172.16.0.1-172.16.0.9");
    let new = pool("a", "172.16.0.0/24", "172.16.0.1-172.16.0.4");
    let edit = request("UPDATE", &new, &old);
    assert_eq!(ranges(&losing(&edit)), ["172.16.0.5-172.16.0.9"]);
    let books = books(&[("worker-1", 2)]);
    let pods = [user("jobs/one", "172.16.0.4"), user("jobs/two", "172.16.0.5")];
    let answer = judge(&edit, &world(), &losses(&books, &edit, &[("worker-1", &pods)]));
    refused(&answer, "172.16.0.5 of pod jobs/two; set spec.disable: true");
    assert_eq!(
        judge(&edit, &world(), &losses(&books, &edit, &[("worker-1", &pods[..1])])),
        Answer::allowed()
    );
    let gone = request("DELETE", &Value::Null, &old);
    let answer = judge(&gone, &world(), &losses(&books, &gone, &[("worker-1", &pods)]));
    refused(&answer, "172.16.0.4 of pod jobs/one, 172.16.0.5 of pod jobs/two; set spec.disable: true");
    let mut of_spiderpool = old.clone();
    of_spiderpool["status"]["allocatedIPs"] =
        json!({ "172.16.0.6": { "pod": "jobs/three" } }).to_string().into();
    refused(&judge(&request("UPDATE", &new, &of_spiderpool), &world(), &[]), "172.16.0.6 of pod jobs/three");
    let mut disabled = old.clone();
    disabled["spec"]["disable"] = true.into();
    assert_eq!(ranges(&losing(&request("UPDATE", &disabled, &old))), [""; 0]);
}

#[test]
fn what_only_changes_its_labels_passes_however_wrong_it_is() {
    let wrong = pool("a", "172.16.0.0/24", "172.16.9.9");
    let mut labelled = wrong.clone();
    labelled["metadata"]["labels"] = json!({ "a": "b" });
    assert_eq!(judge(&request("UPDATE", &labelled, &wrong), &world(), &[]), Answer::allowed());
}

#[test]
fn a_network_is_refused_or_warned_of_as_railctl_render_does_it() {
    let answer = |object: &Value| judge(&create(object), &world(), &[]);
    refused(
        &answer(&config("a", "", "cniType: sriov, sriov: {}")),
        "SpiderMultusConfig a: spec.sriov.resourceName is missing",
    );
    let warnings =
        answer(&config("a", "", "cniType: macvlan, macvlan: {master: [a], enableRdma: true}")).warnings;
    assert!(warnings[0].contains("enableRdma is no field"), "{warnings:?}");
    let warnings =
        answer(&config("a", &format!("{RDMA}: gpu"), "cniType: macvlan, macvlan: {master: [a]}")).warnings;
    assert!(warnings[0].contains("rdmaResourceName is missing"), "{warnings:?}");
}

#[test]
fn one_network_has_one_config_and_keeps_its_name() {
    let mut world = world();
    world.configs.insert("rails/a".to_owned(), config("a", "", MACVLAN));
    let named = config("b", "multus.spidernet.io/cr-name: a", MACVLAN);
    refused(&judge(&create(&named), &world, &[]), "network a is made by SpiderMultusConfig a already");
    let old = config("b", "", MACVLAN);
    refused(
        &judge(&request("UPDATE", &named, &old), &world, &[]),
        "multus.spidernet.io/cr-name cannot be changed",
    );
}

#[test]
fn a_networks_name_that_would_be_a_path_or_a_list_is_refused() {
    for name in ["../../../../x?dryRun=All#,kube-system/other@net1", "x,kube-system/other@net9", "a/b"] {
        let named = config("b", &format!("multus.spidernet.io/cr-name: {name:?}"), MACVLAN);
        refused(&judge(&create(&named), &world(), &[]), "is no name of an object");
    }
}

#[test]
fn a_fabric_is_refused_with_all_that_is_wrong() {
    let text = include_str!("../../../conf-examples/fabric/macvlan-shared.yaml");
    assert_eq!(judge(&create(&document(text)), &world(), &[]), Answer::allowed());
    let mut fabric = document(text);
    fabric["spec"]["vfs"] = 8.into();
    fabric["spec"]["rdma"] = "exclusive".into();
    let answer = judge(&create(&fabric), &world(), &[]);
    refused(&answer, "spec.vfs \"8\": goes with link sriov or ib-sriov only");
    refused(&answer, "spec.rdma \"exclusive\"");
}

proptest! {
    #[test]
    fn any_body_has_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..64), text in "[{}\":a-z,\\[\\]]{0,40}") {
        for body in [bytes, text.into_bytes()] {
            if let Ok(request) = Request::parse(&body) {
                let _ = (mutate(&request, &mut world()), judge(&request, &world(), &[]));
            }
        }
    }

    #[test]
    fn any_object_has_an_answer(kind in "(SpiderIPPool|SpiderReservedIP|SpiderMultusConfig|Fabric|Pod)", spec in "[a-z0-9:{}, \\[\\]./-]{0,40}") {
        let spec = yaml::documents(&spec).ok().and_then(|mut found| found.pop()).unwrap_or(Value::Null);
        let object = json!({ "kind": kind, "metadata": { "name": "a" }, "spec": spec });
        let request = create(&object);
        let _ = (mutate(&request, &mut world()), judge(&request, &world(), &[]), losing(&request));
    }
}
