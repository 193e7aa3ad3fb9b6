//! Links: looking one up, creating, changing and deleting it.

mod altname;
pub mod arphrd;
mod change;
mod decode;
pub(crate) mod encode;
mod ipv4;
mod kind;
mod netnsid;
mod new;
mod offload;
mod statistics;
#[cfg(test)]
mod tests;
mod view;

use netlink_packet_core::NLM_F_ECHO;
use nix::errno::Errno;
use nix::libc::{IFLA_GROUP, IFLA_IFNAME, RTM_DELLINK, RTM_GETLINK};

pub use change::LinkChange;
pub use ipv4::Ipv4Conf;
pub use kind::{
    Bond, BondMode, BondOption, IpVlanFlags, IpVlanMode, Ipoib, IpoibMode, Ipvlan, LinkKind, MacVlanMode,
    Macvlan, Vlan, VlanProtocol,
};
pub use netlink_packet_route::link::{LinkFlags, State as OperState};
pub use new::{NewKind, NewLink, VethPeer};
pub use offload::{Limits, XdpMode};
pub use statistics::{LinkStatistics, Statistics};
pub use view::Link;

pub(crate) use decode::decode;

use crate::batch::Batch;
use crate::body::{self, Body};
use crate::error::Error;
use crate::handle::Rtnetlink;
use crate::message::Request;

/// Longest `IFLA_IFNAME`; what is longer can only be an alternative name.
const LONGEST_NAME: usize = 15;
const LONGEST_ALT_NAME: usize = 127;
// Not in the C library yet (include/uapi/linux/if_link.h, Linux 5.5).
const IFLA_ALT_IFNAME: u16 = 53;

impl Rtnetlink {
    /// The link of that name or alternative name. Asks for the one link, never for all, and never for VFs.
    pub fn link_by_name(&mut self, name: &str) -> Result<Option<Link>, Error> {
        if name.is_empty() || name.len() > LONGEST_ALT_NAME || name.contains('\0') {
            return Ok(None);
        }
        let mut message = encode::header(0);
        let by_name = if name.len() <= LONGEST_NAME { IFLA_IFNAME } else { IFLA_ALT_IFNAME };
        body::text(&mut message, by_name, name);
        encode::without_statistics(&mut message, false);
        self.query_link(&Request::new("look up link", name, RTM_GETLINK, 0, &Body(message)))
    }

    /// The link with that index.
    pub fn link_by_index(&mut self, index: u32) -> Result<Option<Link>, Error> {
        let mut message = encode::header(index);
        encode::without_statistics(&mut message, false);
        self.query_link(&Request::about("look up link", index, RTM_GETLINK, 0, &Body(message)))
    }

    /// All links of the namespace.
    pub fn links(&mut self) -> Result<Vec<Link>, Error> {
        let mut message = encode::header(0);
        encode::without_statistics(&mut message, false);
        let request = Request::about("list links", "of the namespace", RTM_GETLINK, 0, &Body(message));
        self.dump(&request, decode)
    }

    /// Creates a link, in this namespace or in that of [`NewLink::netns`], complete with name, MTU and address.
    ///
    /// Returns the link as the kernel reports it. `None` when it is in another namespace, or the kernel older than 6.2:
    /// look it up by name there.
    pub fn create_link(&mut self, link: &NewLink<'_>) -> Result<Option<Link>, Error> {
        // The echo of a link in another namespace would go to a socket there that has our port by chance.
        let echo = if link.netns.is_none() { NLM_F_ECHO } else { 0 };
        self.query(&new::request(link, echo), decode)
    }

    /// Applies all changes in one request.
    pub fn set_link(&mut self, index: u32, change: &LinkChange<'_>) -> Result<(), Error> {
        self.execute(&change::request(index, change))
    }

    /// Brings a link up.
    pub fn set_up(&mut self, index: u32) -> Result<(), Error> {
        self.set_link(index, &LinkChange::UP)
    }

    /// Takes an XDP program off a link. Busy while a BPF link has it, whose process has to end first.
    pub fn detach_xdp(&mut self, index: u32, mode: XdpMode) -> Result<(), Error> {
        self.execute(&offload::detach(index, mode))
    }

    /// Deletes a link. Waits for a grace period of the kernel, about 20 ms.
    pub fn delete_link(&mut self, index: u32) -> Result<(), Error> {
        self.execute(&delete(index))
    }

    /// Deletes all links of a group, within one grace period. The kernel refuses group 0, in which every link starts.
    pub fn delete_group(&mut self, group: u32) -> Result<(), Error> {
        let mut message = encode::header(0);
        body::u32(&mut message, IFLA_GROUP, group);
        let request = Request::new("delete links of group", group, RTM_DELLINK, 0, &Body(message));
        self.execute(&request)
    }

    fn query_link(&mut self, request: &Request) -> Result<Option<Link>, Error> {
        match self.query(request, decode) {
            Ok(None) => Err(request.unexpected("neither a link nor an error")),
            Err(error) if error.errno() == Some(Errno::ENODEV) => Ok(None),
            other => other,
        }
    }
}

impl Batch<'_> {
    /// See [`Rtnetlink::set_link`].
    pub fn set_link(&mut self, index: u32, change: &LinkChange<'_>) -> &mut Self {
        self.push(change::request(index, change))
    }

    /// See [`Rtnetlink::set_up`].
    pub fn set_up(&mut self, index: u32) -> &mut Self {
        self.set_link(index, &LinkChange::UP)
    }

    /// See [`Rtnetlink::create_link`]; does not return the link.
    pub fn create_link(&mut self, link: &NewLink<'_>) -> &mut Self {
        self.push(new::request(link, 0))
    }

    /// See [`Rtnetlink::delete_link`].
    pub fn delete_link(&mut self, index: u32) -> &mut Self {
        self.push(delete(index))
    }
}

fn delete(index: u32) -> Request {
    Request::about("delete link", index, RTM_DELLINK, 0, &Body(encode::header(index)))
}
