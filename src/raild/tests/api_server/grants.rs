//! Grants without pods: a pool that two nodes share, used up by one, and recalled by the other.

use cluster::Api;

use crate::node::{Node, Process, api_server, raild};

#[test]
fn a_pool_that_two_nodes_share_is_used_to_the_last_address() {
    let api = api_server(8);
    let _controller = Process::start(&mut raild(&api, "controller"));
    let (one, two) = (Node::start(&api, "one"), Node::start(&api, "two"));

    // One node takes what there is.
    assert!(one.want(8).starts_with("granted"));
    assert_eq!(one.granted(), 8);
    one.lease(8);
    // Its pods end; what it does not need any more goes to the node that does.
    one.release_all();
    assert!(two.want(6).starts_with("granted"));
    assert!(two.granted() >= 6);
    assert!(one.granted() <= 2);

    let blocks =
        api.kubectl().run(&["get", "railblocks", "shared-0", "-o", "jsonpath={.spec.rails[0]}"]).unwrap();
    assert!(blocks.contains("two="), "{blocks}");
}

#[test]
fn a_controller_refuses_a_schema_that_would_prune_its_fence() {
    let api = Api::start().unwrap();
    let output = raild(&api, "controller").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("railblocks.railcni.dev"), "{said}");
}
