//! Which pools an interface may take its addresses from, in the order in which they are tried.

use std::cmp::Reverse;
use std::net::IpAddr;

use crate::catalog::Entry;
use crate::{Catalog, Error, Family, Pool, glob};

/// The pools that a config names for one family; wildcards are allowed.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PoolNames {
    /// Names or patterns for IPv4.
    pub ipv4: Vec<String>,
    /// Names or patterns for IPv6.
    pub ipv6: Vec<String>,
}

impl PoolNames {
    /// Whether it names none, so that the default pools count.
    pub fn is_empty(&self) -> bool {
        self.ipv4.is_empty() && self.ipv6.is_empty()
    }
}

/// What is known of the namespace that a pod is in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Namespace<'a> {
    /// The runtime says it.
    Named(&'a str),
    /// The runtime does not say it, so pools of particular namespaces are not for this pod.
    Unknown,
    /// No pod is meant: pools of any namespace count.
    Any,
}

/// Where the interface is going to be.
pub struct Site<'a> {
    /// Names of this node.
    pub node: &'a [String],
    /// The pod's namespace.
    pub namespace: Namespace<'a>,
    /// The name of the CNI network.
    pub network: &'a str,
    /// The addresses of the PF or master, when only pools of its subnets may be used.
    pub master: Option<&'a dyn Fn() -> Result<Vec<IpAddr>, Error>>,
}

/// For each family in use the pools to try, in order: as written, or the default pools with the most specific first.
pub fn select<'c>(
    catalog: &'c Catalog,
    wanted: &PoolNames,
    site: &Site<'_>,
) -> Result<Vec<Vec<&'c Pool>>, Error> {
    if let Some(error) = catalog.reserved_error() {
        return Err(error.clone().into());
    }
    let master = site.master.map(|addresses| addresses()).transpose()?;
    let filter = Filter { site, master };
    if wanted.is_empty() { defaults(catalog, &filter) } else { named(catalog, wanted, &filter) }
}

/// Ranges of a config belong to no pool, and get none of the addresses that the documents keep from this pod, nor any of a subnet
/// that the cluster shares out.
pub fn fence(catalog: &Catalog, sets: &mut [Vec<Pool>], site: &Site<'_>) -> Result<(), Error> {
    if let Some(error) = catalog.reserved_error() {
        return Err(error.clone().into());
    }
    let filter = Filter { site, master: None };
    let kept = catalog.kept(|pool| filter.objection(pool).is_none());
    for pool in sets.iter_mut().flatten() {
        catalog.refuse_granted(pool, &format!("range {}", pool.name), "addresses")?;
        pool.reserve(&kept);
    }
    Ok(())
}

fn named<'c>(
    catalog: &'c Catalog,
    wanted: &PoolNames,
    filter: &Filter<'_>,
) -> Result<Vec<Vec<&'c Pool>>, Error> {
    let families = [(Family::V4, &wanted.ipv4), (Family::V6, &wanted.ipv6)];
    let families = families.into_iter().filter(|(_, names)| !names.is_empty());
    families
        .map(|(family, names)| filter.keep(family, &names.join(", "), expand(catalog, family, names)?))
        .collect()
}

/// A family whose default pools are all for others is left out, as long as the other family has one.
fn defaults<'c>(catalog: &'c Catalog, filter: &Filter<'_>) -> Result<Vec<Vec<&'c Pool>>, Error> {
    let entries = catalog.entries().iter().filter(|entry| entry.default);
    let all = entries.map(valid).collect::<Result<Vec<_>, _>>()?;
    if all.is_empty() {
        return Err(no_default(catalog));
    }
    let of = |family| {
        let mut pools = all.iter().copied().filter(|pool| pool.family() == family).collect::<Vec<_>>();
        pools.sort_by_key(|pool| Reverse(pool.scope.rank()));
        filter.keep(family, "the default pools", pools)
    };
    match (of(Family::V4), of(Family::V6)) {
        (Ok(v4), Ok(v6)) => Ok(vec![v4, v6]),
        (Ok(only), Err(_)) | (Err(_), Ok(only)) => Ok(vec![only]),
        (Err(v4), Err(v6)) => Err(either(v4, v6)),
    }
}

fn either(v4: Error, v6: Error) -> Error {
    match (v4, v6) {
        (Error::NoPool { wanted, mut reasons, .. }, Error::NoPool { reasons: more, .. }) => {
            reasons.extend(more);
            Error::NoPool { family: "IPv4 or IPv6", wanted, reasons }
        }
        (v4, _) => v4,
    }
}

/// Each name once, at its first place; a pattern means all pools of the family that it matches.
fn expand<'c>(catalog: &'c Catalog, family: Family, names: &[String]) -> Result<Vec<&'c Pool>, Error> {
    let mut pools: Vec<&Pool> = Vec::new();
    for name in names {
        let found = if glob::is_literal(name) {
            vec![literal(catalog, family, name)?]
        } else {
            matching(catalog, family, name)?
        };
        for pool in found {
            if !pools.iter().any(|other| other.name == pool.name) {
                pools.push(pool);
            }
        }
    }
    Ok(pools)
}

