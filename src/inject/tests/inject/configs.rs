//! Configs of tenants, and those of the admin.

use inject::{Namespace, Outcome, Policy, inject};

use crate::{RDMA, asks, config, injected, list, networks, outcome};

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
