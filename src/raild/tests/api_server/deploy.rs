//! The manifests: what they allow is enough, and no more.

use std::fs::File;
use std::path::{Path, PathBuf};

use cluster::Api;
use serde_json::{Value, json};

use crate::node::{Node, Process, api_server, raild};

fn manifests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/raild")
}

/// A token as a pod of the `DaemonSet` or of the `Deployment` gets one; that of an agent has its node in it.
pub(crate) fn token(api: &Api, account: &str, node: Option<&str>) -> String {
    let mut args = vec!["-n", "kube-system", "create", "token", account];
    args.extend(node.iter().flat_map(|node| ["--bound-object-kind", "Node", "--bound-object-name", node]));
    api.kubectl().run(&args).unwrap().trim().to_owned()
}

pub(crate) fn kubeconfig(api: &Api, name: &str, token: &str) -> PathBuf {
    let text = std::fs::read_to_string(api.kubeconfig()).unwrap();
    let mut config: Value = serde_json::from_str(&text).unwrap();
    config["users"][0]["user"]["token"] = token.into();
    let path = api.dir().join(format!("{name}.kubeconfig"));
    state::file::replace_json(&path, &config).unwrap();
    path
}

/// What the API server says to the holder of a token; nothing where it does what he asks.
fn objection(api: &Api, token: &str, args: &[&str]) -> Option<String> {
    let output = api.kubectl().command().args(["--token", token]).args(args).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (!output.status.success()).then_some(said)
}

fn refused(api: &Api, token: &str, args: &[&str]) -> String {
    objection(api, token, args).unwrap_or_else(|| panic!("{args:?} was done"))
}

pub(crate) fn apply(api: &Api) {
    api.kubectl().run(&["apply", "-f", &manifests().display().to_string()]).unwrap();
}

#[test]
fn with_the_rights_of_the_manifests_pods_get_addresses() {
    let api = api_server(4);
    apply(&api);
    let of = |account: &str, node: Option<&str>| {
        kubeconfig(&api, node.unwrap_or(account), &token(&api, account, node))
    };
    let controller = of("railcni-controller", None);
    let _controller = Process::start(raild(&api, "controller").env("KUBECONFIG", controller));
    let one = Node::start_as(&api, "one", &of("railcni-agent", Some("one")));
    let two = Node::start_as(&api, "two", &of("railcni-agent", Some("two")));
    let pods = |name: &str| (0..4).map(|number| format!("{name}{number}")).collect::<Vec<_>>();
    let ended = one.add(&pods("a"), 30);
    assert!(ended.iter().all(Result::is_ok), "{ended:?}");
    one.del(&pods("a"));
    // Readiness, too: the condition, and the event that tells of it where it is bad.
    let said = testkit::eventually(std::time::Duration::from_secs(60), || {
        let node = api.kubectl().get(&["railnode", "one"]).ok()?;
        node["status"]["conditions"][0]["status"].as_str().map(str::to_owned)
    });
    assert!(said.is_some(), "the agent may write its conditions");
    let ended = two.add(&pods("b"), 30);
    assert!(ended.iter().all(Result::is_ok), "{ended:?}");
}

