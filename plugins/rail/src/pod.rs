//! `"devices": "pod"`: the rails are on what kubelet gave to the pod. ADD asks the node's agent, CHECK looks into the record.

use std::borrow::Cow;

use cni::{Command, Config, Error, Request};
use serde_json::{Map, Value};
use sysfs::Root;

use crate::agent::{self, PodDevices, PodName};
use crate::devices::{given, is_device};
use crate::expand::{Keys, text, without};
use crate::link::Link;

/// A network whose devices come with the pod.
#[derive(Debug)]
pub(crate) struct OfPod {
    /// Whose devices the rails are, in their order; without them, all that are a NIC's.
    resources: Option<Vec<String>>,
    rails: Option<Vec<Value>>,
}

fn is_asked_for(keys: &Keys) -> Result<bool, Error> {
    match (&keys.devices, &keys.resources) {
        (None | Some(Value::Null), None) => Ok(false),
        (Some(Value::String(pod)), _) if pod == "pod" => Ok(true),
        (Some(other), _) if !other.is_null() => Err(Error::invalid_config(format!(
            "devices {other}: allowed is \"pod\", for those that kubelet gave to the pod; name others in \"rails\""
        ))),
        _ => Err(Error::invalid_config("resources: they are of \"devices\": \"pod\", which is not here")),
    }
}

fn require_vf(request: &Request, keys: &Keys) -> Result<(), Error> {
    let link = Link::parse(keys.link.as_deref())?;
    if !link.is_vf {
        return Err(Error::invalid_config(format!(
            "devices \"pod\": a {} link has a master and no device; write link sriov or ib-sriov",
            link.plugin
        )));
    }
    if let Some(device) = given(request)?.first() {
        return Err(Error::invalid_config(format!(
            "deviceID {device}: the runtime gives it, and devices \"pod\" asks for all; take the annotation \
             k8s.v1.cni.cncf.io/resourceName off the network"
        )));
    }
    Ok(())
}

impl OfPod {
    /// Whether the config says so, and can.
    pub(crate) fn of(request: &Request, keys: &Keys) -> Result<Option<Self>, Error> {
        if !is_asked_for(keys)? {
            return Ok(None);
        }
        require_vf(request, keys)?;
        if keys.resources.as_ref().is_some_and(Vec::is_empty) {
            return Err(Error::invalid_config(
                "resources []: expected the name of one, such as spidernet.io/eno1, or no key",
            ));
        }
        let is_named = |rail: &Value| match rail {
            Value::String(name) => is_device(name),
            Value::Object(keys) => text(keys, "deviceID").is_some(),
            _ => false,
        };
        match keys.rails.iter().flatten().position(is_named) {
            Some(position) => Err(Error::invalid_config(format!(
                "rails[{position}]: it names a device, and with devices \"pod\" kubelet does; write the PF, or {{}}"
            ))),
            None => Ok(Some(Self { resources: keys.resources.clone(), rails: keys.rails.clone() })),
        }
    }

    /// How many rails there are, as far as that can be known without the pod.
    pub(crate) fn rails(&self, request: &Request) -> usize {
        let previous = request.config.prev_result.iter().flat_map(|result| &result.interfaces);
        let in_pod = previous.filter(|interface| interface.sandbox.is_some()).count();
        self.resources.as_ref().map_or(0, Vec::len).max(in_pod).max(1)
    }
}

/// The request with its devices, if they come with the pod: then as a runtime would name them.
pub(crate) fn resolved(request: &Request) -> Result<Cow<'_, Request>, Error> {
    let keys = request.config.decode()?;
    let Some(wish) = OfPod::of(request, &keys)? else { return Ok(Cow::Borrowed(request)) };
    match request.env.command {
        Command::Add => {
            let pod = PodName::of(&request.env.args)?;
            let devices = choose(&agent::ask(&pod)?, &wish, &pod, &is_of_nic)?;
            with(request, "deviceID", devices.into())
        }
        Command::Check => match rails::devices_on_record(request)? {
            // CHECK says itself that there is none.
            devices if devices.is_empty() => Ok(Cow::Borrowed(request)),
            devices => with(request, "rails", on_record(wish.rails, devices)),
        },
        _ => Ok(Cow::Borrowed(request)),
    }
}

fn with<'a>(request: &Request, key: &str, value: Value) -> Result<Cow<'a, Request>, Error> {
    let mut raw = without(request.config.raw(), &["devices", "resources", key]);
    raw.insert(key.to_owned(), value);
    let config = Config::from_value(Value::Object(raw), request.env.command)?;
    Ok(Cow::Owned(Request { env: request.env.clone(), config }))
}

/// A rail keeps its own keys.
fn on_record(written: Option<Vec<Value>>, devices: Vec<(String, String)>) -> Value {
    let mut written = written.unwrap_or_default().into_iter();
    let rails = devices.into_iter().map(|(ifname, device)| {
        let mut keys = match written.next() {
            Some(Value::Object(keys)) => keys,
            _ => Map::new(),
        };
        keys.retain(|key, _| !key.eq_ignore_ascii_case("ifname"));
        keys.insert("ifname".to_owned(), ifname.into());
        keys.insert("deviceID".to_owned(), device.into());
        Value::Object(keys)
    });
    rails.collect()
}

/// The devices of the rails, in their order.
fn choose(
    held: &[PodDevices],
    wish: &OfPod,
    pod: &PodName,
    is_of_nic: &dyn Fn(&str) -> bool,
) -> Result<Vec<String>, Error> {
    let refuse = |why: String| {
        Err(Error::invalid_config(format!("devices \"pod\", pod {}: {why}", pod.title())).with_details(
            "the limits of its containers have to ask for a unit of the resource of each rail; `resources` says which are rails'",
        ))
    };
    let mut devices = Vec::new();
    if let Some(resources) = &wish.resources {
        for resource in resources {
            match held.iter().find(|held| held.resource == *resource) {
                Some(held) => devices.extend(held.devices.iter().cloned()),
                None => return refuse(format!("it has no device of {resource}; it has {}", shown(held))),
            }
        }
    } else {
        let all = held.iter().flat_map(|held| &held.devices);
        devices.extend(all.filter(|device| is_of_nic(device)).cloned());
    }
    match (devices.len(), wish.rails.as_ref().map(Vec::len)) {
        (0, _) => refuse(format!("none of its devices is a VF of a NIC; it has {}", shown(held))),
        (count, Some(rails)) if count != rails => {
            refuse(format!("there are {rails} rails, and {count} devices; it has {}", shown(held)))
        }
        _ => Ok(devices),
    }
}

fn shown(held: &[PodDevices]) -> String {
    let each = held.iter().map(|held| format!("{}: {}", held.resource, held.devices.join(", ")));
    each.collect::<Vec<_>>().join("; ")
}

/// A GPU may be given by its PCI address, too.
fn is_of_nic(device: &str) -> bool {
    let Ok(bdf) = device.parse() else { return true };
    let pf = || Root::system().pci(bdf)?.physfn();
    let netdevs = pf().ok().flatten().and_then(|pf| pf.netdevs().ok());
    netdevs.is_some_and(|netdevs| !netdevs.is_empty())
}

#[cfg(test)]
mod tests;
