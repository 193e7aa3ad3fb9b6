//! The pools that a node knows: from documents, checked against each other.

mod directory;

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::Value;

use crate::document::{self, Place};
use crate::{Family, Granted, Pool, PoolError, Range, RangeSet, Share};

/// As of an object's name in Kubernetes. Each lease has the name of its pool, and everybody reads all leases.
const LONGEST_NAME: usize = 253;

/// Pools in the order in which they were added. A bad one does not take the good ones with it: its error shows when
/// somebody selects it.
#[derive(Debug, Default)]
pub struct Catalog {
    entries: Vec<Entry>,
    /// Names, and the sources of the first pools that have them.
    known: HashMap<String, String>,
    unreadable: Vec<String>,
    /// Directories that were read, and what they would say if no pool was found.
    places: Vec<String>,
    warnings: Vec<String>,
    reserved: Vec<Range>,
    reserved_error: Option<PoolError>,
    /// Subnets of the cluster's pools, each with the name of one: their other addresses are other nodes'.
    granted: Vec<(IpNet, String)>,
    subnets: BTreeMap<(Family, u128), (IpNet, String)>,
    /// Of the first pool of each subnet.
    gateways: BTreeMap<(Family, u128), (Option<IpAddr>, String)>,
    ranges: BTreeMap<u128, (Range, String)>,
}

/// A pool, or why it is none.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) name: String,
    /// What the document says, however wrong the rest of it is.
    pub(crate) default: bool,
    pub(crate) outcome: Result<Pool, PoolError>,
}

impl Catalog {
    /// Adds the documents of a YAML or JSON text; `source` names it in messages.
    pub fn add_text(&mut self, source: &str, text: &str) {
        let documents = if text.trim_start().starts_with('{') {
            serde_json::from_str(text).map(|value| vec![value]).map_err(|error| error.to_string())
        } else {
            yaml::documents(text).map_err(|error| error.to_string())
        };
        match documents {
            Ok(documents) => documents.iter().for_each(|document| self.add(source, document)),
            Err(error) => self.unreadable.push(format!("{source}: {error}")),
        }
    }

    /// Adds a document, or a list of them as kubectl prints it. Documents of other kinds are none of our business.
    pub fn add(&mut self, source: &str, document: &Value) {
        let kind = text_at(document, &["kind"]);
        if let Some(items) =
            document.get("items").and_then(Value::as_array).filter(|_| kind.is_some_and(is_list))
        {
            return items.iter().for_each(|item| self.add(source, item));
        }
        match kind {
            Some("SpiderIPPool") => self.add_pool(source, document),
            Some("SpiderReservedIP") => self.add_reserved(source, document),
            Some(_) => (),
            None => self.warnings.push(format!("{source}: a document without kind is ignored")),
        }
    }

    /// Adds a pool of a network config: a document, or just its spec beside a `name`.
    pub fn add_inline(&mut self, source: &str, document: &Value) {
        match document.get("kind") {
            Some(_) => self.add(source, document),
            None => self.add_pool(source, document),
        }
    }

    /// Adds the pools of the cluster, with what of them is this node's. They come before all others.
    pub fn add_granted(&mut self, source: &str, granted: Option<&Granted>) {
        let Some(granted) = granted else {
            return self.places.push(format!("no raild agent has written {source}"));
        };
        for document in &granted.pools {
            let before = self.entries.len();
            self.add(source, document);
            let free = document.pointer("/status/free").and_then(Value::as_u64);
            for pool in self.entries[before..].iter_mut().filter_map(|entry| entry.outcome.as_mut().ok()) {
                pool.share = Some(Share { free });
                pool.pins = document.pointer("/status/pins").and_then(Value::as_str).map(pins);
            }
        }
        self.granted = self.pools().map(|pool| (pool.subnet, pool.name.clone())).collect();
        self.places.push(format!("the cluster has {} pools for this node ({source})", granted.pools.len()));
    }

    /// Notes a source of pools that could not be read.
    pub fn add_unreadable(&mut self, message: String) {
        self.unreadable.push(message);
    }

