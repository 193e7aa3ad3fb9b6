//! Reads what a scrape tells: files and netlink, without entering a pod and without a capability.

mod infiniband;
mod process;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use netlink::{PfcFrames, Rdma, RdmaResources, Rtnetlink, Statistics};
use runtime::Cache;
use runtime::suite::{self, Part};
use state::{Dirs, record};
use sysfs::{Bdf, Root};

use crate::rails::{self, Link};
use crate::sight::{Counters, Port, Sight};
use process::{Processes, Wanted};

/// Counters that a driver asks its firmware for are not read more often.
const FIRMWARE: Duration = Duration::from_secs(15);
/// How soon is looked again for the name or the process of a pod that had none.
const AGAIN: Duration = Duration::from_secs(60);

/// By index.
type Links = BTreeMap<u32, (String, Statistics)>;
/// By PCI address or auxiliary name.
type Devices = BTreeMap<String, Counters>;
/// By sandbox and name.
type Interfaces = BTreeMap<String, BTreeMap<String, Statistics>>;

/// Looks at a node, again and again; what cannot change while an attachment lives is kept.
#[derive(Debug)]
pub struct Eyes {
    dirs: Dirs,
    sys: PathBuf,
    names: BTreeMap<String, String>,
    named: Tried,
    processes: Processes,
    traced: Tried,
    places: BTreeMap<String, Place>,
    firmware: Option<Firmware>,
    problems: Vec<String>,
    /// What Spiderpool's names need is read, too.
    all: bool,
}

/// What a driver may ask its firmware for, and when it was asked.
#[derive(Clone, Debug)]
struct Firmware {
    at: Instant,
    ports: Vec<Port>,
    resources: Vec<RdmaResources>,
    pauses: BTreeMap<String, PfcFrames>,
}

/// Which NIC a device is on: its index and name, and which of its VFs.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    nic: (u32, String),
    vf: Option<u32>,
}

/// What was looked for in vain, and when: a pod that has none is not looked for at every scrape.
#[derive(Debug, Default)]
struct Tried {
    missing: BTreeSet<String>,
    at: Option<Instant>,
}

impl Tried {
    /// Whether it is worth looking for these.
    fn is_due(&self, these: &BTreeSet<String>, now: Instant) -> bool {
        let is_long_ago = self.at.is_none_or(|at| now.duration_since(at) >= AGAIN);
        !these.is_empty() && (is_long_ago || !these.is_subset(&self.missing))
    }

    fn done(&mut self, missing: BTreeSet<String>, now: Instant) {
        (self.missing, self.at) = (missing, Some(now));
    }
}

impl Eyes {
    /// Of the node whose plugins write there, with these /proc and /sys of the host.
    pub fn new(dirs: Dirs, proc: &Path, sys: &Path) -> Self {
        Self {
            dirs,
            sys: sys.to_owned(),
            names: BTreeMap::new(),
            named: Tried::default(),
            processes: Processes::new(proc),
            traced: Tried::default(),
            places: BTreeMap::new(),
            firmware: None,
            problems: Vec::new(),
            all: false,
        }
    }

    /// The same, for Spiderpool's names, too.
    #[must_use]
    pub fn for_spiderpool(self) -> Self {
        Self { all: true, ..self }
    }

    /// All that can be seen now. What cannot be read is counted, and hides nothing else.
    pub fn look(&mut self) -> Sight {
        let begun = Instant::now();
        self.problems.clear();
        let mut sight = Sight { rails: self.rails(), ..Sight::default() };
        let containers: BTreeSet<String> = sight.rails.iter().map(|rail| rail.container.clone()).collect();
        sight.pods = self.names(&containers, begun);
        sight.interfaces = self.interfaces(&sight.rails, begun);
        if !sight.rails.is_empty() {
            (sight.links, sight.devices) = self.kernel(&sight).unwrap_or_else(|error| self.failed(&error));
        }
        let Firmware { at, ports, resources, pauses } = self.firmware(&sight, begun);
        (sight.ports, sight.resources, sight.pauses, sight.firmware_at) =
            (ports, resources, pauses, Some(at));
        (sight.problems, sight.seconds) = (self.problems.clone(), begun.elapsed().as_secs_f64());
        sight
    }

    /// Told to whoever looks: what a number hides nobody finds.
    fn failed<T: Default>(&mut self, error: &dyn std::fmt::Display) -> T {
        self.problems.push(error.to_string());
        T::default()
    }

    fn rails(&mut self) -> Vec<rails::Rail> {
        let links: Vec<&str> = suite::plugins(&[Part::Link, Part::Chained]).collect();
        let mut skipped = Vec::new();
        let skip = |error: state::Error| skipped.push(error.to_string());
        let records = record::whole(&self.dirs, |plugin, _| links.contains(&plugin), skip);
        self.problems.append(&mut skipped);
        records.map_or_else(|error| self.failed(&error), |records| rails::rails(&records))
    }

    fn names(&mut self, containers: &BTreeSet<String>, now: Instant) -> BTreeMap<String, String> {
        self.names.retain(|container, _| containers.contains(container));
        let mut missing = without(containers, &self.names);
        if self.named.is_due(&missing, now) {
            let cached = Cache::of_runtime(&self.dirs).list();
            let cached = cached.unwrap_or_else(|error| self.failed(&error));
            let named = cached.iter().filter(|entry| missing.contains(&entry.container_id));
            let named = named.filter_map(|entry| Some((entry.container_id.clone(), entry.pod()?)));
            self.names.extend(named.collect::<Vec<_>>());
            missing = without(containers, &self.names);
            self.named.done(missing, now);
        }
        self.names.clone()
    }

