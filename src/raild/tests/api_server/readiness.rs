//! Whether a node is ready, in its object; and what Prometheus is told, by HTTP.

use std::fs::{File, Permissions};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cluster::Api;
use serde_json::{Value, json};
use testkit::eventually;

use crate::node::{Node, Process, api_server, raild};

const LIMIT: Duration = Duration::from_secs(120);

/// An RDMA device as files, of which nothing is wrong but its state.
pub(crate) fn tree(root: &Path, state: &str) {
    let (device, verbs) = (root.join("sys/class/infiniband/mlx5_0"), root.join("dev/infiniband"));
    std::fs::create_dir_all(device.join("ports/1")).unwrap();
    std::fs::create_dir_all(&verbs).unwrap();
    state::file::replace(&verbs.join("rdma_cm"), b"").unwrap();
    std::fs::set_permissions(verbs.join("rdma_cm"), Permissions::from_mode(0o666)).unwrap();
    for (file, text) in [
        ("node_guid", "0002:c903:0028:7a1c"),
        ("ports/1/state", state),
        ("ports/1/phys_state", "5: LinkUp"),
        ("ports/1/link_layer", "Ethernet"),
    ] {
        state::file::replace(&device.join(file), text.as_bytes()).unwrap();
    }
}

fn condition(api: &Api, kind: &str) -> Option<Value> {
    let node = api.kubectl().get(&["railnode", "one"]).ok()?;
    let conditions = node["status"]["conditions"].as_array()?.clone();
    conditions.into_iter().find(|condition| condition["type"] == kind)
}

fn device_errors(condition: &Value) -> bool {
    condition["message"].as_str().unwrap_or_default().contains("device mlx5_0/1: ")
}

fn events(api: &Api) -> Vec<Value> {
    let events = api.kubectl().get(&["events", "-n", "default"]).unwrap();
    let about = |event: &&Value| event["involvedObject"]["kind"] == "RailNode";
    events["items"].as_array().unwrap().iter().filter(about).cloned().collect()
}

#[test]
fn a_device_that_goes_down_is_a_condition_and_an_event() {
    let api = api_server(4);
    let root = api.dir().join("root");
    tree(&root, "4: ACTIVE");
    let _controller = Process::start(&mut raild(&api, "controller"));
    let mut node = Node::start_with(&api, "one", &[("RAILD_NODE_ROOT", &root)]);
    let well = eventually(LIMIT, || condition(&api, "Ready").filter(|ready| ready["status"] == "True"));
    let well = well.unwrap_or_else(|| panic!("{:?}", condition(&api, "Ready")));
    assert!(events(&api).is_empty(), "what is well from the start is no news");
    node.kill_agent();
    tree(&root, "1: DOWN");
    node.start_agent(&api);
    let down = eventually(LIMIT, || condition(&api, "Ready").filter(device_errors)).expect("it is down");
    assert_eq!((&down["status"], &down["reason"]), (&json!("False"), &json!("ErrorsFound")), "{down}");
    assert!(down["message"].as_str().unwrap().contains("(cure: "), "{down}");
    assert!(down["lastTransitionTime"].as_str() >= well["lastTransitionTime"].as_str(), "{down} {well}");
    let column = api.kubectl().run(&["get", "railnodes"]).unwrap();
    assert!(column.lines().any(|line| line.starts_with("one ") && line.contains("False")), "{column}");
    let told = eventually(LIMIT, || events(&api).into_iter().find(|event| event["reason"] == "ErrorsFound"));
    let told = told.expect("an event tells it");
    assert_eq!((&told["type"], &told["involvedObject"]["name"]), (&json!("Warning"), &json!("one")));
    // Another life of the agent finds the same, and says nothing new.
    let (before, count) = (condition(&api, "Ready").unwrap(), events(&api).len());
    let life = || api.kubectl().get(&["railnode", "one"]).unwrap()["status"]["life"].clone();
    let first = life();
    node.kill_agent();
    node.start_agent(&api);
    eventually(LIMIT, || (life() != first).then_some(())).expect("another life speaks for the node");
    assert_eq!(condition(&api, "Ready").unwrap(), before);
    assert_eq!(events(&api).len(), count);
}

/// Where a process says that it serves.
fn address(log: &Path) -> String {
    let said = || {
        let log = std::fs::read_to_string(log).ok()?;
        let (_, rest) = log.split_once("metrics at http://")?;
        Some(rest.split_once("/metrics\n")?.0.to_owned())
    };
    eventually(LIMIT, said).expect("it says where it serves")
}

fn scrape(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn scraped(address: &str, line: &str) {
    let found = || scrape(address, "/metrics").lines().any(|found| found == line).then_some(());
    eventually(LIMIT, found).unwrap_or_else(|| panic!("{line:?} in\n{}", scrape(address, "/metrics")));
}

fn log(api: &Api, name: &str) -> PathBuf {
    let path = api.dir().join(name);
    state::file::replace(&path, b"").unwrap();
    path
}

#[test]
fn a_scrape_tells_of_grants_and_wants() {
    let api = api_server(8);
    let (of_controller, of_agent) = (log(&api, "controller.log"), log(&api, "agent.log"));
    let mut controller = raild(&api, "controller");
    controller.env("RAILD_METRICS_LISTEN", "127.0.0.1:0");
    controller.stderr(File::options().append(true).open(&of_controller).unwrap());
    let _controller = Process::start(&mut controller);
    let listen = PathBuf::from("127.0.0.1:0");
    let node = Node::start_logged(&api, "one", &[("RAILD_METRICS_LISTEN", &listen)], &of_agent);
    assert!(node.want(6).starts_with("granted"));
    node.lease(6);
    let agent = address(&of_agent);
    scraped(&agent, r#"railcni_wants_total{pool="shared",outcome="granted"} 1"#);
    scraped(&agent, r#"railcni_node_pool_used{pool="shared"} 6.0"#);
    scraped(&agent, "railcni_rails 0.0");
    scraped(&agent, r#"railcni_plugin_calls_total{plugin="rail-ipam",command="ADD"} 6"#);
    scraped(&agent, r#"railcni_plugin_duration_seconds_count{plugin="rail-ipam",command="ADD"} 6"#);
    let answer = scrape(&agent, "/metrics");
    assert!(answer.contains("content-type: text/plain; version=0.0.4"), "{answer}");
    assert!(answer.contains("railcni_want_wait_seconds_count 1\n"), "{answer}");
    assert!(scrape(&agent, "/").starts_with("HTTP/1.1 404"));
    let controller = address(&of_controller);
    scraped(&controller, r#"railcni_pool_addresses{pool="shared"} 8.0"#);
    scraped(&controller, r#"railcni_pool_used{pool="shared"} 6.0"#);
    scraped(&controller, "railcni_leader 1.0");
    scraped(&controller, r#"railcni_pool_condition{pool="shared",type="Granting"} 1.0"#);
    // More than the pool has.
    let ended = node.add(&(6..12).map(|pod| format!("pod{pod}")).collect::<Vec<_>>(), 0);
    let codes: Vec<u64> = ended.into_iter().filter_map(Result::err).map(|(code, _)| code).collect();
    let failed = codes.iter().filter(|code| **code == codes[0]).count();
    let code = codes[0];
    let labels = format!(r#"plugin="rail-ipam",command="ADD",code="{code}""#);
    scraped(&agent, &format!("railcni_plugin_failures_total{{{labels}}} {failed}"));
    scraped(&agent, r#"railcni_plugin_calls_total{plugin="rail-ipam",command="ADD"} 12"#);
}
