//! What an attach has got.

use anyhow::Result;
use runtime::{Network, RuntimeConf};
use serde_json::Value;

use crate::cli::Format;
use crate::output::{self, Table};

/// One network: its result, as cnitool prints it; several: a list of results.
pub(super) fn print(calls: &[(Network, RuntimeConf)], mut results: Vec<Value>, format: Format) -> Result<()> {
    match (format, results.len()) {
        (Format::Table | Format::Wide, _) => table(calls, &results),
        (format, 1) => output::print(&results.remove(0), format),
        (format, _) => output::print(&results, format),
    }
}

/// A row for each interface in the pod that a result has: a network of `rail` makes several.
fn table(calls: &[(Network, RuntimeConf)], results: &[Value]) -> Result<()> {
    let mut table = Table::new(&["NETWORK", "LINK", "ADDRESS", "GATEWAY"]);
    for ((network, runtime), result) in calls.iter().zip(results) {
        for [link, addresses, gateways] in interfaces(&runtime.ifname, result) {
            table.row([network.name().to_owned(), link, addresses, gateways]);
        }
    }
    output::text(&table.render())
}

/// Name, addresses and gateways. What a result gives to no interface in the pod, as those of old versions do, is that of the call.
fn interfaces(ifname: &str, result: &Value) -> Vec<[String; 3]> {
    let list = |key: &str| result[key].as_array().map(Vec::as_slice).unwrap_or_default();
    let in_pod = |interface: &Value| {
        let sandbox = interface["sandbox"].as_str().filter(|sandbox| !sandbox.is_empty());
        sandbox.and(interface["name"].as_str()).map(str::to_owned)
    };
    let names: Vec<Option<String>> = list("interfaces").iter().map(in_pod).collect();
    let owner = |ip: &Value| {
        let index = ip["interface"].as_u64().and_then(|index| usize::try_from(index).ok());
        index.and_then(|index| names.get(index)?.as_deref()).unwrap_or(ifname)
    };
    let mut links: Vec<&str> = names.iter().flatten().map(String::as_str).collect();
    if links.is_empty() || list("ips").iter().any(|ip| !links.contains(&owner(ip))) {
        links.insert(0, ifname);
    }
    let row = |link: &str| {
        let column = |key: &str| {
            let ips = list("ips").iter().filter(|ip| owner(ip) == link);
            ips.filter_map(|ip| ip[key].as_str()).collect::<Vec<_>>().join(" ")
        };
        let or_dash = |text: String| if text.is_empty() { "-".to_owned() } else { text };
        [link.to_owned(), or_dash(column("address")), or_dash(column("gateway"))]
    };
    links.into_iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rows(result: &Value) -> Vec<String> {
        interfaces("net1", result).iter().map(|cells| cells.join("|")).collect()
    }

    #[test]
    fn each_interface_in_the_pod_has_a_row() {
        let result = json!({
            "interfaces": [
                {"name": "net1", "sandbox": "/run/netns/a"}, {"name": "enp12s0f0np0"},
                {"name": "net2", "sandbox": "/run/netns/a"}, {"name": "net3", "sandbox": "/run/netns/a"},
            ],
            "ips": [
                {"address": "172.16.12.1/24", "gateway": "172.16.12.254", "interface": 2},
                {"address": "172.16.11.1/24", "gateway": "172.16.11.254", "interface": 0},
                {"address": "fd00::1/64", "interface": 0},
            ],
        });
        let expected =
            ["net1|172.16.11.1/24 fd00::1/64|172.16.11.254", "net2|172.16.12.1/24|172.16.12.254", "net3|-|-"];
        assert_eq!(rows(&result), expected);
    }

    #[test]
    fn addresses_of_no_interface_are_those_of_the_call() {
        assert_eq!(rows(&json!({})), ["net1|-|-"]);
        let old = json!({"ips": [{"version": "4", "address": "10.0.0.1/24", "gateway": "10.0.0.254"}]});
        assert_eq!(rows(&old), ["net1|10.0.0.1/24|10.0.0.254"]);
        let host_side =
            json!({"interfaces": [{"name": "cali0"}], "ips": [{"address": "10.0.0.1/24", "interface": 0}]});
        assert_eq!(rows(&host_side), ["net1|10.0.0.1/24|-"]);
    }
}
