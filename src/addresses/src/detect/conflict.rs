use std::net::IpAddr;
use std::time::{Duration, Instant};

use attach::{Error, Pod};
use cni::CniResult;
use netlink::{Address, Group, HwAddr, Monitor};

use super::arp::Framing;
use super::objectors::{self, Doubt};
use super::probe::{Objection, Question, ask_all};
use super::tuning::Tuning;
use super::{Detection, require_arp};
use crate::{Candidate, Failure, announce};

/// How many addresses of a link may be in use elsewhere before ADD gives up.
const ATTEMPTS: usize = 8;
/// What the kernel may take beyond the time that was asked for.
const GRACE: Duration = Duration::from_secs(2);

/// Makes sure that nobody else has the addresses, and asks the IPAM for others where somebody does. IPv6 addresses are
/// on their links after that, and IPv4 addresses not yet: neither could be used before it was known to be free.
pub(crate) fn avoid_conflicts(pod: &mut Pod, candidates: &mut [Candidate<'_, '_>]) -> Result<(), cni::Error> {
    let mut candidates: Vec<_> = candidates.iter_mut().filter_map(Suspect::of).collect();
    if candidates.is_empty() {
        return Ok(());
    }
    let mut tuning = Tuning::default();
    for candidate in &candidates {
        candidate.make_ready(pod, &mut tuning)?;
    }
    let links: Vec<_> = candidates.iter().map(|candidate| candidate.of.link).collect();
    announce::require_carrier(pod, &links)?;
    let outcome = settle(pod, &mut candidates);
    let restored = tuning.restore(&pod.netns).map_err(cni::Error::from);
    outcome.and(restored)
}

fn settle(pod: &mut Pod, candidates: &mut [Suspect<'_, '_, '_>]) -> Result<(), cni::Error> {
    let mut unproven: Vec<usize> = (0..candidates.len()).collect();
    for _ in 0..ATTEMPTS {
        let conflicts = detect(pod, candidates, &unproven)?;
        if conflicts.is_empty() {
            return Ok(());
        }
        unproven = conflicts.iter().map(|(candidate, _)| *candidate).collect();
        for (candidate, conflict) in conflicts {
            conflict.require_belief(&candidates[candidate].of.link.name)?;
            candidates[candidate].take_another(pod, conflict)?;
        }
    }
    let ifnames: Vec<_> = unproven.iter().map(|index| candidates[*index].of.link.name.as_str()).collect();
    let ifnames = ifnames.join(", ");
    Err(Error::from(Failure::TooManyConflicts { ifnames, attempts: ATTEMPTS }).into())
}

/// One conflict of each candidate that has any. IPv6 detection runs in the kernel meanwhile.
fn detect(
    pod: &mut Pod,
    candidates: &[Suspect<'_, '_, '_>],
    unproven: &[usize],
) -> Result<Vec<(usize, Conflict)>, Error> {
    let mut monitor = Monitor::subscribe_in(&pod.netns, &[Group::Ipv6Address])?;
    let longest = unproven.iter().map(|&index| candidates[index].settings.duration()).max();
    let deadline = Instant::now() + longest.unwrap_or_default() + GRACE;
    let mut batch = pod.netlink.batch();
    for &index in unproven {
        for address in candidates[index].ipv6() {
            batch.add_address(&address);
        }
    }
    batch.commit()?;
    let mut conflicts = Vec::new();
    for (candidate, answer) in ask_all(&questions(pod, candidates, unproven)?) {
        let conflict = |(ip, holder): Objection| Conflict { ip: ip.into(), holder: Some(holder) };
        conflicts.extend(answer?.map(|objection| (candidate, conflict(objection))));
    }
    for &index in unproven {
        if conflicts.iter().all(|(other, _)| *other != index) {
            let duplicate = candidates[index].duplicate(pod, &mut monitor, deadline)?;
            conflicts.extend(duplicate.map(|ip| (index, Conflict { ip, holder: None })));
        }
    }
    Ok(conflicts)
}

fn questions<'q>(
    pod: &'q Pod,
    candidates: &'q [Suspect<'_, '_, '_>],
    unproven: &[usize],
) -> Result<Vec<Question<'q>>, Error> {
    let of = |&index: &usize| candidates[index].question(index, pod).transpose();
    unproven.iter().filter_map(of).collect()
}

/// An address that somebody else has.
#[derive(Clone, Copy)]
struct Conflict {
    ip: IpAddr,
    /// Hardware address, where it is known.
    holder: Option<HwAddr>,
}

impl Conflict {
    fn failure(&self, ifname: &str) -> Failure {
        let holder = self.holder.map_or_else(|| "another host".to_owned(), |holder| holder.to_string());
        Failure::Conflict { address: self.ip, ifname: ifname.to_owned(), holder }
    }

