//! Pods with rails in a real cluster: two nodes with kubelet, containerd and Multus, driven by kubectl.
//!
//! One cluster for all tests of this binary, one test at a time: they kill its programs and count what is left on its nodes.

#![expect(clippy::unwrap_used, reason = "the functions between the tests are tests too")]

mod asked;
mod broken;
mod deployed;
mod fabric;
mod guides;
mod install;
mod life;
mod others;
mod pods;
mod rails;
mod shared;
mod verdict;
mod workloads;

use cluster::Cluster;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// The cluster, for the calling test alone.
fn cluster() -> MutexGuard<'static, Cluster> {
    static CLUSTER: OnceLock<Mutex<Cluster>> = OnceLock::new();
    let cluster = CLUSTER.get_or_init(|| {
        let cluster = Cluster::start(2).unwrap();
        cluster.install_suite().unwrap();
        Mutex::new(cluster)
    });
    cluster.lock().unwrap_or_else(PoisonError::into_inner)
}
