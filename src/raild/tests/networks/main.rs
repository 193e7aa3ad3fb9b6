//! Webhook and networks on a real API server, with the rights of their manifest and no more.

#![expect(clippy::unwrap_used, reason = "the functions between the tests are tests too")]

mod changes;
mod definitions;
mod guides;
mod injection;
mod removal;

use std::path::Path;
use std::process::{Child, Command};

use cluster::Api;
use serde_json::Value;

/// Ends with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An API server with our kinds, Multus' own, and the manifest.
fn prepared() -> Api {
    let api = Api::start().unwrap();
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy");
    let apply =
        |path: &str| api.kubectl().run(&["apply", "-f", &deploy.join(path).display().to_string()]).unwrap();
    apply("crds");
    api.kubectl().apply(include_str!("../../../../integration/cluster/src/crds.yaml")).unwrap();
    api.kubectl().run(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"]).unwrap();
    apply("networks");
    api
}

/// As the manifest's account.
fn raild(api: &Api, mode: &str) -> Command {
    let token = api.kubectl().run(&["-n", "kube-system", "create", "token", "railcni-networks"]).unwrap();
    let text = state::file::read_text(&api.kubeconfig()).unwrap().unwrap();
    let mut config: Value = serde_json::from_str(&text).unwrap();
    config["users"][0]["user"]["token"] = token.trim().into();
    let path = api.dir().join("networks.kubeconfig");
    state::file::replace(&path, config.to_string().as_bytes()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_raild"));
    command.arg(mode).env("KUBECONFIG", path);
    command
}
