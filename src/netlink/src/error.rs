use std::fmt;
use std::io;

use nix::errno::Errno;

/// ENXIO: IPv6 is off on the link, so that it has no such address.
const GONE: &[Errno] = &[Errno::ENODEV, Errno::ENOENT, Errno::ESRCH, Errno::EADDRNOTAVAIL, Errno::ENXIO];

/// A request that failed. Says what was attempted, on which object, and what the kernel answered.
///
/// One pointer, because it goes through hundreds of `?`, each of which copies what it may have to return.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Error(Box<Failure>);

/// How a request can fail.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The kernel refused the request.
    #[error("cannot {operation} {object}: {refusal}")]
    Refused {
        /// What was attempted, as in `add address`.
        operation: &'static str,
        /// On what, as in `10.1.0.2/24 on link 7`.
        object: String,
        /// The kernel's answer.
        refusal: Refusal,
    },
    /// The socket failed, so what became of the request is unknown.
    #[error("cannot {operation} {object}: netlink socket: {source}")]
    Socket {
        /// What was attempted.
        operation: &'static str,
        /// On what.
        object: String,
        /// The failure of the system call.
        source: io::Error,
    },
    /// The table changed during each of several dumps.
    #[error(
        "cannot {operation} {object}: changed during each of {attempts} attempts to read it, try again later"
    )]
    Interrupted {
        /// What was attempted.
        operation: &'static str,
        /// On what.
        object: String,
        /// Dumps that were started.
        attempts: u32,
    },
    /// The kernel's answer is not what the protocol says.
    #[error("cannot {operation} {object}: unexpected answer from the kernel: {what}")]
    Unexpected {
        /// What was attempted.
        operation: &'static str,
        /// On what.
        object: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A netlink socket cannot be opened.
    #[error("cannot open a {family} socket: {source}")]
    Open {
        /// `NETLINK_ROUTE` or `NETLINK_RDMA`.
        family: &'static str,
        /// The failure of socket(2), bind(2) or setsockopt(2).
        source: io::Error,
    },
    /// The namespace for the socket cannot be entered.
    #[error(transparent)]
    NetNs(netns::Error),
}

/// A negative acknowledgement: `struct nlmsgerr` and the extended acknowledgement that follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The error number.
    pub errno: Errno,
    /// The kernel's explanation (`NLMSGERR_ATTR_MSG`).
    pub message: Option<String>,
    /// Offset of the attribute at fault in the request (`NLMSGERR_ATTR_OFFS`).
    pub offset: Option<u32>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:?})", meaning(self.errno), self.errno)?;
        if let Some(message) = &self.message {
            write!(f, ", the kernel says: {message}")?;
        }
        match self.offset {
            Some(offset) => write!(f, ", at byte {offset} of the request"),
            None => Ok(()),
        }
    }
}

/// What an errno means to rtnetlink, where the C library's text would mislead: there are no files and processes here.
fn meaning(errno: Errno) -> &'static str {
    match errno {
        Errno::ENOENT | Errno::ESRCH => "no such entry",
        Errno::ENODEV => "no such link",
        Errno::EADDRNOTAVAIL => "no such address",
        Errno::EEXIST => "exists already",
        Errno::EBUSY => "in use",
        Errno::EPERM => "not permitted, CAP_NET_ADMIN is needed",
        // From net/ipv6/addrconf.c and route.c; who lacks the capability is told EPERM.
        Errno::EACCES => {
            "not permitted: IPv6 is switched off there, by sysctl net.ipv6.conf.IFNAME.disable_ipv6"
        }
        Errno::ENETUNREACH | Errno::EHOSTUNREACH => "no connected route leads to the gateway",
        Errno::EOPNOTSUPP | Errno::EPROTONOSUPPORT | Errno::EAFNOSUPPORT => "not supported",
        other => other.desc(),
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self(Box::new(failure))
    }
}

impl From<netns::Error> for Error {
    fn from(error: netns::Error) -> Self {
        Failure::NetNs(error).into()
    }
}

impl Error {
    /// The kernel's error number, if it was the kernel that refused.
    pub fn errno(&self) -> Option<Errno> {
        match &*self.0 {
            Failure::Refused { refusal, .. } => Some(refusal.errno),
            _ => None,
        }
    }

    /// The object does not exist, or no longer: success for a DEL.
    pub fn is_gone(&self) -> bool {
        match &*self.0 {
            Failure::NetNs(error) => error.is_gone(),
            _ => self.is_any(GONE),
        }
    }

    /// An equal object, or one of that name, exists already.
    pub fn is_exists(&self) -> bool {
        self.is_any(&[Errno::EEXIST])
    }

    /// The object is in use, and the request may succeed later.
    pub fn is_busy(&self) -> bool {
        self.is_any(&[Errno::EBUSY, Errno::EAGAIN])
    }

    /// Another link on the same master has that MAC, or the master itself.
    pub fn is_address_in_use(&self) -> bool {
        self.is_any(&[Errno::EADDRINUSE])
    }

    /// No connected route leads to the gateway of a route; IPv6 says so of a host.
    pub fn is_unreachable(&self) -> bool {
        self.is_any(&[Errno::ENETUNREACH, Errno::EHOSTUNREACH])
    }

    /// This kernel or driver does not know the request.
    pub fn is_unsupported(&self) -> bool {
        match &*self.0 {
            Failure::Open { source, .. } => source.raw_os_error() == Some(Errno::EPROTONOSUPPORT as i32),
            _ => self.is_any(&[Errno::EOPNOTSUPP, Errno::EPROTONOSUPPORT, Errno::EAFNOSUPPORT]),
        }
    }

    /// The answer is longer than anybody has memory for: who owns the namespace has made it so.
    pub fn is_too_long(&self) -> bool {
        let Failure::Socket { source, .. } = &*self.0 else { return false };
        source.kind() == io::ErrorKind::FileTooLarge
    }

    fn is_any(&self, errnos: &[Errno]) -> bool {
        self.errno().is_some_and(|errno| errnos.contains(&errno))
    }
}
