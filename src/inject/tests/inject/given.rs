//! What a pod gets.

use inject::{INJECTED, NETWORKS};
use serde_json::{Value, json};

use crate::{
    MACVLAN, RDMA, ROCE, applied, asks, config, injected, list, networks, outcome, pod, ten_rails, vf,
};

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
fn pools_by_interface_do_not_fit_a_network_of_all_rails() {
    let networks = networks(&[MACVLAN.to_owned()]);
    let pools = r#"[{"interface":"net3","ipv4":["x"]}]"#;
    let asks = pod(&json!({ "railcni.dev/fabric": "gpu", "ipam.spidernet.io/ippools": pools }));
    let error = outcome(&asks, &networks).expect_err("refused").to_string();
    assert!(error.contains("one of several interfaces of one network"), "{error}");
}
