//! What an ADD of a network of `rail` would do, in its order, and what DEL undoes: from the config alone.

use std::fmt::Write as _;

use addresses::detect;
use anyhow::{Context as _, Result, bail};
use attach::ipam::is_ours;
use clap::Args;
use cni::conflist::{Injection, NetworkList, PluginConf};
use cni::{CniArgs, Command, Config, Env, Request};
use rails::{Rail, RdmaMode};
use routing::{Settings, usual_table};
use runtime::network;
use serde_json::Value;

use crate::cli::Places;
use crate::output::{STRONG, styled, text, warn};

#[derive(Args, Debug)]
pub(crate) struct Explain {
    /// Name of a network in the config directory, or a file
    #[arg(value_name = "NETWORK")]
    pub(crate) network: String,
    /// Name of the first interface
    #[arg(short, long, value_name = "IFNAME", env = "CNI_IFNAME", default_value = "net1")]
    pub(crate) ifname: String,
    #[command(flatten)]
    pub(crate) places: Places,
}

/// Rules of table T have this much more (see the coordinator).
const RULES: u32 = 10_000;

pub(crate) fn run(args: &Explain) -> Result<()> {
    for network in network::find(&args.network, &args.places.conf_dir)? {
        network.warnings.iter().for_each(|warning| warn(warning));
        for plugin in &network.list.plugins {
            text(&of_plugin(&network.list, plugin, &args.ifname)?)?;
        }
    }
    Ok(())
}

fn of_plugin(list: &NetworkList, plugin: &PluginConf, ifname: &str) -> Result<String> {
    if plugin.plugin_type != "rail" {
        bail!("network {}: only `rail` can be explained, and this is `{}`", list.name, plugin.plugin_type);
    }
    let env = Env {
        command: Command::Add,
        container_id: "POD".to_owned(),
        netns: None,
        ifname: ifname.to_owned(),
        args: CniArgs::default(),
        path: Vec::new(),
        declined: Vec::new(),
        unrecorded: false,
    };
    let config = Config::parse(list.stdin(plugin, Injection::default())?, Command::Add)?;
    let rails = rail::rails(&Request { env, config }).with_context(|| format!("network {}", list.name))?;
    let detection = of_detection(&rails).with_context(|| format!("network {}", list.name))?;
    Ok(explain(&list.name, &rails, detection))
}

fn explain(network: &str, rails: &[Rail], detection: Vec<String>) -> String {
    let mut out = format!("{} attaches {} at once, all or none\n", styled(STRONG, network), names(rails));
    let mut step = |title: &str, lines: Vec<String>| {
        let _ = writeln!(out, "\n{}", styled(STRONG, title));
        for line in lines {
            let _ = writeln!(out, "  {line}");
        }
    };
    step("1. written down before anything is changed", vec![format!("one record of {}", names(rails))]);
    step("2. addresses", rails.iter().map(of_ipam).collect());
    step("3. interfaces", rails.iter().map(of_link).collect());
    let mut up =
        vec!["addresses and the IPAM's routes on every link; each is announced to its neighbours".to_owned()];
    if !detection.is_empty() {
        up.push("detection before and after that, on all rails at the same time".to_owned());
        up.extend(detection);
    }
    step("4. up, in one batch", up);
    step("5. policy routing, in one batch", rails.iter().flat_map(of_routing).collect());
    step(
        "DEL undoes, from the record alone",
        vec![
            format!("rules, tables, moved default routes and the node's side of {}", names(rails)),
            of_end(rails).to_owned(),
            "the leases; then the record goes".to_owned(),
        ],
    );
    out
}

fn names(rails: &[Rail]) -> String {
    let names: Vec<_> = rails.iter().map(|rail| rail.request.env.ifname.as_str()).collect();
    names.join(", ")
}

fn of_ipam(rail: &Rail) -> String {
    let ifname = &rail.request.env.ifname;
    match rail.request.config.ipam_type.as_deref() {
        None => format!("{ifname}: none, it works on layer 2"),
        Some(plugin) if is_ours(plugin) => format!("{ifname}: a lease of rail-ipam, in the same process"),
        Some(other) => format!("{ifname}: from plugin {other}"),
    }
}

fn of_link(rail: &Rail) -> String {
    let Request { env, config } = &rail.request;
    let kind = &config.plugin_type;
    let mut line = match config.at(&["deviceID"]).and_then(Value::as_str) {
        Some(rail::UNKNOWN_DEVICE) => format!("{}: {kind}, the VF that the runtime gives", env.ifname),
        Some(device) => format!("{}: {kind}, VF {device}", env.ifname),
        None => format!("{}: {kind} on {}", env.ifname, written(config, "master")),
    };
    for key in ["mode", "mtu", "mac", "vlan", "guid", "pkey"] {
        if config.at(&[key]).is_some() {
            let _ = write!(line, ", {key} {}", written(config, key));
        }
    }
    line.push_str(match rail.rdma {
        RdmaMode::None => "",
        RdmaMode::Shared => "; the pod sees the node's RDMA devices",
        RdmaMode::Exclusive => "; its RDMA device goes along",
    });
    line
}

