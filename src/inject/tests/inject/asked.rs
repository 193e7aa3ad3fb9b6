//! Who asks, who is left alone, and what is refused.

use inject::{NETWORKS, Namespace, Outcome, Policy, inject};
use serde_json::{Value, json};

use crate::{RDMA, asks, networks, of_rails, outcome, pod, refused, ten_rails};

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
