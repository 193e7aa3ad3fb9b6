//! The file of the plugins: what this node may hand out and has not given up, and what the agent must not forget.

use api::NodePool;
use grants::agent::Kept;
use grants::{ranges_of, ranges_text};
use ipam::{Granted, StoreError};
use serde_json::{Value, json};
use state::{BootId, Dirs};

/// What an earlier life on this node has left. That of another node is nobody's here, and what is damaged is no memory.
pub(super) fn remembered(dirs: &Dirs, node: &str) -> Option<Kept> {
    let granted = Granted::read(dirs).unwrap_or_else(|error| {
        eprintln!("raild: {error}; it is written again from what the cluster knows");
        None
    });
    let granted = granted.filter(|granted| granted.node == node)?;
    serde_json::from_value(granted.memory)
        .inspect_err(|error| eprintln!("raild: the agent's memory is of another version: {error}"))
        .ok()
}

/// The file of the plugins.
pub(super) fn file(kept: &Kept) -> Result<Granted, StoreError> {
    let memory = serde_json::to_value(kept)
        .map_err(|error| StoreError::Granted { path: "node/grants".to_owned(), what: error.to_string() })?;
    let pools = kept.pools.iter().map(|pool| document(pool, kept.returned.get(&pool.name))).collect();
    let (node, boot) = (kept.node.clone(), Some(BootId::current()?));
    Ok(Granted { node, epoch: kept.epoch, boot, pools, memory })
}

/// A pool as the plugins read pools, with what this node may hand out and has not given up.
fn document(pool: &NodePool, returned: Option<&String>) -> Value {
    let read = |text: &str| ranges_of(text).unwrap_or_default();
    let usable = read(&pool.ranges).without(&returned.map(|text| read(text)).unwrap_or_default());
    let mut spec = json!({
        "subnet": pool.subnet,
        "ips": ranges_text(&usable).split(',').filter(|part| !part.is_empty()).collect::<Vec<_>>(),
        "routes": pool.routes,
        "namespaceName": pool.namespaces,
        "multusName": pool.networks,
        "default": pool.default,
        "sticky": pool.sticky,
    });
    if let Some(gateway) = &pool.gateway {
        spec["gateway"] = gateway.as_str().into();
    }
    if let Some(rest) = pool.rest {
        spec["rest"] = rest.into();
    }
    let mut status = json!({ "free": pool.free });
    if let Some(pins) = &pool.pins {
        status["pins"] = pins.as_str().into();
    }
    json!({ "kind": "SpiderIPPool", "metadata": { "name": pool.name }, "spec": spec, "status": status })
}
