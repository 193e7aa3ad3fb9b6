//! Whether a link of the host's namespace may be taken whole: a macvlan in mode passthru, a bond, and a pod that gets a VF leave
//! nothing of it to the node, and who writes the config is often a tenant.

use attach::Coded;
use cni::{code, node};
use netlink::link::LinkKind;
use netlink::{Address, AddressFlags, Link, Route, RouteFilter, Rtnetlink, scope};
use state::Dirs;

/// What takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taker {
    /// A macvlan in mode passthru.
    Passthru,
    /// A bond, whose port it becomes.
    Bond,
    /// A pod, into which it is moved.
    Pod,
}

/// What is found about a link: names are those of the link itself and of the VLANs on it.
#[derive(Debug, Default)]
struct Findings {
    /// The other end of its veth pair is in another namespace.
    ends_elsewhere: bool,
    /// What the node's default routes leave by.
    default_routes: Vec<String>,
    /// What the node has addresses on, which are more than link-local.
    addresses: Vec<(String, String)>,
}

/// The node has the link for something else.
#[derive(Debug, thiserror::Error)]
#[error(
    "{name} {used}, and {} would take all its packets: use {}, or have the administrator list {name} as wholeMasters in {file}",
    taker.name(), taker.instead()
)]
pub struct InUse {
    name: String,
    used: String,
    taker: Taker,
    file: String,
}

/// `node.yaml` cannot be read, or says what nobody understands.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Unreadable(cni::Error);

impl Coded for InUse {
    fn code(&self) -> u32 {
        code::INVALID_CONFIG
    }
}

impl Coded for Unreadable {
    fn code(&self) -> u32 {
        self.0.code
    }
}

/// Refuses a link that the node or another pod needs, unless `node.yaml` lists it by name.
pub fn require_free_of_node(taker: Taker, link: &Link, host: &mut Rtnetlink) -> Result<(), attach::Error> {
    require_unused(taker, link, &Findings::of(link, host)?)
}

fn require_unused(taker: Taker, link: &Link, found: &Findings) -> Result<(), attach::Error> {
    let Some(used) = found.used() else { return Ok(()) };
    let dirs = Dirs::from_env()?;
    let listed = node::Node::load(&dirs).map_err(Unreadable)?.whole_masters;
    if listed.iter().any(|name| link.is_called(name)) {
        return Ok(());
    }
    let file = node::path(&dirs).display().to_string();
    Err(InUse { name: link.name.clone(), used, taker, file }.into())
}

/// The same for a VF that is to be moved into a pod, by a look at its own addresses only: a node has hundreds of VFs. What a router
/// has made up for it makes it nobody's.
pub fn require_unaddressed(vf: &Link, host: &mut Rtnetlink) -> Result<(), attach::Error> {
    let is_nodes = |address: &Address| address.scope == scope::UNIVERSE && !is_autoconfigured(address);
    let Some(address) = host.addresses(Some(vf.index))?.into_iter().find(is_nodes) else { return Ok(()) };
    let found =
        Findings { addresses: vec![(vf.name.clone(), address.net.to_string())], ..Findings::default() };
    require_unused(Taker::Pod, vf, &found)
}

impl Findings {
    fn of(link: &Link, host: &mut Rtnetlink) -> Result<Self, attach::Error> {
        let ends_elsewhere = link.kind == LinkKind::Veth && link.parent_netnsid.is_some();
        let links = host.links()?;
        let is_on_it = |other: &&Link| other.parent == Some(link.index) && other.parent_netnsid.is_none();
        let vlans = links.iter().filter(|other| matches!(other.kind, LinkKind::Vlan(_))).filter(is_on_it);
        let carried: Vec<&Link> = std::iter::once(link).chain(vlans).collect();
        let name = |index| carried.iter().find(|link| link.index == index).map(|link| link.name.clone());
        let routes = host.routes(&RouteFilter::default())?;
        let hops = routes.iter().filter(|route| route.is_default()).flat_map(leaves_by);
        let addresses = host.addresses(None)?.into_iter().filter(|address| address.scope == scope::UNIVERSE);
        let on = addresses.filter_map(|address| Some((name(address.index)?, address.net.to_string())));
        Ok(Self { ends_elsewhere, default_routes: hops.filter_map(name).collect(), addresses: on.collect() })
    }

    fn used(&self) -> Option<String> {
        if self.ends_elsewhere {
            return Some("is one end of a veth pair whose other end is in another namespace".to_owned());
        }
        if let Some(on) = self.default_routes.first() {
            return Some(format!("has the node's default route, by {on}"));
        }
        let (on, net) = self.addresses.first()?;
        Some(format!("has an address of the node, {net} on {on}"))
    }
}

/// By a router's advertisement: such addresses come to any interface that is up.
fn is_autoconfigured(address: &Address) -> bool {
    address.net.addr().is_ipv6() && !address.flags.contains(AddressFlags::Permanent)
}

fn leaves_by(route: &Route) -> impl Iterator<Item = u32> {
    route.oif.into_iter().chain(route.next_hops.iter().map(|hop| hop.oif))
}

impl Taker {
    fn name(self) -> &'static str {
        match self {
            Self::Passthru => "a macvlan in mode passthru",
            Self::Bond => "a bond",
            Self::Pod => "a pod",
        }
    }

    fn instead(self) -> &'static str {
        match self {
            Self::Passthru => "mode bridge, or another master",
            Self::Bond => "another interface",
            Self::Pod => "another VF",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Findings;

    #[test]
    fn a_link_is_free_that_neither_the_node_nor_a_pod_uses() {
        let (eth0, net) = (|| "eth0".to_owned(), || "192.0.2.7/24".to_owned());
        let cases = [
            ("a rail", Findings::default(), None),
            (
                "a pod's",
                Findings { ends_elsewhere: true, ..Findings::default() },
                Some("is one end of a veth pair whose other end is in another namespace"),
            ),
            (
                "the way out, as with unnumbered fabrics",
                Findings { default_routes: vec![eth0()], ..Findings::default() },
                Some("has the node's default route, by eth0"),
            ),
            (
                "the way out by a VLAN",
                Findings {
                    default_routes: vec!["eth0.7".to_owned()],
                    addresses: vec![(eth0(), net())],
                    ..Findings::default()
                },
                Some("has the node's default route, by eth0.7"),
            ),
            (
                "what the API server knows the node by",
                Findings { addresses: vec![(eth0(), net())], ..Findings::default() },
                Some("has an address of the node, 192.0.2.7/24 on eth0"),
            ),
        ];
        for (case, findings, expected) in cases {
            assert_eq!(findings.used().as_deref(), expected, "{case}");
        }
    }
}
