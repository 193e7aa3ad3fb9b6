//! Sums of a pool over the cluster, for its status.

use crate::world::{Offer, World};

/// A pool's figures, for its status.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Figures {
    /// Addresses that it offers.
    pub total: i64,
    /// That nodes have.
    pub granted: i64,
    /// That pods have.
    pub used: i64,
    /// That no node has.
    pub free: i64,
}

impl World {
    /// Sums of a pool over the cluster.
    pub fn figures(&self, name: &str, offer: &Offer) -> Figures {
        let granted = crate::project::granted(self, name);
        let total = i64::try_from(offer.offered.len()).unwrap_or(i64::MAX);
        let used =
            self.nodes.values().filter_map(|node| node.pools.get(name)).map(|held| held.used).sum::<u64>();
        Figures {
            total,
            granted,
            used: i64::try_from(used).unwrap_or(i64::MAX),
            free: total.saturating_sub(granted).max(0),
        }
    }
}
