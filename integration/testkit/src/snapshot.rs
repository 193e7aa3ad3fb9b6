//! What the kernel and the state directories hold, as lines that can be compared.

use crate::mounts::must;
use crate::space::Space;
use crate::world::Dirs;
use crate::{devices, leases};
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt::Write;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Links with the attributes of their VFs, addresses, rules, routes of all tables, permanent neighbours, sysctls of
/// interfaces, RDMA devices, drivers of VFs, leases, and files.
///
/// A line reads `SPACE KIND OBJECT...`, `pci BDF ...`, `lease IP ...`, or `file DIR/PATH: CONTENT`. Counters, indexes and timers are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    lines: BTreeMap<String, usize>,
}

const VOLATILE_LINK: &[&str] =
    &["ifindex", "link_index", "link_netnsid", "operstate", "qdisc", "stats", "stats64", "flags", "ifname"];
const VOLATILE_ADDRESS: &[&str] = &["valid_life_time", "preferred_life_time", "tentative"];
/// Carrier and its consequences follow a kernel worker, not the plugin.
const VOLATILE_FLAGS: &[&str] = &["NO-CARRIER", "LOWER_UP", "M-DOWN"];
const SYSCTLS: [&str; 2] = ["ipv4/conf", "ipv6/conf"];
const COMMON_SYSCTLS: [&str; 4] =
    ["ipv4/conf/all", "ipv4/conf/default", "ipv6/conf/all", "ipv6/conf/default"];
const COMMANDS: &str = "addr show\nrule show\nroute show table all\nneigh show nud permanent\n";

impl Snapshot {
    /// The sysctls of `crowded`, which has many links, are those that are common to all.
    pub(crate) fn take<'a>(
        spaces: impl Iterator<Item = &'a Space>,
        crowded: Option<&Space>,
        dirs: &Dirs,
    ) -> Self {
        let mut snapshot = Self { lines: BTreeMap::new() };
        for space in spaces {
            // A process costs a guest more than what it lists: links, which have no family, come with the first one.
            let with_links = format!("link show\n{COMMANDS}");
            let lists = space.ip_lists(&["-j", "-d", "-4"], &with_links);
            let [links, lists @ ..] = &lists[..] else { panic!("ip lists nothing in {}", space.name()) };
            snapshot.links(space, links);
            snapshot.family(space, "4", lists);
            snapshot.family(space, "6", &space.ip_lists(&["-j", "-d", "-6"], COMMANDS));
            let is_crowded = crowded.is_some_and(|crowded| crowded.name() == space.name());
            snapshot.sysctls(space, if is_crowded { &COMMON_SYSCTLS } else { &SYSCTLS });
            snapshot.extend(devices::rdma(space));
        }
        snapshot.extend(devices::functions());
        snapshot.extend(leases::lines(&dirs.base));
        for (variable, dir) in dirs.env() {
            let name = variable.trim_start_matches("RAILCNI_").trim_end_matches("_DIR").to_lowercase();
            snapshot.files(&format!("file {name}"), dir);
        }
        snapshot
    }

    /// Without the lines that begin with `prefix`: `file `, or `host sysctl net/ipv4/conf/all/`.
    #[must_use]
    pub fn without(mut self, prefix: &str) -> Self {
        self.lines.retain(|line, _| !line.starts_with(prefix));
        self
    }

    /// What only `self` has (`-`) and what only `after` has (`+`), one per line; empty when equal.
    pub fn diff(&self, after: &Self) -> String {
        let mut keys: Vec<&String> = self.lines.keys().chain(after.lines.keys()).collect();
        keys.sort();
        keys.dedup();
        keys.into_iter().fold(String::new(), |mut text, line| {
            let (had, has) = (self.count(line), after.count(line));
            text.push_str(&format!("  - {line}\n").repeat(had.saturating_sub(has)));
            text.push_str(&format!("  + {line}\n").repeat(has.saturating_sub(had)));
            text
        })
    }

    fn count(&self, line: &str) -> usize {
        self.lines.get(line).copied().unwrap_or(0)
    }

    fn extend(&mut self, lines: Vec<String>) {
        for line in lines {
            self.push(line);
        }
    }

    fn push(&mut self, line: String) {
        *self.lines.entry(line).or_default() += 1;
    }

    fn links(&mut self, space: &Space, links: &[Value]) {
        for link in links {
            let ifname = link["ifname"].as_str().unwrap_or_default();
            for (field, value) in without(link, VOLATILE_LINK) {
                self.push(format!("{} link {ifname} {field}={value}", space.name()));
            }
            for flag in strings(&link["flags"]).filter(|flag| !VOLATILE_FLAGS.contains(flag)) {
                self.push(format!("{} link {ifname} flag {flag}", space.name()));
            }
        }
    }

    fn family(&mut self, space: &Space, family: &str, lists: &[Vec<Value>]) {
        let [addresses, rules, routes, neighbours] = lists else {
            panic!("ip answered {} of 4 listings in {}", lists.len(), space.name());
        };
        let name = space.name();
        for link in addresses {
            for address in link["addr_info"].as_array().into_iter().flatten() {
                let text = Value::Object(without(address, VOLATILE_ADDRESS));
                self.push(format!("{name} addr{family} {} {text}", link["ifname"]));
            }
        }
        self.ranked(&format!("{name} rule{family}"), rules, &["priority"]);
        let routes: Vec<_> = routes.iter().filter(|route| !comes_with_an_address(route)).cloned().collect();
        self.ranked(&format!("{name} route{family}"), &routes, &["table", "dst", "metric"]);
        self.ranked(&format!("{name} neigh{family}"), neighbours, &["dst", "dev"]);
    }

    /// Among objects that are equal in `keys` the first one wins in the kernel, so the place is part of the line.
    fn ranked(&mut self, kind: &str, objects: &[Value], keys: &[&str]) {
        let mut ranks: BTreeMap<String, usize> = BTreeMap::new();
        for object in objects {
            let key = keys.iter().fold(String::new(), |text, key| format!("{text} {key}={}", object[*key]));
            let rank = ranks.entry(key).or_default();
            self.push(format!("{kind} #{rank} {object}"));
            *rank += 1;
        }
    }

    fn sysctls(&mut self, space: &Space, folders: &[&str]) {
        let found = space.run(|| {
            let mut found = Vec::new();
            for folder in folders {
                sysctls_below(&Path::new("/proc/sys/net").join(folder), &mut found);
            }
            found
        });
        for line in found {
            self.push(format!("{} sysctl {}", space.name(), line.trim_start_matches("/proc/sys/")));
        }
    }

    fn files(&mut self, kind: &str, dir: &Path) {
        walk(dir, &mut |path| {
            let content = must(&format!("read {}", path.display()), std::fs::read(path));
            let name = path.strip_prefix(dir).unwrap_or(path).display();
            self.push(format!("{kind}/{name}: {}", content.escape_ascii()));
        });
    }
}

