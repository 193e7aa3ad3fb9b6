//! The interface of a VF: as it was, into the pod, and back on the host.

use std::time::{Duration, Instant};

use attach::{Failure, Pod, UndoContext, wait};
use links::child::delete_children;
use netlink::link::LinkKind;
use netlink::{HwAddr, Link, LinkChange, Rtnetlink};
use netns::NetNs;
use serde::{Deserialize, Serialize};

use super::Error;
use super::apply::{retry, set_own_mac};
use super::device::{Device, Id};
use super::settings::{NetdevSettings, detach_programs};
use crate::Site;

/// The kernel tears a namespace down in its own time; on a busy node that is seconds.
const RETURN: Duration = Duration::from_secs(10);
/// The name that the kernel itself gives to an interface whose own one is taken on its return.
pub(crate) const SPARE_NAME: &str = "dev%d";

/// An interface as it was on the host before a pod got it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Netdev {
    /// Its name.
    pub name: String,
    /// Its alternative names.
    pub alt_names: Vec<String>,
    /// Its own address, which need not be that of the PF's list. `None` is unknown.
    pub mac: Option<HwAddr>,
    /// Its MTU; `None` is unknown.
    pub mtu: Option<u32>,
    /// Whether it was up.
    pub up: bool,
    /// All else that a pod can change; `None` is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<NetdevSettings>,
}

impl Netdev {
    /// As it is now.
    pub fn of(link: &Link) -> Result<Self, attach::Error> {
        Ok(Self {
            name: link.name.clone(),
            alt_names: link.alt_names.clone(),
            mac: link.address,
            mtu: Some(link.mtu),
            up: link.is_up(),
            settings: Some(NetdevSettings::with_offloads(link)?),
        })
    }

    /// Out of the pod, if both are still there.
    pub(crate) fn move_to_host(
        &self,
        device: &Id,
        index: Option<u32>,
        ifname: &str,
        context: &mut UndoContext,
    ) -> Result<(), attach::Error> {
        context.host()?;
        let UndoContext { pod: Some(pod), host: Some(host), .. } = context else { return Ok(()) };
        match in_pod(&mut pod.netlink, device, index, ifname)? {
            Some(link) => self.move_link_to_host(pod, &link, host),
            None => Ok(()),
        }
    }

    /// Brings the interface back to the host from a pod, under its own name unless another one took that meanwhile.
    pub fn move_link_to_host(
        &self,
        pod: &mut Pod,
        link: &Link,
        host: &mut Rtnetlink,
    ) -> Result<(), attach::Error> {
        let taken = host.link_by_name(&self.name)?.is_some();
        if taken {
            tracing::warn!(
                ifname = self.name,
                "another interface of the host has this name or an alternative one"
            );
        }
        let mut unwanted = Vec::new();
        for alt_name in &link.alt_names {
            if self.is_foreign(alt_name) || *alt_name == self.name || host.link_by_name(alt_name)?.is_some() {
                unwanted.push(alt_name.as_str());
            }
        }
        if !unwanted.is_empty() {
            pod.netlink.delete_alt_names(link.index, &unwanted)?;
        }
        let host_netns = NetNs::current()?;
        let name = if taken { SPARE_NAME } else { &self.name };
        let change =
            LinkChange { netns: Some(host_netns.fd()), name: Some(name.to_owned()), ..LinkChange::default() };
        match retry(|| pod.netlink.set_link(link.index, &change)) {
            // Before Linux 6.6 the interface is on the host by then, and only its new name was refused.
            Err(error) if error.is_exists() && pod.netlink.link_by_index(link.index)?.is_none() => Ok(()),
            other => Ok(other?),
        }
    }

    /// An alternative name that it got in the pod; of an interface that a peer has lent, nobody knows.
    fn is_foreign(&self, alt_name: &str) -> bool {
        self.settings.is_some() && !self.alt_names.iter().any(|own| own == alt_name)
    }

    /// Makes the interface on the host what it was: programs, names, address, all else by one request.
    pub fn restore(&self, host: &mut Rtnetlink, link: &Link) -> Result<(), attach::Error> {
        let mut errors = Vec::new();
        errors.extend(detach_programs(host, link).err());
        errors.extend(self.restore_name(host, link).err());
        errors.extend(self.restore_mac(host, link).err());
        let change = self.change(link);
        if !change.is_empty() {
            errors.extend(retry(|| host.set_link(link.index, &change)).err().map(Into::into));
        }
        let offloads = self.settings.as_ref().map(|settings| settings.restore_offloads(link.index));
        errors.extend(offloads.and_then(Result::err));
        attach::Error::join(errors).map_or(Ok(()), Err)
    }

