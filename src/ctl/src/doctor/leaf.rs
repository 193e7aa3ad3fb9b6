//! Listens for what switches say of themselves (LLDP), on all NICs at once.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use host::Settings;
use host::doctor::lldp::{Heard, Neighbour, leaves};
use host::doctor::{Finding, Sight};
use netlink::Rtnetlink;
use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::socket::{AddressFamily, LinkAddr, SockFlag, SockProtocol, SockType, bind, recvfrom, socket};

/// Most switches say it every 30 seconds.
const PATIENCE: Duration = Duration::from_secs(31);
/// Who is spoken to: the nearest neighbour of whatever kind.
const GROUP: [u8; 6] = [0x01, 0x80, 0xc2, 0x00, 0x00, 0x0e];
/// Names are at the beginning of a frame; the rest of longer ones is cut off.
const LONGEST: usize = 1600;
/// Frames of one NIC that are looked at before the others have their turn, and the clock. All kinds come: there is no safe way to ask for
/// one.
const TURN: usize = 1000;

/// Whether each NIC of an RDMA device, and each that the file wants somewhere, is plugged in where it should be.
pub(super) fn judge(sight: &Sight, wanted: Option<&Settings>) -> Result<Vec<Finding>> {
    let own = sight.devices.iter().filter(|device| device.pci.as_ref().is_none_or(|pci| pci.pf.is_none()));
    let mut nics: BTreeMap<String, Option<String>> =
        own.flat_map(host::doctor::RdmaDevice::netdevs).map(|nic| (nic, None)).collect();
    let named = wanted.iter().flat_map(|settings| &settings.nics);
    nics.extend(named.filter_map(|nic| Some((nic.name.clone(), Some(nic.leaf.clone()?)))));
    let mut said = listen(nics.keys())?;
    let heard = |(nic, wanted)| Heard { neighbour: said.remove(&nic), nic, wanted };
    Ok(leaves(&nics.into_iter().map(heard).collect::<Vec<_>>()))
}

/// As long as anybody may say something, and no longer than until everybody has.
fn listen<'n>(nics: impl Iterator<Item = &'n String>) -> Result<BTreeMap<String, Neighbour>> {
    // Dropped last: who is interrupted ends when the NICs are as they were.
    let interrupt = Interrupt::hold()?;
    let mut ears = nics.map(|nic| Ear::open(nic)).collect::<Result<Vec<_>>>()?;
    let deadline = Instant::now() + PATIENCE;
    while ears.iter().any(|ear| ear.heard.is_none()) {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || interrupt.is_pending()? {
            break;
        }
        wait(&ears, &interrupt, left)?;
        ears.iter_mut().try_for_each(Ear::take)?;
    }
    Ok(ears.into_iter().filter_map(|mut ear| Some((ear.nic.clone(), ear.heard.take()?))).collect())
}

/// On one NIC.
struct Ear {
    nic: String,
    socket: OwnedFd,
    _group: Membership,
    heard: Option<Neighbour>,
}

impl Ear {
    fn open(nic: &str) -> Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll)
            .with_context(|| format!("listen on {nic}: root is needed"))?;
        let index = link_address(nic)
            .and_then(|address| bind(socket.as_raw_fd(), &address).map(|()| address.ifindex()))
            .with_context(|| format!("listen on {nic}"))?;
        let index = u32::try_from(index).with_context(|| format!("index of {nic}"))?;
        Ok(Self { nic: nic.to_owned(), socket, _group: Membership::join(index, nic)?, heard: None })
    }

    /// What has come in, and of a wire that never falls silent no more than a turn's.
    fn take(&mut self) -> Result<()> {
        let mut frame = [0; LONGEST];
        for _ in 0..TURN {
            if self.heard.is_some() {
                break;
            }
            match recvfrom::<LinkAddr>(self.socket.as_raw_fd(), &mut frame) {
                Ok((_, Some(from))) if from.pkttype() == OUTGOING => {}
                Ok((length, _)) => self.heard = Neighbour::read(&frame[..length.min(LONGEST)]),
                Err(Errno::EAGAIN) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno).with_context(|| format!("listen on {}", self.nic)),
            }
        }
        Ok(())
    }
}

/// `PACKET_OUTGOING` (`include/uapi/linux/if_packet.h`): a daemon of this host speaks LLDP, too.
const OUTGOING: u8 = 4;

/// The NIC takes frames to the group in; it does not any more when this is dropped, unless somebody else had seen to it.
struct Membership(Option<(Rtnetlink, u32)>);

impl Membership {
    fn join(index: u32, nic: &str) -> Result<Self> {
        let mut route = Rtnetlink::open()?;
        match route.add_multicast(index, GROUP) {
            Ok(()) => Ok(Self(Some((route, index)))),
            // Somebody has; or a driver with a table of its own takes all of them in, or none.
            Err(error) if error.is_exists() || error.is_unsupported() => Ok(Self(None)),
            Err(error) => Err(error).with_context(|| format!("listen on {nic}")),
        }
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        if let Some((route, index)) = &mut self.0 {
            // The NIC has gone, and the entry with it.
            let _ = route.delete_multicast(*index, GROUP);
        }
    }
}

/// The only way to an address of that kind without unsafe code; of it, the kernel wants the link's index.
fn link_address(nic: &str) -> Result<LinkAddr, Errno> {
    let mut entries = getifaddrs()?.filter(|entry| entry.interface_name == nic);
    entries.find_map(|entry| entry.address?.as_link_addr().copied()).ok_or(Errno::ENODEV)
}

/// Holds back what would end the process, until it is dropped: then that ends it.
struct Interrupt {
    signals: SignalFd,
    before: SigSet,
}

impl Interrupt {
    fn hold() -> Result<Self> {
        let set: SigSet = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().collect();
        let signals = SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC).context("listen for signals")?;
        let before = set.thread_swap_mask(SigmaskHow::SIG_BLOCK).context("hold back signals")?;
        Ok(Self { signals, before })
    }

    /// Looked at and not taken: it is delivered at the end.
    fn is_pending(&self) -> io::Result<bool> {
        let mut polled = [PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
        Ok(poll(&mut polled, PollTimeout::ZERO)? > 0)
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        // It was the thread's own mask a moment ago: the kernel takes it.
        let _ = self.before.thread_set_mask();
    }
}

fn wait(ears: &[Ear], interrupt: &Interrupt, left: Duration) -> io::Result<()> {
    let open = ears.iter().filter(|ear| ear.heard.is_none()).map(|ear| ear.socket.as_fd());
    let all = open.chain([interrupt.signals.as_fd()]);
    let mut polled: Vec<_> = all.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
    // Rounded up: a wait of less than a millisecond must not become a busy loop.
    let left = left.checked_add(Duration::from_micros(999)).unwrap_or(left);
    match poll(&mut polled, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}