    /// Fails for an objection of somebody who answers for more than one address: nothing is quarantined for that.
    fn require_belief(&self, ifname: &str) -> Result<(), Error> {
        let holder = self.holder.map_or_else(|| self.ip.to_string(), |holder| holder.to_string());
        let conflict = Box::new(self.failure(ifname));
        match objectors::hear(&holder, self.ip)? {
            None => Ok(()),
            Some(Doubt::Again(before)) => Err(Failure::AnswersForAll { conflict, holder, before }.into()),
            Some(Doubt::Many(hosts)) => Err(Failure::TooManyObjectors { conflict, hosts }.into()),
        }
    }
}

/// A candidate whose network wants conflicts to be detected.
struct Suspect<'s, 'c, 'l> {
    of: &'s mut Candidate<'c, 'l>,
    settings: Detection,
}

impl<'s, 'c, 'l> Suspect<'s, 'c, 'l> {
    fn of(candidate: &'s mut Candidate<'c, 'l>) -> Option<Self> {
        let settings = candidate.options.detection.filter(|settings| settings.conflict)?;
        Some(Self { of: candidate, settings })
    }

    /// Up, with IPv6 if that is wanted, so that it can ask; without addresses.
    fn make_ready(&self, pod: &mut Pod, tuning: &mut Tuning) -> Result<(), Error> {
        let link = self.of.link;
        crate::prepare(pod, &[(link, &*self.of.result)])?;
        if crate::has_ipv6(self.of.result) {
            tuning.for_duplicates(&pod.netns, &link.name, self.settings)?;
        }
        pod.netlink.set_up(link.index)?;
        require_arp(pod, link)
    }

    fn ipv6(&self) -> Vec<Address> {
        let ipv6 = self.of.result.ips.iter().filter(|ip| ip.address.addr().is_ipv6());
        ipv6.map(|ip| crate::address(self.of.link.index, ip)).collect()
    }

    /// `None` without an IPv4 address.
    fn question<'q>(&'q self, candidate: usize, pod: &'q Pod) -> Result<Option<Question<'q>>, Error> {
        let ipv4 = self.of.result.ips.iter().filter_map(|ip| match ip.address.addr() {
            IpAddr::V4(ip) => Some(ip),
            IpAddr::V6(_) => None,
        });
        let addresses: Vec<_> = ipv4.collect();
        if addresses.is_empty() {
            return Ok(None);
        }
        let link = self.of.parent.unwrap_or(self.of.link);
        let framing = Framing::of(link).ok_or_else(|| Failure::NoArp { ifname: link.name.clone() })?;
        let netns = self.of.parent.is_none().then_some(&pod.netns);
        let settings = self.settings;
        Ok(Some(Question { candidate, netns, ifname: &link.name, framing, addresses, settings }))
    }

    /// An IPv6 address that somebody else has, once that is known of all.
    fn duplicate(
        &self,
        pod: &mut Pod,
        monitor: &mut Monitor,
        deadline: Instant,
    ) -> Result<Option<IpAddr>, Error> {
        let mine = self.ipv6();
        if mine.is_empty() {
            return Ok(None);
        }
        let route = &mut pod.netlink;
        let look = || -> Result<Option<Option<IpAddr>>, Error> {
            let mut present = route.addresses(Some(self.of.link.index))?;
            present.retain(|address| mine.iter().any(|own| own.net == address.net));
            let duplicate = present.iter().find(|address| address.is_duplicate());
            let settled = !present.iter().any(Address::is_tentative);
            Ok((settled || duplicate.is_some()).then(|| duplicate.map(|address| address.net.addr())))
        };
        let settled = monitor.wait_for(deadline, look)?;
        settled.ok_or_else(|| {
            Failure::Tentative {
                address: mine[0].net.to_string(),
                ifname: self.of.link.name.clone(),
                waited_ms: (self.settings.duration() + GRACE).as_millis(),
            }
            .into()
        })
    }

    /// Gives the address up, and with it all of this link's, for those that the IPAM gives instead.
    fn take_another(&mut self, pod: &mut Pod, conflict: Conflict) -> Result<(), cni::Error> {
        let mut batch = pod.netlink.batch();
        for address in self.ipv6() {
            batch.delete_address(&address);
        }
        batch.commit().map_err(Error::from)?;
        let error = conflict.failure(&self.of.link.name).into();
        let interfaces = std::mem::take(&mut self.of.result.interfaces);
        *self.of.result = CniResult { interfaces, ..self.of.lease.decline(conflict.ip, &error)? };
        Ok(())
    }
}
