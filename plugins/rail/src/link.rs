//! What a network's rails are made of.

use cni::Error;
use rails::RdmaMode;

/// The kind of all its interfaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    Macvlan,
    Ipvlan,
    Ipoib,
    Sriov,
    IbSriov,
}

const LINKS: [Link; 5] = [Link::Macvlan, Link::Ipvlan, Link::Ipoib, Link::Sriov, Link::IbSriov];

impl Link {
    pub(crate) fn parse(name: Option<&str>) -> Result<Self, Error> {
        let Some(name) = name else { return Ok(Self::Macvlan) };
        LINKS.into_iter().find(|link| link.plugin() == name).ok_or_else(|| {
            let allowed = "macvlan (the default), ipvlan, ipoib, sriov and ib-sriov";
            Error::invalid_config(format!("link \"{name}\": allowed are {allowed}"))
        })
    }

    /// The plugin that attaches one alone.
    pub(crate) fn plugin(self) -> &'static str {
        match self {
            Self::Macvlan => "macvlan",
            Self::Ipvlan => "ipvlan",
            Self::Ipoib => "ipoib",
            Self::Sriov => "sriov",
            Self::IbSriov => "ib-sriov",
        }
    }

    /// Whether the interface is a device of its own, and `master` the PF that it belongs to.
    pub(crate) fn is_vf(self) -> bool {
        matches!(self, Self::Sriov | Self::IbSriov)
    }
}

/// Which ways to RDMA there are for a link.
pub(crate) fn rdma(mode: Option<&str>, link: Link) -> Result<RdmaMode, Error> {
    match mode {
        None | Some("none") => Ok(RdmaMode::None),
        Some("shared") => Ok(RdmaMode::Shared),
        Some("exclusive") if link.is_vf() => Ok(RdmaMode::Exclusive),
        Some("exclusive") => Err(Error::invalid_config(format!(
            "rdma \"exclusive\": a {} link has no RDMA device of its own that a pod could have alone; write \"shared\", or use \
             link sriov or ib-sriov",
            link.plugin()
        ))),
        Some(other) => Err(Error::invalid_config(format!(
            "rdma \"{other}\": allowed are none (the default), shared and, with VFs, exclusive"
        ))),
    }
}