    /// Takes reserved addresses out of all pools; call it when every document has been added.
    #[must_use]
    pub fn complete(mut self) -> Self {
        let reserved = self.reserved.iter().copied().collect::<RangeSet>();
        if !reserved.is_empty() {
            self.entries
                .iter_mut()
                .filter_map(|entry| entry.outcome.as_mut().ok())
                .for_each(|pool| pool.reserve(&reserved));
        }
        self
    }

    /// What nobody gets who may not use the pools that `may_use` refuses: reserved and excluded addresses, and all of those pools.
    pub(crate) fn kept(&self, may_use: impl Fn(&Pool) -> bool) -> RangeSet {
        let of = |pool: &Pool| {
            let refused = if may_use(pool) { RangeSet::EMPTY } else { pool.offered.clone() };
            [pool.withheld.excluded.clone(), refused]
        };
        let of_pools = self.pools().flat_map(of);
        let ranges = of_pools.flat_map(|set| set.ranges().to_vec());
        ranges.chain(self.reserved.iter().copied()).collect()
    }

    /// No address of a config or a file is in a subnet that the cluster shares out among its nodes.
    pub(crate) fn refuse_granted(&self, pool: &Pool, place: &str, field: &str) -> Result<(), PoolError> {
        for (subnet, name) in &self.granted {
            let of_cluster = RangeSet::from(Range::subnet(subnet));
            if let Some(range) =
                pool.offered.ranges().iter().find(|range| of_cluster.meeting(range).is_some())
            {
                let problem = format!(
                    "overlaps {subnet} of pool {name:?}, whose addresses the cluster grants to its nodes: name that pool, or take another subnet"
                );
                return Err(PoolError::new(place, field, &range.to_string(), problem));
            }
        }
        Ok(())
    }

    /// The names of all pools, valid or not, in the order in which they were added.
    pub fn names(&self) -> Vec<String> {
        self.entries.iter().map(|entry| entry.name.clone()).collect()
    }

    /// The valid pools.
    pub fn pools(&self) -> impl Iterator<Item = &Pool> {
        self.entries.iter().filter_map(|entry| entry.outcome.as_ref().ok())
    }

    /// Why documents were refused.
    pub fn refused(&self) -> impl Iterator<Item = &PoolError> {
        self.entries.iter().filter_map(|entry| entry.outcome.as_ref().err()).chain(&self.reserved_error)
    }

    /// What was accepted, but is probably not meant so.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Sources that hold no documents at all, and why.
    pub fn unreadable(&self) -> &[String] {
        &self.unreadable
    }

    /// Going on without it would hand out what somebody wanted to keep.
    pub(crate) fn reserved_error(&self) -> Option<&PoolError> {
        self.reserved_error.as_ref()
    }

