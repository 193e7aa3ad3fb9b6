//! `SpiderIPPool` and `SpiderReservedIP` documents (`spiderpool.spidernet.io/v2beta1`) and what is wrong with them.

mod routes;

use std::net::IpAddr;

use cni::lenient;
use cni::unknown;
use ipnet::IpNet;
use serde::Deserialize;
use serde_json::Value;

use crate::pool::{Scope, Withheld, is_link_local, unusable};
use crate::{Family, Pool, PoolError, Range, RangeSet};

/// The cool-down of a released address when neither the pool nor the config says so, in seconds.
pub const DEFAULT_COOL_DOWN: u32 = 60;

/// Spellings of the guides and of other IPAM plugins, and the field of a pool that they mean.
const MEANT: &[(&str, &str)] = &[
    ("cidr", "subnet"),
    ("exclude", "excludeIPs"),
    ("excludes", "excludeIPs"),
    ("range", "ips"),
    ("ranges", "ips"),
    ("rangeStart", "ips"),
    ("rangeEnd", "ips"),
    ("ipRanges", "ips"),
    ("nodeSelector", "nodeName"),
    ("disabled", "disable"),
    ("isDefault", "default"),
    ("via", "gateway"),
];

/// Known to Spiderpool, without meaning here.
const TOLERATED: &[&str] = &["vlan"];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    ip_version: Option<Value>,
    subnet: Option<String>,
    #[serde(default)]
    ips: Vec<String>,
    #[serde(default, rename = "excludeIPs")]
    exclude_ips: Vec<String>,
    gateway: Option<String>,
    #[serde(default)]
    routes: Vec<routes::RouteSpec>,
    pod_affinity: Option<Value>,
    namespace_affinity: Option<Value>,
    node_affinity: Option<Value>,
    #[serde(default)]
    namespace_name: Vec<String>,
    #[serde(default)]
    node_name: Vec<String>,
    #[serde(default)]
    multus_name: Vec<String>,
    #[serde(default)]
    default: bool,
    #[serde(default)]
    disable: bool,
    #[serde(default)]
    sticky: bool,
    rest: Option<u32>,
    /// Only in an inline pool, which needs no metadata.
    #[serde(rename = "name")]
    _name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReservedSpec {
    ip_version: Option<Value>,
    #[serde(default)]
    ips: Vec<String>,
}

/// Where a document comes from, for messages.
pub(crate) struct Place<'a> {
    /// `pool "rail1"`
    pub(crate) pool: String,
    /// `spec.`, or empty for an inline pool.
    pub(crate) prefix: &'a str,
}

impl Place<'_> {
    fn error(&self, field: impl AsRef<str>, value: &str, problem: impl Into<String>) -> PoolError {
        PoolError::new(&self.pool, format!("{}{}", self.prefix, field.as_ref()), value, problem)
    }

    fn warning(&self, field: &str, value: &str, text: &str) -> String {
        self.error(field, value, text).to_string()
    }

    fn decode<T: serde::de::DeserializeOwned>(&self, spec: &Value) -> Result<T, PoolError> {
        let below = |error: lenient::Error| match self.prefix {
            "" => error,
            _ => error.below("spec"),
        };
        let bad =
            |error: lenient::Error| PoolError::new(&self.pool, "document", "", below(error).to_string());
        lenient::from_value(spec).map_err(bad)
    }
}

/// Validates the spec of a pool. What is accepted, but probably not meant so, goes to `warnings`.
pub(crate) fn pool(
    name: &str,
    place: &Place<'_>,
    spec: &Value,
    warnings: &mut Vec<String>,
) -> Result<Pool, PoolError> {
    known_keys(place, spec, warnings)?;
    let spec: Spec = place.decode(spec)?;
    let subnet = subnet(place, spec.subnet.as_deref(), warnings)?;
    ip_version(place, spec.ip_version.as_ref(), &subnet)?;
    let listed = ranges(place, "ips", &spec.ips, &subnet)?;
    let excluded = ranges(place, "excludeIPs", &spec.exclude_ips, &subnet)?;
    let unusable = unusable(&subnet);
    for range in listed.common(&unusable).without(&excluded).ranges() {
        warnings.push(place.warning(
            "ips",
            &range.to_string(),
            "is no address for a host of the subnet and left out",
        ));
    }
    let offered = listed.without(&excluded).without(&unusable);
    Ok(Pool {
        name: name.to_owned(),
        gateway: gateway(place, spec.gateway.as_deref(), &subnet, &offered)?,
        routes: routes::parse(place, &spec.routes, &subnet)?,
        scope: scope(&spec),
        default: spec.default,
        disabled: spec.disable,
        sticky: spec.sticky,
        rest: spec.rest.unwrap_or(DEFAULT_COOL_DOWN),
        share: None,
        pins: None,
        withheld: Withheld { excluded: listed.without(&offered), reserved: RangeSet::default() },
        subnet,
        offered,
    })
}

/// Validates the spec of a `SpiderReservedIP`: addresses that no pool hands out.
pub(crate) fn reserved(place: &Place<'_>, spec: &Value) -> Result<RangeSet, PoolError> {
    let spec: ReservedSpec = place.decode(spec)?;
    let mut all = Vec::new();
    for (index, text) in spec.ips.iter().enumerate() {
        let field = format!("ips[{index}]");
        let range = text.parse::<Range>().map_err(|error| place.error(&field, text, error.to_string()))?;
        fits_version(place, spec.ip_version.as_ref(), Family::of(range.first()), &field, text)?;
        all.push(range);
    }
    Ok(all.into_iter().collect())
}

