//! What a network's rails are made of.

use std::fmt;

use cni::{Error, Request};
use devices::vf::VfSpec;
use links::child;
use rails::{LinkSpec, RdmaMode};

use crate::expand::Expanded;

/// What all interfaces of a network are.
pub(crate) struct Link {
    /// The plugin that attaches one alone.
    pub(crate) plugin: &'static str,
    /// Whether the interface is a device of its own, and `master` the PF that it belongs to.
    pub(crate) is_vf: bool,
    /// Whether it can be made on a master that is down.
    pub(crate) waits_for_master: bool,
    /// The key of that plugin which says whether the RDMA device goes along, if it has one.
    pub(crate) isolation: Option<&'static str>,
    /// Reads a rail's config as that plugin does.
    pub(crate) read: Read,
}

type Read = fn(&Expanded, &Request) -> Result<LinkSpec, Error>;

/// Every link there is, the default first.
static LINKS: [Link; 5] = [
    Link { waits_for_master: true, ..Link::of("macvlan", |_, rail| Ok(child(macvlan::Conf::of(rail)?))) },
    Link { waits_for_master: true, ..Link::of("ipvlan", |_, rail| Ok(child(ipvlan::Conf::of(rail)?))) },
    Link::of("ipoib", |_, rail| Ok(child(ipoib::Conf::of(rail)?))),
    Link { is_vf: true, ..Link::of("sriov", vf) },
    Link { is_vf: true, isolation: Some("rdmaIsolation"), ..Link::of("ib-sriov", ib_vf) },
];

fn child(conf: impl child::Kind + 'static) -> LinkSpec {
    LinkSpec::Child(Box::new(conf))
}

fn vf(expanded: &Expanded, rail: &Request) -> Result<LinkSpec, Error> {
    let rdma = expanded.rdma_request(rail)?;
    let rdma = rdma.map(|request| rdma::wanted(&request)).transpose()?;
    Ok(LinkSpec::Vf(Box::new(VfSpec { rdma, ..sriov::wanted(rail)? })))
}

fn ib_vf(_: &Expanded, rail: &Request) -> Result<LinkSpec, Error> {
    Ok(LinkSpec::Vf(Box::new(ib_sriov::wanted(rail)?)))
}

impl Link {
    const fn of(plugin: &'static str, read: Read) -> Self {
        Self { plugin, is_vf: false, waits_for_master: false, isolation: None, read }
    }

    /// By the name of its plugin, the default without one.
    pub(crate) fn parse(name: Option<&str>) -> Result<&'static Self, Error> {
        let Some(name) = name else { return Ok(&LINKS[0]) };
        LINKS.iter().find(|link| link.plugin == name).ok_or_else(|| {
            let [default, others @ .., last] = LINKS.each_ref().map(|link| link.plugin);
            let allowed = format!("{default} (the default), {} and {last}", others.join(", "));
            Error::invalid_config(format!("link \"{name}\": allowed are {allowed}"))
        })
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.plugin)
    }
}

/// Which ways to RDMA there are for a link.
pub(crate) fn rdma(mode: Option<&str>, link: &Link) -> Result<RdmaMode, Error> {
    match mode {
        None | Some("none") => Ok(RdmaMode::None),
        Some("shared") => Ok(RdmaMode::Shared),
        Some("exclusive") if link.is_vf => Ok(RdmaMode::Exclusive),
        Some("exclusive") => Err(Error::invalid_config(format!(
            "rdma \"exclusive\": a {} link has no RDMA device of its own that a pod could have alone; write \"shared\", or use \
             link sriov or ib-sriov",
            link.plugin
        ))),
        Some(other) => Err(Error::invalid_config(format!(
            "rdma \"{other}\": allowed are none (the default), shared and, with VFs, exclusive"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use runtime::suite::{Part, plugins};

    use super::*;

    #[test]
    fn every_plugin_that_makes_links_is_a_link_of_rail() {
        let others: Vec<_> = plugins(&[Part::Link]).filter(|name| *name != rails::PLUGIN).collect();
        for name in &others {
            assert_eq!(Link::parse(Some(name)).unwrap().plugin, *name);
        }
        assert_eq!(others.len(), LINKS.len());
    }
}
