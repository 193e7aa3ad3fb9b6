//! RDMA devices: `NETLINK_RDMA`, client NLDEV (`rdma/rdma_netlink.h`).

mod codec;
#[cfg(test)]
mod tests;

use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

use netlink_packet_core::DefaultNla;
use netlink_sys::protocols::NETLINK_RDMA;
use netns::NetNs;
use nix::errno::Errno;

pub use codec::{NetnsMode, RdmaDevice, RdmaPort, RdmaResources};
pub(crate) use codec::{device, netns_mode, port, resources};

use crate::error::Error;
use crate::message::Request;
use crate::socket::{self, Socket};

/// A `NETLINK_RDMA` socket. [`Error::is_unsupported`] where the kernel has no RDMA.
#[derive(Debug)]
pub struct Rdma {
    socket: Socket<Nldev>,
}

#[derive(Debug)]
struct Nldev;

impl socket::Family for Nldev {
    const PROTOCOL: isize = NETLINK_RDMA;
    const NAME: &'static str = "NETLINK_RDMA";
}

impl Rdma {
    /// Opens a socket in the namespace of the calling thread.
    pub fn open() -> Result<Self, Error> {
        Ok(Self { socket: Socket::open()? })
    }

    /// Opens a socket in `netns`; the calling thread visits it for that.
    pub fn open_in(netns: &NetNs) -> Result<Self, Error> {
        netns.run(Self::open)?
    }

    /// The devices of this namespace; in shared mode, those of all.
    pub fn devices(&mut self) -> Result<Vec<RdmaDevice>, Error> {
        let request = codec::request("list RDMA devices", "of the namespace", codec::GET, &[]);
        self.socket.dump(&request, codec::device)
    }

    /// The device of that index, if this namespace has it.
    pub fn device(&mut self, index: u32) -> Result<Option<RdmaDevice>, Error> {
        let object = format_args!("{index}");
        let request = codec::request("look up RDMA device", object, codec::GET, &[codec::index(index)]);
        let mut found = None;
        match self.socket.transact(&request, |message| found = codec::device(message).or(found.take())) {
            // There is no other answer to an index that is not here (`nldev_get_doit` in drivers/infiniband/core/nldev.c).
            Err(error) if error.errno() == Some(Errno::EINVAL) => Ok(None),
            outcome => outcome.map(|()| found),
        }
    }

    /// The device of that name, as in `mlx5_2`.
    pub fn device_by_name(&mut self, name: &str) -> Result<Option<RdmaDevice>, Error> {
        Ok(self.devices()?.into_iter().find(|device| device.name == name))
    }

    /// The ports of a device, with the links they carry.
    pub fn ports(&mut self, device: u32) -> Result<Vec<RdmaPort>, Error> {
        let object = format_args!("of device {device}");
        let request = codec::request("list RDMA ports", object, codec::PORT_GET, &[codec::index(device)]);
        self.socket.dump(&request, codec::port)
    }

    /// What of each device of this namespace is in use.
    pub fn resources(&mut self) -> Result<Vec<RdmaResources>, Error> {
        let request = codec::request("count what is in use of", "RDMA devices", codec::RES_GET, &[]);
        self.socket.dump(&request, codec::resources)
    }

    /// Whether namespaces have devices of their own.
    pub fn netns_mode(&mut self) -> Result<NetnsMode, Error> {
        let request = codec::request("read", "the RDMA netns mode", codec::SYS_GET, &[]);
        let mut mode = None;
        self.socket.transact(&request, |message| mode = codec::netns_mode(message).or(mode))?;
        mode.ok_or_else(|| request.unexpected("no netns mode"))
    }

    /// Sets the mode of the node; [`Error::is_busy`] while there is any namespace but the first.
    pub fn set_netns_mode(&mut self, mode: NetnsMode) -> Result<(), Error> {
        self.execute(&set_mode(mode))
    }

    /// Moves a device to a namespace. Needs exclusive mode, and a driver that can take its users' contexts away.
    pub fn move_device(&mut self, device: u32, netns: BorrowedFd<'_>) -> Result<(), Error> {
        self.execute(&move_to(device, netns.as_raw_fd()))
    }

    /// Renames a device; [`Error::is_exists`] if another has the name, in whichever namespace.
    pub fn rename(&mut self, device: u32, name: &str) -> Result<(), Error> {
        self.execute(&rename(device, name))
    }

    fn execute(&mut self, request: &Request) -> Result<(), Error> {
        self.socket.transact(request, |_| {})
    }
}

fn set_mode(mode: NetnsMode) -> Request {
    let attributes = [DefaultNla::new(codec::NETNS_MODE, vec![mode as u8])];
    codec::request("set", format_args!("the RDMA netns mode to {mode}"), codec::SYS_SET, &attributes)
}

fn move_to(device: u32, netns: RawFd) -> Request {
    let attributes = [codec::index(device), DefaultNla::new(codec::NET_NS_FD, netns.to_ne_bytes().to_vec())];
    let object = format_args!("RDMA device {device}");
    codec::request("move to another namespace", object, codec::SET, &attributes)
}

fn rename(device: u32, name: &str) -> Request {
    let attributes = [codec::index(device), codec::string(codec::DEV_NAME, name)];
    let object = format_args!("RDMA device {device} to {name}");
    codec::request("rename", object, codec::SET, &attributes)
}
