//! What a test may not leave changed.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use serde_json::Value;

use crate::command::output;
use crate::lab::program::holds_within;

/// Namespaces give their devices back within this time.
const SETTLE: Duration = Duration::from_secs(3);
/// What changes by itself: indexes after a rebuild, counters, random link-local addresses.
const VOLATILE: [&str; 5] = ["ifindex", "link_index", "stats64", "stats", "link_netnsid"];

/// The state of the host's namespace: links with addresses and VF attributes, rules, RDMA devices, knobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    links: BTreeMap<String, String>,
    rest: String,
}

impl Fingerprint {
    /// The present state.
    pub fn take() -> Result<Self> {
        let text = output(Command::new("ip").args(["-d", "-j", "addr"]))?;
        let links: Vec<Value> = serde_json::from_str(&text)?;
        let links = links.into_iter().map(entry).collect();
        let mut rest = String::new();
        for argv in [["ip", "rule"], ["ip", "netns"]] {
            rest += &output(Command::new(argv[0]).arg(argv[1]))?;
        }
        rest += &output(Command::new("ip").args(["route", "show", "table", "all"]))?;
        // A kernel without RDMA has no answer here.
        for object in ["dev", "system"] {
            rest += &output(Command::new("rdma").arg(object)).unwrap_or_default();
        }
        rest += &fs::read_to_string("/sys/kernel/debug/lab_hca/state").unwrap_or_default();
        Ok(Self { links, rest: normalised(&rest) })
    }

    /// True when the present state comes back to this one within a few seconds.
    pub fn returns(&self) -> Result<bool> {
        let mut failure = None;
        let same = holds_within(SETTLE, &mut || match Self::take() {
            Ok(now) => now == *self,
            Err(error) => {
                failure = Some(error);
                true
            }
        });
        failure.map_or(Ok(same), Err)
    }

    /// Deletes links that were not there before; those of the rails have gone with their driver.
    pub fn delete_new_links(&self) -> Result<()> {
        for name in Self::take()?.links.keys().filter(|name| !self.links.contains_key(*name)) {
            // A link may have gone together with the one before it, as the other end of a pair does.
            let _ = output(Command::new("ip").args(["link", "del", name]));
        }
        Ok(())
    }

    /// What differs now, for the message.
    pub fn difference(&self) -> Result<String> {
        let now = Self::take()?;
        let lines = |state: &Self| -> Vec<String> {
            let links = state.links.values().map(|link| format!("{link}\n"));
            links.chain(state.rest.lines().map(|line| format!("{line}\n"))).collect()
        };
        let (before, after) = (lines(self), lines(&now));
        let gone = before.iter().filter(|line| !after.contains(line)).map(|line| format!("- {line}"));
        let new = after.iter().filter(|line| !before.contains(line)).map(|line| format!("+ {line}"));
        Ok(gone.chain(new).collect())
    }
}

fn entry(mut link: Value) -> (String, String) {
    let name = link["ifname"].as_str().unwrap_or_default().to_owned();
    if let Some(object) = link.as_object_mut() {
        object.retain(|key, _| !VOLATILE.contains(&key.as_str()));
    }
    (name, link.to_string())
}

/// `rdma dev` numbers its lines, and what was rebound comes last.
fn normalised(text: &str) -> String {
    let strip = |line: &str| match line.split_once(": ") {
        Some((number, rest)) if number.parse::<u32>().is_ok() && rest.contains("node_type") => {
            rest.to_owned()
        }
        _ => line.to_owned(),
    };
    let mut lines: Vec<_> = text.lines().map(strip).collect();
    lines.sort();
    lines.join("\n")
}
