//! The interface that a macvlan sits on.

use cni::{Error, code};
use netlink::link::LinkKind;
use netlink::{Family, Link, Route, RouteFilter};

use crate::conf::Conf;

const MAIN: u32 = 254;
/// `ARPHRD_INFINIBAND` (`include/uapi/linux/if_arp.h`)
const INFINIBAND: u16 = 32;
/// `ARPHRD_LOOPBACK`
const LOOPBACK: u16 = 772;

/// The master that the config names, or else the interface of the default route, and whether it can serve.
pub(crate) fn find(conf: &Conf, namespace: &mut Route) -> Result<Link, Error> {
    let link = match &conf.master {
        Some(name) => by_name(conf, name, namespace)?,
        None => by_default_route(namespace)?,
    };
    check(namespace, &link)?;
    Ok(link)
}

/// The kernel would only say EINVAL.
pub(crate) fn check_mtu(mtu: Option<u32>, master: &Link) -> Result<(), Error> {
    match mtu {
        Some(mtu) if mtu > master.mtu => {
            Err(Error::invalid_config(format!("invalid MTU {mtu}, must be [0, master MTU({})]", master.mtu))
                .with_details(format!(
                    "raise the MTU of {} on the host first, or leave out `mtu`",
                    master.name
                )))
        }
        _ => Ok(()),
    }
}

fn by_name(conf: &Conf, name: &str, namespace: &mut Route) -> Result<Link, Error> {
    let place = if conf.link_in_container { "the pod" } else { "the host's namespace" };
    namespace.link_by_name(name).map_err(internal)?.ok_or_else(|| {
        Error::invalid_config(format!("master \"{name}\" is not an interface of {place}")).with_details(
            "check the name with `ip link`; a VF or another interface that a pod has taken is not on the host meanwhile",
        )
    })
}

/// IPv4's default route before IPv6's, the one with the lowest metric first.
fn by_default_route(namespace: &mut Route) -> Result<Link, Error> {
    for family in Family::BOTH {
        let filter = RouteFilter { family: Some(family), table: Some(MAIN), ..RouteFilter::default() };
        let mut routes = namespace.routes(&filter).map_err(internal)?;
        routes.retain(netlink::RouteSpec::is_default);
        routes.sort_by_key(|route| route.priority);
        let first = routes.iter().find_map(|route| route.oif.or(route.next_hops.first().map(|hop| hop.oif)));
        if let Some(index) = first {
            let link = namespace.link_by_index(index).map_err(internal)?;
            return link.ok_or_else(|| Error::try_again("the interface of the default route has just gone"));
        }
    }
    Err(Error::invalid_config("no default route interface found: name the `master`"))
}

fn check(namespace: &mut Route, link: &Link) -> Result<(), Error> {
    let name = &link.name;
    match link.hardware_type {
        INFINIBAND => {
            return Err(Error::invalid_config(format!(
                "master \"{name}\" is an InfiniBand interface, on which the kernel makes no macvlan: use `ipoib` or `ib-sriov`"
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
    if !link.is_up() {
        return Err(Error::new(
            code::TRY_AGAIN,
            format!("master \"{name}\" is down: `ip link set {name} up`"),
        ));
    }
    Ok(())
}

/// The bridge or bond that `link` belongs to; a VRF leaves the packets to its members.
fn port_of(namespace: &mut Route, link: &Link) -> Result<Option<String>, Error> {
    let Some(index) = link.master else { return Ok(None) };
    let master = namespace.link_by_index(index).map_err(internal)?;
    Ok(master.filter(|master| master.kind != LinkKind::Other("vrf".to_owned())).map(|master| master.name))
}

fn internal(error: netlink::Error) -> Error {
    attach::Error::from(error).into()
}
