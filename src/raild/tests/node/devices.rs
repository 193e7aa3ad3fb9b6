//! Which devices a pod has, by the agent: kubelet knows it.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;
use testkit::eventually;

use crate::grpc::{Reply, Server, field};
use crate::raild::Raild;

const LIMIT: Duration = Duration::from_secs(60);
const METHOD: &str = "/v1.PodResourcesLister/List";
/// Nobody is at the address: what is asked of the node needs no API server.
const KUBECONFIG: &str = r#"{"apiVersion": "v1", "kind": "Config", "current-context": "c",
    "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}], "users": [{"name": "u", "user": {}}],
    "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}]}"#;

struct Node {
    base: TempDir,
    agent: Raild,
}

impl Node {
    fn start() -> Self {
        let base = TempDir::new().unwrap();
        let kubeconfig = base.path().join("kubeconfig");
        state::file::replace_json(
            &kubeconfig,
            &serde_json::from_str::<serde_json::Value>(KUBECONFIG).unwrap(),
        )
        .unwrap();
        let kubelet = base.path().join("kubelet");
        let env = [
            ("NODE_NAME", "one"),
            ("KUBECONFIG", kubeconfig.to_str().unwrap()),
            ("KUBELET_DIR", kubelet.to_str().unwrap()),
        ];
        let agent = Raild::start("agent", base.path(), &env);
        let node = Self { base, agent };
        let socket = node.socket();
        let listens = || UnixStream::connect(&socket).is_ok().then_some(());
        eventually(LIMIT, listens).unwrap_or_else(|| panic!("{}", node.agent.said()));
        node
    }

    fn socket(&self) -> PathBuf {
        self.base.path().join("state/node/want")
    }

    fn kubelet(&self, pods: &[Vec<u8>]) -> Server {
        let path = self.base.path().join("kubelet/pod-resources/kubelet.sock");
        Server::start(&path, Reply::Message(pods.concat()))
    }

    /// What the agent says to a plugin.
    fn ask(&self, question: &str) -> String {
        let mut stream = UnixStream::connect(self.socket()).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream.write_all(format!("{question}\n").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

/// A pod with one container that has these devices.
fn pod(name: &str, devices: &[(&str, &str)]) -> Vec<u8> {
    let device = |(resource, id): &(&str, &str)| field(2, [field(1, resource), field(2, id)].concat());
    let container = [field(1, "main"), devices.iter().flat_map(device).collect()].concat();
    field(1, [field(1, name), field(2, "ai"), field(3, container)].concat())
}

fn both() -> [Vec<u8>; 2] {
    let of = |function: u8| {
        [("x/eno10", format!("0000:5e:00.{function}")), ("x/eno2", format!("0000:3b:00.{function}"))]
    };
    let made = |name: &str, function| {
        let devices = of(function);
        pod(name, &devices.each_ref().map(|(resource, id)| (*resource, id.as_str())))
    };
    [made("a", 2), made("b", 3)]
}

#[test]
fn pods_that_ask_at_once_hear_of_their_own_devices() {
    let node = Node::start();
    let kubelet = node.kubelet(&both());
    std::thread::scope(|scope| {
        for round in 0..32 {
            let (node, even) = (&node, round % 2 == 0);
            scope.spawn(move || {
                let (name, function) = if even { ("a", 2) } else { ("b", 3) };
                let answer = node.ask(&format!("devices ai {name} uid"));
                let expected =
                    format!("devices x/eno2=0000:3b:00.{function} x/eno10=0000:5e:00.{function}\n");
                assert_eq!(answer, expected);
            });
        }
    });
    assert!(kubelet.called().iter().all(|method| method == METHOD), "{:?}", kubelet.called());
    assert!(node.ask("devices ai c uid").starts_with("none kubelet knows no pod ai/c"));
    assert!(node.ask("devices other a uid").starts_with("none kubelet knows no pod other/a"));
    assert!(node.ask("device ai a uid").starts_with("error expected:"));
}

#[test]
fn a_kubelet_that_is_away_or_busy_is_asked_again() {
    let node = Node::start();
    let answer = node.ask("devices ai a uid");
    assert!(answer.starts_with("none kubelet's socket") && answer.contains("mount"), "{answer}");
    let kubelet = node.kubelet(&both());
    assert!(node.ask("devices ai a uid").starts_with("devices "));
    // Its limit of questions in a second.
    kubelet.reply(Reply::Status("8"));
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| node.ask("devices ai a uid"));
        eventually(LIMIT, || (kubelet.called().len() > 3).then_some(())).expect("it is asked again");
        kubelet.reply(Reply::Message(both().concat()));
        assert!(asked.join().unwrap().starts_with("devices "));
    });
    // Restarted, with another pod of that name.
    drop(kubelet);
    let _kubelet = node.kubelet(&[pod("a", &[("x/eno2", "0000:3b:00.7")])]);
    assert_eq!(node.ask("devices ai a uid"), "devices x/eno2=0000:3b:00.7\n");
}

/// And so do the plugins, with an error: they wait for ten seconds.
#[test]
fn a_kubelet_that_hangs_or_talks_nonsense_ends_in_a_reason() {
    let node = Node::start();
    let kubelet = node.kubelet(&[]);
    kubelet.reply(Reply::Silence);
    let answer = node.ask("devices ai a uid");
    assert!(answer.starts_with("none kubelet at ") && answer.contains("no answer within"), "{answer}");
    kubelet.reply(Reply::Message(b"\x0a\xff".to_vec()));
    assert!(node.ask("devices ai a uid").contains("no list of pods"));
    kubelet.reply(Reply::Status("7"));
    assert!(node.ask("devices ai a uid").contains("gRPC status 7"));
}

/// The pod with the old UID is on its way out, and its ADD is under way still.
#[test]
fn a_name_that_is_anothers_by_now_gets_nothing_of_his() {
    let node = Node::start();
    let _kubelet = node.kubelet(&[pod("a", &[("x/eno2", "0000:3b:00.2")])]);
    let checkpoint = node.base.path().join("kubelet/device-plugins/kubelet_internal_checkpoint");
    std::fs::create_dir_all(checkpoint.parent().unwrap()).unwrap();
    let entry = serde_json::json!({"Data": {"PodDeviceEntries": [{"PodUID": "new", "ContainerName": "main",
        "ResourceName": "x/eno2", "DeviceIDs": {"0": ["0000:3b:00.2"]}, "AllocResp": ""}], "RegisteredDevices": {}}, "Checksum": 1});
    state::file::replace_json(&checkpoint, &entry).unwrap();
    assert_eq!(node.ask("devices ai a new"), "devices x/eno2=0000:3b:00.2\n");
    let answer = node.ask("devices ai a old");
    assert!(answer.starts_with("none 0000:3b:00.2") && answer.contains("UID new"), "{answer}");
}
