//! The cluster's pools and nodes.

use std::collections::BTreeMap;

use crate::agent::Condition;
use crate::family::{Families, Family, Kind, Value};

/// What a controller knows.
#[derive(Clone, Debug, Default)]
pub struct Controller {
    /// By name.
    pub pools: BTreeMap<String, Pool>,
    /// `RailNode`s by the status of their condition `Ready`; `Unknown` without one.
    pub nodes: BTreeMap<String, usize>,
    /// `RailBlock`s.
    pub blocks: usize,
    /// It has the Lease.
    pub leader: bool,
}

/// A pool over the cluster, in addresses.
#[derive(Clone, Debug, Default)]
pub struct Pool {
    /// That it offers.
    pub total: i64,
    /// That nodes have.
    pub granted: i64,
    /// That pods have.
    pub used: i64,
    /// That no node has.
    pub free: i64,
    /// That are wanted and no node can spare.
    pub unmet: u64,
    /// As in its status.
    pub conditions: Vec<Condition>,
}

type Read = fn(&Pool) -> f64;

/// All that is told of it.
#[expect(
    clippy::cast_precision_loss,
    reason = "a pool has fewer addresses than a mantissa has bits, or nobody counts them"
)]
pub fn controller(controller: &Controller) -> Vec<Family> {
    let mut families = Families::default();
    let of_pools: [(&str, &str, Read); 5] = [
        ("addresses", "Addresses that the pool offers", |pool| pool.total as f64),
        ("granted", "Addresses of the pool that nodes have", |pool| pool.granted as f64),
        ("used", "Addresses of the pool that pods have", |pool| pool.used as f64),
        ("free", "Addresses of the pool that no node has", |pool| pool.free as f64),
        ("unmet", "Addresses of the pool that are wanted and that no node can spare", |pool| {
            pool.unmet as f64
        }),
    ];
    for (name, help, read) in of_pools {
        let place = families.declare(&format!("railcni_pool_{name}"), Kind::Gauge, help);
        for (pool, figures) in &controller.pools {
            families.add(place, vec![("pool", pool.clone())], Value::Real(read(figures)));
        }
    }
    let help = "Conditions of the pool: 1 if it is so";
    let place = families.declare("railcni_pool_condition", Kind::Gauge, help);
    for (pool, figures) in &controller.pools {
        for condition in &figures.conditions {
            let labels = vec![("pool", pool.clone()), ("type", condition.r#type.clone())];
            families.add(place, labels, Value::Real(f64::from(u8::from(condition.status == "True"))));
        }
    }
    let help = "RailNodes by the status of their condition Ready";
    let place = families.declare("railcni_nodes", Kind::Gauge, help);
    for status in ["True", "False", "Unknown"] {
        let count = controller.nodes.get(status).copied().unwrap_or(0);
        families.add(place, vec![("ready", status.to_owned())], Value::Real(count as f64));
    }
    families.gauge("railcni_blocks", "RailBlocks", Vec::new(), controller.blocks as f64);
    let leader = f64::from(u8::from(controller.leader));
    families.gauge("railcni_leader", "Whether this controller has the Lease", Vec::new(), leader);
    families.done()
}
