//! `SpiderIPPool`s: one per rail, or one per node and rail.

use serde_json::{Value, json};

use super::POOL;
use crate::plan::{Plan, PlannedRail};
use crate::subnets::Slice;

impl Plan {
    pub(super) fn pools(&self, slices_too: bool) -> Vec<Value> {
        let shared = self.rails.iter().enumerate().flat_map(|(position, rail)| {
            let pool =
                move |slice: &Slice| self.pool(&self.pool_name(rail, slice, None), position, slice, None);
            rail.shared.iter().map(pool)
        });
        let nodes = self.nodes.iter().filter(|_| slices_too);
        let sliced = nodes.flat_map(|node| {
            let rails = self.rails.iter().zip(&node.rails).enumerate();
            rails.flat_map(move |(position, (rail, (_, slices)))| {
                let name = |slice: &Slice| self.pool_name(rail, slice, Some(&node.name));
                let pool = move |slice: &Slice| self.pool(&name(slice), position, slice, Some(&node.name));
                slices.iter().map(pool)
            })
        });
        shared.chain(sliced).collect()
    }

    /// `gpu-rail1`, of IPv6 `gpu-rail1v6`, for a node `gpu-rail1.worker-1`.
    pub(crate) fn pool_name(&self, rail: &PlannedRail, slice: &Slice, node: Option<&str>) -> String {
        let family = if slice.subnet.network().is_ipv6() { "v6" } else { "" };
        let node = node.map(|node| format!(".{node}")).unwrap_or_default();
        format!("{}{family}{node}", self.object_name(rail))
    }

    fn pool(&self, name: &str, position: usize, slice: &Slice, node: Option<&str>) -> Value {
        let mut spec = json!({ "subnet": slice.subnet.to_string(), "ips": slice.ips });
        if !slice.exclude_ips.is_empty() {
            spec["excludeIPs"] = json!(slice.exclude_ips);
        }
        if let Some(gateway) = slice.gateway {
            spec["gateway"] = gateway.to_string().into();
        }
        let routes = self.routes(position, slice);
        if !routes.is_empty() {
            spec["routes"] = routes.into();
        }
        if let Some(node) = node {
            spec["nodeName"] = json!([node]);
        }
        json!({ "apiVersion": "spiderpool.spidernet.io/v2beta1", "kind": POOL, "metadata": { "name": name }, "spec": spec })
    }

    /// By the rail's gateway: what the fabric says, and on rail 1 the network of all slices.
    pub(crate) fn routes(&self, position: usize, slice: &Slice) -> Vec<Value> {
        let Some(gateway) = slice.gateway else { return Vec::new() };
        let supernets = self.supernets().into_iter().filter(|_| position == 0).map(|net| net.to_string());
        let said = self
            .spec
            .routes
            .iter()
            .filter(|route| route.rail.is_none_or(|rail| rail as usize == position + 1));
        let mut wanted: Vec<String> = supernets.chain(said.map(|route| route.dst.clone())).collect();
        wanted.retain(|dst| dst.contains(':') == gateway.is_ipv6());
        let mut seen = Vec::new();
        wanted.retain(|dst| {
            !seen.contains(dst) && {
                seen.push(dst.clone());
                true
            }
        });
        wanted.iter().map(|dst| json!({ "dst": dst, "gw": gateway.to_string() })).collect()
    }
}
