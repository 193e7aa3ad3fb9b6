use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use netlink_sys::protocols::NETLINK_ROUTE;
use netns::NetNs;
use nix::errno::Errno;
use nix::libc::{
    RTM_DELADDR, RTM_DELLINK, RTM_DELNEIGH, RTM_DELROUTE, RTM_NEWADDR, RTM_NEWLINK, RTM_NEWNEIGH,
    RTM_NEWROUTE, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV6_ROUTE,
    RTNLGRP_LINK, RTNLGRP_NEIGH,
};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::addr::{self, Address};
use crate::error::{Error, Failure};
use crate::link::{self, Link};
use crate::message::{Message, Messages};
use crate::neigh::{self, Neighbour};
use crate::route::{self, Route};
use crate::socket::{READ_SIZE, connected, receive};

/// What a [`Monitor`] hears of (`RTNLGRP_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Links: created, changed, deleted.
    Link,
    /// IPv4 addresses.
    Ipv4Address,
    /// IPv6 addresses, and the end of their duplicate address detection.
    Ipv6Address,
    /// IPv4 routes.
    Ipv4Route,
    /// IPv6 routes.
    Ipv6Route,
    /// Neighbours of both families: found, lost, given up.
    Neighbour,
}

/// A change that the kernel reports.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A link is new or has changed.
    Link(Link),
    /// A link has been deleted, or has left the namespace.
    LinkGone(Link),
    /// An address is new or has changed.
    Address(Address),
    /// An address has been deleted.
    AddressGone(Address),
    /// A route is new or has changed.
    Route(Route),
    /// A route has been deleted.
    RouteGone(Route),
    /// A neighbour is new or its state has changed.
    Neighbour(Neighbour),
    /// A neighbour has been deleted.
    NeighbourGone(Neighbour),
    /// Events have been lost: read again whatever is waited for.
    Lost,
}

/// A socket that hears of changes in its namespace. Subscribe first, then read the state, then wait.
#[derive(Debug)]
pub struct Monitor {
    socket: netlink_sys::Socket,
    buffer: Vec<u8>,
}

impl Monitor {
    /// Subscribes in the namespace of the calling thread.
    pub fn subscribe(groups: &[Group]) -> Result<Self, Error> {
        let socket = open(groups).map_err(|source| Failure::Open { family: "NETLINK_ROUTE", source })?;
        Ok(Self { socket, buffer: Vec::new() })
    }

    /// Subscribes in `netns`.
    pub fn subscribe_in(netns: &NetNs, groups: &[Group]) -> Result<Self, Error> {
        netns.run(|| Self::subscribe(groups))?
    }

    /// Hands each event to `accept` until it returns something; `None` if the deadline passes before that.
    pub fn wait<T>(
        &mut self,
        deadline: Instant,
        mut accept: impl FnMut(Event) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        while self.ready(deadline)? {
            if let Some(found) = self.events()?.into_iter().find_map(&mut accept) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Calls `read` now, and again after every change, until it returns something; `None` if the deadline passes first.
    ///
    /// For a state that is read as a whole, as in "no address is tentative": lost events do no harm.
    pub fn wait_for<T, E: From<Error>>(
        &mut self,
        deadline: Instant,
        mut read: impl FnMut() -> Result<Option<T>, E>,
    ) -> Result<Option<T>, E> {
        loop {
            if let Some(found) = read()? {
                return Ok(Some(found));
            }
            if !self.ready(deadline)? {
                return Ok(None);
            }
            self.drain()?;
        }
    }

    /// Takes all that has been reported, so that one reading of the state answers it all.
    fn drain(&mut self) -> Result<(), Error> {
        while self.ready(Instant::now())? {
            self.events()?;
        }
        Ok(())
    }

    fn ready(&self, deadline: Instant) -> Result<bool, Error> {
        loop {
            let mut socket = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
            match poll(&mut socket, remaining(deadline)) {
                Ok(0) if Instant::now() < deadline => {}
                Err(Errno::EINTR) => {}
                other => return other.map(|ready| ready > 0).map_err(|errno| failed(errno.into())),
            }
        }
    }

    /// The events of one datagram.
    fn events(&mut self) -> Result<Vec<Event>, Error> {
        match receive(&self.socket, &mut self.buffer, READ_SIZE) {
            Err(error) if error.raw_os_error() == Some(Errno::ENOBUFS as i32) => Ok(vec![Event::Lost]),
            Err(error) => Err(failed(error)),
            Ok(length) if length > self.buffer.len() => Ok(vec![Event::Lost]),
            Ok(_) => Ok(Messages(&self.buffer).filter_map(|message| event(&message)).collect()),
        }
    }
}

fn open(groups: &[Group]) -> io::Result<netlink_sys::Socket> {
    let socket = connected(NETLINK_ROUTE)?;
    for group in groups {
        socket.add_membership(number(*group))?;
    }
    Ok(socket)
}

fn number(group: Group) -> u32 {
    match group {
        Group::Link => RTNLGRP_LINK,
        Group::Ipv4Address => RTNLGRP_IPV4_IFADDR,
        Group::Ipv6Address => RTNLGRP_IPV6_IFADDR,
        Group::Ipv4Route => RTNLGRP_IPV4_ROUTE,
        Group::Ipv6Route => RTNLGRP_IPV6_ROUTE,
        Group::Neighbour => RTNLGRP_NEIGH,
    }
}

/// Rounded up: a wait of less than a millisecond must not become a busy loop.
fn remaining(deadline: Instant) -> PollTimeout {
    let left = deadline.saturating_duration_since(Instant::now());
    let rounded = left.checked_add(Duration::from_nanos(999_999)).unwrap_or(left);
    PollTimeout::try_from(rounded.as_millis()).unwrap_or(PollTimeout::MAX)
}

fn failed(source: io::Error) -> Error {
    Failure::Socket { operation: "wait for", object: "events".to_owned(), source }.into()
}

fn event(message: &Message<'_>) -> Option<Event> {
    match message.kind {
        RTM_NEWLINK => link::decode(message).map(Event::Link),
        RTM_DELLINK => link::decode(message).map(Event::LinkGone),
        RTM_NEWADDR => addr::decode(message).map(Event::Address),
        RTM_DELADDR => addr::decode(message).map(Event::AddressGone),
        RTM_NEWROUTE => route::decode(message).map(Event::Route),
        RTM_DELROUTE => route::decode(message).map(Event::RouteGone),
        RTM_NEWNEIGH => neigh::decode(message).map(Event::Neighbour),
        RTM_DELNEIGH => neigh::decode(message).map(Event::NeighbourGone),
        _ => None,
    }
}
