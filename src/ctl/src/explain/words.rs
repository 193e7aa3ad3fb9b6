//! What one interface gets, in words.

use std::fmt::Write as _;

use addresses::Detection;
use anyhow::Result;
use cni::{Config, Request};
use rails::RdmaMode;
use routing::{Settings, usual_table};
use serde_json::Value;

/// Rules of table T have this much more (see the coordinator).
const RULES: u32 = 10_000;
/// What links that are made and VFs that are set up have in their configs.
const SETTINGS: [&str; 6] = ["mode", "mtu", "mac", "vlan", "guid", "pkey"];

/// Where the addresses are from; `plugin` is the type of the IPAM.
pub(super) fn addresses(ifname: &str, plugin: Option<&str>) -> String {
    match plugin {
        None => format!("{ifname}: none, it works on layer 2"),
        Some(plugin) => format!("{ifname}: from plugin {plugin}"),
    }
}

/// What the interface is made of.
pub(super) fn link(request: &Request, rdma: RdmaMode) -> String {
    let Request { env, config } = request;
    let (ifname, kind) = (&env.ifname, &config.plugin_type);
    let mut line = match (device(config), master(config)) {
        (Some(device), _) => format!("{ifname}: {kind}, VF {device}"),
        (None, _) if is_vf(kind) => format!("{ifname}: {kind}, the VF that the runtime gives"),
        (None, Some(master)) => format!("{ifname}: {kind} on {master}"),
        (None, None) => format!("{ifname}: {kind} on the interface of the default route"),
    };
    for key in SETTINGS {
        if config.at(&[key]).is_some() {
            let _ = write!(line, ", {key} {}", written(config, &[key]));
        }
    }
    line.push_str(match rdma {
        RdmaMode::None => "",
        RdmaMode::Shared => "; the pod sees the node's RDMA devices",
        RdmaMode::Exclusive => "; its RDMA device goes along",
    });
    line
}

/// Whether an interface of this plugin is a function that the node has, and not a link that is made.
pub(super) fn is_vf(kind: &str) -> bool {
    ["sriov", "ib-sriov"].contains(&kind)
}

/// The VF, where the config names it: Multus fills it in, and so does `rail` from what kubelet gave.
pub(super) fn device(config: &Config) -> Option<&str> {
    let keys = ["deviceID", "pciBusID"];
    let device = keys.iter().find_map(|key| config.at(&[key]).and_then(Value::as_str));
    device.filter(|device| !device.is_empty() && *device != rail::UNKNOWN_DEVICE)
}

/// The name of the master; a list has one entry.
pub(super) fn master(config: &Config) -> Option<String> {
    let name = match config.at(&["master"])? {
        Value::Array(names) => names.first()?.as_str()?,
        name => name.as_str()?,
    };
    Some(name.to_owned()).filter(|name| !name.is_empty())
}

pub(super) fn written(config: &Config, path: &[&str]) -> String {
    match config.at(path) {
        Some(Value::String(text)) => text.clone(),
        other => other.map(Value::to_string).unwrap_or_default(),
    }
}

/// What the coordinator does about it, or `rail` in its place.
pub(super) fn routing(ifname: &str, settings: Option<&Settings>) -> Vec<String> {
    let Some(settings) = settings else { return vec![format!("{ifname}: none")] };
    let Settings { first_nic, tune, detours, policy_routes, default_nic, host_table, .. } = settings;
    if settings.makes_veth(ifname) {
        return of_first_nic(ifname, settings);
    }
    let on_node = host_table.map(|table| {
        format!(
            "{ifname}: on the node, a route to each of its addresses in table {table}, by the pod's veth pair"
        )
    });
    if !tune {
        let table = format!("{ifname}: no table (tunePodRoutes is false)");
        return std::iter::once(table).chain(on_node).collect();
    }
    let mut lines = vec![match usual_table(first_nic, ifname) {
        Some(table) => format!(
            "{ifname}: table {table}, or the next free one: default and connected routes; rule {}: from each of its \
             addresses lookup {table}",
            RULES + table
        ),
        None => format!("{ifname}: the first free table from 101 on, and a rule for each of its addresses"),
    }];
    let owner = default_nic.as_ref().map_or(first_nic, |default_nic| &default_nic.nic);
    lines.push(format!("{ifname}: main keeps the default route of {owner}"));
    lines.extend(detours.iter().map(|dst| format!("{ifname}: {dst} leaves by {first_nic}")));
    lines.extend(policy_routes.iter().map(|route| format!("{ifname}: {} via {}", route.dst, route.gw)));
    lines.extend(on_node);
    lines
}

/// Mode underlay: the pod's first NIC is a rail itself.
fn of_first_nic(ifname: &str, settings: &Settings) -> Vec<String> {
    let Settings { veth_mtu, detours, policy_routes, host_table, .. } = settings;
    let mut lines = vec![
        format!(
            "{ifname}: the pod's first NIC (podDefaultCniNic), so the pod gets a veth pair with its node: veth0, MTU {veth_mtu}"
        ),
        format!(
            "{ifname}: what comes in by veth0 is answered by it: nftables table inet railcni in the pod, rule 10099: from all fwmark lookup 99"
        ),
        format!("{ifname}: no table of its own before another NIC comes"),
    ];
    lines.extend(detours.iter().map(|dst| format!("{ifname}: {dst} leaves by veth0")));
    lines.extend(
        policy_routes.iter().map(|route| format!("{ifname}: {} via {} in main", route.dst, route.gw)),
    );
    lines.extend(host_table.map(|table| {
        format!("{ifname}: on the node, a route to each of its addresses in table {table}, by that pair")
    }));
    lines
}

/// What is asked on the network, where it wants that.
pub(super) fn detection(request: &Request) -> Result<Option<String>> {
    let Some(settings) = Detection::of(&request.config)? else { return Ok(None) };
    let Detection { conflict, gateway, retries, interval, timeout } = settings;
    let what = match (conflict, gateway) {
        (true, true) => "whether others have its addresses; then whether its gateways answer",
        (true, false) => "whether others have its addresses",
        (false, _) => "whether its gateways answer",
    };
    let ifname = &request.env.ifname;
    Ok(Some(format!(
        "{ifname}: {what}: {retries} requests, one each {interval:?}, {timeout:?} for the last answer"
    )))
}
