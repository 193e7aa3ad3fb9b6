use std::time::{Duration, Instant};

use attach::wait;
use netlink::vf::VfChange;
use netlink::{HwAddr, Link, LinkChange, Monitor, Rtnetlink};
use netns::NetNs;

use super::attributes::{Setting, settings};
use super::device::{Device, Id, Pf};
use super::{Attributes, Error};

/// i40e answers EBUSY while a VF resets, and others apply a MAC long after they took it.
const PATIENCE: Duration = Duration::from_secs(5);

/// A VF seen from its PF.
#[derive(Debug)]
pub struct Admin<'a> {
    device: &'a Id,
    pf: &'a Pf,
    link: Link,
}

impl<'a> Admin<'a> {
    /// Looks the PF's interface up.
    pub fn open(device: &'a Id, pf: &'a Pf, host: &mut Rtnetlink) -> Result<Self, attach::Error> {
        Ok(Self::at(device, pf, pf.link(device, host)?))
    }

    /// The PF's interface is known.
    pub(crate) fn at(device: &'a Id, pf: &'a Pf, link: Link) -> Self {
        Self { device, pf, link }
    }

    /// The PF's interface.
    pub fn link(&self) -> &Link {
        &self.link
    }

    /// What the PF reports of the VF, found by its number.
    pub fn read(&self, host: &mut Rtnetlink) -> Result<Attributes, attach::Error> {
        let vf = host.vf(self.link.index, self.pf.vf)?;
        let missing = || Error::Device {
            id: self.device.to_string(),
            problem: format!(
                "PF {} does not list its VF {}: is SR-IOV being reconfigured?",
                self.link.name, self.pf.vf
            ),
        };
        Ok(Attributes::of(&vf.ok_or_else(missing)?))
    }

    /// Makes `wanted` of `now` in one request with only what differs. What the driver refuses is named.
    pub fn apply(
        &self,
        host: &mut Rtnetlink,
        wanted: &Attributes,
        now: &Attributes,
    ) -> Result<(), attach::Error> {
        let change = wanted.change(now);
        if change.is_empty() {
            return Ok(());
        }
        match self.send(host, &change) {
            Ok(()) => Ok(()),
            Err(refused) if refused.errno().is_none() => Err(refused.into()),
            // Which one it was, only asking for each alone can tell. What was done is done again, to no effect.
            Err(_) => settings(&change).into_iter().try_for_each(|setting| self.apply_one(host, setting)),
        }
    }

    /// Makes a VF what it was; without a PF there is nothing of it to be set.
    pub(crate) fn restore(
        device: &'a Device,
        before: &Attributes,
        host: &mut Rtnetlink,
    ) -> Result<(), attach::Error> {
        let Some(pf) = device.pf() else { return Ok(()) };
        let admin = Self::open(device.id(), pf, host)?;
        let now = admin.read(host)?;
        admin.apply(host, before, &now)?;
        admin.settle(host, before.mac)
    }

    fn apply_one(&self, host: &mut Rtnetlink, setting: Setting) -> Result<(), attach::Error> {
        match self.send(host, &setting.0) {
            Err(source) if source.is_unsupported() && setting.is_neutral() => {
                tracing::debug!(pf = self.link.name, vf = self.pf.vf, %setting, "the driver does not know it, and need not");
                Ok(())
            }
            Err(source) => Err(self.refused(setting, source).into()),
            Ok(()) => Ok(()),
        }
    }

    fn refused(&self, setting: Setting, source: netlink::Error) -> Error {
        let (driver, pf) = (self.pf.driver(), self.link.name.clone());
        Error::Refused {
            driver,
            pf,
            vf: self.pf.vf,
            device: self.device.to_string(),
            setting: setting.to_string(),
            source: Box::new(source),
        }
    }

    fn send(&self, host: &mut Rtnetlink, change: &VfChange) -> Result<(), netlink::Error> {
        retry(|| host.set_vf(self.link.index, self.pf.vf, change))
    }

    /// Waits until the PF reports the MAC that it was given.
    pub fn settle(&self, host: &mut Rtnetlink, mac: Option<HwAddr>) -> Result<(), attach::Error> {
        let Some(mac) = mac else { return Ok(()) };
        let start = Instant::now();
        let settled = wait::here(PATIENCE, || Ok((self.read(host)?.mac == Some(mac)).then_some(())))?;
        if settled.is_some() {
            return Ok(());
        }
        let found = self.read(host)?.mac.map_or("none".to_owned(), |mac| mac.to_string());
        Err(Error::Unsettled {
            driver: self.pf.driver(),
            pf: self.link.name.clone(),
            vf: self.pf.vf,
            setting: Setting(VfChange { address: Some(mac), ..VfChange::default() }).to_string(),
            found,
            waited_ms: wait::millis(start),
        }
        .into())
    }
}

/// Gives an interface its own MAC, and waits until it has it. `netns` and `route` are those of the interface.
pub fn set_own_mac(
    netns: &NetNs,
    route: &mut Rtnetlink,
    link: &Link,
    mac: HwAddr,
) -> Result<(), attach::Error> {
    if link.address == Some(mac) {
        return Ok(());
    }
    let start = Instant::now();
    // Subscribed before the change: a driver may answer later than it acts.
    let mut monitor = Monitor::subscribe_in(netns, &[netlink::Group::Link])?;
    retry(|| route.set_link(link.index, &LinkChange { address: Some(mac), ..LinkChange::default() }))?;
    let mut found = None;
    let settled = wait::until(&mut monitor, PATIENCE, || {
        found = route.link_by_index(link.index)?.and_then(|link| link.address);
        Ok((found == Some(mac)).then_some(()))
    })?;
    settled.ok_or_else(|| {
        let found = found.map_or("none".to_owned(), |mac| mac.to_string());
        let waited_ms = wait::millis(start);
        Error::OwnMac { ifname: link.name.clone(), wanted: mac.to_string(), found, waited_ms }.into()
    })
}

/// Asks again while the driver is busy.
pub(super) fn retry(mut ask: impl FnMut() -> Result<(), netlink::Error>) -> Result<(), netlink::Error> {
    let mut last = None;
    let done = wait::here(PATIENCE, || match ask() {
        Err(error) if error.is_busy() => {
            last = Some(error);
            Ok(None)
        }
        other => Ok(Some(other)),
    });
    match (done, last) {
        (Ok(Some(outcome)), _) => outcome,
        (_, Some(busy)) => Err(busy),
        // The clock stood still, or waiting itself failed: asking once more has an answer of its own.
        (_, None) => ask(),
    }
}
