//! Pods as people write them, and what becomes of them.

use fabric::Options;
use inject::{INJECTED, Injection, NETWORKS, Namespace, Networks, Outcome, Policy, Refusal, inject};
use proptest::prelude::*;
use serde_json::{Value, json};

const MACVLAN: &str = include_str!("../../../conf-examples/fabric/macvlan-shared.yaml");
const ROCE: &str = include_str!("../../../conf-examples/fabric/sriov-roce-per-node.yaml");
const RDMA: &str = "cni.spidernet.io/rdma-resource-inject";

fn config(name: &str, master: &str, key: &str) -> String {
    format!(
        "kind: SpiderMultusConfig\nmetadata: {{name: {name}, namespace: rails, annotations: {{{key}: gpu}}}}\n\
         spec: {{cniType: macvlan, macvlan: {{master: [{master}], rdmaResourceName: spidernet.io/{master}}}}}\n"
    )
}

fn vf(name: &str, resource: &str) -> String {
    format!(
        "kind: SpiderMultusConfig\nmetadata: {{name: {name}, namespace: rails, annotations: {{{RDMA}: gpu}}}}\n\
         spec: {{cniType: sriov, sriov: {{resourceName: {resource}}}}}\n"
    )
}

fn networks(texts: &[String]) -> Networks {
    let mut networks = Networks::default();
    for text in texts {
        let documents = yaml::documents(text).expect("YAML");
        for document in documents {
            if document["kind"] == "Fabric" {
                let fabric = fabric::fabrics(&[document]).expect("a fabric").remove(0);
                networks.add_fabric(&fabric, &Options::of_cluster("default"));
            } else {
                networks.add_config(&document);
            }
        }
    }
    networks
}

/// Ten rails, added in the order in which an API server lists them.
fn ten_rails() -> Networks {
    let numbers = [1, 10, 2, 3, 4, 5, 6, 7, 8, 9];
    networks(&numbers.map(|number| config(&format!("gpu-{number}"), &format!("eno{number}"), RDMA)))
}

fn pod(annotations: &Value) -> Value {
    json!({
        "metadata": { "name": "a", "annotations": annotations },
        "spec": { "containers": [{ "name": "main" }, { "name": "second" }] },
    })
}

fn asks() -> Value {
    pod(&json!({ RDMA: "gpu" }))
}

/// The configs of namespace rails are the admin's.
fn of_rails() -> Policy {
    Policy { configs: ["rails".to_owned()].into(), ..Policy::default() }
}

fn outcome(pod: &Value, networks: &Networks) -> Result<Outcome, Refusal> {
    inject(pod, &Namespace::named("jobs"), networks, &of_rails())
}

#[track_caller]
fn injected(pod: &Value, networks: &Networks) -> Injection {
    match outcome(pod, networks) {
        Ok(Outcome::Injected(injection)) => injection,
        other => panic!("{other:?}"),
    }
}

fn refused(annotations: &Value) -> String {
    outcome(&pod(annotations), &ten_rails()).expect_err("refused").to_string()
}

fn list(pod: &Value) -> Vec<String> {
    let text = pod["metadata"]["annotations"][NETWORKS].as_str().expect("networks");
    text.split(',').map(str::to_owned).collect()
}

fn applied(pod: &Value, injection: &Injection) -> Value {
    let patch: json_patch::Patch = serde_json::from_value(injection.patch.clone().into()).expect("a patch");
    let mut pod = pod.clone();
    json_patch::patch(&mut pod, &patch).expect("applies");
    pod
}

#[test]
fn rails_come_in_natural_order_with_a_unit_each() {
    let injection = injected(&asks(), &ten_rails());
    let wanted: Vec<_> = (1..=10).map(|number| format!("rails/gpu-{number}")).collect();
    assert_eq!(list(&injection.pod), wanted);
    let limits = injection.pod["spec"]["containers"][0]["resources"]["limits"].as_object().expect("limits");
    assert_eq!(limits.len(), 10);
    assert!(limits.values().all(|units| units == "1"), "{limits:?}");
    assert_eq!(injection.pod["spec"]["containers"][1], json!({ "name": "second" }));
    assert_eq!(injection.pod["metadata"]["annotations"][INJECTED], "gpu");
    assert_eq!(applied(&asks(), &injection), injection.pod);
}