/// A misspelt key would silently change who gets which address; a key that is just foreign is worth a warning.
fn known_keys(place: &Place<'_>, spec: &Value, warnings: &mut Vec<String>) -> Result<(), PoolError> {
    for key in unknown::in_object(spec, lenient::fields_of::<Spec>(), MEANT) {
        if TOLERATED.contains(&key.path.as_str()) {
            continue;
        }
        match &key.meant {
            Some(meant) => {
                return Err(place.error(&key.path, "", format!("is no field of a pool; write {meant:?}")));
            }
            None => warnings.push(place.warning(&key.path, "", "is no field of a pool and ignored")),
        }
    }
    Ok(())
}

fn subnet(place: &Place<'_>, text: Option<&str>, warnings: &mut Vec<String>) -> Result<IpNet, PoolError> {
    let Some(text) = text else {
        return Err(place.error("subnet", "", "is missing; write ADDRESS/LENGTH such as 172.16.1.0/24"));
    };
    let malformed =
        |_| place.error("subnet", text, "is no subnet; write ADDRESS/LENGTH such as 172.16.1.0/24");
    let written = text.parse::<IpNet>().map_err(malformed)?;
    let subnet = written.trunc();
    if subnet != written {
        warnings.push(place.warning("subnet", text, &format!("has host bits; taken as {subnet}")));
    }
    Ok(subnet)
}

fn ip_version(place: &Place<'_>, version: Option<&Value>, subnet: &IpNet) -> Result<(), PoolError> {
    fits_version(place, version, Family::of(subnet.addr()), "subnet", &subnet.to_string())
}

fn fits_version(
    place: &Place<'_>,
    version: Option<&Value>,
    family: Family,
    field: &str,
    text: &str,
) -> Result<(), PoolError> {
    let Some(version) = version else { return Ok(()) };
    match (named_family(version), version) {
        (Some(named), _) if named == family => Ok(()),
        (Some(named), _) => {
            Err(place.error(field, text, format!("is not {}, as ipVersion says", named.name())))
        }
        (None, Value::String(text)) => Err(place.error("ipVersion", text, "is no IP version; write 4 or 6")),
        (None, other) => Err(place.error("ipVersion", &other.to_string(), "is no IP version; write 4 or 6")),
    }
}

/// `4`, and the forms that the guides use.
fn named_family(version: &Value) -> Option<Family> {
    match version {
        Value::Number(number) if number.as_u64() == Some(4) => Some(Family::V4),
        Value::Number(number) if number.as_u64() == Some(6) => Some(Family::V6),
        Value::String(text) => {
            match text.to_ascii_lowercase().trim_start_matches("ip").trim_start_matches('v') {
                "4" => Some(Family::V4),
                "6" => Some(Family::V6),
                _ => None,
            }
        }
        _ => None,
    }
}

fn ranges(place: &Place<'_>, key: &str, texts: &[String], subnet: &IpNet) -> Result<RangeSet, PoolError> {
    let one = |(index, text): (usize, &String)| {
        let field = format!("{key}[{index}]");
        let range = text.parse::<Range>().map_err(|error| place.error(&field, text, error.to_string()))?;
        if !Range::subnet(subnet).covers(&range) {
            return Err(place.error(&field, text, outside(&range, subnet)));
        }
        Ok(range)
    };
    texts.iter().enumerate().map(one).collect()
}

fn outside(range: &Range, subnet: &IpNet) -> String {
    let all = Range::subnet(subnet);
    let usable = RangeSet::from(all).without(&unusable(subnet));
    match usable.ranges().last() {
        Some(usable) if all.contains(range.first()) => {
            format!("leaves the subnet {subnet}, whose last address for a host is {}", usable.last())
        }
        _ => format!("is outside the subnet {subnet}, which is {all}"),
    }
}

fn gateway(
    place: &Place<'_>,
    text: Option<&str>,
    subnet: &IpNet,
    offered: &RangeSet,
) -> Result<Option<IpAddr>, PoolError> {
    let Some(text) = text else { return Ok(None) };
    let error = |problem: String| place.error("gateway", text, problem);
    let gateway = text.parse::<IpAddr>().map_err(|_| error("is not an IP address".to_owned()))?;
    if !is_neighbour(gateway, subnet) {
        return Err(error(format!("is outside the subnet {subnet}, and not link-local")));
    }
    if offered.contains(gateway) {
        let prefix = place.prefix;
        return Err(error(format!(
            "is among {prefix}ips: take it out there, or add it to {prefix}excludeIPs"
        )));
    }
    Ok(Some(gateway))
}

/// In the subnet, or link-local of its family: IPv6 routers have their addresses there.
fn is_neighbour(gateway: IpAddr, subnet: &IpNet) -> bool {
    let same_family = Family::of(gateway) == Family::of(subnet.addr());
    subnet.contains(&gateway) || (same_family && is_link_local(gateway))
}

/// A name list beats the affinity of the same kind, and an affinity that says nothing selects everything.
fn scope(spec: &Spec) -> Scope {
    let says = |selector: &Option<Value>| selector.as_ref().is_some_and(says_something);
    let mut unanswerable = Vec::new();
    if says(&spec.pod_affinity) {
        unanswerable.push("podAffinity");
    }
    if says(&spec.namespace_affinity) && spec.namespace_name.is_empty() {
        unanswerable.push("namespaceAffinity");
    }
    if says(&spec.node_affinity) && spec.node_name.is_empty() {
        unanswerable.push("nodeAffinity");
    }
    Scope {
        nodes: spec.node_name.clone(),
        namespaces: spec.namespace_name.clone(),
        networks: spec.multus_name.clone(),
        unanswerable,
    }
}

fn says_something(value: &Value) -> bool {
    match value {
        Value::Object(members) => members.values().any(says_something),
        Value::Array(items) => !items.is_empty(),
        other => !other.is_null(),
    }
}

#[cfg(test)]
mod tests;
