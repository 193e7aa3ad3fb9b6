//! How many addresses of a pool the node can ever use: as many as the NICs of its rail have VFs.

use std::collections::BTreeMap;
use std::net::IpAddr;

use api::NodePool;
use ipnet::IpNet;

/// A NIC of the node that has VFs.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Pf {
    /// Its interfaces and its PCI address.
    pub names: Vec<String>,
    /// The node's own, on its interfaces.
    pub addresses: Vec<IpAddr>,
    /// How many it has now.
    pub vfs: u64,
}

/// By pool; a pool of which nothing says which NIC it goes with is not there, and neither is one that only an address of a NIC
/// without VFs is in.
pub fn most(pools: &[NodePool], pfs: &[Pf]) -> BTreeMap<String, u64> {
    pools.iter().filter_map(|pool| Some((pool.name.clone(), of_pool(pool, pfs)?))).collect()
}

fn of_pool(pool: &NodePool, pfs: &[Pf]) -> Option<u64> {
    if !pool.nics.is_empty() {
        let is_meant = |name: &String| pool.nics.split(',').any(|nic| nic.trim().eq_ignore_ascii_case(name));
        return Some(vfs(pfs, |pf| pf.names.iter().any(is_meant)));
    }
    let subnet: IpNet = pool.subnet.parse().ok()?;
    Some(vfs(pfs, |pf| pf.addresses.iter().any(|ip| subnet.contains(ip)))).filter(|vfs| *vfs > 0)
}

fn vfs(pfs: &[Pf], is_meant: impl Fn(&Pf) -> bool) -> u64 {
    pfs.iter().filter(|pf| is_meant(pf)).map(|pf| pf.vfs).sum()
}
