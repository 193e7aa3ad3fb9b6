//! `railctl who ADDRESS`: who has an address, as far as this node and the cluster know.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use api::RailBlock;
use clap::Args;
use cni::log::rfc3339_of;
use grants::Block;
use ipam::{JournalStore, Lease, Store as _};
use serde::Serialize;
use serde_json::Value;
use state::Dirs;

use crate::cli::Format;
use crate::kubectl;
use crate::output;

#[derive(Args, Debug)]
pub(crate) struct Who {
    /// The address
    pub(crate) address: IpAddr,
    /// How it is printed
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,
}

/// Where Multus writes which interface of a pod has which address.
const NETWORK_STATUS: &str = "k8s.v1.cni.cncf.io/network-status";

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Holder {
    address: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pool: Option<String>,
    /// That may hand it out, by the cluster's ledger.
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pod: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interface: Option<String>,
    /// Of a lease of this node.
    #[serde(skip_serializing_if = "Option::is_none")]
    container: Option<String>,
    /// Of that lease, or of the pod (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
}

pub(crate) fn run(args: &Who) -> Result<()> {
    let holder = holder(args.address)?;
    match args.output {
        Format::Table | Format::Wide => output::line(&holder.line()),
        format => output::print(&holder, format),
    }
}

/// This node's leases come first: they need no cluster.
fn holder(ip: IpAddr) -> Result<Holder> {
    let address = ip.to_string();
    if let Some(lease) = leased(ip)? {
        let (key, pool, since) = (lease.key, Some(lease.pool), Some(rfc3339_of(lease.since)));
        let pod = crate::show::name_of(&Dirs::from_env()?, &key.container_id);
        let (interface, container) = (Some(key.ifname), Some(key.container_id));
        return Ok(Holder { address, pool, pod, interface, container, since, ..Holder::default() });
    }
    let blocks = kubectl::list::<RailBlock>(&["railblocks.railcni.dev"]).with_context(|| {
        format!("no pod of this node has {ip}, and the cluster could not be asked which node may hand it out")
    })?;
    let blocks = blocks.iter().filter_map(|block| Block::read(&block.spec).ok()).collect::<Vec<_>>();
    let Some((pool, node)) = blocks.iter().find_map(|block| block.holder(ip)) else {
        return Ok(Holder { address, ..Holder::default() });
    };
    let selector = format!("--field-selector=spec.nodeName={node}");
    let pods = kubectl::list::<Value>(&["pods", "--all-namespaces", &selector])?;
    let found = pods.iter().find_map(|pod| Some((pod, interface(pod, &address)?)));
    let since = found.as_ref().and_then(|(pod, _)| pod["status"]["startTime"].as_str()).map(str::to_owned);
    let (pod, interface) = found.map(|(_, names)| names).unzip();
    let (pool, node) = (Some(pool.to_owned()), Some(node.to_owned()));
    Ok(Holder { address, pool, node, pod, interface, since, ..Holder::default() })
}

fn leased(ip: IpAddr) -> Result<Option<Lease>> {
    let mut found = None;
    JournalStore::new(&Dirs::from_env()?, Duration::ZERO)?.view(&mut |leases| {
        found = leases.all()?.into_iter().find(|lease| lease.ip == ip);
        Ok(())
    })?;
    Ok(found)
}

/// The pod and its interface, if it has the address.
fn interface(pod: &Value, address: &str) -> Option<(String, String)> {
    let metadata = &pod["metadata"];
    let networks: Value = serde_json::from_str(metadata["annotations"][NETWORK_STATUS].as_str()?).ok()?;
    let has =
        |network: &&Value| network["ips"].as_array().is_some_and(|ips| ips.iter().any(|ip| ip == address));
    let network = networks.as_array()?.iter().find(has)?;
    let name = format!("{}/{}", metadata["namespace"].as_str()?, metadata["name"].as_str()?);
    Some((name, network["interface"].as_str().unwrap_or_default().to_owned()))
}

impl Holder {
    fn line(&self) -> String {
        let Self { address, pool, node, pod, interface, container, since } = self;
        let since = since.as_ref().map(|since| format!(", since {since}")).unwrap_or_default();
        let of_pool = pool.as_ref().map(|pool| format!(" of pool {pool}")).unwrap_or_default();
        match (container, node, pod, interface) {
            (Some(container), _, pod, Some(interface)) => {
                let pod = pod.as_ref().map(|pod| format!("pod {pod}, ")).unwrap_or_default();
                format!("{address}{of_pool} is {interface} of {pod}container {container} on this node{since}")
            }
            (_, Some(node), Some(pod), Some(interface)) => {
                format!(
                    "{address}{of_pool} is {interface} of pod {pod} on node {node}, by its network-status{since}"
                )
            }
            (_, Some(node), ..) => {
                format!(
                    "{address}{of_pool} may be handed out by node {node}, where no pod has it by its network-status"
                )
            }
            _ => format!("{address} is no pod's of this node, and granted to no node"),
        }
    }
}
