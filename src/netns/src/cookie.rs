//! What tells a namespace from every other of a boot. Device and inode do not: the kernel gives them to the next one at once.

use std::num::NonZeroU64;
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;

use nix::libc;
use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::GetStruct;

/// `SO_NETNS_COOKIE` of Linux 5.14.
#[derive(Clone, Copy)]
struct NetnsCookie;

nix::getsockopt_impl!(NetnsCookie, libc::SOL_SOCKET, libc::SO_NETNS_COOKIE, u64, GetStruct<u64>);

/// The cookie of the namespace that a socket was opened in; `None` from a kernel that has none.
pub(crate) fn of(socket: impl AsFd) -> Option<NonZeroU64> {
    getsockopt(&socket, NetnsCookie).ok().and_then(NonZeroU64::new)
}

/// That of the calling thread's namespace.
pub(crate) fn here() -> Option<NonZeroU64> {
    UnixDatagram::unbound().ok().and_then(of)
}