/// Panics with the difference, unless there is none.
#[track_caller]
pub fn assert_same(before: &Snapshot, after: &Snapshot) {
    let diff = before.diff(after);
    assert!(diff.is_empty(), "the world changed (- before, + after):\n{diff}");
}

/// The kernel's own route to an IPv6 address comes a second after the address, when duplicate address detection is over: a
/// picture taken before that would differ from a later one of the same world. The address itself is in both.
fn comes_with_an_address(route: &Value) -> bool {
    let is = |key: &str, value: &str| route[key] == value;
    is("table", "local")
        && is("type", "local")
        && is("protocol", "kernel")
        && route["dst"].as_str().is_some_and(|dst| dst.contains(':'))
}

fn without(object: &Value, fields: &[&str]) -> Map<String, Value> {
    let all = object.as_object().into_iter().flatten();
    all.filter(|(key, _)| !fields.contains(&key.as_str()))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

fn strings(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// There are hundreds of them, and most of the time goes into their paths: each is opened from its folder.
fn sysctls_below(folder: &Path, found: &mut Vec<String>) {
    // A link that goes takes its folder along.
    let (Ok(entries), Ok(opened)) = (std::fs::read_dir(folder), File::open(folder)) else { return };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            sysctls_below(&entry.path(), found);
            continue;
        }
        let name = entry.file_name();
        // Some need a write first, as stable_secret does: nothing to compare then.
        let value = sysctl(&opened, &name).unwrap_or_default();
        found.push(format!("{}/{}={}", folder.display(), name.display(), value.trim()));
    }
}

fn sysctl(folder: &File, name: &OsStr) -> std::io::Result<String> {
    let mut bytes = [0; 256];
    let mut file = File::from(openat(folder, name, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?);
    let length = file.read(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes[..length]).into_owned())
}

/// Every file below `dir`; what vanishes meanwhile is not there.
fn walk(dir: &Path, visit: &mut dyn FnMut(&Path)) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir() || (kind.is_symlink() && path.is_dir())) {
            walk(&path, visit);
        } else {
            visit(&path);
        }
    }
}

impl std::fmt::Display for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.lines.keys().try_for_each(|line| {
            f.write_str(line)?;
            f.write_char('\n')
        })
    }
}