/// A network has interfaces of one kind.
fn of_end(rails: &[Rail]) -> &'static str {
    match rails.first().map(|rail| rail.request.config.plugin_type.as_str()) {
        Some("sriov" | "ib-sriov") => {
            "RDMA devices and VFs go back to the host, each with the name and the settings that it had"
        }
        _ => "the links, all within one grace period of the kernel",
    }
}

fn written(config: &Config, key: &str) -> String {
    match config.at(&[key]) {
        Some(Value::String(text)) => text.clone(),
        other => other.map(Value::to_string).unwrap_or_default(),
    }
}

fn of_routing(rail: &Rail) -> Vec<String> {
    let ifname = &rail.request.env.ifname;
    let Some(settings) = &rail.routing else { return vec![format!("{ifname}: none")] };
    let Settings { first_nic, tune, detours, policy_routes, default_nic, host_table, .. } = &**settings;
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

/// Which rails are asked for what, where a network wants that.
fn of_detection(rails: &[Rail]) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for Rail { request, .. } in rails {
        let Some(settings) = detect::Settings::of(&request.config)? else { continue };
        let detect::Settings { conflict, gateway, retries, interval, timeout } = settings;
        let what = match (conflict, gateway) {
            (true, true) => "whether others have its addresses; then whether its gateways answer",
            (true, false) => "whether others have its addresses",
            (false, _) => "whether its gateways answer",
        };
        let ifname = &request.env.ifname;
        lines.push(format!(
            "{ifname}: {what}: {retries} requests, one each {interval:?}, {timeout:?} for the last answer"
        ));
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(plugin: &str) -> Result<String> {
        let list = format!(r#"{{"cniVersion":"1.1.0","name":"rails","plugins":[{plugin}]}}"#);
        let list = NetworkList::parse(list.as_bytes())?;
        of_plugin(&list, &list.plugins[0], "net1")
    }

    #[test]
    fn every_rail_has_its_link_table_and_rule() {
        let text = explained(
            r#"{"type":"rail","mtu":9000,"rails":["ens1","ens2"],"ipam":{"type":"rail-ipam"},
                "routing":{"serviceCIDR":["10.96.0.0/12"]}}"#,
        )
        .unwrap();
        for line in [
            "net1: macvlan on ens1, mtu 9000",
            "net2: macvlan on ens2, mtu 9000",
            "net2: a lease of rail-ipam",
            "net2: table 102",
            "rule 10102: from each of its addresses lookup 102",
            "net1: 10.96.0.0/12 leaves by eth0",
            "main keeps the default route of eth0",
        ] {
            assert!(text.contains(line), "{line:?} is not in\n{text}");
        }
    }

    #[test]
    fn vfs_and_their_rdma_devices_are_told() {
        let text = explained(
            r#"{"type":"rail","link":"sriov","rdma":"exclusive","vlan":100,"ipam":{"type":"rail-ipam"},
                "rails":["0000:3b:00.2",{"master":"ens2f0"}]}"#,
        )
        .unwrap();
        for line in [
            "net1: sriov, VF 0000:3b:00.2, vlan 100; its RDMA device goes along",
            "net2: sriov, the VF that the runtime gives, vlan 100",
            "RDMA devices and VFs go back to the host",
        ] {
            assert!(text.contains(line), "{line:?} is not in\n{text}");
        }
    }

    #[test]
    fn detection_and_the_nodes_side_are_told() {
        let text = explained(
            r#"{"type":"rail","rails":["ens1","ens2"],"ipam":{"type":"rail-ipam"},
                "detection":{"gateway":true,"interval":"50ms"}}"#,
        )
        .unwrap();
        for line in [
            "net2: whether its gateways answer: 3 requests, one each 50ms, 100ms for the last answer",
            "net2: on the node, a route to each of its addresses in table 500",
        ] {
            assert!(text.contains(line), "{line:?} is not in\n{text}");
        }
        let error = explained(r#"{"type":"rail","master":"ens1","detection":"yes"}"#).unwrap_err();
        assert!(format!("{error:#}").contains("detection \"yes\""), "{error:#}");
    }

    #[test]
    fn a_first_nic_that_is_a_rail_itself_has_a_pair_with_the_node() {
        let text = explained(
            r#"{"type":"rail","rails":[{"master":"ens1","ifname":"eth0"},"ens2"],"ipam":{"type":"rail-ipam"},
                "routing":{"vethMTU":1400}}"#,
        )
        .unwrap();
        for line in ["eth0: the pod's first NIC", "veth0, MTU 1400", "net2: table 102"] {
            assert!(text.contains(line), "{line:?} is not in\n{text}");
        }
    }

    #[test]
    fn what_add_would_refuse_is_refused() {
        let error = explained(r#"{"type":"rail","rails":[]}"#).unwrap_err();
        assert!(format!("{error:#}").contains("rails []"), "{error:#}");
        let error = explained(r#"{"type":"macvlan","master":"ens1"}"#).unwrap_err();
        assert!(error.to_string().contains("`macvlan`"), "{error}");
    }
}
