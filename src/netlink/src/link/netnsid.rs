use std::os::fd::AsRawFd;

use netlink_packet_route::nsid::{NsidAttribute, NsidMessage};
use netns::NetNs;
use nix::libc::{RTM_GETNSID, RTM_NEWNSID};

use crate::attr::Attributes;
use crate::error::Error;
use crate::handle::Rtnetlink;
use crate::message::{Message, Request};

const HEADER: usize = 4;
// NETNSA_NSID (include/uapi/linux/net_namespace.h)
const NSID: u16 = 1;

impl Rtnetlink {
    /// The id that the socket's namespace has for `netns`, as in [`crate::Link::parent_netnsid`]; `None` if it has none.
    pub fn netns_id(&mut self, netns: &NetNs) -> Result<Option<i32>, Error> {
        let message = message(netns);
        let request =
            Request::new("look up the id of namespace", netns.path().display(), RTM_GETNSID, 0, &message);
        self.query(&request, decode)
    }

    /// The ids of all namespaces that the socket's namespace has one for.
    pub fn netns_ids(&mut self) -> Result<Vec<i32>, Error> {
        let request = Request::about("list ids", "of namespaces", RTM_GETNSID, 0, &NsidMessage::default());
        self.dump(&request, decode)
    }
}

fn message(netns: &NetNs) -> NsidMessage {
    let mut message = NsidMessage::default();
    message.attributes = vec![NsidAttribute::Fd(netns.fd().as_raw_fd().cast_unsigned())];
    message
}

fn decode(message: &Message<'_>) -> Option<i32> {
    let mut attributes = Attributes(message.payload.get(HEADER..)?);
    let id = attributes.find(|attribute| attribute.kind == NSID)?.i32()?;
    (message.kind == RTM_NEWNSID).then_some(id).filter(|&id| id >= 0)
}
