//! A real Kubernetes on one machine, for tests: etcd and kube-apiserver, and nodes with kubelet, containerd and Multus in
//! namespaces of their own. Its README says how it is made.
//!
//! What is started here ends with the process that started it, however that ends.

pub mod addresses;
mod api;
mod certificates;
mod cluster;
mod command;
mod debian;
mod device_plugin;
mod fabric;
mod file;
pub mod grpc;
mod helm;
mod images;
mod keeper;
mod kubectl;
mod node;
mod programs;
mod run;
mod server;
mod settings;
mod suite;
mod users;
mod versions;
mod world;

pub use api::{Api, Saved};
pub use cluster::Cluster;
pub use device_plugin::DevicePlugin;
pub use fabric::{RAILS, nic};
pub use helm::{Helm, chart, manifests};
pub use images::{BUSYBOX, suite_image};
pub use kubectl::Kubectl;
pub use node::Node;
pub use suite::{RAILS_NAMESPACE, network, plugins};
pub use versions::Versions;
pub use world::{Place, World};

/// Builds the programs of the tests, or of a cluster of other versions, if they are not in the cache.
pub fn build(versions: Versions) -> anyhow::Result<()> {
    let programs = match versions {
        Versions::Newest => programs::Programs::of_tests(),
        Versions::Oldest => programs::Programs::of_cluster(versions),
    };
    programs.map(drop)
}

/// The kinds of whereabouts, as its version 0.9 has them.
pub const WHEREABOUTS_KINDS: &str = include_str!("bench/whereabouts.yaml");

/// The IPAM plugin that the benchmark compares with, built if it is not in the cache.
pub fn whereabouts() -> anyhow::Result<std::path::PathBuf> {
    programs::Programs::of_bench().map(|programs| programs.path("whereabouts"))
}

/// Ends the clusters that shells hold, and removes what killed runs left.
pub fn down() -> anyhow::Result<()> {
    run::end_shells()
}