fn literal<'c>(catalog: &'c Catalog, family: Family, name: &str) -> Result<&'c Pool, Error> {
    let mut found = None;
    for entry in catalog.entries().iter().filter(|entry| entry.name == name) {
        found = Some(valid(entry)?);
    }
    match found {
        Some(pool) if pool.family() == family => Ok(pool),
        Some(pool) => {
            Err(Error::WrongFamily { name: name.to_owned(), is: pool.family().name(), wanted: family.name() })
        }
        None => Err(unknown(catalog, name)),
    }
}

fn unknown(catalog: &Catalog, name: &str) -> Error {
    Error::UnknownPool {
        name: name.to_owned(),
        known: catalog.names(),
        places: catalog.places().to_vec(),
        unreadable: catalog.unreadable().to_vec(),
    }
}

fn no_default(catalog: &Catalog) -> Error {
    Error::NoDefault {
        known: catalog.names(),
        places: catalog.places().to_vec(),
        unreadable: catalog.unreadable().to_vec(),
    }
}

fn matching<'c>(catalog: &'c Catalog, family: Family, pattern: &str) -> Result<Vec<&'c Pool>, Error> {
    let entries = catalog.entries().iter().filter(|entry| glob::matches(pattern, &entry.name));
    let pools = entries.map(valid).collect::<Result<Vec<_>, _>>()?;
    Ok(pools.into_iter().filter(|pool| pool.family() == family).collect())
}

fn valid(entry: &Entry) -> Result<&Pool, Error> {
    entry.outcome.as_ref().map_err(|error| error.clone().into())
}

struct Filter<'a> {
    site: &'a Site<'a>,
    master: Option<Vec<IpAddr>>,
}

impl Filter<'_> {
    fn keep<'c>(&self, family: Family, wanted: &str, pools: Vec<&'c Pool>) -> Result<Vec<&'c Pool>, Error> {
        let mut kept = Vec::with_capacity(pools.len());
        let mut reasons = Vec::new();
        for pool in pools {
            match self.objection(pool) {
                None => kept.push(pool),
                Some(reason) => reasons.push(format!("{}: {reason}", pool.name)),
            }
        }
        if kept.is_empty() {
            return Err(Error::NoPool { family: family.name(), wanted: wanted.to_owned(), reasons });
        }
        Ok(kept)
    }

    fn objection(&self, pool: &Pool) -> Option<String> {
        let scope = &pool.scope;
        if pool.disabled {
            return Some("it is disabled".to_owned());
        }
        if let Some(selector) = scope.unanswerable.first() {
            return Some(format!(
                "{selector} needs the Kubernetes API, which is not asked here; use {}",
                instead(selector)
            ));
        }
        if !scope.nodes.is_empty() && !self.site.node.iter().any(|name| scope.nodes.contains(name)) {
            return Some(format!(
                "nodeName is {}, and this node is {}",
                list(&scope.nodes),
                list(self.site.node)
            ));
        }
        self.namespace_objection(pool)
            .or_else(|| self.network_objection(pool))
            .or_else(|| self.master_objection(pool))
    }

    fn namespace_objection(&self, pool: &Pool) -> Option<String> {
        let allowed = &pool.scope.namespaces;
        match self.site.namespace {
            _ if allowed.is_empty() => None,
            Namespace::Any => None,
            Namespace::Named(namespace) if allowed.iter().any(|name| name == namespace) => None,
            Namespace::Named(namespace) => {
                Some(format!("namespaceName is {}, and the pod is in {namespace:?}", list(allowed)))
            }
            Namespace::Unknown => {
                Some(format!("namespaceName is {}, and CNI_ARGS has no K8S_POD_NAMESPACE", list(allowed)))
            }
        }
    }

    /// The namespace of a `NetworkAttachmentDefinition` is not known here, so only its name is compared.
    fn network_objection(&self, pool: &Pool) -> Option<String> {
        let allowed = &pool.scope.networks;
        let name = |network: &String| network.rsplit('/').next() == Some(self.site.network);
        let fits = allowed.is_empty() || allowed.iter().any(name);
        (!fits)
            .then(|| format!("multusName is {}, and the network is {:?}", list(allowed), self.site.network))
    }

    fn master_objection(&self, pool: &Pool) -> Option<String> {
        let addresses = self.master.as_ref()?;
        if addresses.iter().any(|ip| pool.subnet.contains(ip)) {
            return None;
        }
        let own = addresses.iter().map(ToString::to_string).collect::<Vec<_>>();
        Some(format!("its subnet {} holds no address of the master, which has {}", pool.subnet, list(&own)))
    }
}

fn instead(selector: &str) -> &'static str {
    match selector {
        "nodeAffinity" => "nodeName",
        "namespaceAffinity" => "namespaceName",
        _ => "namespaceName, or name the pool in the network's config",
    }
}

fn list(names: &[String]) -> String {
    match names {
        [] => "none".to_owned(),
        names => names.join(", "),
    }
}

#[cfg(test)]
mod tests;
