use attach::ipam::{Ipam, with_key};
use attach::{Attachments, Error, Pod, key_of, not_available, verdict};
use cni::{CniResult, Request};
use devices::{Site, rdma};
use netlink::Rtnetlink;
use serde_json::Value;
use state::Dirs;

use super::{PLUGIN, Rail, RailsUndo, require_detection, require_rdma};

/// CHECK of all rails: the kernel against config, record and `prevResult`, then the IPAM's own CHECK.
pub fn check(request: &Request, rails: &[Rail], ipam: &dyn Ipam) -> Result<(), cni::Error> {
    let netns = request.env.require_netns()?;
    let previous = request.config.require_prev_result()?;
    require_detection(rails)?;
    let pod = Pod::open(netns)?;
    let dirs = Dirs::from_env().map_err(Error::from)?;
    let record = Attachments::open(&dirs, PLUGIN)?;
    let found = match record.on_record::<RailsUndo>(&key_of(request)?)?.about(&pod.netns) {
        Ok(None) => vec!["there is no record of it: its DEL has run, or another plugin made it".to_owned()],
        Err(differs) => vec![differs],
        Ok(Some(made)) => {
            let host = Rtnetlink::open().map_err(Error::from)?;
            let mut site = Site { dirs, host, pod, rdma: rdma::NodeRdma::default() };
            Checker { rails, made: &made, previous, ipam }.compare(&mut site)?
        }
    };
    verdict(&request.env.ifname, &found)
}

/// The VFs that an attachment has by its record, each with the name of its interface, in the order of the rails; none without one.
pub fn devices_on_record(request: &Request) -> Result<Vec<(String, String)>, cni::Error> {
    let dirs = Dirs::from_env().map_err(Error::from)?;
    let on_record = Attachments::open(&dirs, PLUGIN)?.on_record::<RailsUndo>(&key_of(request)?)?;
    Ok(on_record.undo().map_or_else(Vec::new, |undo| undo.devices()))
}

/// STATUS: masters are there and the IPAM can give addresses. Takes no lock and writes nothing.
pub fn status(rails: &[Rail], ipam: &dyn Ipam) -> Result<(), cni::Error> {
    require_detection(rails)?;
    let mut host = Rtnetlink::open().map_err(Error::from)?;
    require_rdma(rails).map_err(|error| not_available(error.into()))?;
    let mut seen: Vec<&Value> = Vec::new();
    for rail in rails {
        rail.link.require(&mut host)?;
        let config = &rail.request.config;
        let (Some(plugin), Some(ipam_config)) = (&config.ipam_type, config.at(&["ipam"])) else { continue };
        if !seen.contains(&ipam_config) {
            seen.push(ipam_config);
            ipam.status(&rail.request, plugin)?;
        }
    }
    Ok(())
}

struct Checker<'a> {
    rails: &'a [Rail],
    made: &'a RailsUndo,
    previous: &'a CniResult,
    ipam: &'a dyn Ipam,
}

impl Checker<'_> {
    fn compare(&self, site: &mut Site) -> Result<Vec<String>, cni::Error> {
        let mut found = Vec::new();
        for rail in self.rails {
            let lines = match self.made.rails.iter().position(|made| made.ifname == rail.ifname()) {
                Some(position) => self.of_rail(rail, position, site)?,
                None => vec!["it was not attached: the config has more rails than at ADD".to_owned()],
            };
            found.extend(lines.into_iter().map(|line| format!("{}: {line}", rail.ifname())));
        }
        Ok(found)
    }

    fn of_rail(&self, rail: &Rail, position: usize, site: &mut Site) -> Result<Vec<String>, cni::Error> {
        let Some(recorded) = self.made.results.get(position) else {
            return Ok(vec!["its ADD did not come to an end".to_owned()]);
        };
        let previous = part_of(self.previous, recorded);
        let version = rail.request.config.cni_version;
        let value = previous.to_value(version).map_err(|error| cni::Error::internal(error.to_string()))?;
        let request = with_key(&rail.request, "prevResult", value)?;
        let mut found = rail.link.differences(&request, &self.made.rails[position], site)?;
        if let Some(undo) = self.made.routing.iter().find(|undo| undo.ifname() == rail.ifname()) {
            found.extend(routing::differences(&site.dirs, &mut site.pod, undo, &previous.routes)?);
        }
        if let Some(plugin) = &request.config.ipam_type {
            found.extend(self.ipam.check(&request, plugin).err().map(|error| error.to_string()));
        }
        Ok(found)
    }
}

/// What one rail has in the result of all: a later plugin, or Multus, may have taken something out.
fn part_of(previous: &CniResult, recorded: &CniResult) -> CniResult {
    let mut part = recorded.clone();
    part.interfaces.retain(|interface| previous.interfaces.iter().any(|other| other.name == interface.name));
    part.ips.retain(|ip| previous.ips.iter().any(|other| other.address == ip.address));
    // What is not printed cannot have been taken out, and an older library drops the table of what is.
    let same = |route: &cni::Route, other: &cni::Route| {
        (route.dst, route.gw) == (other.dst, other.gw)
            && (other.table.is_none() || other.table == route.table)
    };
    part.routes.retain(|route| {
        (route.dst.prefix_len() == 0 && route.table.is_some())
            || previous.routes.iter().any(|other| same(route, other))
    });
    part
}
