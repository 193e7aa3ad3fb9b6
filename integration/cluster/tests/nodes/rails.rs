//! Pods with eight rails, by eight networks and by one.

use crate::cluster;
use crate::pods::{delete_all, eight_networks, node, sleeper, start};
use crate::verdict::{await_clean, check_distinct, check_pod, railctl};

#[test]
fn eight_networks_of_the_examples_give_eight_rails_and_leave_nothing() {
    let cluster = cluster();
    let pods = ["node1", "node2"].map(|node| sleeper(&format!("eight-{node}"), node, &eight_networks()));
    start(&cluster, &pods).unwrap();
    for name in ["node1", "node2"] {
        let (node, pod) = (node(&cluster, name), format!("eight-{name}"));
        check_pod(&cluster, node, &pod).unwrap();
        let shown = railctl(node, &["show", "-o", "json", &format!("rails/{pod}")]).unwrap();
        assert_eq!(
            (&shown[0]["name"], shown[0]["attachments"].as_array().map(Vec::len)),
            (&format!("rails/{pod}").into(), Some(8))
        );
    }
    delete_all(&cluster, &[]).unwrap();
    await_clean(&cluster).unwrap();
}

#[test]
fn one_network_of_rail_gives_the_same_eight_rails() {
    let cluster = cluster();
    let pods = ["node1", "node2"].map(|node| sleeper(&format!("one-{node}"), node, "gpu-rails"));
    start(&cluster, &pods).unwrap();
    for name in ["node1", "node2"] {
        check_pod(&cluster, node(&cluster, name), &format!("one-{name}")).unwrap();
    }
    delete_all(&cluster, &[]).unwrap();
    await_clean(&cluster).unwrap();
}

#[test]
fn sixty_pods_at_once_on_one_node_have_480_addresses_and_leave_none() {
    let cluster = cluster();
    let names: Vec<_> = (0..60).map(|number| format!("crowd-{number}")).collect();
    // Half of them by either way: they share pools, masters and locks.
    let networks =
        |number: usize| if number.is_multiple_of(2) { "gpu-rails".to_owned() } else { eight_networks() };
    let pods: Vec<_> =
        names.iter().enumerate().map(|(number, name)| sleeper(name, "node1", &networks(number))).collect();
    start(&cluster, &pods).unwrap();
    check_distinct(node(&cluster, "node1"), &names).unwrap();
    delete_all(&cluster, &[]).unwrap();
    await_clean(&cluster).unwrap();
}
