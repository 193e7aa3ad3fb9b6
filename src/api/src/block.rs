//! The ledger of addresses: who owns which.

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Kind, Object, RAILCNI};

/// The owners of some indices of all rails of a group. Whoever changes one names the version that he has read: this is the
/// one place that decides whose an address is.
pub type RailBlock = Object<RailBlockSpec, ()>;

/// Index `i` of rail `r` is the address `i` places behind the network address of `subnets[r]`. Owners are strings, for
/// entries of a structured list cost the API server more than their bytes.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct RailBlockSpec {
    /// The fabric, or the pool of none.
    pub group: String,
    /// The first index.
    #[cfg_attr(feature = "schema", schemars(range(min = 0)))]
    pub first: i64,
    /// How many indices there are.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 128)))]
    pub count: i64,
    /// Grows with every change, and beyond the epoch of every node whose word was believed in it.
    #[cfg_attr(feature = "schema", schemars(range(min = 0)))]
    pub epoch: i64,
    /// The pool of each rail.
    #[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-list-type" = "atomic")))]
    pub pools: Vec<String>,
    /// The subnet of each rail.
    #[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-list-type" = "atomic")))]
    pub subnets: Vec<String>,
    /// The owners of each rail, by offset from `first`: `worker-1=0-7,16;worker-2=8-15`.
    #[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-list-type" = "atomic")))]
    pub rails: Vec<String>,
    /// The epoch in which each owner last got an address of this block, `worker-1=12;worker-2=9`: nothing that he said
    /// before it counts.
    pub since: String,
    /// Of each rail, who is to have which place again, wherever his pod runs: `7=ai/train-0/net1;9=ai/train-1/net1`. Sticky pools
    /// only; none at all where no pool of the group is sticky.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-list-type" = "atomic")))]
    pub pins: Vec<String>,
}

impl Kind for RailBlock {
    const GROUP: &'static str = RAILCNI;
    const VERSION: &'static str = "v1alpha1";
    const KIND: &'static str = "RailBlock";
    const PLURAL: &'static str = "railblocks";
    const SHORT: &'static [&'static str] = &[];
    const NAMESPACED: bool = false;
}
