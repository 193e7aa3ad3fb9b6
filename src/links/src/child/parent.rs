//! The interface that a child link sits on: which one, and whether it can serve.

use attach::Pod;
use cni::{Error, code};
use netlink::link::LinkKind;
use netlink::link::arphrd::{INFINIBAND, LOOPBACK};
use netlink::{Family, Link, RouteFilter, Rtnetlink};
use serde::Deserialize;

const MAIN: u32 = 254;

/// A parent as it was found.
#[derive(Clone, Debug)]
pub struct Parent {
    /// The link.
    pub link: Link,
    /// In the pod rather than on the host.
    pub in_pod: bool,
}

/// `master` as it is written: the reference plugins have a string, Spiderpool a list.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
#[expect(missing_docs, reason = "the two are told above")]
pub enum Written {
    One(String),
    List(Vec<String>),
}

impl Written {
    /// The one name; blank is none. `plugin` is for the message.
    pub fn one(self, plugin: &str) -> Result<Option<String>, Error> {
        let names = match self {
            Self::One(name) => vec![name],
            Self::List(names) => names,
        };
        match <[String; 1]>::try_from(names) {
            Ok([name]) => Ok(Some(name).filter(|name| !name.is_empty())),
            Err(names) => Err(Error::invalid_config(format!(
                "master {names:?}: {plugin} has one master; bond several with `ifacer` before it in the chain, or attach one network per rail"
            ))),
        }
    }
}

/// Which link is to be the parent.
#[derive(Clone, Copy, Debug)]
pub struct Master<'a> {
    /// Name or alternative name; `None`: the interface of the default route.
    pub name: Option<&'a str>,
    /// `linkInContainer`
    pub in_pod: bool,
}

impl Master<'_> {
    /// The link, with a look at nothing else.
    pub fn find(&self, host: &mut Rtnetlink, pod: &mut Pod) -> Result<Parent, Error> {
        let link = self.find_in(if self.in_pod { &mut pod.netlink } else { host })?;
        Ok(Parent { link, in_pod: self.in_pod })
    }

    /// For STATUS, which knows no pod: what is in the pod cannot be missing yet.
    pub fn find_on_host(&self, host: &mut Rtnetlink) -> Result<Option<Link>, Error> {
        if self.in_pod { Ok(None) } else { self.find_in(host).map(Some) }
    }

    fn find_in(&self, namespace: &mut Rtnetlink) -> Result<Link, Error> {
        match self.name {
            Some(name) => self.by_name(name, namespace),
            None => by_default_route(namespace),
        }
    }

    fn by_name(&self, name: &str, namespace: &mut Rtnetlink) -> Result<Link, Error> {
        let place = if self.in_pod { "the pod" } else { "the host's namespace" };
        namespace.link_by_name(name).map_err(internal)?.ok_or_else(|| {
            Error::invalid_config(format!("master \"{name}\" is not an interface of {place}")).with_details(
                "check the name with `ip link`; a VF or another interface that a pod has taken is not on the host meanwhile",
            )
        })
    }
}

impl Parent {
    /// Whatever the link `ifname` in the pod sits on, for a CHECK whose config leaves the choice to ADD.
    pub fn of_child(ifname: &str, host: &mut Rtnetlink, pod: &mut Pod) -> Result<Self, Error> {
        let missing =
            |what: &str| Error::internal(format!("interface {ifname} is not as ADD left it: {what}"));
        let child = pod.netlink.link_by_name(ifname).map_err(internal)?;
        let child = child.ok_or_else(|| missing("it is missing in the pod"))?;
        let in_pod = child.parent_netnsid.is_none();
        let namespace = if in_pod { &mut pod.netlink } else { host };
        let parent =
            child.parent.map(|index| namespace.link_by_index(index)).transpose().map_err(internal)?;
        let link = parent.flatten().ok_or_else(|| missing("its master is gone"))?;
        Ok(Self { link, in_pod })
    }
}

