//! Multicast addresses that a link takes in beside those of its protocols, as `bridge fdb add MAC dev LINK self` has them.

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use nix::libc::{AF_BRIDGE, NDA_LLADDR, NTF_SELF, NUD_PERMANENT, RTM_DELNEIGH, RTM_NEWNEIGH};

use crate::body::{self, Body};
use crate::error::Error;
use crate::handle::Rtnetlink;
use crate::message::Request;

impl Rtnetlink {
    /// Has the link take in frames to that address; [`Error::is_exists`] if somebody has seen to it.
    pub fn add_multicast(&mut self, index: u32, address: [u8; 6]) -> Result<(), Error> {
        self.execute(&request("take in multicast", RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_EXCL, index, address))
    }

    /// Ends that.
    pub fn delete_multicast(&mut self, index: u32, address: [u8; 6]) -> Result<(), Error> {
        self.execute(&request("take in no more multicast", RTM_DELNEIGH, 0, index, address))
    }
}

fn request(operation: &'static str, kind: u16, flags: u16, index: u32, address: [u8; 6]) -> Request {
    let [family, flag] = [AF_BRIDGE.to_ne_bytes()[0], NTF_SELF];
    // struct ndmsg
    let mut body = vec![family, 0, 0, 0];
    body.extend(index.to_ne_bytes());
    body.extend(NUD_PERMANENT.to_ne_bytes());
    body.extend([flag, 0]);
    body::put(&mut body, NDA_LLADDR, &address);
    let octets = address.map(|octet| format!("{octet:02x}")).join(":");
    Request::new(operation, format_args!("to {octets} on link {index}"), kind, flags, &Body(body))
}
