//! From one config to the requests of its rails.

use cni::{Command, Config, Env, Error, Request, lenient};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Keys of `rail` itself; all others are the link plugin's.
const OWN: [&str; 7] = ["link", "rails", "routing", "rdma", "ifname", "prevResult", "type"];
/// What the rails of a network have in common.
const COMMON: [&str; 4] = ["link", "rails", "routing", "rdma"];

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Keys {
    link: Option<String>,
    rdma: Option<String>,
    rails: Option<Vec<Value>>,
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
    pub(crate) rails: Vec<Request>,
    /// As written.
    pub(crate) routing: Option<Value>,
}

/// Reads what is not the link plugins' own business.
pub(crate) fn expand(request: &Request) -> Result<Expanded, Error> {
    let keys: Keys = request.config.decode()?;
    let link = link(keys.link.as_deref().unwrap_or("macvlan"))?;
    rdma(keys.rdma.as_deref().unwrap_or("none"))?;
    let written = written(request, keys.rails)?;
    // What a caller left in the environment of GC and STATUS is of no attachment, and nobody has checked it.
    let first = match request.env.command {
        Command::Gc | Command::Status => "",
        _ => &request.env.ifname,
    };
    let names = names(first, &written)?;
    let common = without(request.config.raw(), &OWN);
    let rails = written.into_iter().zip(names);
    let rails = rails.map(|(rail, ifname)| derive(request, &common, rail, link, ifname));
    Ok(Expanded {
        rails: rails.collect::<Result<_, _>>()?,
        routing: request.config.at(&["routing"]).cloned(),
    })
}

fn link(name: &str) -> Result<&str, Error> {
    match name {
        "macvlan" | "ipvlan" => Ok(name),
        "sriov" | "ib-sriov" | "ipoib" => Err(Error::unsupported(format!(
            "link \"{name}\": rail makes macvlan and ipvlan links only; chain the plugins `{name}` and `coordinator`"
        ))),
        other => Err(Error::invalid_config(format!(
            "link \"{other}\": allowed are macvlan (the default) and ipvlan"
        ))),
    }
}

fn rdma(mode: &str) -> Result<(), Error> {
    match mode {
        "none" => Ok(()),
        "shared" | "exclusive" => Err(Error::unsupported(format!(
            "rdma \"{mode}\": a child link has no RDMA device that rail could give to the pod; use none, and a resource of \
             the RDMA shared device plugin"
        ))),
        other => Err(Error::invalid_config(format!("rdma \"{other}\": allowed is none (the default)"))),
    }
}

/// Each rail's own keys.
fn written(request: &Request, rails: Option<Vec<Value>>) -> Result<Vec<Map<String, Value>>, Error> {
    let Some(rails) = rails else {
        let alone: RailKeys = request.config.decode()?;
        return match alone.master.filter(|master| !master.is_empty()) {
            Some(_) => Ok(vec![Map::new()]),
            None => Err(Error::invalid_config(
                "master is missing: name the rail's interface, or several in \"rails\": [\"ens1\", \"ens2\"]",
            )),
        };
    };
    if rails.is_empty() {
        return Err(Error::invalid_config("rails []: expected at least one master"));
    }
    if let Some(master) = request.config.at(&["master"]) {
        return Err(Error::invalid_config(format!(
            "master {master}: there is \"rails\", too; keep one of them"
        )));
    }
    let rails = rails.into_iter().enumerate().map(|(position, rail)| one(position, rail));
    let rails = rails.collect::<Result<Vec<_>, _>>()?;
    refuse_twins(&rails, "master")?;
    Ok(rails)
}

fn one(position: usize, rail: Value) -> Result<Map<String, Value>, Error> {
    let refuse = |what: String| Err(Error::invalid_config(format!("rails[{position}]{what}")));
    let keys = match rail {
        Value::String(master) => Map::from_iter([("master".to_owned(), Value::String(master))]),
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
    match own.master.filter(|master| !master.is_empty()) {
        Some(_) => Ok(keys),
        None => refuse(".master is missing: expected the name of an interface".to_owned()),
    }
}

fn refuse_twins(rails: &[Map<String, Value>], key: &str) -> Result<(), Error> {
    let values: Vec<_> = rails.iter().map(|rail| text(rail, key)).collect();
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

fn text<'a>(rail: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
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
    link: &str,
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
    raw.insert("type".to_owned(), link.into());
    let config = Config::parse(Value::Object(raw).to_string().into_bytes(), request.env.command)?;
    Ok(Request { env: Env { ifname, ..request.env.clone() }, config })
}

fn without(object: &Value, keys: &[&str]) -> Map<String, Value> {
    let all = object.as_object().into_iter().flatten();
    let others = all.filter(|(key, _)| !keys.iter().any(|own| own.eq_ignore_ascii_case(key)));
    others.map(|(key, value)| (key.clone(), value.clone())).collect()
}
