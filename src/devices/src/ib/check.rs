use addresses::{detect, result_differences};
use attach::{Attachments, Error, Pod, key_of, verdict};
use cni::{Request, delegate};
use netlink::{Rdma, Rtnetlink};
use state::Dirs;
use sysfs::Root;

use super::rebind::guid_of;
use super::{IbSpec, IbUndo, NAME};
use crate::rdma::{Policy, require_exclusive};
use crate::vf::{Admin, Attributes, Device, device_difference, in_pod};

/// CHECK of an InfiniBand VF: what PF and pod have against config, record and `prevResult`, then the IPAM's own CHECK.
pub fn check(request: &Request, wanted: &IbSpec) -> Result<(), cni::Error> {
    let netns = request.env.require_netns()?;
    request.config.require_prev_result()?;
    detect::Settings::of(&request.config)?;
    let mut pod = Pod::open(netns)?;
    let mut host = Rtnetlink::open().map_err(Error::from)?;
    let record = Attachments::open(&Dirs::from_env().map_err(Error::from)?, NAME)?;
    let record = record.find::<IbUndo>(&key_of(request)?)?.about(&pod.netns);
    let (undo, mut found) = record.map_or_else(|differs| (None, vec![differs]), |undo| (undo, Vec::new()));
    found.extend(differences(request, wanted, undo.as_ref(), &mut host, &mut pod)?);
    if let Some(ipam) = &request.config.ipam_type
        && !Device::require(&Root::system(), &wanted.device)?.is_userspace()
    {
        found.extend(delegate::check(request, ipam).err().map(|error| error.to_string()));
    }
    verdict(&request.env.ifname, &found)
}

/// STATUS: the RDMA mode fits, and the IPAM can give addresses. Which device it will be is known at ADD only.
pub fn status(request: &Request, isolation: bool) -> Result<(), cni::Error> {
    detect::Settings::of(&request.config)?;
    if isolation {
        require_exclusive(Policy::Exclusive).map_err(|error| cni::Error::not_available(error.to_string()))?;
    }
    request.config.ipam_type.as_ref().map_or(Ok(()), |ipam| delegate::status(request, ipam))
}

/// What PF and pod have against config, record and `prevResult`.
pub fn differences(
    request: &Request,
    wanted: &IbSpec,
    undo: Option<&IbUndo>,
    host: &mut Rtnetlink,
    pod: &mut Pod,
) -> Result<Vec<String>, cni::Error> {
    let device = Device::require(&Root::system(), &wanted.device)?;
    let recorded = undo.map(|undo| (undo.device.as_str(), undo.driver.as_deref()));
    let mut found: Vec<_> = device_difference(recorded, &device).into_iter().collect();
    found.extend(attribute_differences(&device, wanted, host)?);
    if !device.is_userspace() {
        found.extend(link_differences(request, wanted, &device, pod)?);
        if let Some(undo) = undo.filter(|_| wanted.isolation) {
            found.extend(rdma_difference(undo, pod)?);
        }
    }
    Ok(found)
}

fn attribute_differences(
    device: &Device,
    wanted: &IbSpec,
    host: &mut Rtnetlink,
) -> Result<Vec<String>, Error> {
    let Some(pf) = device.pf() else { return Ok(Vec::new()) };
    let now = Admin::open(device.id(), pf, host)?.read(host)?;
    let (link_state, guid) = (wanted.link_state, wanted.guid);
    let expected = Attributes { link_state, node_guid: guid, port_guid: guid, ..Attributes::default() };
    Ok(expected.differences(&now))
}

fn link_differences(
    request: &Request,
    wanted: &IbSpec,
    device: &Device,
    pod: &mut Pod,
) -> Result<Vec<String>, cni::Error> {
    let ifname = &request.env.ifname;
    let Some(link) = in_pod(&mut pod.netlink, device.id(), None, ifname)? else {
        return Ok(vec![format!("the interface of {} is missing in the pod", device.id())]);
    };
    let mut found = Vec::new();
    if link.name != *ifname {
        found.push(format!("it is called {}", link.name));
    }
    if let Some(guid) = wanted.guid.filter(|guid| guid_of(&link) != Some(*guid)) {
        let has = guid_of(&link).map_or_else(|| "none".to_owned(), |guid| guid.to_string());
        found.push(format!("the GUID in its address is {has}, expected {guid}"));
    }
    if !link.is_up() {
        found.push("it is down".to_owned());
    }
    found.extend(result_differences(request, pod, &link)?);
    Ok(found)
}

fn rdma_difference(undo: &IbUndo, pod: &Pod) -> Result<Option<String>, Error> {
    let Some(rdma) = &undo.rdma else { return Ok(None) };
    let inside = Rdma::open_in(&pod.netns)?.device_by_name(&rdma.name)?;
    Ok(inside.is_none().then(|| format!("its RDMA device {} is not in the pod", rdma.name)))
}
