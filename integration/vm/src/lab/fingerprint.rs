//! What a test may not leave changed.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::command::{fed, output};
use crate::lab::program::holds_within;
use crate::lab::{Function, pfs};

/// Namespaces give their devices back within this time.
const SETTLE: Duration = Duration::from_secs(2);
/// What changes by itself: indexes after a rebuild, and counters.
const VOLATILE: [&str; 5] = ["ifindex", "link_index", "link_netnsid", "stats", "stats64"];

/// What the kernel gives a link by itself when it first comes up, and never takes away.
const OWN_QDISCS: [&str; 4] = ["noop", "noqueue", "fq_codel", "mq"];

/// The state of the host's namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    /// By PCI address: netdev, RDMA devices, VF attributes, knobs and counters of each function.
    functions: BTreeMap<String, Vec<String>>,
    /// Every other link, by name.
    links: BTreeMap<String, String>,
    /// Rules, routes, namespaces, and the RDMA mode.
    rest: Vec<String>,
}

impl Fingerprint {
    /// The present state.
    pub(crate) fn take() -> Result<Self> {
        let (mut links, rest) = listed()?;
        let knobs = fs::read_to_string("/sys/kernel/debug/lab_hca/state").unwrap_or_default();
        let mut functions = BTreeMap::new();
        for pf in pfs() {
            functions.insert(pf.bdf().to_owned(), lines_of(&pf, &mut links, &knobs));
            for vf in pf.vfs() {
                functions.insert(vf.bdf().to_owned(), lines_of(&vf, &mut links, &knobs));
            }
        }
        Ok(Self { functions, links, rest })
    }

    /// The state once namespaces that just ended have given back what was in them.
    pub(crate) fn settled() -> Result<Self> {
        let complete = || pfs().iter().all(|pf| is_complete(pf) && pf.vfs().iter().all(|vf| is_complete(vf)));
        holds_within(SETTLE, &mut || complete());
        Self::take()
    }

    /// Functions that are not as they were, in the order of their addresses.
    pub(crate) fn changed(&self, now: &Self) -> Vec<Function> {
        let changed = |bdf: &&String| self.functions.get(*bdf) != now.functions.get(*bdf);
        self.functions.keys().filter(changed).map(|bdf| Function::at(bdf)).collect()
    }

    /// Deletes links that were not there before.
    pub(crate) fn delete_new_links(&self, now: &Self) {
        for name in now.links.keys().filter(|name| !self.links.contains_key(*name)) {
            // A link may have gone together with the one before it, as the other end of a pair does.
            let _ = output(Command::new("ip").args(["link", "del", name]));
        }
    }

    /// Lines that are gone or new, for the message.
    pub(crate) fn difference(&self, now: &Self) -> String {
        let (before, after) = (self.lines(), now.lines());
        let gone = before.iter().filter(|line| !after.contains(line)).map(|line| format!("- {line}"));
        let new = after.iter().filter(|line| !before.contains(line)).map(|line| format!("+ {line}"));
        gone.chain(new).collect::<Vec<_>>().join("\n")
    }

    fn lines(&self) -> Vec<&String> {
        self.functions.values().flatten().chain(self.links.values()).chain(&self.rest).collect()
    }
}

fn is_complete(function: &Function) -> bool {
    function.netdev().is_some()
        && (!function.rdma().is_empty() || function.driver().as_deref() != Some("lab_hca"))
}

/// What is to be seen of a function; its link is taken out of `links`.
fn lines_of(function: &Function, links: &mut BTreeMap<String, String>, knobs: &str) -> Vec<String> {
    let link = function.netdev().and_then(|name| links.remove(&name)).unwrap_or_default();
    let knobs = knobs.lines().find(|line| line.starts_with(function.bdf())).unwrap_or_default();
    vec![format!("{} {:?} {:?}", function.bdf(), function.driver(), function.rdma()), link, knobs.to_owned()]
}

/// Links with their addresses, and everything else that `ip` lists; few processes, as each costs under TCG.
fn listed() -> Result<(BTreeMap<String, String>, Vec<String>)> {
    let script = "addr show\nrule show\nroute show table all\nnetns list\n";
    let text = fed(Command::new("ip").args(["-d", "-j", "-batch", "-"]), script)?;
    let mut lists = text.lines().filter(|line| !line.is_empty());
    let links: Vec<Value> = serde_json::from_str(lists.next().context("ip lists no links")?)?;
    let mut rest: Vec<_> = lists.map(str::to_owned).collect();
    rest.push(output(Command::new("ip").args(["-6", "rule"]))?);
    // A kernel without RDMA has no answer here.
    rest.push(output(Command::new("rdma").arg("system")).unwrap_or_default());
    Ok((links.into_iter().map(entry).collect(), rest.iter().flat_map(|text| split(text)).collect()))
}

/// One line per object, so that a difference names it. The first vrf makes the kernel add a rule for all of them, for
/// good.
fn split(text: &str) -> Vec<String> {
    let objects = text.trim().trim_matches(['[', ']']).split("},{").flat_map(str::lines);
    objects.filter(|line| !line.contains("l3mdev") && !line.is_empty()).map(str::to_owned).collect()
}

fn entry(mut link: Value) -> (String, String) {
    let name = link["ifname"].as_str().unwrap_or_default().to_owned();
    // igbvf invents another address each time.
    let kind = fs::read_to_string(format!("/sys/class/net/{name}/addr_assign_type")).unwrap_or_default();
    let volatile = |key: &str| VOLATILE.contains(&key) || (kind.trim() == "1" && key == "address");
    let own = |value: &Value| value.as_str().is_some_and(|qdisc| OWN_QDISCS.contains(&qdisc));
    let queue = queue_pair(&link);
    if let Some(object) = link.as_object_mut() {
        object.retain(|key, value| !(volatile(key) || (key == "qdisc" && own(value))));
    }
    (name, link.to_string().replace(&queue, "QUEUE PAIR:"))
}

/// The beginning of an `IPoIB` link's address, another one after each probe; four bytes of twenty.
fn queue_pair(link: &Value) -> String {
    let is_ipoib = link["linkinfo"]["info_kind"] == "ipoib";
    let address = link["address"].as_str().filter(|_| is_ipoib);
    // Nothing that is in JSON, where there is none.
    address.and_then(|text| text.get(.."00:00:00:00:".len())).unwrap_or("\n").to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn link(address: &str, qdisc: &str) -> (String, String) {
        entry(json!({
            "ifname": "ib0", "ifindex": 7, "qdisc": qdisc, "address": address,
            "linkinfo": { "info_kind": "ipoib" }, "vfinfo_list": [{ "vf": 0, "address": address }],
        }))
    }

    #[test]
    fn a_link_that_was_up_or_probed_again_is_the_same_and_another_one_is_not() {
        let (first, again) = ("80:00:00:11:fe:80:00:00", "80:00:00:2b:fe:80:00:00");
        assert_eq!(link(first, "noop"), link(again, "fq_codel"));
        assert_ne!(link(first, "noop"), link("80:00:00:11:fe:80:00:01", "noop"));
        assert_ne!(link(first, "noop"), link(first, "tbf"));
    }
}
