//! `raild`: what a cluster's rails need beyond one node. `raild controller` grants addresses to nodes; `raild agent` brings a
//! node's grant to its plugins: shells around the crate `grants`, which decides. `raild webhook` gives pods the rails that they ask
//! for, and refuses what cannot be meant: a shell around `admission`. `raild networks` keeps
//! what Multus reads as Fabrics and configs say it. `raild gc` releases what lost pods left on a node: a shell around `runtime`.

mod agent;
mod connection;
mod controller;
mod event;
mod exporter;
mod gc;
mod gone;
mod grpc;
mod known;
mod kubelet;
mod lease;
mod looks;
mod networks;
mod socket;
mod users;
mod webhook;
mod wire;

use std::io::Write as _;
use std::process::ExitCode;

const USAGE: &str = "usage: raild controller | raild agent | raild gc | raild networks | raild webhook\n\nThe API server is found as kubectl finds it: $KUBECONFIG, or the \
                     service account of the pod.\nraild agent needs NODE_NAME, the node's name in Kubernetes; KUBELET_DIR, if kubelet has its files elsewhere than in \
                     /var/lib/kubelet.\nraild gc asks no API server; GC_EVERY_SECONDS=0 switches it off.";

fn main() -> ExitCode {
    let mode = std::env::args().nth(1).unwrap_or_default();
    if version::is_asked() {
        return match writeln!(std::io::stdout(), "raild {}", version::text()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failed(&format!("stdout: {error}")),
        };
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&format!("no runtime: {error}")),
    };
    let local = tokio::task::LocalSet::new();
    let outcome = match mode.as_str() {
        "controller" => local.block_on(&runtime, controller::run()),
        "agent" => local.block_on(&runtime, agent::run()),
        "gc" => gc::run(&runtime),
        "networks" => local.block_on(&runtime, networks::run()),
        "webhook" => local.block_on(&runtime, webhook::run()),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    outcome.map_or_else(|problem| failed(&problem), |()| ExitCode::SUCCESS)
}

fn failed(problem: &str) -> ExitCode {
    eprintln!("raild: {problem}");
    ExitCode::FAILURE
}
