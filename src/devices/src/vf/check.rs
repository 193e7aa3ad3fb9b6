use addresses::{detect, result_differences};
use attach::{Attachments, Error, Pod, key_of, verdict};
use cni::{Request, delegate};
use netlink::{Link, Rtnetlink};
use state::Dirs;
use sysfs::Root;

use super::apply::Admin;
use super::device::Device;
use super::netdev::in_pod;
use super::{Plugin, VfSpec, VfUndo};

/// CHECK of a VF: what the PF and the pod have against config, record and `prevResult`, then the IPAM's own CHECK.
pub fn check(request: &Request, plugin: Plugin, wanted: &VfSpec) -> Result<(), cni::Error> {
    let netns = request.env.require_netns()?;
    request.config.require_prev_result()?;
    detect::Settings::of(&request.config)?;
    let mut pod = Pod::open(netns)?;
    let mut host = Rtnetlink::open().map_err(Error::from)?;
    let record = Attachments::open(&Dirs::from_env().map_err(Error::from)?, plugin.name)?;
    let record = record.find::<VfUndo>(&key_of(request)?)?.about(&pod.netns);
    let (undo, mut found) = record.map_or_else(|differs| (None, vec![differs]), |undo| (undo, Vec::new()));
    found.extend(differences(request, wanted, undo.as_ref(), &mut host, &mut pod)?);
    if let Some(ipam) = &request.config.ipam_type {
        found.extend(delegate::check(request, ipam).err().map(|error| error.to_string()));
    }
    verdict(&request.env.ifname, &found)
}

/// STATUS: the IPAM can give addresses. Which device it will be is known at ADD only.
pub fn status(request: &Request) -> Result<(), cni::Error> {
    detect::Settings::of(&request.config)?;
    request.config.ipam_type.as_ref().map_or(Ok(()), |ipam| delegate::status(request, ipam))
}

/// The VF against its record, what its PF and the pod have against the config and `prevResult`.
pub fn differences(
    request: &Request,
    wanted: &VfSpec,
    undo: Option<&VfUndo>,
    host: &mut Rtnetlink,
    pod: &mut Pod,
) -> Result<Vec<String>, cni::Error> {
    let device = Device::require(&Root::system(), &wanted.device)?;
    let recorded = undo.map(|undo| (undo.device.as_str(), undo.driver.as_deref()));
    let mut found: Vec<_> = device_difference(recorded, &device).into_iter().collect();
    found.extend(attribute_differences(&device, wanted, host)?);
    if !device.is_userspace() {
        found.extend(link_differences(request, wanted, &device, pod)?);
    }
    Ok(found)
}

/// Against device and driver of a record, if there is one.
pub fn device_difference(recorded: Option<(&str, Option<&str>)>, device: &Device) -> Option<String> {
    let (id, driver) = recorded?;
    if id != device.id().to_string() {
        return Some(format!("the record is about device {id}, the config about {}", device.id()));
    }
    let (now, then) = (device.driver().unwrap_or("none"), driver.unwrap_or("none"));
    (now != then).then(|| format!("its driver is {now}, expected {then}"))
}

fn attribute_differences(
    device: &Device,
    wanted: &VfSpec,
    host: &mut Rtnetlink,
) -> Result<Vec<String>, Error> {
    let Some(pf) = device.pf() else { return Ok(Vec::new()) };
    let admin = Admin::open(device.id(), pf, host)?;
    Ok(wanted.attributes.differences(&admin.read(host)?))
}

fn link_differences(
    request: &Request,
    wanted: &VfSpec,
    device: &Device,
    pod: &mut Pod,
) -> Result<Vec<String>, cni::Error> {
    let ifname = &request.env.ifname;
    let Some(link) = in_pod(&mut pod.netlink, device.id(), None, ifname)? else {
        return Ok(vec![format!("the interface of device {} is not in the pod", device.id())]);
    };
    let mut found = own_differences(&link, wanted, ifname);
    found.extend(result_differences(request, pod, &link)?);
    Ok(found)
}

fn own_differences(link: &Link, wanted: &VfSpec, ifname: &str) -> Vec<String> {
    let mut found = Vec::new();
    if link.name != *ifname {
        found.push(format!("its name is {}, expected {ifname}", link.name));
    }
    if let Some(mtu) = wanted.mtu.filter(|mtu| *mtu != link.mtu) {
        found.push(format!("its MTU is {}, expected {mtu}", link.mtu));
    }
    if let Some(mac) = wanted.mac.filter(|mac| link.address != Some(*mac)) {
        let now = link.address.map_or("none".to_owned(), |address| address.to_string());
        found.push(format!("its own MAC is {now}, expected {mac}"));
    }
    if !link.is_up() {
        found.push("it is down".to_owned());
    }
    found
}
