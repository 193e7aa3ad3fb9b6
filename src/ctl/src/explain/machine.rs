//! The NICs and functions that the interfaces are made of, as this machine has them now.

use cni::Request;
use links::child::Master;
use netlink::{Link, Rtnetlink};
use serde_json::Value;
use sysfs::Root;

use super::{Step, words};

/// What an interface is made of.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parent {
    ifname: String,
    is: Is,
}

#[derive(Debug, PartialEq, Eq)]
enum Is {
    /// The master of a link with this MTU; without a name, the interface of the default route.
    Master { name: Option<String>, mtu: Option<u64> },
    /// The PF of a VF that the runtime gives.
    Pf(String),
    /// A function by its address.
    Function(String),
}

/// `None` where there is nothing of this machine to look at: the master is in the pod, or nobody knows it yet.
pub(super) fn parent(request: &Request) -> Option<Parent> {
    let config = &request.config;
    let name = words::master(config);
    let is = match words::device(config) {
        Some(device) => Is::Function(device.to_owned()),
        None if words::is_vf(&config.plugin_type) => Is::Pf(name?),
        None if config.at(&["linkInContainer"]) == Some(&Value::Bool(true)) => return None,
        None => Is::Master { name, mtu: config.at(&["mtu"]).and_then(Value::as_u64) },
    };
    Some(Parent { ifname: request.env.ifname.clone(), is })
}

impl Parent {
    /// Whether it is the master of one of these names.
    pub(super) fn is_one_of(&self, names: &[String]) -> bool {
        matches!(&self.is, Is::Master { name: Some(name), .. } if names.contains(name))
    }
}

/// None where there is nothing to look at.
pub(super) fn step(parents: &[Parent]) -> Option<Step> {
    if parents.is_empty() {
        return None;
    }
    let lines = match Rtnetlink::open() {
        Ok(mut host) => {
            parents.iter().map(|Parent { ifname, is }| format!("{ifname}: {}", look(is, &mut host))).collect()
        }
        Err(error) => vec![format!("could not be looked at: {error}")],
    };
    Some(Step::new("on this machine, now", lines))
}

fn look(is: &Is, host: &mut Rtnetlink) -> String {
    match is {
        Is::Master { name, mtu } => master(name.as_deref(), *mtu, host),
        Is::Pf(name) => match host.link_by_name(name) {
            Ok(Some(link)) => format!("PF {}", seen(&link, None)),
            Ok(None) => format!("there is no {name}"),
            Err(error) => error.to_string(),
        },
        Is::Function(device) => function(device),
    }
}

/// In the words of the plugins where an ADD would fail.
fn master(name: Option<&str>, mtu: Option<u64>, host: &mut Rtnetlink) -> String {
    match (Master { name, in_pod: false }.find_on_host(host)) {
        Ok(Some(link)) => seen(&link, mtu),
        Ok(None) => "nothing to look at".to_owned(),
        Err(error) => format!("an ADD would fail: {error}"),
    }
}

fn seen(link: &Link, mtu: Option<u64>) -> String {
    let state = if link.is_up() { "up" } else { "down" };
    let rdma = match rdma_of(&link.name).as_slice() {
        [] => "no RDMA device".to_owned(),
        [one] => format!("RDMA device {one}"),
        several => format!("RDMA devices {}", several.join(", ")),
    };
    let own = u64::from(link.mtu);
    let too_large = match mtu {
        Some(mtu) if mtu > own => format!("; an ADD would fail: mtu {mtu} is more than that"),
        _ => String::new(),
    };
    format!("{} is {state}, MTU {own}, {rdma}{too_large}", link.name)
}

/// Of the function that the NIC is; none where the NIC is no function, as a VLAN is.
fn rdma_of(name: &str) -> Vec<String> {
    let root = Root::system();
    let function = root.net(name).and_then(|nic| nic.pci_function());
    let Ok(Some(bdf)) = function else { return Vec::new() };
    root.pci(bdf).and_then(|function| function.infiniband()).unwrap_or_default()
}

fn function(device: &str) -> String {
    let root = Root::system();
    let Ok(bdf) = device.parse() else {
        return match root.auxiliary(device) {
            Ok(_) => format!("{device} is there"),
            Err(error) => format!("an ADD would fail: {error}"),
        };
    };
    let function = match root.pci(bdf) {
        Ok(function) => function,
        Err(error) => return format!("an ADD would fail: {error}"),
    };
    let nic = match function.netdev() {
        Ok(Some(nic)) => nic.name().to_owned(),
        Ok(None) => "without an interface here".to_owned(),
        Err(error) => error.to_string(),
    };
    let of = match function.vf() {
        Ok(Some((pf, number))) => format!("VF {number} of {}", pf.bdf()),
        Ok(None) => "no VF".to_owned(),
        Err(error) => error.to_string(),
    };
    let rdma = function.infiniband().unwrap_or_default();
    let rdma = if rdma.is_empty() {
        "no RDMA device".to_owned()
    } else {
        format!("RDMA device {}", rdma.join(", "))
    };
    format!("{device} is {nic}, {of}, {rdma}")
}
