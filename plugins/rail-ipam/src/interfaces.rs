//! Addresses that interfaces have already, on the node and in the pod: nobody else gets those.

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use cni::{CniResult, Error, Request};
use ipam::{Range, RangeSet};
use netns::NetNs;
use nix::errno::Errno;

use crate::present::{Addresses, list, name};

/// The addresses of the node and of the pod.
pub(crate) struct Interfaces {
    seen: Arc<Seen>,
    /// By the result of the plugins before, with the name of the interface.
    told: Vec<(IpAddr, String)>,
}

/// The same at one moment, as the kernel has them.
#[derive(Debug, Default)]
struct Seen {
    node: Addresses,
    pod: Addresses,
    netns: Option<NetNs>,
    path: Option<PathBuf>,
}

/// Where one process gives addresses to several interfaces of a pod, before it makes the first: what was seen for one of them counts
/// for all.
#[derive(Debug, Default)]
pub(crate) struct Glance(OnceLock<Arc<Seen>>);

impl Glance {
    pub(crate) const fn new() -> Self {
        Self(OnceLock::new())
    }

    fn at(&self, path: Option<&Path>) -> Result<Arc<Seen>, Error> {
        if let Some(seen) = self.0.get().filter(|seen| seen.path.as_deref() == path) {
            return Ok(seen.clone());
        }
        let seen = Arc::new(Seen::now(path)?);
        // The first pod's, of which there is one in a process.
        let _ = self.0.set(seen.clone());
        Ok(seen)
    }
}

impl Seen {
    /// Of the pod as far as this process may look.
    fn now(path: Option<&Path>) -> Result<Self, Error> {
        let node = list().map_err(|errno| failed("this node", errno))?;
        let seen = Self { node, path: path.map(Path::to_owned), ..Self::default() };
        let Some(path) = path else { return Ok(seen) };
        match NetNs::open(path).and_then(|netns| netns.run(list).map(|pod| (netns, pod))) {
            Ok((netns, pod)) => {
                let pod = pod.map_err(|errno| failed("the pod", errno))?;
                Ok(Self { pod, netns: Some(netns), ..seen })
            }
            Err(error) => {
                tracing::debug!(%error, "the pod's addresses cannot be seen");
                Ok(seen)
            }
        }
    }
}

impl Interfaces {
    /// Those of the node.
    pub(crate) fn of_node() -> Result<Self, Error> {
        Ok(Self { seen: Arc::new(Seen::now(None)?), told: Vec::new() })
    }

    /// Also those of the pod. Who was told that an address is in use has waited for that, and looks again.
    pub(crate) fn of(request: &Request, glance: &Glance) -> Result<Self, Error> {
        let path = request.env.netns.as_deref();
        let is_first = request.env.declined.is_empty();
        let seen = if is_first { glance.at(path)? } else { Arc::new(Seen::now(path)?) };
        Ok(Self { seen, told: request.config.prev_result.as_ref().map(told).unwrap_or_default() })
    }

    pub(crate) fn node(&self) -> RangeSet {
        self.seen.node.iter().map(|(ip, _)| Range::one(*ip)).collect()
    }

    pub(crate) fn pod(&self) -> RangeSet {
        let told = self.told.iter().map(|(ip, _)| *ip);
        self.seen.pod.iter().map(|(ip, _)| *ip).chain(told).map(Range::one).collect()
    }

    /// Who has the address, for a message.
    pub(crate) fn holder(&self, ip: IpAddr) -> String {
        let index =
            |addresses: &Addresses| addresses.iter().find(|(own, _)| *own == ip).map(|(_, index)| *index);
        if let Some(index) = index(&self.seen.node) {
            return format!("interface {} of this node", name(index));
        }
        let told = self.told.iter().find(|(own, _)| *own == ip).map(|(_, name)| name.clone());
        let seen = || {
            let netns = self.seen.netns.as_ref()?;
            netns.run(|| index(&self.seen.pod).map(name)).ok().flatten()
        };
        format!("interface {} of the pod", told.or_else(seen).unwrap_or_default())
    }
}

fn told(previous: &CniResult) -> Vec<(IpAddr, String)> {
    let name = |index: usize| previous.interfaces.get(index).map(|interface| interface.name.clone());
    let told = previous.ips.iter();
    told.map(|ip| (ip.address.addr(), ip.interface.and_then(name).unwrap_or_default())).collect()
}

fn failed(whose: &str, errno: Errno) -> Error {
    Error::io(format!("list the addresses of {whose}: {}", io::Error::from(errno)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_look_serves_every_interface_of_a_pod_and_of_no_other() {
        let (glance, pod) = (Glance::new(), Path::new("/run/netns/no-such-pod"));
        let first = glance.at(Some(pod)).unwrap();
        assert!(Arc::ptr_eq(&first, &glance.at(Some(pod)).unwrap()));
        let other = glance.at(None).unwrap();
        assert!(!Arc::ptr_eq(&first, &other) && other.path.is_none());
    }
}
