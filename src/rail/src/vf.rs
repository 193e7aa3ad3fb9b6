//! What a VF is to `rail`: an interface with addresses, and its RDMA device under the same record.

use attach::{Error, Failure, key_of};
use cni::Request;
use devices::rdma::{self, PreparedRdma};
use devices::vf::{self, Device, PreparedVf, VfSpec};
use devices::{MadeRail, Part, Site};
use netlink::Link;

use super::undo::RailRecord;

/// Looks for the device, and whether its RDMA device can go along.
pub(super) fn find<'a>(spec: &'a VfSpec, site: &mut Site) -> Result<PreparedVf<'a>, cni::Error> {
    if spec.has_rdma() {
        site.rdma.require_exclusive()?;
    }
    let vf = PreparedVf::find(spec)?;
    require_interface(vf.device())?;
    Ok(vf)
}

/// Addresses and routes are what a rail is for.
fn require_interface(device: &Device) -> Result<(), cni::Error> {
    if !device.is_userspace() {
        return Ok(());
    }
    let driver = device.driver().unwrap_or_default();
    Err(cni::Error::invalid_config(format!(
        "deviceID \"{}\": its driver {driver} gives it to user space, so it has no interface for a rail: use `sriov` or \
         `ib-sriov`, or bind its kernel driver",
        device.id()
    )))
}

/// Under the VF's locks; the undo of VF and RDMA device.
pub(super) fn prepare(vf: &mut PreparedVf<'_>, rail: &Request, site: &mut Site) -> Result<Vec<Part>, Error> {
    let key = key_of(rail)?;
    vf.prepare(site)?;
    let undo = Part::from(vf.undo(rail, key.clone(), site.pod.netns.path()));
    let rdma = vf.rdma().map(|rdma| Part::Rdma(rdma.undo(key, &site.pod)));
    Ok([undo].into_iter().chain(rdma).collect())
}

/// The interface first: a `RoCE` port needs it in the same namespace.
pub(super) fn move_to_pod(
    vf: &PreparedVf<'_>,
    site: &mut Site,
    record: &mut RailRecord<'_>,
) -> Result<Link, Error> {
    let owner = record.owner(&site.pod.netns)?;
    let vanished = || Failure::Vanished { ifname: owner.key.ifname.clone() };
    let link = vf.move_to_pod(&owner, site)?.ok_or_else(vanished)?;
    record.set(|made| made.vf_mut().into_iter().for_each(|undo| undo.index = Some(link.index)));
    if let Some(rdma) = vf.rdma() {
        rdma.move_to_pod(&owner, &site.dirs, &site.pod)?;
    }
    Ok(link)
}

/// Writes the upstream plugins' caches.
pub(super) fn save(vf: &PreparedVf<'_>, rail: &Request, site: &Site, made: &MadeRail) -> Result<(), Error> {
    if let Some(undo) = made.vf() {
        vf.save(&site.dirs, rail, undo)?;
    }
    made.rdma().map_or(Ok(()), |undo| PreparedRdma::save(&site.dirs, undo))
}

/// For CHECK.
pub(super) fn differences(
    spec: &VfSpec,
    rail: &Request,
    made: &MadeRail,
    site: &mut Site,
) -> Result<Vec<String>, cni::Error> {
    let mut found = vf::differences(rail, spec, made.vf(), &mut site.host, &mut site.pod)?;
    if let (Some(_), Some(undo)) = (&spec.rdma, made.rdma()) {
        found.extend(rdma::of_device(undo, &site.pod)?);
    }
    Ok(found)
}
