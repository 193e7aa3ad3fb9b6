//! What host-local left: ranges in a network config, and the directory with one file per address.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use nix::errno::Errno;
use serde::Deserialize;
use state::{Lock, file};

use crate::pool::{Scope, Withheld, unusable};
use crate::{DEFAULT_COOL_DOWN, Pool, PoolError, Range, RangeSet, StoreError};

/// A range of a network config; addresses as texts, so that errors can show them.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RangeSpec {
    /// ADDRESS/LENGTH
    pub subnet: Option<String>,
    /// The first address; else the first of a host.
    pub range_start: Option<String>,
    /// The last address; else the last of a host.
    pub range_end: Option<String>,
    /// Else the first address of a host.
    pub gateway: Option<String>,
}

/// Validates sets of ranges: each set gives one address, and its ranges are of one family. `field` is the set's path.
pub fn range_sets(
    sets: &[(String, Vec<RangeSpec>)],
    warnings: &mut Vec<String>,
) -> Result<Vec<Vec<Pool>>, PoolError> {
    let mut valid: Vec<Vec<Pool>> = Vec::with_capacity(sets.len());
    for (field, set) in sets {
        let mut pools: Vec<Pool> = Vec::with_capacity(set.len());
        for (index, spec) in set.iter().enumerate() {
            let place = if set.len() == 1 { field.clone() } else { format!("{field}[{index}]") };
            let pool = pool(&place, spec, warnings)?;
            check_among(&place, &pool, &pools, valid.iter().flatten())?;
            pools.push(pool);
        }
        if pools.is_empty() {
            return Err(PoolError::new(field, "ranges", "", "are missing; write at least one with a subnet"));
        }
        valid.push(pools);
    }
    Ok(valid)
}

fn check_among<'a>(
    place: &str,
    pool: &Pool,
    set: &'a [Pool],
    others: impl Iterator<Item = &'a Pool>,
) -> Result<(), PoolError> {
    let error = |problem| Err(PoolError::new(place, "subnet", &pool.subnet.to_string(), problem));
    if let Some(other) = set.iter().find(|other| other.family() != pool.family()) {
        return error(format!("is {}, and {} of the same set is not", pool.family().name(), other.subnet));
    }
    let meets =
        |other: &&Pool| pool.offered.ranges().iter().any(|range| other.offered.meeting(range).is_some());
    match set.iter().chain(others).find(meets) {
        Some(other) => error(format!("has the range {}, which overlaps {}", pool.name, other.name)),
        None => Ok(()),
    }
}

fn pool(place: &str, spec: &RangeSpec, warnings: &mut Vec<String>) -> Result<Pool, PoolError> {
    let entry = Entry { place, spec };
    let subnet = entry.subnet(warnings)?;
    let hosts = hosts(&subnet);
    let range = entry.range(&subnet, hosts)?;
    let gateway = entry.gateway(&subnet, hosts)?;
    let listed = RangeSet::from(range);
    let unusable = unusable(&subnet);
    for range in listed.common(&unusable).ranges() {
        let problem = "is no address for a host of the subnet and left out".to_owned();
        warnings.push(entry.wrong("range", &range.to_string(), problem).to_string());
    }
    let offered = listed.without(&unusable).without(&Range::one(gateway).into());
    Ok(Pool {
        name: range.to_string(),
        subnet,
        withheld: Withheld { excluded: listed.without(&offered), reserved: RangeSet::default() },
        offered,
        gateway: Some(gateway),
        routes: Vec::new(),
        scope: Scope::default(),
        default: false,
        disabled: false,
        sticky: false,
        rest: DEFAULT_COOL_DOWN,
        share: None,
        pins: None,
    })
}

/// One range as the config has it, and where.
struct Entry<'a> {
    place: &'a str,
    spec: &'a RangeSpec,
}

impl Entry<'_> {
    fn wrong(&self, field: &str, value: &str, problem: String) -> PoolError {
        PoolError::new(self.place, field, value, problem)
    }

    fn subnet(&self, warnings: &mut Vec<String>) -> Result<IpNet, PoolError> {
        let wrong = |text: &str, problem: String| self.wrong("subnet", text, problem);
        let Some(text) = self.spec.subnet.as_deref() else {
            return Err(wrong("", "is missing; write ADDRESS/LENGTH such as 10.1.0.0/16".to_owned()));
        };
        let malformed = |_| wrong(text, "is no subnet; write ADDRESS/LENGTH such as 10.1.0.0/16".to_owned());
        let written = text.parse::<IpNet>().map_err(malformed)?;
        let subnet = written.trunc();
        if subnet != written {
            warnings.push(wrong(text, format!("has host bits; taken as {subnet}")).to_string());
        }
        if subnet.max_prefix_len() - subnet.prefix_len() < 2 {
            return Err(wrong(text, "is too small; it needs at least four addresses".to_owned()));
        }
        Ok(subnet)
    }

    fn range(&self, subnet: &IpNet, hosts: Range) -> Result<Range, PoolError> {
        let spec = self.spec;
        let first = self.inside("rangeStart", spec.range_start.as_deref(), hosts.first(), subnet)?;
        let last = self.inside("rangeEnd", spec.range_end.as_deref(), hosts.last(), subnet)?;
        Range::new(first, last).map_err(|cause| match (&spec.range_start, &spec.range_end) {
            (Some(start), None) => {
                self.wrong("rangeStart", start, format!("is after {last}, the last address for a host"))
            }
            (None, Some(end)) => {
                self.wrong("rangeEnd", end, format!("is before {first}, the first address for a host"))
            }
            _ => self.wrong("rangeEnd", &last.to_string(), cause.to_string()),
        })
    }

    /// The reference takes one that is in another subnet: `fe80::1`, or the far end of a point-to-point link.
    fn gateway(&self, subnet: &IpNet, hosts: Range) -> Result<IpAddr, PoolError> {
        let gateway = self.address("gateway", self.spec.gateway.as_deref(), hosts.first())?;
        if gateway.is_ipv4() != subnet.addr().is_ipv4() {
            let problem = format!("is not of the family of {subnet}");
            return Err(self.wrong("gateway", &gateway.to_string(), problem));
        }
        Ok(gateway)
    }

    fn inside(
        &self,
        field: &str,
        text: Option<&str>,
        default: IpAddr,
        subnet: &IpNet,
    ) -> Result<IpAddr, PoolError> {
        match self.address(field, text, default)? {
            ip if subnet.contains(&ip) => Ok(ip),
            ip => Err(self.wrong(field, &ip.to_string(), format!("is outside the subnet {subnet}"))),
        }
    }

    fn address(&self, field: &str, text: Option<&str>, default: IpAddr) -> Result<IpAddr, PoolError> {
        match text {
            None | Some("") => Ok(default),
            Some(text) => {
                text.parse().map_err(|_| self.wrong(field, text, "is not an IP address".to_owned()))
            }
        }
    }
}