#[test]
fn rails_of_one_resource_take_a_unit_each() {
    let shared = networks(&["a", "b", "c"].map(|name| vf(name, "spidernet.io/vf")));
    let mut pod = asks();
    let units = |pod: &Value| pod["spec"]["containers"][0]["resources"]["limits"]["spidernet.io/vf"].clone();
    assert_eq!(units(&injected(&pod, &shared).pod), "3");
    // What the containers ask for together counts, by limit or request, and so do sidecars.
    pod["spec"]["containers"][1]["resources"] = json!({ "requests": { "spidernet.io/vf": 1 } });
    pod["spec"]["initContainers"] = json!([
        { "name": "side", "restartPolicy": "Always", "resources": { "limits": { "spidernet.io/vf": "1" } } },
    ]);
    assert_eq!(units(&injected(&pod, &shared).pod), "1");
    // An init container's devices go on to who asks for them, too, and to nobody else.
    pod["spec"]["initContainers"][0] =
        json!({ "name": "first", "resources": { "limits": { "spidernet.io/vf": "3" } } });
    assert_eq!(units(&injected(&pod, &shared).pod), "2");
}

#[test]
fn a_request_stays_equal_to_its_limit() {
    let shared = networks(&["a", "b"].map(|name| vf(name, "spidernet.io/vf")));
    let mut pod = asks();
    let one = json!({ "limits": { "spidernet.io/vf": "1" }, "requests": { "spidernet.io/vf": "1" } });
    pod["spec"]["containers"][0]["resources"] = one;
    let two = json!({ "limits": { "spidernet.io/vf": "2" }, "requests": { "spidernet.io/vf": "2" } });
    assert_eq!(injected(&pod, &shared).pod["spec"]["containers"][0]["resources"], two);
}

