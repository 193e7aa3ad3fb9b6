//! Servers that send back what they get, on a thread that ends with the handle.

use crate::mounts::must;
use crate::space::Space;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io::{self, Error, PipeReader, PipeWriter, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::thread::JoinHandle;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(3);
const PAYLOAD: &[u8] = b"over the rails";

/// What an echo speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// One connection after another.
    Tcp,
    /// One datagram after another.
    Udp,
}

/// A running server; it stops when dropped.
#[derive(Debug)]
pub struct Echo {
    address: SocketAddr,
    protocol: Protocol,
    stop: Option<PipeWriter>,
    thread: Option<JoinHandle<()>>,
}

impl Space {
    /// Serves `address` on a free port of this namespace.
    #[track_caller]
    pub fn echo(&self, protocol: Protocol, address: impl Into<IpAddr>) -> Echo {
        let address = SocketAddr::new(address.into(), 0);
        let (until, stop) = must("make a pipe", io::pipe());
        // A socket stays in the namespace it was made in: the thread that serves it need not be there.
        let server = self.run(|| Server::bind(protocol, address));
        let server = must(&format!("listen on {address} in {}", self.name()), server);
        let address = must("read the port", server.address());
        let thread = std::thread::spawn(move || server.serve(&until));
        Echo { address, protocol, stop: Some(stop), thread: Some(thread) }
    }

    /// Sends to `echo` from `source` (or what the kernel picks) and waits for the same bytes; returns the source.
    pub fn talk(&self, echo: &Echo, source: Option<IpAddr>) -> io::Result<SocketAddr> {
        self.run(|| match echo.protocol {
            Protocol::Tcp => tcp_round_trip(echo.address),
            Protocol::Udp => udp_round_trip(echo.address, source),
        })
    }
}

impl Echo {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        drop(self.stop.take());
        // Its panic has been printed already.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

enum Server {
    Tcp(TcpListener),
    Udp(UdpSocket),
}

impl Server {
    fn bind(protocol: Protocol, address: SocketAddr) -> io::Result<Self> {
        match protocol {
            Protocol::Tcp => TcpListener::bind(address).map(Self::Tcp),
            Protocol::Udp => UdpSocket::bind(address).map(Self::Udp),
        }
    }

    fn address(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr(),
            Self::Udp(socket) => socket.local_addr(),
        }
    }

    fn serve(&self, until: &PipeReader) {
        while self.ready(until) {
            // A client that goes away in the middle is its own test's failure.
            let _ = match self {
                Self::Tcp(listener) => listener.accept().and_then(|(stream, _)| echo_stream(stream)),
                Self::Udp(socket) => echo_datagram(socket),
            };
        }
    }

    /// Waits for a client; false once the other end of `until` is closed.
    fn ready(&self, until: &PipeReader) -> bool {
        let socket = match self {
            Self::Tcp(listener) => listener.as_fd(),
            Self::Udp(socket) => socket.as_fd(),
        };
        let mut fds = [PollFd::new(until.as_fd(), PollFlags::POLLIN), PollFd::new(socket, PollFlags::POLLIN)];
        must("wait for a client", poll(&mut fds, PollTimeout::NONE));
        fds[0].revents().is_none_or(|events| events.is_empty())
    }
}

fn echo_stream(mut stream: TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut reader = stream.try_clone()?;
    io::copy(&mut reader, &mut stream).map(drop)
}

fn echo_datagram(socket: &UdpSocket) -> io::Result<()> {
    let mut buffer = [0; 2048];
    let (length, from) = socket.recv_from(&mut buffer)?;
    socket.send_to(&buffer[..length], from).map(drop)
}

fn tcp_round_trip(to: SocketAddr) -> io::Result<SocketAddr> {
    let mut stream = TcpStream::connect_timeout(&to, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(PAYLOAD)?;
    stream.shutdown(Shutdown::Write)?;
    let mut back = Vec::new();
    stream.read_to_end(&mut back)?;
    same(&back)?;
    stream.local_addr()
}

fn udp_round_trip(to: SocketAddr, source: Option<IpAddr>) -> io::Result<SocketAddr> {
    let any: IpAddr = if to.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
    let socket = UdpSocket::bind((source.unwrap_or(any), 0))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.connect(to)?;
    socket.send(PAYLOAD)?;
    let mut back = [0; 2048];
    let length = socket.recv(&mut back)?;
    same(&back[..length])?;
    socket.local_addr()
}

fn same(back: &[u8]) -> io::Result<()> {
    if back == PAYLOAD {
        return Ok(());
    }
    Err(Error::other(format!("sent {} bytes, got {} others back", PAYLOAD.len(), back.len())))
}
