//! Mode underlay: the first NIC is a rail, and no rail leads to the node. The pod gets a veth pair with it: `veth0` in the
//! pod, `veth` and eleven characters of the container's id on the node, the names that Spiderpool gives them, too.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use attach::{Error, Pod, UndoContext, sysctl};
use netlink::link::{LinkKind, NewKind, VethPeer};
use netlink::nft::{Chain, ChainKind, Ct, Expr, Hook, Meta, Nft, Table};
use netlink::{Group, HwAddr, Link, Monitor, NewLink, Rtnetlink};
use serde::{Deserialize, Serialize};
use state::AttachmentKey;

use super::Failure;
use super::model::POD_VETH;

/// Marks connections that came in by the pair, and the packets that answer. A bit that no well-known user of marks has.
pub(super) const MARK: u32 = 0x2000_0000;
/// Of nftables, in the pod.
const TABLE: &str = "railcni";
/// What nft(8) calls mangle.
const MANGLE: i32 = -150;
/// Longer than the worker takes on a busy node.
const SOON: Duration = Duration::from_secs(2);
/// What is left of the kernel's 15 bytes after `veth`.
const ID: usize = 11;

/// How to undo the pair and the marks, and what CHECK compares with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pair {
    /// Name of the node's end.
    pub(super) on_node: String,
    node_mac: [u8; 6],
    pod_mac: [u8; 6],
    mtu: u32,
}

impl Pair {
    pub(super) fn new(key: &AttachmentKey, mtu: u32) -> Self {
        let id: String = key.container_id.chars().take(ID).collect();
        let (node_mac, pod_mac) = (mac(key, "node"), mac(key, "pod"));
        Self { on_node: format!("veth{id}"), node_mac, pod_mac, mtu }
    }

    /// Under a name made of all of the container's id, where that of another container, whose id begins alike, is in the way.
    pub(super) fn unless_taken(self, host: &mut Rtnetlink) -> Result<Self, Error> {
        /// As many bits as fit into the eleven characters.
        const BITS: u64 = (1 << 44) - 1;
        if host.link_by_name(&self.on_node)?.is_none_or(|link| link.kind != LinkKind::Veth) {
            return Ok(self);
        }
        let hash = self.node_mac.iter().fold(0, |hash: u64, byte| hash << 8 | u64::from(*byte)) & BITS;
        Ok(Self { on_node: format!("veth{hash:011x}"), ..self })
    }

    /// Neither end is in the way of another link.
    pub(super) fn require_free(&self, host: &mut Rtnetlink, pod: &mut Pod) -> Result<(), Error> {
        if pod.netlink.link_by_name(POD_VETH)?.is_some() {
            return Err(attach::Failure::IfnameTaken { ifname: POD_VETH.to_owned() }.into());
        }
        if host.link_by_name(&self.on_node)?.is_some() {
            return Err(Failure::HostVethTaken { ifname: self.on_node.clone() }.into());
        }
        let nft = Nft::open_in(&pod.netns).and_then(|mut nft| nft.table(TABLE));
        match nft.map_err(|source| Failure::Marks { source })? {
            Some(_) => Err(Failure::MarksTaken { table: TABLE }.into()),
            None => Ok(()),
        }
    }

    /// Both ends in one request, the pod's in the pod. Addresses of their own keep systemd-udevd from choosing others
    /// (`MACAddressPolicy`) after the neighbours know them.
    pub(super) fn create(&self, host: &mut Rtnetlink, pod: &mut Pod, has_v6: bool) -> Result<(), Error> {
        let peer = VethPeer {
            netns: Some(pod.netns.fd()),
            mtu: Some(self.mtu),
            address: Some(HwAddr::from(self.pod_mac)),
            ..VethPeer::new(POD_VETH)
        };
        host.create_link(&NewLink {
            mtu: Some(self.mtu),
            address: Some(HwAddr::from(self.node_mac)),
            ..NewLink::new(&self.on_node, NewKind::Veth(peer))
        })?;
        sysctl::trust_nothing(&self.on_node)?;
        let end = host.link_by_name(&self.on_node)?;
        end.map_or(Ok(()), |end| host.set_up(end.index))?;
        if has_v6 {
            pod.netns.run(enable_v6)??;
        }
        let marks = Nft::open_in(&pod.netns).and_then(|mut nft| nft.create(&marks()));
        marks.map_err(|source| Failure::Marks { source }.into())
    }

    /// Waits for the node's end: its carrier comes with the other end, but it sends nothing before a worker of the kernel
    /// has taken notice.
    pub(super) fn wait(&self, host: &mut Rtnetlink) -> Result<(), Error> {
        let mut monitor = Monitor::subscribe(&[Group::Link])?;
        let running = || -> Result<_, Error> {
            Ok(host.link_by_name(&self.on_node)?.is_some_and(|link| link.is_running()).then_some(()))
        };
        if monitor.wait_for(Instant::now() + SOON, running)?.is_none() {
            tracing::warn!(ifname = self.on_node, "has no carrier after {SOON:?}");
        }
        Ok(())
    }

    /// Whether the node has its end.
    pub(super) fn is_there(&self, host: &mut Rtnetlink) -> bool {
        host.link_by_name(&self.on_node).is_ok_and(|link| link.is_some_and(|link| self.is_end(&link)))
    }