/// The first and last address that a host can have when nobody says otherwise.
fn hosts(subnet: &IpNet) -> Range {
    let all = Range::subnet(subnet);
    let network = Range { first: all.first, last: all.first };
    let hosts = RangeSet::from(all).without(&unusable(subnet)).without(&network.into());
    hosts.ranges().first().copied().unwrap_or(all)
}

/// `<data dir>/<network>`: `lock`, `last_reserved_ip.N`, and a file for each address with the container and the ifname.
#[derive(Clone, Debug)]
pub struct Directory {
    path: PathBuf,
    timeout: Duration,
}

impl Directory {
    /// `timeout` is how long a release waits for host-local's lock.
    pub fn new(path: PathBuf, timeout: Duration) -> Self {
        Self { path, timeout }
    }

    /// Every address that has a file. A file without content counts, too: whose address it is cannot be known.
    pub fn held(&self) -> Result<RangeSet, StoreError> {
        Ok(self.addresses()?.into_iter().map(Range::one).collect())
    }

    /// The addresses of one interface.
    pub fn of(&self, container_id: &str, ifname: &str) -> Result<Vec<IpAddr>, StoreError> {
        self.matching(|owner| owner.is(container_id, ifname))
    }

    /// Removes the files of one interface, under host-local's lock; nothing there is fine.
    pub fn release(&self, container_id: &str, ifname: &str) -> Result<(), StoreError> {
        self.remove(|owner| owner.is(container_id, ifname))
    }

    /// Removes every file whose owner is not valid. `valid` gets the container and, in all but old files, the ifname.
    pub fn retain(&self, valid: impl Fn(&str, Option<&str>) -> bool) -> Result<(), StoreError> {
        self.remove(|owner| !valid(&owner.container_id, owner.ifname.as_deref()))
    }

    fn remove(&self, doomed: impl Fn(&Owner) -> bool) -> Result<(), StoreError> {
        if self.matching(&doomed)?.is_empty() {
            return Ok(());
        }
        let _lock = Lock::acquire(&self.path.join("lock"), self.timeout)?;
        for ip in self.matching(&doomed)? {
            file::remove(&self.path.join(ip.to_string()))?;
        }
        Ok(())
    }

    fn matching(&self, wanted: impl Fn(&Owner) -> bool) -> Result<Vec<IpAddr>, StoreError> {
        let mut found = Vec::new();
        for ip in self.addresses()? {
            let content = file::read(&self.path.join(ip.to_string()))?;
            found.extend(content.is_some_and(|content| wanted(&Owner::parse(&content))).then_some(ip));
        }
        Ok(found)
    }

    fn addresses(&self) -> Result<Vec<IpAddr>, StoreError> {
        let entries = match fs::read_dir(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|error| failed(&self.path, &error))?,
        };
        let address = |entry: io::Result<fs::DirEntry>| {
            let name = entry.map_err(|error| failed(&self.path, &error))?.file_name();
            Ok(name.to_str().and_then(|name| name.parse().ok()))
        };
        entries.map(address).filter_map(Result::transpose).collect()
    }
}

fn failed(path: &Path, error: &io::Error) -> StoreError {
    let errno = error.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
    state::Error::Io { op: "list", path: path.to_path_buf(), errno }.into()
}

struct Owner {
    container_id: String,
    /// Missing in the files of host-local before 0.8.
    ifname: Option<String>,
}

impl Owner {
    fn parse(content: &[u8]) -> Self {
        let text = String::from_utf8_lossy(content);
        let mut lines = text.lines().map(str::trim);
        let container_id = lines.next().unwrap_or_default().to_owned();
        Self { container_id, ifname: lines.next().filter(|line| !line.is_empty()).map(str::to_owned) }
    }

    fn is(&self, container_id: &str, ifname: &str) -> bool {
        self.container_id == container_id && self.ifname.as_deref().is_none_or(|own| own == ifname)
    }
}

#[cfg(test)]
mod tests;
