use std::net::IpAddr;

use netlink_packet_route::AddressFamily;
use netlink_sys::protocols::NETLINK_ROUTE;
use netns::NetNs;

use crate::batch::Batch;
use crate::error::Error;
use crate::message::{Message, Request};
use crate::socket::{self, Socket};

/// An rtnetlink socket. Stays in the namespace it was opened in, wherever the thread goes.
#[derive(Debug)]
pub struct Rtnetlink {
    socket: Socket<RouteProtocol>,
}

#[derive(Debug)]
struct RouteProtocol;

impl socket::Family for RouteProtocol {
    const PROTOCOL: isize = NETLINK_ROUTE;
    const NAME: &'static str = "NETLINK_ROUTE";
}

/// IPv4 or IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// `AF_INET`
    V4,
    /// `AF_INET6`
    V6,
}

impl Family {
    /// Both, IPv4 first.
    pub const BOTH: [Self; 2] = [Self::V4, Self::V6];

    pub(crate) fn from_raw(raw: u8) -> Option<Self> {
        Self::BOTH.into_iter().find(|family| u8::from(AddressFamily::from(*family)) == raw)
    }
}

impl From<IpAddr> for Family {
    fn from(ip: IpAddr) -> Self {
        if ip.is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

impl From<Family> for AddressFamily {
    fn from(family: Family) -> Self {
        match family {
            Family::V4 => Self::Inet,
            Family::V6 => Self::Inet6,
        }
    }
}

impl Rtnetlink {
    /// Opens a socket in the namespace of the calling thread.
    pub fn open() -> Result<Self, Error> {
        Ok(Self { socket: Socket::open()? })
    }

    /// Opens a socket in `netns`, which gets to know its cookie by it; the calling thread visits it for that.
    pub fn open_in(netns: &NetNs) -> Result<Self, Error> {
        let route = netns.run(Self::open)??;
        netns.learn_cookie(route.socket.as_fd());
        Ok(route)
    }

    /// Whether a table that changes during each attempt to read it is taken as the last attempt found it. Entries that were
    /// there all the time may be missing from it: for undoing what is found, and never for "it is gone".
    pub fn accept_unsettled_dumps(&mut self, accept: bool) {
        self.socket.accept_unsettled(accept);
    }

    /// Collects requests to send them in one system call.
    pub fn batch(&mut self) -> Batch<'_> {
        Batch::new(self)
    }

    pub(crate) fn execute(&mut self, request: &Request) -> Result<(), Error> {
        self.socket.transact(request, |_| {})
    }

    /// The last answer that `decode` accepts.
    pub(crate) fn query<T>(
        &mut self,
        request: &Request,
        decode: impl Fn(&Message<'_>) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        let mut answer = None;
        self.socket.transact(request, |message| answer = decode(message).or(answer.take()))?;
        Ok(answer)
    }

    pub(crate) fn dump<T>(
        &mut self,
        request: &Request,
        decode: impl Fn(&Message<'_>) -> Option<T>,
    ) -> Result<Vec<T>, Error> {
        self.socket.dump(request, decode)
    }

    pub(crate) fn pipeline(&mut self, requests: &[Request]) -> Result<Vec<Result<(), Error>>, Error> {
        self.socket.pipeline(requests)
    }
}
