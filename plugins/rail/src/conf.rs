//! The config of `rail`, validated before anything is touched. Each rail becomes the request of its single plugin, whose
//! own reading of it is the rest.

#[cfg(test)]
mod tests;

use std::rc::Rc;

use cni::{Config, Error, Request};
use rails::Rail;
use routing::Settings;
use serde_json::{Map, Value, json};

use crate::expand::{self, Expanded};

/// The rails of the config; an error names the key, the value and what is allowed.
pub fn rails(request: &Request) -> Result<Vec<Rail>, Error> {
    let expanded = expand::expand(request)?;
    refuse_what_one_rail_has(request, expanded.rails.len())?;
    let routing = Routing::of(&expanded)?;
    let rails = expanded.rails.iter().enumerate().map(|(position, rail)| {
        of_rail(&expanded, &routing, rail).map_err(|error| match &expanded.rails[..] {
            [_] => error,
            _ => within(&format!("rails[{position}]"), error),
        })
    });
    rails.collect()
}

/// For DEL and GC, which need no valid config: then one rail, whatever it is, may have addresses.
pub(crate) fn requests_if_readable(request: &Request) -> Vec<Request> {
    expand::expand(request).map_or_else(|_| vec![request.clone()], |expanded| expanded.rails)
}

fn of_rail(expanded: &Expanded, routing: &Routing, request: &Request) -> Result<Rail, Error> {
    let link = (expanded.link.read)(expanded, request)?;
    let routing = routing.settings.clone().filter(|_| routing.is_about(request));
    Ok(Rail { request: request.clone(), link, routing, rdma: expanded.rdma })
}

/// The key `routing`, which the rails of a network have in common: read once, as the node's file may be among it.
struct Routing {
    /// Routes without addresses are for those who ask for them.
    asked_for: bool,
    settings: Option<Rc<Settings>>,
}

impl Routing {
    fn of(expanded: &Expanded) -> Result<Self, Error> {
        let (asked_for, keys) = match &expanded.routing {
            Some(Value::Bool(false)) => return Ok(Self { asked_for: false, settings: None }),
            None | Some(Value::Null | Value::Bool(true)) => (false, Map::new()),
            Some(Value::Object(keys)) => (true, keys.clone()),
            Some(other) => {
                return Err(Error::invalid_config(format!(
                    "routing {other}: expected true (the default), false, or an object with keys of the coordinator"
                )));
            }
        };
        let mut routing = Self { asked_for, settings: None };
        if let Some(routed) = expanded.rails.iter().find(|rail| routing.is_about(rail)) {
            routing.settings = settings(routed, keys)?.map(Rc::new);
        }
        Ok(routing)
    }

    fn is_about(&self, rail: &Request) -> bool {
        self.asked_for || rail.config.ipam_type.is_some()
    }
}

/// As the coordinator would read them; `None` is `mode: disable`.
fn settings(request: &Request, mut keys: Map<String, Value>) -> Result<Option<Settings>, Error> {
    for key in ["cniVersion", "name", "args"] {
        keys.insert(key.to_owned(), request.config.raw().get(key).cloned().unwrap_or_default());
    }
    keys.insert("type".to_owned(), json!("coordinator"));
    let config = Config::from_value(Value::Object(keys), request.env.command)?;
    Settings::of(&config, &request.env.args).map_err(|error| within("routing", error))
}

fn within(place: &str, mut error: Error) -> Error {
    error.msg = format!("{place}: {}", error.msg);
    error
}

/// The runtime and the pod refer to one interface, and several cannot have the same MAC, GUID or address.
fn refuse_what_one_rail_has(request: &Request, rails: usize) -> Result<(), Error> {
    if rails == 1 {
        return Ok(());
    }
    for key in ["mac", "ips", "guid", "infinibandGUID"] {
        for place in [&["runtimeConfig", key][..], &["args", "cni", key][..]] {
            if let Some(value) = request.config.at(place) {
                let place = place.join(".");
                return Err(Error::invalid_config(format!(
                    "{place} {value}: this network has {rails} rails, which cannot share it; use one network per rail"
                )));
            }
        }
    }
    match ["MAC", "IP"].into_iter().find_map(|key| Some((key, request.env.args.get(key)?))) {
        None => Ok(()),
        Some((key, value)) => Err(Error::invalid_env(format!(
            "CNI_ARGS {key}={value}: this network has {rails} rails, which cannot share it; use one network per rail"
        ))),
    }
}