/// IPv4's default route before IPv6's, the one with the lowest metric first.
fn by_default_route(namespace: &mut Rtnetlink) -> Result<Link, Error> {
    for family in Family::BOTH {
        let filter = RouteFilter { family: Some(family), table: Some(MAIN), ..RouteFilter::default() };
        let routes = namespace.routes(&filter).map_err(internal)?;
        let defaults = routes.iter().filter(|route| route.is_default()).filter_map(|route| {
            Some((route.priority, route.oif.or(route.next_hops.first().map(|hop| hop.oif))?))
        });
        if let Some((_, index)) = defaults.min_by_key(|(priority, _)| *priority) {
            let link = namespace.link_by_index(index).map_err(internal)?;
            return link.ok_or_else(|| Error::try_again("the interface of the default route has just gone"));
        }
    }
    Err(Error::invalid_config("no default route interface found: name the `master`"))
}

/// Refuses what the kernel would refuse a macvlan or ipvlan with a bare EINVAL or EBUSY, and says what to do.
pub fn require_ethernet(plugin: &str, link: &Link, namespace: &mut Rtnetlink) -> Result<(), Error> {
    let name = &link.name;
    match link.hardware_type {
        INFINIBAND => {
            return Err(Error::invalid_config(format!(
                "master \"{name}\" is an InfiniBand interface, on which the kernel makes no {plugin}: use `ipoib` or `ib-sriov`"
            )));
        }
        LOOPBACK => {
            return Err(Error::invalid_config(format!("master \"{name}\" is the loopback interface")));
        }
        _ => (),
    }
    if let Some(port_of) = port_of(namespace, link)? {
        return Err(Error::invalid_config(format!(
            "master \"{name}\" is a port of {port_of}, which takes all its packets: use {port_of} as the master"
        )));
    }
    Ok(())
}

/// A link on a master that is down waits for it, as with the reference plugins; `required` is to refuse that.
pub fn expect_up(link: &Link, required: bool) -> Result<(), Error> {
    match require_up(link) {
        Err(error) if !required => {
            tracing::warn!("{}; the pod's interface has no carrier until then", error.msg);
            Ok(())
        }
        other => other,
    }
}

/// Code 11: someone may bring it up yet.
pub fn require_up(link: &Link) -> Result<(), Error> {
    if link.is_up() {
        return Ok(());
    }
    let name = &link.name;
    Err(Error::new(code::TRY_AGAIN, format!("master \"{name}\" is down: `ip link set {name} up`")))
}

/// The kernel would only say EINVAL, or give the child an MTU that its packets cannot have.
pub fn check_mtu(mtu: Option<u32>, parent: &Link) -> Result<(), Error> {
    match mtu {
        Some(mtu) if mtu > parent.mtu => {
            Err(Error::invalid_config(format!("invalid MTU {mtu}, must be [0, master MTU({})]", parent.mtu))
                .with_details(format!(
                    "raise the MTU of {} on the host first, or leave out `mtu`",
                    parent.name
                )))
        }
        _ => Ok(()),
    }
}

/// `mtu` of a config: 0 is the parent's. The upper bound is the parent's and known later.
pub fn parse_mtu(mtu: i64) -> Result<Option<u32>, Error> {
    match u32::try_from(mtu) {
        Ok(0) => Ok(None),
        Ok(mtu) => Ok(Some(mtu)),
        Err(_) => {
            Err(Error::invalid_config(format!("invalid MTU {mtu}, must be 0 (the master's) or positive")))
        }
    }
}

/// The bridge or bond that `link` belongs to; a VRF leaves the packets to its members.
fn port_of(namespace: &mut Rtnetlink, link: &Link) -> Result<Option<String>, Error> {
    let Some(index) = link.master else { return Ok(None) };
    let master = namespace.link_by_index(index).map_err(internal)?;
    Ok(master.filter(|master| master.kind != LinkKind::Other("vrf".to_owned())).map(|master| master.name))
}

fn internal(error: netlink::Error) -> Error {
    attach::Error::from(error).into()
}
