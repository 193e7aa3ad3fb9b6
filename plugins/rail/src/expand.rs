//! From one config to the requests of its rails.

use cni::{CniArgs, Command, Config, Env, Error, Request, lenient};
use rails::RdmaMode;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::devices;
use crate::link::{self, Link};
use crate::pod::OfPod;

/// Each has a copy of the network's config; the largest nodes have 16.
const MOST_RAILS: usize = 64;
/// What all these copies may have of bytes: the pod's memory does not pay for them.
const MOST_BYTES: usize = 16 << 20;
/// Keys of `rail` itself; all others are the link plugin's.
const OWN: [&str; 9] =
    ["link", "rails", "devices", "resources", "routing", "rdma", "ifname", "prevResult", "type"];
/// Of the link plugins, where it is off.
const REQUIRE_MASTER_UP: &str = "requireMasterUp";
/// What the rails of a network have in common.
const COMMON: [&str; 6] = ["link", "rails", "devices", "resources", "routing", "rdma"];

/// What `rail` itself reads.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Keys {
    pub(crate) link: Option<String>,
    pub(crate) rdma: Option<String>,
    pub(crate) devices: Option<Value>,
    pub(crate) resources: Option<Vec<String>>,
    pub(crate) rails: Option<Vec<Value>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RailKeys {
    master: Option<String>,
    ifname: Option<String>,
}

/// A network's rails, each as its link plugin would get it.
#[derive(Debug)]
pub(crate) struct Expanded {
    pub(crate) link: &'static Link,
    pub(crate) rdma: RdmaMode,
    pub(crate) rails: Vec<Request>,
    /// As written.
    pub(crate) routing: Option<Value>,
}

/// Reads what is not the link plugins' own business.
pub(crate) fn expand(request: &Request) -> Result<Expanded, Error> {
    let keys: Keys = request.config.decode()?;
    let link = Link::parse(keys.link.as_deref())?;
    let rdma = link::rdma(keys.rdma.as_deref(), link)?;
    let of_pod = OfPod::of(request, &keys)?;
    let mut written = written(request, keys.rails, link)?;
    if let Some(of_pod) = of_pod {
        written = Some(devices::unknown(written, of_pod.rails(request)));
    } else if link.is_vf {
        written = Some(devices::assign(request, written)?);
    }
    let written = written.unwrap_or_else(|| vec![Map::new()]);
    refuse_too_long(request.config.stdin().len(), written.len())?;
    refuse_twins(&written, if link.is_vf { "deviceID" } else { "master" })?;
    // What a caller left in the environment of GC and STATUS is of no attachment, and nobody has checked it.
    let first = match request.env.command {
        Command::Gc | Command::Status => "",
        _ => &request.env.ifname,
    };
    let names = names(first, &written)?;
    let mut common = without(request.config.raw(), &OWN);
    if link.is_vf {
        take_devices(&mut common);
    }
    if let Some(key) = link.isolation.filter(|_| keys.rdma.is_some()) {
        common.insert(key.to_owned(), (rdma == RdmaMode::Exclusive).into());
    }
    let rails = written.into_iter().zip(names);
    let rails = rails.map(|(rail, ifname)| derive(request, &common, rail, link, ifname));
    Ok(Expanded {
        link,
        rdma,
        rails: rails.collect::<Result<_, _>>()?,
        routing: request.config.at(&["routing"]).cloned(),
    })
}

/// Each rail has its own by now, and its PF needs no name.
fn take_devices(common: &mut Map<String, Value>) {
    *common = without(&Value::Object(std::mem::take(common)), &["deviceID", "pciBusID", "master"]);
    if let Some(runtime) = common.get_mut("runtimeConfig").and_then(Value::as_object_mut) {
        runtime.remove("deviceID");
    }
}

impl Expanded {
    /// What `rdma` would get for a rail, if its device is to go along.
    pub(crate) fn rdma_request(&self, rail: &Request) -> Result<Option<Request>, Error> {
        if self.rdma != RdmaMode::Exclusive {
            return Ok(None);
        }
        let raw = rail.config.raw();
        let keep = |key: &&str| !raw[key].is_null();
        let mut keys: Map<_, _> = ["cniVersion", "name", "deviceID", "rdmaDeviceName", "prevResult"]
            .into_iter()
            .filter(keep)
            .map(|key| (key.to_owned(), raw[key].clone()))
            .collect();
        keys.insert("type".to_owned(), "rdma".into());
        // The file is about one device.
        if self.rails.len() == 1 && !raw["runtimeConfig"].is_null() {
            keys.insert("runtimeConfig".to_owned(), raw["runtimeConfig"].clone());
        }
        let config = Config::from_value(Value::Object(keys), rail.env.command)?;
        Ok(Some(Request { env: Env { args: CniArgs::default(), ..rail.env.clone() }, config }))
    }
}

/// Each rail's own keys; `None` where the config has no list.
fn written(
    request: &Request,
    rails: Option<Vec<Value>>,
    link: &Link,
) -> Result<Option<Vec<Map<String, Value>>>, Error> {
    let alone: RailKeys = request.config.decode()?;
    let master = alone.master.filter(|master| !master.is_empty());
    let Some(rails) = rails else {
        return match master {
            Some(pf) if link.is_vf => Ok(Some(vec![Map::from_iter([("master".to_owned(), pf.into())])])),
            None if !link.is_vf => Err(Error::invalid_config(
                "master is missing: name the rail's interface, or several in \"rails\": [\"ens1\", \"ens2\"]",
            )),
            _ => Ok(None),
        };
    };
    if rails.len() > MOST_RAILS {
        let count = rails.len();
        return Err(Error::invalid_config(format!(
            "rails has {count} entries: expected at most {MOST_RAILS}"
        )));
    }
    if rails.is_empty() {
        return Err(Error::invalid_config("rails []: expected at least one master or device"));
    }
    if let Some(master) = master {
        return Err(Error::invalid_config(format!(
            "master \"{master}\": there is \"rails\", too; keep one of them"
        )));
    }
    let rails = rails.into_iter().enumerate().map(|(position, rail)| one(position, rail, link));
    rails.collect::<Result<_, _>>().map(Some)
}

