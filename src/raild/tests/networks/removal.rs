//! `kubectl delete fabric`, while pods are on its rails and afterwards.

use crate::changes::{delete_pod, fabric, pod, spec};
use crate::definitions::{condition, get, node, start, until};
use crate::injection::{Service, wait_judging};
use crate::prepared;

#[test]
fn a_fabric_with_pods_on_its_rails_stays_and_says_whose_they_are() {
    let api = prepared();
    let kubectl = api.kubectl();
    kubectl.apply(&node("b")).unwrap();
    let service = Service::start(1);
    let _processes = [service.replica(&api, 0, "7776000"), start(&api)];
    let page = fabric(&spec("macvlan", "172.16.0.0/16"));
    until("the fabric is applied", || {
        kubectl.apply(&page).ok()?;
        condition(&kubectl, "fabric", "gpu", "Applied")
    });
    wait_judging(&api);
    pod(&kubectl, "holder", "default/gpu", "172.16.0.2");
    let refused =
        || kubectl.run(&["delete", "fabric", "gpu"]).map_err(|error| format!("{error:#}")).unwrap_err();
    let said = refused();
    assert!(said.contains("Fabric \"gpu\" has pods on its rails: default/holder; "), "{said}");
    assert!(get(&kubectl, "fabric", "gpu").is_some() && get(&kubectl, "net-attach-def", "gpu").is_some());

    // One that is on its way out is in nobody's way, nor is one that has ended.
    kubectl
        .run(&[
            "patch",
            "pod",
            "holder",
            "--type=merge",
            "-p",
            r#"{"metadata":{"finalizers":["test/held"]}}"#,
        ])
        .unwrap();
    kubectl.run(&["delete", "pod", "holder", "--wait=false", "--force", "--grace-period=0"]).unwrap();
    kubectl.run(&["delete", "fabric", "gpu"]).unwrap();
    assert!(get(&kubectl, "fabric", "gpu").is_none());
    kubectl
        .run(&["patch", "pod", "holder", "--type=merge", "-p", r#"{"metadata":{"finalizers":null}}"#])
        .unwrap();

    // By an admin who means it, whoever is there. Nobody collects garbage here.
    kubectl.run(&["delete", "spiderippools,net-attach-def", "--all"]).unwrap();
    kubectl.apply(&page).unwrap();
    pod(&kubectl, "left", "default/gpu", "172.16.0.2");
    until("the fabric is known", || condition(&kubectl, "fabric", "gpu", "Applied"));
    assert!(refused().contains("default/left"));
    kubectl.run(&["annotate", "fabric", "gpu", "railcni.dev/change-networks-in-use=true"]).unwrap();
    kubectl.run(&["delete", "fabric", "gpu"]).unwrap();
    delete_pod(&kubectl, "left");
}