#[test]
fn the_pods_own_networks_stay_in_front_in_either_form() {
    let rails = networks(&[config("gpu-1", "eno1", RDMA), config("gpu-2", "eno2", RDMA)]);
    let own = pod(&json!({ RDMA: "gpu", NETWORKS: "storage@san0, rails/gpu-2" }));
    assert_eq!(list(&injected(&own, &rails).pod), ["storage@san0", " rails/gpu-2", "rails/gpu-1"]);

    let own = pod(&json!({ RDMA: "gpu", NETWORKS: r#"[{"name":"storage","mac":"02:00:00:00:00:01"}]"# }));
    let text = injected(&own, &rails).pod["metadata"]["annotations"][NETWORKS].clone();
    let networks: Value = serde_json::from_str(text.as_str().expect("text")).expect("JSON");
    assert_eq!(
        networks,
        json!([
            { "name": "storage", "mac": "02:00:00:00:00:01" },
            { "name": "gpu-1", "namespace": "rails" },
            { "name": "gpu-2", "namespace": "rails" },
        ])
    );
}

#[test]
fn pools_of_spiderpools_annotations_become_arguments() {
    let rails = networks(&[config("gpu-1", "eno1", RDMA), config("gpu-2", "eno2", RDMA)]);
    let args = |annotations: Value| -> Vec<Value> {
        let mut all = json!({ RDMA: "gpu" });
        all.as_object_mut().expect("an object").extend(annotations.as_object().expect("an object").clone());
        let text = injected(&pod(&all), &rails).pod["metadata"]["annotations"][NETWORKS].clone();
        let networks: Vec<Value> = serde_json::from_str(text.as_str().expect("text")).expect("JSON");
        networks.into_iter().map(|network| network["cni-args"].clone()).collect()
    };
    let of = |pool: &str| json!({ "ippools": { "ipv4": [pool] } });
    assert_eq!(args(json!({ "ipam.spidernet.io/ippool": r#"{"ipv4":["a"]}"# })), [of("a"), of("a")]);
    let named = r#"[{"interface":"eth0","ipv4":["x"]},{"interface":"net2","ipv4":["b"]}]"#;
    assert_eq!(args(json!({ "ipam.spidernet.io/ippools": named })), [Value::Null, of("b")]);
    // Without names the first is eth0's, and the own network has net1.
    let counted = r#"[{"ipv4":["x"]},{"ipv4":["o"]},{"ipv4":["a"]},{"ipv4":["b"]}]"#;
    let own = json!({ "ipam.spidernet.io/ippools": counted, NETWORKS: "own" });
    assert_eq!(args(own), [Value::Null, of("a"), of("b")]);
    let route = json!({ "ipam.spidernet.io/default-route-nic": "net1" });
    assert_eq!(args(route)[1], json!({ "podDefaultRouteNic": "net1" }));
}

#[test]
fn a_fabric_is_one_network_or_one_per_vf() {
    let networks = networks(&[MACVLAN.to_owned()]);
    let asks = pod(&json!({ "railcni.dev/fabric": "gpu" }));
    let injection = injected(&asks, &networks);
    assert_eq!(list(&injection.pod), ["default/gpu"]);
    let networks = self::networks(&[ROCE.to_owned()]);
    let injection = injected(&asks, &networks);
    assert_eq!(list(&injection.pod).len(), 8);
    assert_eq!(injection.added.len(), 16);
}

/// What the README and the example itself say of its resources.
#[test]
fn the_shared_example_asks_for_the_devices_it_says_and_for_none_without_them() {
    let asks = pod(&json!({ "railcni.dev/fabric": "gpu" }));
    let resources = |page: &str| {
        let injection = injected(&asks, &networks(&[page.to_owned()]));
        let limits = injection.pod["spec"]["containers"][0]["resources"]["limits"].as_object().cloned();
        limits.unwrap_or_default().keys().cloned().collect::<Vec<_>>()
    };
    let of = |first: &str| {
        (1..=8).map(|rail| format!("spidernet.io/shared_cx5_{first}{rail}")).collect::<Vec<_>>()
    };
    assert_eq!(resources(MACVLAN), of("rail"));
    let named = (1..=8).fold(MACVLAN.to_owned(), |page, rail| {
        let nic = format!("interface: enp{}s0f0np0\n", rail + 10);
        page.replace(&nic, &format!("{nic}      name: gpu{rail}\n"))
    });
    assert_eq!(resources(&named), of("gpu"), "as Spiderpool's guide calls them");
    let (page, _) = MACVLAN.split_once("  resources:").expect("resources");
    assert_eq!(resources(&page.replace("  rdma: shared\n", "")), [""; 0]);
}

#[test]
fn a_pods_word_beats_its_namespaces_and_an_empty_one_asks_for_nothing() {
    let rails = ten_rails();
    let of = |key: &str, word: &str| Namespace {
        annotations: [(key.to_owned(), word.to_owned())].into(),
        ..Namespace::named("jobs")
    };
    let ask = |pod: &Value, namespace: &Namespace| inject(pod, namespace, &rails, &of_rails());
    let silent = pod(&json!({}));
    assert!(matches!(ask(&silent, &of(RDMA, "gpu")), Ok(Outcome::Injected(_))));
    let label =
        Namespace { labels: [(RDMA.to_owned(), "gpu".to_owned())].into(), ..Namespace::named("jobs") };
    assert!(matches!(ask(&silent, &label), Ok(Outcome::Injected(_))));
    assert!(matches!(ask(&asks(), &of("railcni.dev/fabric", "none")), Ok(Outcome::Injected(_))));
    assert!(matches!(ask(&pod(&json!({ RDMA: "" })), &of(RDMA, "gpu")), Ok(Outcome::Untouched(_))));
}

#[test]
fn who_is_left_alone() {
    let rails = ten_rails();
    let in_namespace = |namespace: &str, policy: &Policy| {
        matches!(inject(&asks(), &Namespace::named(namespace), &rails, policy), Ok(Outcome::Untouched(_)))
    };
    let only = Policy { include: ["jobs".to_owned()].into(), ..of_rails() };
    assert!(in_namespace("kube-system", &Policy::default()));
    assert!(!in_namespace("jobs", &only) && in_namespace("others", &only));
    let mut of_node = asks();
    of_node["spec"]["hostNetwork"] = true.into();
    assert!(matches!(outcome(&of_node, &rails), Ok(Outcome::Untouched(_))));
    assert!(matches!(outcome(&pod(&Value::Null), &rails), Ok(Outcome::Untouched(_))));
}

#[test]
fn refusals_name_what_is_wrong_and_the_cure() {
    for (annotations, said) in [
        (
            json!({ "railcni.dev/fabric": "gpu" }),
            "railcni.dev/fabric \"gpu\": there is no Fabric of this name (there is none)",
        ),
        (
            json!({ RDMA: "gpus" }),
            "no SpiderMultusConfig has this annotation (there are gpu) in the namespaces whose configs count here (the pod's own, rails)",
        ),
        (json!({ RDMA: "gpu", NETWORKS: "a//b" }), "\"a//b\" is no network: write NAMESPACE/NAME@INTERFACE"),
        (json!({ RDMA: "gpu", NETWORKS: "[{}]" }), "entry 0 has no name; expected a list such as"),
        (json!({ RDMA: "gpu", NETWORKS: "{\"name\":" }), "expected a list such as"),
        (json!({ RDMA: "gpu", NETWORKS: 7 }), "is no text"),
        (json!({ RDMA: "gpu", NETWORKS: "x".repeat(1 << 20) }), "is longer than 64 KiB"),
        (json!({ RDMA: "gpu", NETWORKS: vec!["x"; 120].join(",") }), "would have more than 128 networks"),
        (json!({ RDMA: "g".repeat(300) }), "is longer than 253 characters"),
        (
            json!({ RDMA: "gpu", "ipam.spidernet.io/ippool": "a" }),
            "expected an object such as {\"ipv4\": [\"pool1\"]}",
        ),
        (
            json!({ RDMA: "gpu", "ipam.spidernet.io/ippools": "[{\"interface\":\"net1\"},{}]" }),
            "name all, or none",
        ),
        (json!({ RDMA: "gpu", "ipam.spidernet.io/subnet": "{}" }), "name pools by ipam.spidernet.io/ippool"),
    ] {
        let error = refused(&annotations);
        assert!(error.contains(said), "{annotations}: {error}");
        assert!(error.len() < 600, "an error that a person can read: {error}");
    }
}

#[test]
fn a_network_that_cannot_be_used_refuses_the_pod_with_its_reason() {
    let broken = format!(
        "kind: SpiderMultusConfig\nmetadata: {{name: bad, namespace: rails, annotations: {{{RDMA}: gpu}}}}\n\
         spec: {{cniType: macvlan, macvlan: {{master: [a]}}}}\n"
    );
    let error = outcome(&asks(), &networks(&[broken])).expect_err("refused").to_string();
    assert!(
        error.contains("SpiderMultusConfig rails/bad: spec.macvlan.rdmaResourceName is missing"),
        "{error}"
    );
}

/// Of a tenant's own namespace, with any word he likes.
fn of_tenant(namespace: &str, name: &str, spec: &str) -> String {
    format!(
        "kind: SpiderMultusConfig\nmetadata: {{name: {name}, namespace: {namespace}, annotations: {{{RDMA}: gpu}}}}\nspec: {{{spec}}}\n"
    )
}

const MITM: &str = "cniType: custom, customCNI: '{\"cniVersion\":\"1.0.0\",\"name\":\"mitm\",\"plugins\":[{\"type\":\"macvlan\"}]}'";

#[test]
fn a_config_of_a_tenants_namespace_is_no_network_of_pods_elsewhere() {
    let mut texts = vec![config("gpu-1", "eno1", RDMA), of_tenant("tenant", "mitm", MITM)];
    let injection = injected(&asks(), &networks(&texts));
    assert_eq!(list(&injection.pod), ["rails/gpu-1"]);
    // Nor does a crowd of them, or a broken one, keep pods elsewhere from theirs.
    texts.push(of_tenant("tenant", "broken", "cniType: macvlan, macvlan: {master: [a]}"));
    texts.extend((0..200).map(|number| of_tenant("tenant", &format!("many-{number}"), MITM)));
    assert_eq!(list(&injected(&asks(), &networks(&texts)).pod), ["rails/gpu-1"]);
}

#[test]
fn a_config_counts_for_pods_of_its_own_namespace_and_where_the_admin_lists_it() {
    let rails = networks(&[of_tenant("jobs", "own", MITM), of_tenant("kube-system", "of-all", MITM)]);
    let list_of = |policy: &Policy| match inject(&asks(), &Namespace::named("jobs"), &rails, policy) {
        Ok(Outcome::Injected(injection)) => list(&injection.pod),
        other => panic!("{other:?}"),
    };
    assert_eq!(list_of(&Policy::default()), ["jobs/own", "kube-system/of-all"]);
    assert_eq!(list_of(&Policy { configs: [].into(), ..Policy::default() }), ["jobs/own"]);
}

#[test]
fn what_is_said_to_be_there_is_what_counts() {
    let rails = networks(&[of_tenant("tenant", "mitm", MITM)]);
    let error = outcome(&asks(), &rails).expect_err("refused").to_string();
    assert!(error.contains("(there is none) in the namespaces"), "{error}");
}

#[test]
fn pools_by_interface_do_not_fit_a_network_of_all_rails() {
    let networks = networks(&[MACVLAN.to_owned()]);
    let pools = r#"[{"interface":"net3","ipv4":["x"]}]"#;
    let asks = pod(&json!({ "railcni.dev/fabric": "gpu", "ipam.spidernet.io/ippools": pools }));
    let error = outcome(&asks, &networks).expect_err("refused").to_string();
    assert!(error.contains("one of several interfaces of one network"), "{error}");
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z/@,\\[{\"0-9]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(any_key(), inner, 0..4)
                .prop_map(|members| members.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

fn any_key() -> impl Strategy<Value = String> {
    let keys = [
        NETWORKS,
        RDMA,
        "railcni.dev/fabric",
        "ipam.spidernet.io/ippool",
        "ipam.spidernet.io/ippools",
        "limits",
        "requests",
        "spidernet.io/eno1",
        "resources",
        "name",
        "interface",
        "ipv4",
    ];
    proptest::sample::select(keys.map(str::to_owned).to_vec())
}

/// Near enough to a pod that something is decided.
fn any_pod() -> impl Strategy<Value = Value> {
    let own = prop_oneof![
        any_json(),
        Just(json!({ RDMA: "gpu" })),
        ("(n[a-c]/)?[a-d]{1,3}(@e[0-9])?(,rails/gpu-[0-9])?")
            .prop_map(|text| json!({ RDMA: "gpu", NETWORKS: text })),
        Just(json!({ RDMA: "gpu", NETWORKS: "[{\"name\":\"gpu-3\",\"namespace\":\"rails\"}]" })),
    ];
    let units = prop_oneof![
        any_json(),
        (0u64..4).prop_map(|n| json!({ "limits": { "spidernet.io/eno1": n, "cpu": "2" } }))
    ];
    (own, proptest::collection::vec(units, 0..3), any_json()).prop_map(|(annotations, units, init)| {
        let containers: Vec<_> = units.into_iter().map(|resources| json!({ "resources": resources })).collect();
        json!({ "metadata": { "annotations": annotations }, "spec": { "containers": containers, "initContainers": init } })
    })
}

/// Whether all of `before` is in `after`, texts and numbers of resources aside, which may grow.
fn is_kept(before: &Value, after: &Value) -> bool {
    match (before, after) {
        (Value::Null, _) => true,
        (Value::Object(before), Value::Object(after)) => before.iter().all(|(key, value)| {
            let grows = key == NETWORKS || key == INJECTED || key.starts_with("spidernet.io/");
            after.get(key).is_some_and(|after| grows || is_kept(value, after))
        }),
        (Value::Array(before), Value::Array(after)) => {
            before.len() == after.len()
                && before.iter().zip(after).all(|(before, after)| is_kept(before, after))
        }
        _ => before == after,
    }
}

proptest! {
    #[test]
    fn any_pod_has_an_answer_and_an_injected_one_is_left_as_it_is(pod in any_pod()) {
        let rails = ten_rails();
        if let Ok(Outcome::Injected(injection)) = outcome(&pod, &rails) {
            prop_assert!(is_kept(&pod, &injection.pod), "{pod} {}", injection.pod);
            prop_assert_eq!(applied(&pod, &injection), injection.pod.clone());
            let again = outcome(&injection.pod, &rails);
            prop_assert!(matches!(again, Ok(Outcome::Untouched(_))), "{:?}", again);
        }
    }

    #[test]
    fn any_config_has_an_answer(document in any_json(), spec in any_json()) {
        let mut networks = Networks::default();
        networks.add_config(&document);
        networks.add_config(&json!({ "metadata": { "name": "a", "annotations": { RDMA: "gpu" } }, "spec": spec }));
        let _ = outcome(&asks(), &networks);
    }

    #[test]
    fn the_order_in_which_configs_are_seen_means_nothing(order in Just((1..=10).collect::<Vec<_>>()).prop_shuffle()) {
        let texts: Vec<_> = order.iter().map(|n| config(&format!("gpu-{n}"), &format!("eno{n}"), RDMA)).collect();
        prop_assert_eq!(injected(&asks(), &networks(&texts)), injected(&asks(), &ten_rails()));
    }
}
