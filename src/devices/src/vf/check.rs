use addresses::{Detection, result_differences};
use attach::{Attachments, Error, Pod, key_of, verdict};
use cni::{Request, delegate};
use netlink::{Link, Rdma, Rtnetlink};
use state::Dirs;
use sysfs::Root;

use super::add::is_addressed;
use super::apply::Admin;
use super::netdev::in_pod;
use super::{Device, VfSpec, VfUndo};
use crate::rdma::{Policy, require_exclusive};

/// CHECK of a VF: what the PF and the pod have against config, record and `prevResult`, then the IPAM's own CHECK.
pub fn check(request: &Request, wanted: &VfSpec) -> Result<(), cni::Error> {
    let netns = request.env.require_netns()?;
    request.config.require_prev_result()?;
    Detection::of(&request.config)?;
    let mut pod = Pod::open(netns)?;
    let mut host = Rtnetlink::open().map_err(Error::from)?;
    let record = Attachments::open(&Dirs::from_env().map_err(Error::from)?, wanted.kind.plugin())?;
    let record = record.on_record::<VfUndo>(&key_of(request)?)?.about(&pod.netns);
    let (undo, mut found) = record.map_or_else(|differs| (None, vec![differs]), |undo| (undo, Vec::new()));
    found.extend(differences(request, wanted, undo.as_ref(), &mut host, &mut pod)?);
    let device = Device::require(&Root::system(), &wanted.device)?;
    if let Some(ipam) = request.config.ipam_type.as_ref().filter(|_| is_addressed(wanted.kind, &device)) {
        found.extend(delegate::check(request, ipam).err().map(|error| error.to_string()));
    }
    verdict(&request.env.ifname, &found)
}

/// STATUS: the RDMA mode fits, and the IPAM can give addresses. Which device it will be is known at ADD only.
pub fn status(request: &Request, isolation: bool) -> Result<(), cni::Error> {
    Detection::of(&request.config)?;
    if isolation {
        require_exclusive(Policy::Exclusive).map_err(|error| cni::Error::not_available(error.to_string()))?;
    }
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
    let mut found: Vec<_> = undo.and_then(|undo| device_difference(undo, &device)).into_iter().collect();
    found.extend(attribute_differences(&device, wanted, host)?);
    if device.is_userspace() {
        return Ok(found);
    }
    let ifname = &request.env.ifname;
    let link = in_pod(&mut pod.netlink, device.id(), None, ifname)?;
    match &link {
        Some(link) => {
            found.extend(link_differences(link, ifname));
            found.extend(wanted.kind.special().differences(wanted, link));
        }
        None => found.push(format!("the interface of device {} is not in the pod", device.id())),
    }
    found.extend(rdma_difference(wanted, undo, pod)?);
    if let Some(link) = &link {
        found.extend(result_differences(request, pod, link)?);
    }
    Ok(found)
}

/// Against device and driver of the record.
fn device_difference(undo: &VfUndo, device: &Device) -> Option<String> {
    if undo.device != device.id().to_string() {
        let recorded = &undo.device;
        return Some(format!("the record is about device {recorded}, the config about {}", device.id()));
    }
    let (now, then) = (device.driver().unwrap_or("none"), undo.driver.as_deref().unwrap_or("none"));
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

fn link_differences(link: &Link, ifname: &str) -> Vec<String> {
    let mut found = Vec::new();
    if link.name != *ifname {
        found.push(format!("its name is {}, expected {ifname}", link.name));
    }
    if !link.is_up() {
        found.push("it is down".to_owned());
    }
    found
}

/// Of the RDMA device that went along.
fn rdma_difference(wanted: &VfSpec, undo: Option<&VfUndo>, pod: &Pod) -> Result<Option<String>, Error> {
    let rdma = undo.filter(|_| wanted.isolation).and_then(|undo| undo.rdma.as_ref());
    let Some(rdma) = rdma else { return Ok(None) };
    let inside = Rdma::open_in(&pod.netns)?.device_by_name(&rdma.name)?;
    Ok(inside.is_none().then(|| format!("its RDMA device {} is not in the pod", rdma.name)))
}
