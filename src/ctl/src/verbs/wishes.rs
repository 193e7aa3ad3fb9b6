//! What was asked for and came to nothing is said: a plugin ignores what it does not know.

use std::net::IpAddr;

use cni::CniResult;
use runtime::{Network, RuntimeConf};
use serde_json::Value;

/// Capability arguments that no plugin of the network takes, and addresses that it did not give.
pub(super) fn unheeded(network: &Network, runtime: &RuntimeConf, result: &CniResult) -> Vec<String> {
    let name = network.name();
    let taken =
        |capability: &&String| network.list.plugins.iter().any(|plugin| plugin.has_capability(capability));
    let capabilities = runtime.capabilities.keys().filter(|capability| !taken(capability));
    let mut unheeded: Vec<_> = capabilities
        .map(|key| format!("{name}: no plugin of the network has the capability \"{key}\", so --cap-args {key} was passed to none"))
        .collect();
    let given: Vec<IpAddr> = result.ips.iter().map(|ip| ip.address.addr()).collect();
    let all = given.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    for (option, address) in asked(runtime) {
        if !given.contains(&address) {
            let got = if all.is_empty() { "no address" } else { &all };
            unheeded.push(format!("{name}: {option} asks for {address}, and the network gave {got}: its plugins take no wish by that option"));
        }
    }
    unheeded
}

fn asked(runtime: &RuntimeConf) -> Vec<(&'static str, IpAddr)> {
    let by_capability = runtime.capabilities.get("ips").and_then(Value::as_array).into_iter().flatten();
    let by_capability = by_capability.filter_map(Value::as_str).map(|text| ("--cap-args ips", text));
    let by_args = runtime.args.0.iter().filter(|[key, _]| key == "IP");
    let by_args = by_args.flat_map(|[_, value]| value.split(',')).map(|text| ("--args IP", text.trim()));
    by_capability.chain(by_args).filter_map(|(option, text)| Some((option, address(text)?))).collect()
}

/// With or without a prefix length.
fn address(text: &str) -> Option<IpAddr> {
    text.split('/').next()?.parse().ok()
}