#[test]
fn an_agent_speaks_for_its_own_node_and_grants_itself_nothing() {
    let api = api_server(4);
    apply(&api);
    let node = |name: &str, pools: Value| {
        json!({"apiVersion": "railcni.dev/v1alpha1", "kind": "RailNode", "metadata": {"name": name},
            "spec": {"epoch": 1, "pools": pools}})
    };
    let file = |name: &str, object: &Value| {
        let path = api.dir().join(name);
        state::file::replace_json(&path, object).unwrap();
        path.display().to_string()
    };
    api.kubectl().create(&node("two", json!([])).to_string()).unwrap();
    let token = token(&api, "railcni-agent", Some("one"));
    // The policy is in force some time after it was made.
    let pools = json!([{"name": "shared", "ranges": "172.16.1.1-172.16.1.4", "subnet": "172.16.1.0/24"}]);
    let greedy = file("greedy.json", &node("one", pools));
    let denied = testkit::eventually(std::time::Duration::from_secs(60), || {
        let said = objection(&api, &token, &["create", "-f", &greedy, "--dry-run=server"])?;
        said.contains("grant itself no address").then_some(())
    });
    denied.expect("nobody makes himself a grant");
    // A real agent that was given the wrong node: it says so, and changes nothing.
    let log = api.dir().join("stolen.log");
    state::file::replace(&log, b"").unwrap();
    let mut stolen = raild(&api, "agent");
    stolen.env("KUBECONFIG", kubeconfig(&api, "stolen", &token)).env("NODE_NAME", "two");
    stolen.env("RAILCNI_STATE_DIR", api.dir().join("stolen"));
    stolen.stderr(File::options().append(true).open(&log).unwrap());
    let _stolen = Process::start(&mut stolen);
    let told = testkit::eventually(std::time::Duration::from_secs(60), || {
        let said = std::fs::read_to_string(&log).unwrap();
        said.contains("the agent of node 'one' may not write RailNode 'two'").then_some(())
    });
    told.expect("the agent of a node speaks for no other");
    let two = api.kubectl().get(&["railnode", "two"]).unwrap();
    assert_eq!(two["status"], Value::Null);
    let foreign = file("foreign.json", &node("three", json!([])));
    assert!(refused(&api, &token, &["create", "-f", &foreign]).contains("may not write RailNode 'three'"));
    for args in [
        &["patch", "railnode", "two", "--type=merge", "-p", r#"{"spec":{"epoch":9}}"#][..],
        &["delete", "railnode", "two"],
        &["get", "railblocks"],
        &["get", "secrets", "-A"],
        &["get", "pods", "-A"],
    ] {
        assert!(refused(&api, &token, args).contains("Forbidden"), "{args:?}");
    }
    // Events of its own node it may tell, and of nothing else.
    let event = |name: &str, about: &str| {
        file(
            name,
            &json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": name, "namespace": "default"},
                "involvedObject": {"apiVersion": "railcni.dev/v1alpha1", "kind": "RailNode", "name": about},
                "reason": "ErrorsFound", "message": "x", "type": "Warning"}),
        )
    };
    let (own, other) = (event("of-one", "one"), event("of-two", "two"));
    assert_eq!(objection(&api, &token, &["create", "-f", &own, "--dry-run=server"]), None);
    let denied = testkit::eventually(std::time::Duration::from_secs(60), || {
        let said = objection(&api, &token, &["create", "-f", &other, "--dry-run=server"])?;
        said.contains("may not tell events of others").then_some(())
    });
    denied.expect("nobody tells events of another node");
    assert!(refused(&api, &token, &["get", "events", "-A"]).contains("Forbidden"));
    // A token of no node speaks for none.
    let nowhere = self::token(&api, "railcni-agent", None);
    let own = file("own.json", &node("one", json!([])));
    assert!(refused(&api, &nowhere, &["create", "-f", &own]).contains("may not write RailNode 'one'"));
}

#[test]
fn the_controller_reads_no_secret_and_no_pod_and_writes_no_pool() {
    let api = api_server(4);
    apply(&api);
    let token = token(&api, "railcni-controller", None);
    for args in [
        &["get", "secrets", "-A"][..],
        &["get", "pods", "-A"],
        &["delete", "spiderippool", "shared"],
        &["patch", "spiderippool", "shared", "--type=merge", "-p", r#"{"spec":{"disable":true}}"#],
        &["delete", "railblock", "shared-0"],
        &["-n", "kube-system", "get", "lease", "another"],
        &["patch", "node", "one", "--subresource=status", "--type=merge", "-p", r#"{"status":{}}"#],
        &["get", "node", "one"],
    ] {
        assert!(refused(&api, &token, args).contains("Forbidden"), "{args:?}");
    }
}

#[test]
fn of_a_node_the_controller_changes_one_taint_and_nothing_else() {
    let api = api_server(4);
    apply(&api);
    let token = token(&api, "railcni-controller", None);
    // For kubectl, which reads what it patches.
    api.kubectl().run(&["create", "clusterrole", "reader", "--verb=get", "--resource=nodes"]).unwrap();
    let account = "--serviceaccount=kube-system:railcni-controller";
    api.kubectl().run(&["create", "clusterrolebinding", "reader", "--clusterrole=reader", account]).unwrap();
    let patch = |kind: &str, patch: &str| {
        objection(&api, &token, &["patch", "node", "one", "--type", kind, "--dry-run=server", "-p", patch])
    };
    // The API server itself has put one on a Node whose kubelet has said nothing.
    let add =
        |taint: &str| patch("json", &format!(r#"[{{"op":"add","path":"/spec/taints/-","value":{taint}}}]"#));
    // It takes a policy up a moment after it has stored it.
    let denied = testkit::eventually(std::time::Duration::from_secs(60), || {
        add(r#"{"key":"a","effect":"NoSchedule"}"#)?.contains("may change no taint").then_some(())
    });
    denied.expect("a taint of others is none of its business");
    let ours = r#"{"key":"railcni.dev/not-ready","value":"raild","effect":"NoSchedule"}"#;
    assert_eq!(add(ours), None);
    let said = add(&ours.replace("NoSchedule", "NoExecute")).expect("it evicts nobody");
    assert!(said.contains("NoSchedule only"), "{said}");
    let said = patch("merge", r#"{"spec":{"taints":[]}}"#).expect("it takes nobody's taint off");
    assert!(said.contains("may change no taint"), "{said}");
    for change in [
        r#"{"metadata":{"labels":{"a":"b"}}}"#,
        r#"{"metadata":{"annotations":{"a":"b"}}}"#,
        r#"{"metadata":{"finalizers":["a/b"]}}"#,
        r#"{"spec":{"unschedulable":true}}"#,
    ] {
        let said = patch("merge", change).unwrap_or_else(|| panic!("{change} was done"));
        assert!(said.contains("may change nothing of a Node"), "{change}: {said}");
    }
}