    fn change(&self, link: &Link) -> LinkChange<'static> {
        LinkChange {
            mtu: self.mtu.filter(|mtu| *mtu != link.mtu),
            up: (link.is_up() != self.up).then_some(self.up),
            ..NetdevSettings::change(self.settings.as_ref(), link)
        }
    }

    fn restore_mac(&self, host: &mut Rtnetlink, link: &Link) -> Result<(), attach::Error> {
        match self.mac.filter(|mac| link.address != Some(*mac)) {
            Some(mac) => set_own_mac(&NetNs::current()?, host, link, mac),
            None => Ok(()),
        }
    }

    /// Only here is an interface renamed on the host: the kernel itself brought it back under a foreign name.
    fn restore_name(&self, host: &mut Rtnetlink, link: &Link) -> Result<(), attach::Error> {
        if link.name != self.name && !self.rename(host, link)? {
            tracing::warn!(
                ifname = link.name,
                wanted = self.name,
                "its name is taken: it keeps the one it has"
            );
        }
        let foreign: Vec<_> =
            link.alt_names.iter().filter(|name| self.is_foreign(name)).map(String::as_str).collect();
        if !foreign.is_empty() {
            host.delete_alt_names(link.index, &foreign)?;
        }
        for alt_name in self.alt_names.iter().filter(|alt_name| !link.is_called(alt_name)) {
            match host.add_alt_name(link.index, alt_name) {
                Err(error) if error.is_exists() => {
                    tracing::warn!(
                        ifname = self.name,
                        alt_name,
                        "another interface of the host has this name"
                    );
                }
                other => other?,
            }
        }
        Ok(())
    }

    /// Gives it its name again; false if another interface has that name, or has it as an alternative one.
    pub(crate) fn rename(&self, host: &mut Rtnetlink, link: &Link) -> Result<bool, attach::Error> {
        if link.alt_names.contains(&self.name) {
            host.delete_alt_name(link.index, &self.name)?;
        }
        if link.is_up() {
            host.set_link(link.index, &LinkChange::DOWN)?;
        }
        let name = LinkChange { name: Some(self.name.clone()), ..LinkChange::default() };
        match host.set_link(link.index, &name) {
            Err(error) if error.is_exists() => Ok(false),
            other => Ok(other.map(|()| true)?),
        }
    }
}

/// Moves an interface from the host to the pod, named and sized by the same request, and clean: what one before may have
/// left on it does not go along. Its MTU stays where there is none.
pub(super) fn move_to_pod(
    link: &Link,
    ifname: &str,
    mtu: Option<u32>,
    site: &mut Site,
) -> Result<Link, attach::Error> {
    let Site { host, pod, .. } = site;
    let change = LinkChange {
        netns: Some(pod.netns.fd()),
        name: Some(ifname.to_owned()),
        mtu: mtu.filter(|mtu| *mtu != link.mtu),
        promisc: link.is_promisc().then_some(false),
        allmulti: link.is_allmulti().then_some(false),
        group: (link.group != 0).then_some(0),
        alias: link.alias.as_ref().map(|_| String::new()),
        ..LinkChange::default()
    };
    detach_programs(host, link)?;
    retry(|| host.set_link(link.index, &change))?;
    let arrived = pod.netlink.link_by_name(ifname)?;
    arrived.ok_or_else(|| Failure::Vanished { ifname: ifname.to_owned() }.into())
}

/// A device's interface in a pod, whatever the workload calls it.
pub fn in_pod(
    pod: &mut Rtnetlink,
    device: &Id,
    index: Option<u32>,
    ifname: &str,
) -> Result<Option<Link>, attach::Error> {
    let id = device.to_string();
    let is_ours = |link: &Link| link.device.as_ref().is_some_and(|device| *device == id);
    // Kernels before 5.14 do not say whose interface it is: then index and name together have to do, if the pod cannot
    // have made it.
    let is_likely = |link: &Link| {
        let is_nics = link.device.is_none() && link.kind == LinkKind::Device;
        is_nics && link.name == ifname && index == Some(link.index)
    };
    if let Some(index) = index
        && let Some(link) = pod.link_by_index(index)?.filter(|link| is_ours(link) || is_likely(link))
    {
        return Ok(Some(link));
    }
    Ok(pod.links()?.into_iter().find(is_ours))
}

/// Waits until the device's interface is on the host: a dying namespace, or a driver that starts, hands it over late.
pub fn await_on_host(device: &Device, host: &mut Rtnetlink) -> Result<Link, attach::Error> {
    let start = Instant::now();
    let found = wait::here(RETURN, || device.link(host))?;
    let away = || Error::Away { device: device.id().to_string(), waited_ms: wait::millis(start) };
    Ok(found.ok_or_else(away)?)
}

/// The same, of a device that may have no interface anywhere: one without its driver, or with one for user space.
pub(crate) fn require_on_host(device: &Device, host: &mut Rtnetlink) -> Result<(), attach::Error> {
    if device.driver().is_none() || device.is_userspace() {
        return Ok(());
    }
    await_on_host(device, host).map(drop)
}

/// Waits for it, and takes off what the pod has made on it: that would stay, and hear the next pod.
pub(crate) fn require_on_host_alone(device: &Device, context: &mut UndoContext) -> Result<(), attach::Error> {
    require_on_host(device, context.host()?)?;
    if let Some(link) = device.link(context.host()?)? {
        delete_children(link.index, context.pod.as_mut());
    }
    Ok(())
}

/// Whether the device's interface is in the pod or on the host, so that nobody else has it.
pub(crate) fn is_at_hand(
    device: &Device,
    index: Option<u32>,
    ifname: &str,
    context: &mut UndoContext,
) -> Result<bool, attach::Error> {
    if let Some(pod) = &mut context.pod
        && in_pod(&mut pod.netlink, device.id(), index, ifname)?.is_some()
    {
        return Ok(true);
    }
    Ok(device.link(context.host()?)?.is_some())
}
