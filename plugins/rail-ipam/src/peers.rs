//! Keys of other IPAM plugins by which a network chooses its addresses, and that cannot mean here what they mean there.
//! Ignored, they would have the pod get an address from somewhere else.

use cni::{Config, Error};

/// The key, and what to do instead.
const REFUSED: &[(&str, &str)] = &[
    ("range", SHARED),
    ("range_start", SHARED),
    ("range_end", SHARED),
    ("exclude", SHARED),
    ("ipRanges", SHARED),
    ("node_slice_size", SHARED),
    (
        "addresses",
        "it is of the plugin static: give the interface a pool, and name the address in args.cni.ips, in \
         runtimeConfig.ips or as IP in CNI_ARGS",
    ),
];

/// whereabouts has one range for a whole cluster.
const SHARED: &str = "it is of whereabouts, which shares a range between the nodes of a cluster; leases of rail-ipam are a \
                      node's own, so the same range on two nodes would give addresses twice: write a pool for each node \
                      (spec.nodeName, spec.ips, spec.excludeIPs) and name it in ippools, or a range of this node alone as \
                      subnet, rangeStart and rangeEnd";

/// Refuses the first of them that the config has.
pub(crate) fn refuse(config: &Config) -> Result<(), Error> {
    for (key, instead) in REFUSED {
        if let Some(value) = config.at(&["ipam", key]) {
            return Err(Error::unsupported(format!("ipam.{key} {value}: {instead}")));
        }
    }
    Ok(())
}
