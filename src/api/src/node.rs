//! What a node may hand out, and what it says of itself.

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::pool::is_false;
use crate::{Condition, Kind, Object, RAILCNI, Route};

/// A node, under its name. The controller writes the spec, the node's agent the status.
pub type RailNode = Object<RailNodeSpec, RailNodeStatus>;

/// What the node may hand out: a projection of the blocks.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct RailNodeSpec {
    /// Only grows. Whoever writes the spec tests that it is still the one that he has read.
    #[cfg_attr(feature = "schema", schemars(range(min = 0)))]
    pub epoch: i64,
    /// The node is asked to say all that it holds, and changes nothing.
    #[serde(skip_serializing_if = "is_false")]
    pub confirm: bool,
    /// By pool.
    #[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-list-type" = "atomic")))]
    pub pools: Vec<NodePool>,
}

/// A pool on a node.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct NodePool {
    /// Of the pool.
    pub name: String,
    /// What may be handed out, `172.16.1.1-172.16.1.8,172.16.1.17`.
    pub ranges: String,
    /// What the node has, but is not to hand out again: it goes back as soon as nobody uses it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub drain: String,
    /// How many addresses the node is asked to give back, including those that it has given back and that are still listed here.
    #[serde(skip_serializing_if = "is_zero")]
    #[cfg_attr(feature = "schema", schemars(range(min = 0)))]
    pub give: i64,
    /// How many addresses no node has, for messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub free: Option<i64>,
    /// Of the pool.
    pub subnet: String,
    /// Of the pool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    /// Of the pool.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-list-type" = "atomic")))]
    pub routes: Vec<Route>,
    /// Of the pool.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-list-type" = "atomic")))]
    pub namespaces: Vec<String>,
    /// Of the pool.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-list-type" = "atomic")))]
    pub networks: Vec<String>,
    /// Of the pool.
    #[serde(skip_serializing_if = "is_false")]
    pub default: bool,
    /// Of the pool.
    #[serde(skip_serializing_if = "is_false")]
    pub sticky: bool,
    /// Of the pool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rest: Option<u32>,
    /// Of the pool: the NICs whose VFs take its addresses, by interface or PCI address, `ens1f0,0000:1a:00.0`; where it names none,
    /// those with an address in its subnet.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub nics: String,
    /// Of a sticky pool, who is to have which of these addresses again: `172.16.1.7=ai/train-0/net1;...`. None of a controller that
    /// does not keep them over nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pins: Option<String>,
    /// Answers to `owners` of the status that have no address here: `OWNER=MARK` for one that has none anywhere, and
    /// `OWNER=MARK@ADDRESS@NODE` while that node has it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub owners: String,
}

/// What the agent says.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct RailNodeStatus {
    /// The newest epoch of the spec that the agent has seen.
    pub epoch: i64,
    /// Of the agent's life: what an earlier one wrote and the network still holds, the API server refuses.
    pub life: String,
    /// The agent has no memory of an earlier life and hands nothing out before it has seen a newer spec.
    #[serde(skip_serializing_if = "is_false")]
    pub waits: bool,
    /// By pool.
    #[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-list-type" = "atomic")))]
    pub pools: Vec<PoolUse>,
    /// How many NICs have RDMA, VFs not counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rails: Option<i64>,
    /// exclusive or shared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rdma: Option<String>,
    /// How many addresses of all pools the node could still hand out, when it last said anything of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub free: Option<i64>,
    /// `Ready`, and what prevents it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

/// The use of a pool on a node.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct PoolUse {
    /// Of the pool.
    pub name: String,
    /// Addresses in use, and those that pods wait for: absolute, so that a word said twice asks for nothing twice.
    pub need: i64,
    /// Addresses in use.
    pub used: i64,
    /// Addresses that the node has given up; it does not use them again before it has seen a spec without them.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub returned: String,
    /// All that the node holds, when it was asked to confirm or has seen a newer spec than there is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<String>,
    /// The most that the node can ever use: VFs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub most: Option<i64>,
    /// Owners whose pods wait here for the address that they had, each with a mark of this wish alone: `ai/train-0/net1=7.1;...`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub owners: String,
    /// Of a sticky pool, who uses which address: `172.16.1.7=ai/train-0/net1;...`; nobody's name where the address is taken and
    /// nobody is to have it again.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub pins: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(value: &i64) -> bool {
    *value == 0
}

impl Kind for RailNode {
    const GROUP: &'static str = RAILCNI;
    const VERSION: &'static str = "v1alpha1";
    const KIND: &'static str = "RailNode";
    const PLURAL: &'static str = "railnodes";
    const SHORT: &'static [&'static str] = &["rn"];
    const NAMESPACED: bool = false;
}
