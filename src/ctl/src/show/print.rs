//! Pods as tables.

use std::fmt::Write as _;

use anyhow::Result;

use super::{Named, Pod, Shown};
use crate::output::{self, BAD, FAINT, STRONG, Table, WARN, styled};

/// How much is shown.
#[derive(Clone, Copy)]
pub(crate) struct View {
    /// Rules and routes as well.
    pub(crate) in_full: bool,
    /// More columns.
    pub(crate) is_wide: bool,
}

/// One table per pod; without headings, its lines alone.
pub(crate) fn pods(pods: &[Pod], view: View) -> Result<()> {
    if pods.is_empty() {
        return output::line(&styled(FAINT, "no attachment is on record"));
    }
    if output::no_headers() {
        return pods.iter().try_for_each(|pod| output::text(&attachments(pod, view.is_wide).render()));
    }
    for (number, pod) in pods.iter().enumerate() {
        let gap = if number == 0 { "" } else { "\n" };
        output::text(&format!("{gap}{}", text(pod, view)))?;
    }
    Ok(())
}

fn text(pod: &Pod, view: View) -> String {
    let netns = pod.netns.as_deref().unwrap_or("no namespace");
    let is_gone = pod.netns.is_some() && !pod.alive;
    let gone =
        if is_gone { styled(BAD, "  the namespace is gone: run railctl gc --apply") } else { String::new() };
    let name = pod.name.as_ref().map(|name| styled(STRONG, name) + "  ").unwrap_or_default();
    let mut text = format!("{name}{}  {}{gone}\n", styled(STRONG, &pod.container_id), styled(FAINT, netns));
    text.push_str(&attachments(pod, view.is_wide).render());
    for attachment in &pod.attachments {
        for damage in &attachment.damaged {
            let _ = writeln!(text, "{} {}: the record of {damage}", styled(WARN, "!"), attachment.ifname);
        }
        for error in &attachment.unread {
            let _ = writeln!(text, "{} {}: {error}", styled(WARN, "!"), attachment.ifname);
        }
    }
    if let (Some(routing), true) = (&pod.routing, view.in_full) {
        text.push_str(&section("rules", &routing.rules));
        for (table, routes) in &routing.tables {
            text.push_str(&section(&format!("table {table}"), routes));
        }
    }
    text
}

const COLUMNS: [&str; 9] =
    ["LINK", "NETWORK", "MASTER", "ADDRESSES", "GATEWAY", "TABLE", "MTU", "STATE", "PLUGINS"];
const MORE_COLUMNS: [&str; 5] = ["KIND", "MAC", "CREATED", "CONTAINER", "POD"];

fn attachments(pod: &Pod, is_wide: bool) -> Table {
    let more = if is_wide { &MORE_COLUMNS[..] } else { &[] };
    let mut table = Table::new(&[&COLUMNS[..], more].concat());
    for attachment in &pod.attachments {
        for named in &attachment.interfaces {
            let more = if is_wide { more_cells(pod, attachment, named).to_vec() } else { Vec::new() };
            table.row(cells(attachment, named).into_iter().chain(more));
        }
    }
    table
}

fn cells(attachment: &Shown, named: &Named) -> [String; COLUMNS.len()] {
    let link = named.interface.as_ref();
    let addresses = link.iter().flat_map(|link| &link.addresses).filter(|net| !is_link_local(net));
    let state = link.map_or("missing", |link| if link.up { "up" } else { "down" });
    [
        named.ifname.clone(),
        attachment.network.clone(),
        or_dash(link.and_then(|link| link.master.as_ref()).into_iter()),
        or_dash(addresses),
        or_dash(link.iter().flat_map(|link| &link.gateways)),
        or_dash(link.and_then(|link| link.table).iter()),
        or_dash(link.map(|link| link.mtu).iter()),
        state.to_owned(),
        attachment.plugins.join(" "),
    ]
}

fn more_cells(pod: &Pod, attachment: &Shown, named: &Named) -> [String; MORE_COLUMNS.len()] {
    let link = named.interface.as_ref();
    [
        or_dash(link.map(|link| &link.kind).into_iter()),
        or_dash(link.and_then(|link| link.mac.as_ref()).into_iter()),
        or_dash(attachment.created.iter()),
        pod.container_id.clone(),
        or_dash(pod.name.iter()),
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
