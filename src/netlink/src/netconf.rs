//! IPv4 settings of a namespace as a whole: what /proc/sys/net/ipv4/conf/all holds, without entering the namespace
//! (`inet_netconf_get_devconf` in net/ipv4/devinet.c).

use crate::attr::Attributes;
use crate::body::{self, Body};
use crate::error::Error;
use crate::handle::Rtnetlink;
use crate::message::{Message, Request};

// Not in the C library (include/uapi/linux/rtnetlink.h and netconf.h).
const RTM_NEWNETCONF: u16 = 80;
const RTM_GETNETCONF: u16 = 82;
const NETCONFA_IFINDEX: u16 = 1;
const NETCONFA_RP_FILTER: u16 = 3;
const NETCONFA_IFINDEX_ALL: i32 = -1;
const AF_INET: u8 = 2;
/// `struct netconfmsg`, the family, and its padding.
const HEADER: usize = 4;

impl Rtnetlink {
    /// `all.rp_filter`: the least that counts on every link.
    pub fn rp_filter_of_all(&mut self) -> Result<u32, Error> {
        let request = get();
        self.query(&request, decode)?.ok_or_else(|| request.unexpected("neither a setting nor an error"))
    }
}

fn get() -> Request {
    let mut message = vec![0; HEADER];
    message[0] = AF_INET;
    body::u32(&mut message, NETCONFA_IFINDEX, NETCONFA_IFINDEX_ALL.cast_unsigned());
    Request::about("look up IPv4 settings", "of all links", RTM_GETNETCONF, 0, &Body(message))
}

fn decode(message: &Message<'_>) -> Option<u32> {
    let mut attributes = Attributes(message.payload.get(HEADER..)?);
    let rp_filter = attributes.find(|attribute| attribute.kind == NETCONFA_RP_FILTER)?.u32();
    rp_filter.filter(|_| message.kind == RTM_NEWNETCONF)
}
