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
        self.delete_alt_names(index, &[name])
    }

    /// Takes several, by one request.
    pub fn delete_alt_names(&mut self, index: u32, names: &[&str]) -> Result<(), Error> {
        self.execute(&delete(index, names))
    }
}

pub(super) fn add(index: u32, name: &str) -> Request {
    let flags = NLM_F_CREATE | NLM_F_EXCL | NLM_F_APPEND;
    request("add alternative name", index, &[name], RTM_NEWLINKPROP, flags)
}

pub(super) fn delete(index: u32, names: &[&str]) -> Request {
    request("delete alternative name", index, names, RTM_DELLINKPROP, 0)
}

fn request(operation: &'static str, index: u32, names: &[&str], kind: u16, flags: u16) -> Request {
    let mut message = encode::header(index);
    body::nest(&mut message, IFLA_PROP_LIST | NLA_F_NESTED, |list| {
        for name in names {
            body::text(list, IFLA_ALT_IFNAME, name);
        }
    });
    let names = names.join(", ");
    Request::new(operation, format_args!("{names} of link {index}"), kind, flags, &Body(message))
}