fn one(position: usize, rail: Value, link: &Link) -> Result<Map<String, Value>, Error> {
    let refuse = |what: String| Err(Error::invalid_config(format!("rails[{position}]{what}")));
    let keys = match rail {
        Value::String(name) => {
            let key = if link.is_vf && devices::is_device(&name) { "deviceID" } else { "master" };
            Map::from_iter([(key.to_owned(), Value::String(name))])
        }
        Value::Object(keys) => keys,
        other => {
            return refuse(format!(
                " {other}: expected the name of a master, or an object such as {{\"master\": \"ens1\"}}"
            ));
        }
    };
    let common = |key: &&String| COMMON.iter().any(|common| common.eq_ignore_ascii_case(key));
    if let Some(key) = keys.keys().find(common) {
        return refuse(format!(".{key}: it is the same for all rails; write it beside rails"));
    }
    let own: RailKeys = lenient::from_value(&Value::Object(keys.clone()))
        .map_err(|error| Error::invalid_config(format!("rails[{position}]: {error}")))?;
    let is_known = own.master.is_some_and(|master| !master.is_empty());
    // A VF is told by its device, which may come with the pod.
    if is_known || link.is_vf {
        Ok(keys)
    } else {
        refuse(".master is missing: expected the name of an interface".to_owned())
    }
}

fn refuse_too_long(bytes: usize, rails: usize) -> Result<(), Error> {
    let most = MOST_BYTES / rails.max(1);
    if bytes <= most {
        return Ok(());
    }
    Err(Error::invalid_config(format!(
        "the config has {bytes} bytes, and each of {rails} rails a copy of it: expected at most {most}"
    )))
}

fn refuse_twins(rails: &[Map<String, Value>], key: &str) -> Result<(), Error> {
    let known = |value: &&str| *value != devices::UNKNOWN_DEVICE;
    let values: Vec<_> = rails.iter().map(|rail| text(rail, key).filter(known)).collect();
    for (position, value) in values.iter().enumerate() {
        let Some(first) = values[..position].iter().position(|other| value.is_some() && other == value)
        else {
            continue;
        };
        return Err(Error::invalid_config(format!(
            "rails[{position}].{key} \"{}\": rails[{first}] has it already",
            value.unwrap_or_default()
        )));
    }
    Ok(())
}

pub(crate) fn text<'a>(rail: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    rail.iter().find(|(name, _)| name.eq_ignore_ascii_case(key))?.1.as_str()
}

/// `CNI_IFNAME`, then the number at its end counts up, unless a rail has a name of its own. GC and STATUS know none.
fn names(first: &str, rails: &[Map<String, Value>]) -> Result<Vec<String>, Error> {
    let stem = first.trim_end_matches(|c: char| c.is_ascii_digit());
    let number: usize = first[stem.len()..].parse().unwrap_or(1);
    let mut names: Vec<String> = Vec::with_capacity(rails.len());
    for (position, rail) in rails.iter().enumerate() {
        let counted =
            || if position == 0 { first.to_owned() } else { format!("{stem}{}", number + position) };
        let name = text(rail, "ifname").map_or_else(counted, str::to_owned);
        if !first.is_empty() {
            usable(&name, position, &names)?;
        }
        names.push(name);
    }
    Ok(names)
}

fn usable(name: &str, position: usize, others: &[String]) -> Result<(), Error> {
    let refuse = |why: &str| Error::invalid_config(format!("rails[{position}].ifname \"{name}\": {why}"));
    state::name::ifname(name).map_err(|error| refuse(&error.to_string()))?;
    match others.iter().position(|other| other == name) {
        None => Ok(()),
        Some(other) => Err(refuse(&format!("rails[{other}] has that name"))),
    }
}

/// What the link plugin would get; `ipam` of a rail adds to that of the network.
fn derive(
    request: &Request,
    common: &Map<String, Value>,
    rail: Map<String, Value>,
    link: &Link,
    ifname: String,
) -> Result<Request, Error> {
    let mut raw = common.clone();
    for (key, value) in without(&Value::Object(rail), &OWN) {
        raw.retain(|other, _| *other == "ipam" || !other.eq_ignore_ascii_case(&key));
        match (raw.get_mut("ipam"), value) {
            (Some(Value::Object(of_all)), Value::Object(own)) if key == "ipam" => of_all.extend(own),
            (_, value) => drop(raw.insert(key, value)),
        }
    }
    if link.is_vf {
        raw.retain(|key, _| !key.eq_ignore_ascii_case("master"));
    }
    // A pod that waits for one of its rails would hold up the job on all others.
    if link.waits_for_master && !raw.keys().any(|key| key.eq_ignore_ascii_case(REQUIRE_MASTER_UP)) {
        raw.insert(REQUIRE_MASTER_UP.to_owned(), true.into());
    }
    raw.insert("type".to_owned(), link.plugin.into());
    let config = Config::from_value(Value::Object(raw), request.env.command)?;
    Ok(Request { env: Env { ifname, ..request.env.clone() }, config })
}

pub(crate) fn without(object: &Value, keys: &[&str]) -> Map<String, Value> {
    let all = object.as_object().into_iter().flatten();
    let others = all.filter(|(key, _)| !keys.iter().any(|own| own.eq_ignore_ascii_case(key)));
    others.map(|(key, value)| (key.clone(), value.clone())).collect()
}
