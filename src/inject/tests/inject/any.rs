//! Whatever a pod or a config says.

use inject::{INJECTED, NETWORKS, Networks, Outcome};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{RDMA, applied, asks, config, injected, networks, outcome, ten_rails};

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
