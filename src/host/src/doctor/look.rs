//! Looks at everything that is judged: files first, then netlink. Judges nothing.

mod device;
mod node;
mod pci;

use std::path::Path;

use netlink::{Rdma, Rtnetlink};

use super::files::Files;
use super::sight::{Netdev, Sight, Whose};
use crate::Error;

/// What files below `root` tell. A pod is seen by a /sys of its own namespace.
pub fn look(root: &Path, whose: Whose) -> Sight {
    let files = Files::below(root);
    let mut sight = Sight { whose, ..Sight::default() };
    sight.devices = device::all(&files);
    if whose == Whose::Node {
        node::look(&files, &mut sight);
    }
    sight.unseen = files.into_unseen();
    sight
}

/// What the kernel tells of the interfaces in the namespace of the calling thread, and of the RDMA core.
pub fn look_at_links(sight: &mut Sight) -> Result<(), Error> {
    let mut route = Rtnetlink::open()?;
    let addresses = route.addresses(None)?;
    for link in route.links()? {
        let own = addresses.iter().filter(|address| address.index == link.index);
        let dcb = if sight.is_of_rdma(&link.name) { route.dcb(&link.name)? } else { None };
        let addresses = own.map(|address| address.net).collect();
        sight.netdevs.push(Netdev { up: link.is_up(), name: link.name, mtu: link.mtu, addresses, dcb });
    }
    match Rdma::open().and_then(|mut rdma| rdma.netns_mode()) {
        Ok(mode) => sight.netns_mode = Some(mode.to_string()),
        Err(error) if error.is_unsupported() => {}
        Err(error) => sight.unseen.push(format!("the RDMA netns mode: {error}")),
    }
    Ok(())
}

impl Sight {
    /// Whether the interface is one of an RDMA device.
    pub fn is_of_rdma(&self, name: &str) -> bool {
        self.devices.iter().any(|device| device.netdevs().iter().any(|netdev| netdev == name))
    }
}
