//! Two agents on a node, nodes that are renamed or installed anew, tokens that end, and rights that are missing: each ends in a clear
//! word, and never in a second owner.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use cluster::Api;
use serde_json::{Value, json};
use testkit::eventually;

use crate::auditor::{audited, come, nothing_is_lost, places, pods};
use crate::node::{Process, api_server, node_object, nodes, raild, well};

const LIMIT: Duration = Duration::from_secs(120);

fn log(api: &Api, name: &str) -> PathBuf {
    let path = api.dir().join(name);
    state::file::replace(&path, b"").unwrap();
    path
}

/// What it says on its error stream.
fn says(log: &Path, words: &[&str]) {
    let said = || std::fs::read_to_string(log).unwrap();
    let is_said = || words.iter().all(|word| said().contains(word)).then_some(());
    eventually(LIMIT, is_said).unwrap_or_else(|| panic!("{words:?} in\n{}", said()));
}

fn logged(command: &mut Command, log: &Path) -> Process {
    Process::start(command.stderr(File::options().append(true).open(log).unwrap()))
}

#[test]
fn of_two_agents_on_one_node_the_first_ends_and_no_address_is_given_twice() {
    const ADDRESSES: usize = 8;
    let api = api_server(8);
    let _controller = Process::start(&mut raild(&api, "controller"));
    let first = log(&api, "first.log");
    let mut nodes = nodes(&api, &well(&api, 2));
    nodes[0].kill_agent();
    let mut of_first = nodes[0].second_agent(&api, &first);
    audited(&places(&nodes), || {
        come(&nodes[0], &pods("before", 3));
        let second = log(&api, "second.log");
        let _second = nodes[0].second_agent(&api, &second);
        let end = eventually(LIMIT, || of_first.end()).expect("the first one ends");
        assert!(!end.success());
        says(&first, &["another agent speaks for node node-0: only one may run"]);
        come(&nodes[0], &pods("after", 3));
        come(&nodes[1], &pods("there", 2));
        nothing_is_lost(&nodes.iter().collect::<Vec<_>>(), &nodes[1], ADDRESSES);
    });
}

#[test]
fn a_node_that_is_installed_anew_under_its_name_gets_its_share_again_and_nobodys_else() {
    const ADDRESSES: usize = 9;
    let api = api_server(9);
    let _controller = Process::start(&mut raild(&api, "controller"));
    let mut nodes = nodes(&api, &well(&api, 2));
    come(&nodes[0], &pods("before", 6));
    come(&nodes[1], &pods("there", 3));
    // Its pods end with it.
    nodes[0].wipe();
    nodes[0].start_agent(&api);
    nodes[0].knows_the_pool();
    audited(&places(&nodes), || {
        come(&nodes[0], &pods("after", 6));
    });
    nothing_is_lost(&nodes.iter().collect::<Vec<_>>(), &nodes[1], ADDRESSES);
}

#[test]
fn a_node_that_is_renamed_gets_a_share_of_its_own_and_none_of_what_its_pods_have() {
    let api = api_server(12);
    let _controller = Process::start(&mut raild(&api, "controller"));
    let mut nodes = nodes(&api, &well(&api, 2));
    let mut node = nodes.remove(0);
    come(&node, &pods("before", 4));
    let mine = node.leases().into_iter().map(|lease| lease.ip).collect::<Vec<_>>();
    node.kill_agent();
    // Its name in Kubernetes is another one now; its directories and its pods are the same.
    api.kubectl().apply(&node_object("renamed")).unwrap();
    node.rename("renamed");
    let (code, message) = node.add(&pods("early", 1), 1)[0].clone().unwrap_err();
    assert!(code == 5 && message.contains("node-0") && message.contains("renamed"), "{message}");
    node.start_agent(&api);
    node.knows_the_pool();
    let has_a_share = || node.add(&pods("after", 2), 30).iter().all(Result::is_ok).then_some(());
    eventually(LIMIT, has_a_share).expect("it gets a share");
    let now = node.leases().into_iter().map(|lease| lease.ip).collect::<Vec<_>>();
    assert_eq!(now.len(), mine.len() + 2);
    assert!(mine.iter().all(|ip| now.contains(ip)), "what its pods have stays theirs: {mine:?} {now:?}");
    assert!(node.offered().ranges().iter().all(|range| !mine.contains(&range.first())));
}

