use netlink_packet_core::{NLA_F_NESTED, NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL};

use super::{IFLA_ALT_IFNAME, encode};
use crate::body::{self, Body};
use crate::error::Error;
use crate::handle::Rtnetlink;
use crate::message::Request;

// Not in the C library yet (include/uapi/linux/rtnetlink.h, Linux 5.5).
const RTM_NEWLINKPROP: u16 = 108;
const RTM_DELLINKPROP: u16 = 109;
const IFLA_PROP_LIST: u16 = 52;

impl Rtnetlink {
    /// Gives a link one more name; [`Error::is_exists`] if any link has it.
    pub fn add_alt_name(&mut self, index: u32, name: &str) -> Result<(), Error> {
        self.execute(&add(index, name))
    }

    /// Takes an alternative name from a link; [`Error::is_gone`] if it does not have it.
    pub fn delete_alt_name(&mut self, index: u32, name: &str) -> Result<(), Error> {
        self.execute(&delete(index, name))
    }
}

pub(super) fn add(index: u32, name: &str) -> Request {
    let flags = NLM_F_CREATE | NLM_F_EXCL | NLM_F_APPEND;
    request("add alternative name", index, name, RTM_NEWLINKPROP, flags)
}

pub(super) fn delete(index: u32, name: &str) -> Request {
    request("delete alternative name", index, name, RTM_DELLINKPROP, 0)
}

fn request(operation: &'static str, index: u32, name: &str, kind: u16, flags: u16) -> Request {
    let mut message = encode::header(index);
    body::nest(&mut message, IFLA_PROP_LIST | NLA_F_NESTED, |list| body::text(list, IFLA_ALT_IFNAME, name));
    Request::new(operation, format_args!("{name} of link {index}"), kind, flags, &Body(message))
}
