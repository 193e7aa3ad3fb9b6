//! A plan's objects as the controller keeps them in a cluster: they go with their fabric, and say which slices are whose.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::link::is_vf;
use crate::objects::{DEFINITION, Options, POOL};
use crate::plan::{Plan, PlannedRail};
use crate::slots::Slots;

/// A label of every object of a fabric: its name.
pub const PART_OF: &str = "railcni.dev/part-of";
/// On the pools that nodes share, one of each rail: addresses of all rails of such a group are granted together.
const GROUP: &str = "railcni.dev/fabric";
/// Which rail of the group, from 1.
const RAIL: &str = "railcni.dev/rail";
/// Of a pool that the controller keeps they are written when they are empty, too: what is not written is not taken away.
const LISTS: [&str; 2] = ["excludeIPs", "routes"];
/// On the pools that nodes share, where pods get VFs: the NICs of the rail, by interface and PCI address. A node gets as many addresses
/// as these have VFs, ahead of its pods.
const NICS: &str = "railcni.dev/nics";
/// On a node's pool, the node's number.
const SLOT: &str = "railcni.dev/slot";

impl Plan {
    /// Pools and networks, owned by the fabric with this uid.
    pub fn owned(&self, uid: &str, options: &Options) -> Vec<Value> {
        let all = self.objects(options).into_iter().flat_map(|(_, objects)| objects);
        let kept = all.filter(|object| object["kind"] == POOL || object["kind"] == DEFINITION);
        kept.map(|object| self.with_owner(object, uid)).collect()
    }

    fn with_owner(&self, mut object: Value, uid: &str) -> Value {
        object["metadata"]["labels"] = json!({ PART_OF: self.name });
        if let Some(rail) = self.rail_of_pool(&object["metadata"]["name"]) {
            object["metadata"]["labels"][GROUP] = self.name.as_str().into();
            object["metadata"]["labels"][RAIL] = rail.to_string().into();
        }
        if let Some(nics) = self.nics_of_pool(&object) {
            object["metadata"]["annotations"][NICS] = nics.into();
        }
        object["metadata"]["ownerReferences"] = json!([{
            "apiVersion": "railcni.dev/v1alpha1", "kind": "Fabric", "name": self.name, "uid": uid,
            "controller": true, "blockOwnerDeletion": true,
        }]);
        if object["kind"] == POOL {
            for key in LISTS {
                let list = &mut object["spec"][key];
                *list = Some(list.take()).filter(|list| !list.is_null()).unwrap_or_else(|| json!([]));
            }
        }
        let node = object["spec"]["nodeName"][0].as_str().map(str::to_owned);
        if let Some(slot) = node.and_then(|node| self.slots.get(&node)) {
            object["metadata"]["annotations"][SLOT] = slot.to_string().into();
        }
        object
    }

    /// A second family is a group of its own: a group has one pool of each rail.
    fn rail_of_pool(&self, pool: &Value) -> Option<usize> {
        let is_of = |rail: &PlannedRail| {
            rail.shared.first().is_some_and(|slice| *pool == self.pool_name(rail, slice, None))
        };
        self.rails.iter().position(is_of).map(|position| position + 1)
    }

    /// Nothing where a pod's interface is no VF, or nobody knows the rail's NIC.
    fn nics_of_pool(&self, object: &Value) -> Option<String> {
        let is_of = |rail: &&PlannedRail| {
            rail.shared.iter().any(|slice| object["metadata"]["name"] == self.pool_name(rail, slice, None))
        };
        let is_meant = object["kind"] == POOL && is_vf(self.spec.link);
        let rail = self.rails.iter().filter(|_| is_meant).find(is_of)?;
        let nics: Vec<&str> = rail.interfaces.iter().chain(&rail.pcis).map(String::as_str).collect();
        (!nics.is_empty()).then(|| nics.join(","))
    }
}

impl Slots {
    /// The numbers that nodes have by the pools of a fabric.
    pub fn of_pools<'p>(fabric: &str, pools: impl Iterator<Item = &'p Value>) -> Self {
        let own = pools.filter(|pool| pool["metadata"]["labels"][PART_OF] == fabric);
        let pair = |pool: &Value| {
            let slot = pool["metadata"]["annotations"][SLOT].as_str()?.parse().ok()?;
            Some((pool["spec"]["nodeName"][0].as_str()?.to_owned(), slot))
        };
        // A pool per rail says the same of a node: once is enough.
        Self::from_pairs(own.filter_map(pair).collect::<BTreeMap<String, u32>>())
    }
}

/// Whether an object in the cluster says all that this one says, and who owns it.
pub fn is_as_wanted(wanted: &Value, found: &Value) -> bool {
    let same = |place: &str| wanted.pointer(place) == found.pointer(place);
    same("/metadata/ownerReferences/0/uid")
        && same("/metadata/labels/railcni.dev~1part-of")
        && same("/metadata/labels/railcni.dev~1rail")
        && (!wanted["spec"]["gateway"].is_null() || found["spec"]["gateway"].is_null())
        && same("/metadata/annotations/railcni.dev~1nics")
        && crate::differences(std::slice::from_ref(wanted), std::slice::from_ref(found)).is_empty()
}