    fn interfaces(&mut self, rails: &[rails::Rail], now: Instant) -> Interfaces {
        let mut wanted = Wanted::new();
        for rail in rails {
            wanted.entry(rail.container.clone()).or_default().insert(rail.interface.clone());
        }
        let containers: BTreeSet<String> = wanted.keys().cloned().collect();
        let mut seen = self.processes.read(&wanted);
        let missing = without(&containers, &seen);
        if self.traced.is_due(&missing, now) {
            self.processes.find(&missing);
            seen = self.processes.read(&wanted);
            self.traced.done(without(&containers, &seen), now);
        }
        seen
    }

    /// Links of the host, and devices by what their NICs say.
    fn kernel(&mut self, sight: &Sight) -> Result<(Links, Devices), netlink::Error> {
        let mut route = Rtnetlink::open()?;
        let links = route.statistics()?;
        let links = links.into_iter().map(|link| (link.index, (link.name, link.statistics))).collect();
        let devices: BTreeSet<&String> = sight
            .rails
            .iter()
            .filter_map(|rail| if let Link::Device(device) = &rail.link { Some(device) } else { None })
            .collect();
        self.places.retain(|device, _| devices.contains(device));
        for device in devices {
            if !self.places.contains_key(device)
                && let Some(place) = place(&self.sys, device)
            {
                self.places.insert(device.clone(), place);
            }
        }
        let nics: BTreeSet<u32> = self.places.values().map(|place| place.nic.0).collect();
        let mut vfs: BTreeMap<(u32, u32), Statistics> = BTreeMap::new();
        for nic in nics {
            let found = route.vf_statistics(nic).unwrap_or_else(|error| self.failed(&error));
            // A driver that counts nothing says zero of all of them.
            if found.iter().any(|(_, counters)| *counters != Statistics::default()) {
                vfs.extend(found.into_iter().map(|(vf, counters)| ((nic, vf), counters)));
            }
        }
        let counters = |place: &Place| Counters {
            nic: place.nic.1.clone(),
            statistics: place.vf.and_then(|vf| vfs.get(&(place.nic.0, vf)).copied()),
        };
        let devices = self.places.iter().map(|(device, place)| (device.clone(), counters(place))).collect();
        Ok((links, devices))
    }

    fn firmware(&mut self, sight: &Sight, now: Instant) -> Firmware {
        if let Some(known) = &self.firmware
            && now.duration_since(known.at) < FIRMWARE
        {
            return known.clone();
        }
        let own: BTreeSet<&str> = sight.rails.iter().filter_map(|rail| rail.rdma.as_deref()).collect();
        let ports = infiniband::ports(&self.sys, &own, self.all);
        let resources = resources(&ports).unwrap_or_else(|error| self.failed(&error));
        let nics: BTreeSet<&String> = sight.rails.iter().filter_map(|rail| sight.nic(rail)).collect();
        let pauses = pauses(&nics).unwrap_or_else(|error| self.failed(&error));
        let seen = Firmware { at: now, ports, resources, pauses };
        self.firmware = Some(seen.clone());
        seen
    }
}

/// Of the devices whose ports are told.
fn resources(ports: &[Port]) -> Result<Vec<RdmaResources>, netlink::Error> {
    if ports.is_empty() {
        return Ok(Vec::new());
    }
    let counted = match Rdma::open().and_then(|mut rdma| rdma.resources()) {
        // Devices that are files of another machine, or a kernel before 4.17.
        Err(error) if error.is_unsupported() => Vec::new(),
        counted => counted?,
    };
    let is_told = |of_device: &RdmaResources| ports.iter().any(|port| port.device == of_device.device);
    Ok(counted.into_iter().filter(is_told).collect())
}

/// Of the NICs that have priority flow control.
fn pauses(nics: &BTreeSet<&String>) -> Result<BTreeMap<String, PfcFrames>, netlink::Error> {
    let mut pauses = BTreeMap::new();
    if nics.is_empty() {
        return Ok(pauses);
    }
    let mut route = Rtnetlink::open()?;
    for nic in nics {
        // One that has gone since has no pauses.
        match route.dcb(nic) {
            Err(error) if error.is_gone() => {}
            dcb => {
                pauses.extend(dcb?.filter(|dcb| dcb.pfc.is_some()).map(|dcb| ((*nic).clone(), dcb.frames)));
            }
        }
    }
    Ok(pauses)
}

fn without<T>(wanted: &BTreeSet<String>, found: &BTreeMap<String, T>) -> BTreeSet<String> {
    wanted.iter().filter(|name| !found.contains_key(*name)).cloned().collect()
}

/// `None` where the device is no more, or on no NIC of this host.
fn place(sys: &Path, device: &str) -> Option<Place> {
    let root = Root::new(sys);
    let (function, vf) = match device.parse::<Bdf>() {
        Ok(address) => match root.pci(address).ok()?.vf().ok()? {
            Some((pf, vf)) => (pf, Some(vf)),
            None => (root.pci(address).ok()?, None),
        },
        Err(_) => (root.pci(root.auxiliary(device).ok()?.pci_function().ok()??).ok()?, None),
    };
    let netdev = function.netdev().ok()??;
    Some(Place { nic: (netdev.ifindex().ok()?, netdev.name().to_owned()), vf })
}
