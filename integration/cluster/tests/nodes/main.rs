//! Pods with rails in a real cluster: two nodes with kubelet, containerd and Multus, driven by kubectl.
//!
//! One cluster for all tests of this binary, one test at a time: they kill its programs and count what is left on its nodes. After a
//! test that panicked there is a new one.

#![expect(clippy::unwrap_used, reason = "the functions between the tests are tests too")]

mod asked;
mod broken;
mod chart;
mod deployed;
mod devices;
mod fabric;
mod guides;
mod install;
mod life;
mod order;
mod others;
mod pods;
mod rails;
mod renewed;
mod shared;
mod verdict;
mod versions;
mod workloads;

use cluster::{Cluster, Versions};
use renewed::{Mine, Renewed};

/// The cluster, for the calling test alone.
fn cluster() -> Mine<'static, Cluster> {
    static CLUSTER: Renewed<Cluster> = Renewed::by(|| {
        let cluster = Cluster::start(Versions::asked().unwrap(), 2).unwrap();
        cluster.install_suite().unwrap();
        cluster
    });
    CLUSTER.get()
}
