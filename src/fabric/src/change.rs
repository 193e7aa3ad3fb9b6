//! From what a cluster has of a fabric to what it wants: what may change, and what would be taken from under a pod.

use std::collections::{BTreeMap, BTreeSet};

use api::LinkKind;
use ipnet::IpNet;
use serde_json::Value;

use crate::address::number;
use crate::compare::identity;
use crate::link::exclude;
use crate::objects::{DEFINITION, POOL};
use crate::owned::{PART_OF, is_as_wanted};
use crate::plan::Plan;

/// A step on the way: one object that is made, edited, or taken away.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change<'a> {
    /// As it is to be; `None` where it is to go. What goes because it cannot be edited is made again once it is gone.
    pub wanted: Option<&'a Value>,
    /// As it is; `None` where it is to be made.
    pub found: Option<&'a Value>,
    /// Why nobody may be attached to it meanwhile, of a network. Of a pool it is the addresses that it would lose that count.
    pub waits: Option<&'static str>,
}

/// A pod that starts again on its node asks for it by name.
const REMOVED: &str = "it goes";
/// The kernel refuses the second kind with EBUSY.
const LINK: &str = "its link changes between macvlan and ipvlan, of which a NIC carries one at a time";

impl Plan {
    /// What is to be done so that `found`, the pools and networks of a cluster, say what `wanted` says. Those of this fabric that
    /// nobody wants any more go: of a rail that is gone, or in another form. Nodes that are away keep their slices.
    pub fn changes<'a>(&self, uid: &str, wanted: &'a [Value], found: &'a [Value]) -> Vec<Change<'a>> {
        let there: BTreeMap<_, _> = found.iter().map(|object| (identity(object), object)).collect();
        let steps = wanted.iter().filter_map(|object| {
            let there = there.get(&identity(object)).copied();
            step(object, there, there.is_some_and(|there| is_owned(there, &self.name, uid)))
        });
        let names: BTreeSet<_> = wanted.iter().map(identity).collect();
        let taken = Slices::of(wanted);
        let left = found.iter().filter(|object| {
            is_owned(object, &self.name, uid)
                && !names.contains(&identity(object))
                && !self.is_kept(object, &taken)
        });
        let gone = left.map(|object| Change { wanted: None, found: Some(object), waits: removed(object) });
        steps.chain(gone).collect()
    }

    /// Whether it is the slice of a node that is away, and still nobody else's.
    fn is_kept(&self, pool: &Value, taken: &Slices) -> bool {
        let Some(node) = pool["spec"]["nodeName"][0].as_str().filter(|_| pool["kind"] == POOL) else {
            return false;
        };
        let Some(subnet) = subnet(pool) else { return false };
        let addressing = &self.spec.addressing;
        let sliced = [("", &addressing.per_node), ("v6", &addressing.per_node6)];
        let families = sliced.into_iter().filter(|(_, sliced)| sliced.is_some()).map(|(family, _)| family);
        let mut names = families.flat_map(|family| {
            self.rails.iter().map(move |rail| format!("{}{family}.{node}", self.object_name(rail)))
        });
        self.nodes.iter().all(|here| here.name != node)
            && pool["metadata"]["name"].as_str().is_some_and(|name| names.any(|own| own == name))
            && self.supernets().iter().any(|supernet| supernet.contains(&subnet))
            && !taken.meet(&subnet)
    }
}

fn step<'a>(wanted: &'a Value, found: Option<&'a Value>, is_ours: bool) -> Option<Change<'a>> {
    let Some(there) = found else { return Some(Change { wanted: Some(wanted), found, waits: None }) };
    if is_as_wanted(wanted, there) {
        return None;
    }
    // The subnet of a pool is what it is. Of one that is not ours, the API server says who keeps it from being edited.
    let is_another = is_ours && wanted["kind"] == POOL && subnet(wanted) != subnet(there);
    let wanted = Some(wanted).filter(|_| !is_another);
    Some(Change { wanted, found, waits: wanted.and_then(|wanted| relinked(wanted, there)) })
}

fn removed(object: &Value) -> Option<&'static str> {
    (object["kind"] == DEFINITION).then_some(REMOVED)
}

fn relinked(wanted: &Value, found: &Value) -> Option<&'static str> {
    let link = |object: &Value| {
        let config: Value = serde_json::from_str(object["spec"]["config"].as_str()?).ok()?;
        serde_json::from_value::<LinkKind>(config["plugins"][0]["link"].clone()).ok()
    };
    exclude(link(wanted)?, link(found)?).then_some(LINK)
}

/// What an admin has taken over is his.
fn is_owned(object: &Value, fabric: &str, uid: &str) -> bool {
    let metadata = &object["metadata"];
    metadata["labels"][PART_OF] == fabric && metadata["ownerReferences"][0]["uid"] == uid
}

fn subnet(pool: &Value) -> Option<IpNet> {
    pool["spec"]["subnet"].as_str()?.parse().ok()
}

/// The subnets that are wanted, which do not meet: of each family the last address by the first.
struct Slices([BTreeMap<u128, u128>; 2]);

impl Slices {
    fn of(wanted: &[Value]) -> Self {
        let mut slices = Self([BTreeMap::new(), BTreeMap::new()]);
        for subnet in wanted.iter().filter(|object| object["kind"] == POOL).filter_map(subnet) {
            slices.0[family(&subnet)].insert(number(subnet.network()), number(subnet.broadcast()));
        }
        slices
    }

    fn meet(&self, subnet: &IpNet) -> bool {
        let (first, last) = (number(subnet.network()), number(subnet.broadcast()));
        self.0[family(subnet)].range(..=last).next_back().is_some_and(|(_, end)| *end >= first)
    }
}

fn family(subnet: &IpNet) -> usize {
    usize::from(subnet.network().is_ipv6())
}

/// Whether the rails of a node are ready for pods, by what its agent says of it (condition `Ready`). A node without any RDMA device
/// is neither ready nor not: it is ready for fabrics that want none.
pub fn is_ready(spec: &api::FabricSpec, status: Option<&str>) -> bool {
    match status {
        Some("True") => true,
        Some("Unknown") => spec.rdma.is_none(),
        _ => false,
    }
}
