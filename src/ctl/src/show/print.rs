//! Pods as tables.

use std::fmt::Write as _;

use anyhow::Result;

use super::{Pod, Shown};
use crate::output::{self, BAD, FAINT, STRONG, Table, WARN, styled};

/// One table per pod; rules and routes as well when one pod was asked for.
pub(crate) fn pods(pods: &[Pod], in_full: bool) -> Result<()> {
    if pods.is_empty() {
        return output::line(&styled(FAINT, "no attachment is on record"));
    }
    for (number, pod) in pods.iter().enumerate() {
        let gap = if number == 0 { "" } else { "\n" };
        output::text(&format!("{gap}{}", text(pod, in_full)))?;
    }
    Ok(())
}

fn text(pod: &Pod, in_full: bool) -> String {
    let netns = pod.netns.as_deref().unwrap_or("no namespace");
    let is_gone = pod.netns.is_some() && !pod.alive;
    let gone =
        if is_gone { styled(BAD, "  the namespace is gone: run railctl gc --apply") } else { String::new() };
    let name = pod.name.as_ref().map(|name| styled(STRONG, name) + "  ").unwrap_or_default();
    let mut text = format!("{name}{}  {}{gone}\n", styled(STRONG, &pod.container_id), styled(FAINT, netns));
    text.push_str(&attachments(pod).render());
    for attachment in &pod.attachments {
        for damage in &attachment.damaged {
            let _ = writeln!(text, "{} {}: the record of {damage}", styled(WARN, "!"), attachment.ifname);
        }
        for error in &attachment.unread {
            let _ = writeln!(text, "{} {}: {error}", styled(WARN, "!"), attachment.ifname);
        }
    }
    if let (Some(routing), true) = (&pod.routing, in_full) {
        text.push_str(&section("rules", &routing.rules));
        for (table, routes) in &routing.tables {
            text.push_str(&section(&format!("table {table}"), routes));
        }
    }
    text
}

fn attachments(pod: &Pod) -> Table {
    let mut table = Table::new(&[
        "LINK",
        "NETWORK",
        "MASTER",
        "ADDRESSES",
        "GATEWAY",
        "TABLE",
        "MTU",
        "STATE",
        "PLUGINS",
    ]);
    for attachment in &pod.attachments {
        table.row(row(attachment));
    }
    table
}

fn row(attachment: &Shown) -> [String; 9] {
    let (network, plugins) = (attachment.network.clone(), attachment.plugins.join(" "));
    let Some(link) = &attachment.interface else {
        let none = || "-".to_owned();
        return [
            attachment.ifname.clone(),
            network,
            none(),
            none(),
            none(),
            none(),
            none(),
            "missing".into(),
            plugins,
        ];
    };
    [
        attachment.ifname.clone(),
        network,
        or_dash(link.master.iter()),
        or_dash(link.addresses.iter().filter(|net| !is_link_local(net))),
        or_dash(link.gateways.iter()),
        or_dash(link.table.iter()),
        link.mtu.to_string(),
        if link.up { "up" } else { "down" }.to_owned(),
        plugins,
    ]
}

/// Every IPv6 link has one; it says nothing about the rail.
fn is_link_local(net: &ipnet::IpNet) -> bool {
    matches!(net, ipnet::IpNet::V6(net) if net.addr().is_unicast_link_local())
}

fn or_dash<T: ToString>(values: impl Iterator<Item = T>) -> String {
    let values: Vec<_> = values.map(|value| value.to_string()).collect();
    if values.is_empty() { "-".to_owned() } else { values.join(" ") }
}

fn section(heading: &str, lines: &[String]) -> String {
    lines.iter().fold(styled(STRONG, heading) + "\n", |text, line| text + "  " + line + "\n")
}
