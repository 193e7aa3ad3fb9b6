//! Of which versions the cluster is: what else is shown here is shown of these.

use crate::cluster;
use cluster::Versions;

#[test]
fn the_cluster_is_of_the_versions_that_were_asked_for() {
    let cluster = cluster();
    let asked = Versions::asked().unwrap();
    let containerd = match asked {
        Versions::Newest => "containerd://2.",
        Versions::Oldest => "containerd://1.",
    };
    let nodes = cluster.kubectl().get(&["nodes"]).unwrap();
    for node in nodes["items"].as_array().unwrap() {
        let info = &node["status"]["nodeInfo"];
        assert_eq!(info["kubeletVersion"], asked.kubernetes());
        let runtime = info["containerRuntimeVersion"].as_str().unwrap();
        assert!(runtime.replace("//v", "//").starts_with(containerd), "{runtime}");
    }
    let server = cluster.kubectl().run(&["get", "--raw", "/version"]).unwrap();
    assert!(server.contains(&format!("\"gitVersion\": \"{}\"", asked.kubernetes())), "{server}");
}