    /// Where pools were looked for, and what is there in their stead.
    pub(crate) fn places(&self) -> &[String] {
        &self.places
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn add_pool(&mut self, source: &str, document: &Value) {
        let spec = document.get("spec");
        let path: &[&str] = if spec.is_some() { &["metadata", "name"] } else { &["name"] };
        let Some(name) = text_at(document, path).filter(|name| !name.is_empty()) else {
            let field = path.join(".");
            return self.unreadable.push(format!("{source}: {field} of a pool is missing"));
        };
        if name.len() > LONGEST_NAME || name.contains(char::is_control) {
            let (field, length) = (path.join("."), name.len());
            return self.unreadable.push(format!(
                "{source}: {field} of a pool has {length} bytes: expected at most {LONGEST_NAME}, and no control characters"
            ));
        }
        let prefix = if spec.is_some() { "spec." } else { "" };
        let place = Place { pool: format!("pool {name:?}"), prefix };
        let spec = spec.unwrap_or(document);
        let outcome = self.first_of_name(source, name, &path.join("."), &place).and_then(|()| {
            let pool = document::pool(name, &place, spec, &mut self.warnings)?;
            self.admit(&place, pool)
        });
        let default = spec.get("default") == Some(&Value::Bool(true));
        self.entries.push(Entry { name: name.to_owned(), default, outcome });
    }

    fn add_reserved(&mut self, source: &str, document: &Value) {
        let name = text_at(document, &["metadata", "name"]).unwrap_or(source);
        let place = Place { pool: format!("reserved IPs {name:?}"), prefix: "spec." };
        match document::reserved(&place, document.get("spec").unwrap_or(&Value::Null)) {
            Ok(reserved) => self.reserved.extend(reserved.ranges()),
            Err(error) => self.reserved_error = Some(error),
        }
    }

    fn first_of_name(
        &mut self,
        source: &str,
        name: &str,
        field: &str,
        place: &Place<'_>,
    ) -> Result<(), PoolError> {
        let Some(first) = self.known.get(name) else {
            self.known.insert(name.to_owned(), source.to_owned());
            return Ok(());
        };
        let problem = match first {
            first if first == source => format!("is the name of two pools in {source}: keep one of them"),
            first => format!("is the name of a pool in {first} and of one in {source}: keep one of them"),
        };
        Err(PoolError::new(&place.pool, field, name, problem))
    }

    /// Pools share a subnet or do not meet at all, and no address is in two of them.
    fn admit(&mut self, place: &Place<'_>, pool: Pool) -> Result<Pool, PoolError> {
        let error = |field: &str, value: String, problem: String| {
            PoolError::new(&place.pool, format!("{}{field}", place.prefix), &value, problem)
        };
        if let Some((subnet, other)) = self.other_subnet(&pool) {
            let problem =
                format!("overlaps {subnet} of pool {other:?}; give both the same subnet, or separate ones");
            return Err(error("subnet", pool.subnet.to_string(), problem));
        }
        self.refuse_granted(&pool, &place.pool, &format!("{}ips", place.prefix))?;
        for range in pool.offered.ranges() {
            if let Some((met, other)) = self.meeting(range) {
                return Err(error("ips", range.to_string(), format!("overlaps {met} of pool {other:?}")));
            }
        }
        self.warn_of_shared_wire(place, &pool);
        self.remember(&pool);
        Ok(pool)
    }

    /// Eight rails whose /24 were written as a /16 are one network: a pod has the same route by each of them.
    fn warn_of_shared_wire(&mut self, place: &Place<'_>, pool: &Pool) {
        let key = (pool.family(), Range::subnet(&pool.subnet).first);
        let Some((Some(gateway), other)) = self.gateways.get(&key) else { return };
        let Some(own) = pool.gateway.filter(|own| own != gateway) else { return };
        let problem = format!(
            "is the subnet of pool {other:?}, whose gateway is {gateway}, while that of this one is {own}: if they are different \
             rails, give each the prefix of its own network"
        );
        let field = format!("{}subnet", place.prefix);
        self.warnings.push(PoolError::new(&place.pool, field, &pool.subnet.to_string(), problem).to_string());
    }

    fn other_subnet(&self, pool: &Pool) -> Option<&(IpNet, String)> {
        let own = Range::subnet(&pool.subnet);
        let before = self.subnets.range(..=(pool.family(), own.last)).next_back();
        let ((family, _), found) = before?;
        let meets = *family == pool.family() && Range::subnet(&found.0).last >= own.first;
        (meets && found.0 != pool.subnet).then_some(found)
    }

    fn meeting(&self, range: &Range) -> Option<&(Range, String)> {
        let (_, found) = self.ranges.range(..=range.last).next_back()?;
        (found.0.last >= range.first).then_some(found)
    }

    fn remember(&mut self, pool: &Pool) {
        let key = (pool.family(), Range::subnet(&pool.subnet).first);
        self.subnets.entry(key).or_insert_with(|| (pool.subnet, pool.name.clone()));
        self.gateways.entry(key).or_insert_with(|| (pool.gateway, pool.name.clone()));
        for range in pool.offered.ranges() {
            self.ranges.insert(range.first, (*range, pool.name.clone()));
        }
    }
}

fn is_list(kind: &str) -> bool {
    kind.ends_with("List")
}

fn text_at<'a>(value: &'a Value, path: &[&str]) -> Option<&'a str> {
    path.iter().try_fold(value, |value, key| value.get(key))?.as_str()
}

/// `172.16.1.7=ai/train-0/net1;...`
fn pins(text: &str) -> BTreeMap<IpAddr, String> {
    let pins = text.split(';').filter_map(|pin| pin.split_once('='));
    pins.filter_map(|(ip, owner)| Some((ip.parse().ok()?, owner.to_owned()))).collect()
}

#[cfg(test)]
mod tests;