/// A kubeconfig of a service account without any right, and what takes its token away.
fn nobody(api: &Api) -> (PathBuf, impl Fn(&str) -> String) {
    api.kubectl().run(&["-n", "default", "create", "serviceaccount", "nobody"]).unwrap();
    let token = |secret: &str| {
        let args = [
            "-n",
            "default",
            "create",
            "token",
            "nobody",
            "--bound-object-kind=Secret",
            "--bound-object-name",
        ];
        api.kubectl().run(&[&args[..], &[secret]].concat()).unwrap().trim().to_owned()
    };
    let path = api.dir().join("nobody.kubeconfig");
    (path, token)
}

fn with_token_file(api: &Api, path: &Path, token_file: &Path) {
    let text = std::fs::read_to_string(api.kubeconfig()).unwrap();
    let mut config: Value = serde_json::from_str(&text).unwrap();
    config["users"][0]["user"] = json!({"tokenFile": token_file});
    state::file::replace_json(path, &config).unwrap();
}

#[test]
fn rights_that_are_missing_are_said_with_the_rule_and_a_token_that_has_ended_is_read_again() {
    let api = api_server(4);
    for secret in ["first", "second"] {
        api.kubectl().run(&["-n", "default", "create", "secret", "generic", secret]).unwrap();
    }
    let (kubeconfig, token) = nobody(&api);
    let token_file = api.dir().join("token");
    state::file::replace(&token_file, token("first").as_bytes()).unwrap();
    with_token_file(&api, &kubeconfig, &token_file);

    // The controller reads the schemas first, and ends.
    let of_controller = log(&api, "controller.log");
    let mut controller = logged(raild(&api, "controller").env("KUBECONFIG", &kubeconfig), &of_controller);
    let end = eventually(LIMIT, || controller.end()).expect("it ends");
    assert!(!end.success());
    says(&of_controller, &["cannot get resource \"customresourcedefinitions\"", "apiextensions.k8s.io"]);

    let of_agent = log(&api, "agent.log");
    let mut agent = raild(&api, "agent");
    agent.env("KUBECONFIG", &kubeconfig).env("NODE_NAME", "one");
    agent.env("RAILCNI_STATE_DIR", api.dir().join("one"));
    let _agent = logged(&mut agent, &of_agent);
    says(
        &of_agent,
        &["cannot patch resource \"railnodes/status\" in API group \"railcni.dev\"", "have the rule"],
    );
    says(&of_agent, &["cannot list resource \"railnodes\""]);

    // Its token ends; and with the next one, and rights, it goes on.
    api.kubectl().run(&["-n", "default", "delete", "secret", "first"]).unwrap();
    says(&of_agent, &["Unauthorized (401): the token has ended"]);
    let _controller = Process::start(&mut raild(&api, "controller"));
    let args = [
        "create",
        "clusterrolebinding",
        "nobody",
        "--clusterrole=cluster-admin",
        "--serviceaccount=default:nobody",
    ];
    api.kubectl().run(&args).unwrap();
    state::file::replace(&token_file, token("second").as_bytes()).unwrap();
    let joined = || {
        let node = api.kubectl().get(&["railnode", "one"]).ok()?;
        node["spec"]["pools"].as_array().is_some_and(|pools| !pools.is_empty()).then_some(())
    };
    eventually(LIMIT, joined).unwrap_or_else(|| panic!("{}", std::fs::read_to_string(&of_agent).unwrap()));
}