    /// Whatever is left of it.
    pub(super) fn undo(&self, context: &mut UndoContext) -> Result<(), Error> {
        let marks = context.pod.as_ref().map_or(Ok(()), remove_marks);
        Error::all([marks, self.delete(context)])
    }

    fn delete(&self, context: &mut UndoContext) -> Result<(), Error> {
        let host = context.host()?;
        let Some(link) = host.link_by_name(&self.on_node)?.filter(|link| self.is_end(link)) else {
            return Ok(());
        };
        match host.delete_link(link.index) {
            Err(error) if !error.is_gone() => Err(error.into()),
            _ => Ok(()),
        }
    }

    fn is_end(&self, link: &Link) -> bool {
        link.kind == LinkKind::Veth && link.address == Some(HwAddr::from(self.node_mac))
    }

    /// For CHECK.
    pub(super) fn differences(&self, host: &mut Rtnetlink, pod: &mut Pod) -> Result<Vec<String>, Error> {
        let mut found = Vec::new();
        let on_node = host.link_by_name(&self.on_node)?.filter(|link| self.is_end(link));
        let in_pod = pod.netlink.link_by_name(POD_VETH)?;
        for (link, name, place) in
            [(on_node, self.on_node.as_str(), "on the node"), (in_pod, POD_VETH, "in the pod")]
        {
            match link {
                None => found.push(format!("{name} is missing {place}")),
                Some(link) if !link.is_up() => found.push(format!("{name} is down {place}")),
                Some(link) if link.mtu != self.mtu => {
                    found.push(format!("the MTU of {name} is {} {place}, expected {}", link.mtu, self.mtu));
                }
                Some(_) => (),
            }
        }
        for (family, name) in sysctl::TRUST {
            let path = sysctl::of_interface(family, &self.on_node, name);
            if let Some(value) = sysctl::read(&path).ok().filter(|value| value != "0") {
                found.push(format!(
                    "{name} ({family}) of {} on the node is {value}, expected 0",
                    self.on_node
                ));
            }
        }
        match Nft::open_in(&pod.netns)?.table(TABLE)? {
            None => found.push(format!("table inet {TABLE} of nftables is missing in the pod")),
            Some(present) if present != marks() => {
                found.push(format!("table inet {TABLE} of nftables in the pod is not as ADD made it"));
            }
            Some(_) => (),
        }
        Ok(found)
    }
}

/// The same for every try of an attachment, and another for every container; unicast, administered locally. Only ADD asks:
/// DEL and CHECK have it from the record, so that a Rust whose hasher is another one does no harm.
fn mac(key: &AttachmentKey, end: &str) -> [u8; 6] {
    let mut hasher = DefaultHasher::new();
    (&key.container_id, end).hash(&mut hasher);
    let [first, rest @ ..] = hasher.finish().to_be_bytes();
    [(first & 0xfc) | 2, rest[0], rest[1], rest[2], rest[3], rest[4]]
}

/// A runtime may have turned IPv6 off for links to come.
fn enable_v6() -> Result<(), Error> {
    let path = sysctl::of_interface("ipv6", POD_VETH, "disable_ipv6");
    if sysctl::read(&path)? == "0" { Ok(()) } else { sysctl::write(&path, "0") }
}

/// A connection that came in by the pair is remembered, and what answers it gets the mark that leads back: what the pod
/// sends itself, and what it forwards. What comes in stays unmarked, or a pod that forwards would send it back.
fn marks() -> Table {
    let set_bit = Expr::Bits { mask: !MARK, xor: MARK };
    let remember = vec![
        Expr::LoadMeta(Meta::Iifname),
        Expr::is_link(true, POD_VETH),
        Expr::LoadCt(Ct::State),
        Expr::Bits { mask: Ct::NEW, xor: 0 },
        Expr::is_number(false, 0),
        Expr::LoadCt(Ct::Mark),
        set_bit.clone(),
        Expr::SetCt(Ct::Mark),
    ];
    let answer = vec![
        Expr::LoadCt(Ct::Direction),
        Expr::Compare { equal: true, with: vec![1] },
        Expr::LoadCt(Ct::Mark),
        Expr::Bits { mask: MARK, xor: 0 },
        Expr::is_number(false, 0),
        Expr::LoadMeta(Meta::Mark),
        set_bit,
        Expr::SetMeta(Meta::Mark),
    ];
    let forwarded =
        [vec![Expr::LoadMeta(Meta::Iifname), Expr::is_link(false, POD_VETH)], answer.clone()].concat();
    let chain =
        |name: &str, kind, hook, rules| Chain { name: name.to_owned(), kind, hook, priority: MANGLE, rules };
    Table {
        name: TABLE.to_owned(),
        chains: vec![
            chain("prerouting", ChainKind::Filter, Hook::Prerouting, vec![remember, forwarded]),
            chain("output", ChainKind::Route, Hook::Output, vec![answer]),
        ],
    }
}

fn remove_marks(pod: &Pod) -> Result<(), Error> {
    let mut nft = match Nft::open_in(&pod.netns) {
        // Then there was never a table.
        Err(error) if error.is_unsupported() => return Ok(()),
        other => other?,
    };
    match nft.delete(TABLE) {
        Err(error) if error.is_gone() || error.is_unsupported() => Ok(()),
        Err(error) if error.errno().is_some() => {
            tracing::warn!(%error, "left as it is in the pod, which has made it its own");
            Ok(())
        }
        other => Ok(other?),
    }
}
