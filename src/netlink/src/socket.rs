use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicU32, Ordering};

use netlink_packet_core::{NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLMSG_DONE, NLMSG_ERROR, NLMSG_NOOP};
use netlink_sys::SocketAddr;
use nix::errno::Errno;
use nix::libc::MSG_TRUNC;

use crate::error::{Error, Failure, Refusal};
use crate::message::{Message, Messages, Request};

/// Room for all but the strangest datagram: the kernel builds dumps in pieces of the largest read it has seen, up to 32 KiB,
/// and the two attributes of a PF that has most VFs are 64 KiB each. What is not written to costs no memory.
pub(crate) const READ_SIZE: usize = 192 * 1024;
/// Whoever owns a namespace can give a link more: each MAC of a macvlan in mode source is 12 bytes. Beyond this the kernel has no
/// memory for the message either (`KMALLOC_MAX_SIZE`).
const LONGEST_READ: usize = 4 << 20;
const DUMP_ATTEMPTS: u32 = 5;
/// In one dump.
const OVERRUNS: u32 = 16;
/// Each may be refused, which takes about 1 KiB of a receive buffer that is 208 KiB unless configured.
const PIPELINE: usize = 64;

/// Common to all sockets of the process: two in different namespaces may have the same port, and the kernel may then
/// deliver to one what was meant for the other.
static SEQUENCE: AtomicU32 = AtomicU32::new(1);

/// What distinguishes the sockets of two netlink families.
pub(crate) trait Family {
    const PROTOCOL: isize;
    const NAME: &'static str;
}

/// A blocking socket that speaks only with the kernel, one request or one pipeline of requests at a time.
#[derive(Debug)]
pub(crate) struct Socket<F> {
    inner: netlink_sys::Socket,
    buffer: Vec<u8>,
    /// Of the next datagram.
    room: usize,
    /// Whether a dump that never came out whole is good enough.
    accept_unsettled: bool,
    family: PhantomData<F>,
}

impl<F: Family> Socket<F> {
    pub(crate) fn open() -> Result<Self, Error> {
        let inner = connected(F::PROTOCOL).map_err(|source| Failure::Open { family: F::NAME, source })?;
        Ok(Self { inner, buffer: Vec::new(), room: READ_SIZE, accept_unsettled: false, family: PhantomData })
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }

    /// Sends a request, and hands `read` whatever the kernel says before it acknowledges.
    pub(crate) fn transact(
        &mut self,
        request: &Request,
        mut read: impl FnMut(&Message<'_>),
    ) -> Result<(), Error> {
        let mut first = self.send(std::slice::from_ref(request), NLM_F_ACK).map_err(|e| request.failed(e))?;
        loop {
            if !self.receive().map_err(|e| request.failed(e))? {
                // Only a question has an answer so long, and may be asked again.
                first = self.send(std::slice::from_ref(request), NLM_F_ACK).map_err(|e| request.failed(e))?;
            }
            for message in Messages(&self.buffer).filter(|message| message.sequence == first) {
                match message.kind {
                    NLMSG_ERROR => {
                        return message.acknowledgement().map_err(|refusal| request.refused(refusal));
                    }
                    NLMSG_NOOP => {}
                    _ => read(&message),
                }
            }
        }
    }

    /// Sends all requests at once, and returns what the kernel said to each.
    ///
    /// The kernel works through them in order and does not stop at one that it refuses. It reports refusals unasked, so
    /// that the acknowledgement of the last is enough.
    pub(crate) fn pipeline(&mut self, requests: &[Request]) -> Result<Vec<Result<(), Error>>, Error> {
        let mut outcomes = Vec::with_capacity(requests.len());
        for chunk in requests.chunks(PIPELINE) {
            self.pipeline_chunk(chunk, &mut outcomes)?;
        }
        Ok(outcomes)
    }

    fn pipeline_chunk(
        &mut self,
        requests: &[Request],
        outcomes: &mut Vec<Result<(), Error>>,
    ) -> Result<(), Error> {
        let first = self.send(requests, NLM_F_ACK).map_err(|e| requests[0].failed(e))?;
        let start = outcomes.len();
        outcomes.extend(requests.iter().map(|_| Ok(())));
        loop {
            self.receive().map_err(|e| requests[0].failed(e))?;
            for message in Messages(&self.buffer).filter(|message| message.kind == NLMSG_ERROR) {
                let place = message.sequence.wrapping_sub(first) as usize;
                let Some(request) = requests.get(place) else { continue };
                outcomes[start + place] =
                    message.acknowledgement().map_err(|refusal| request.refused(refusal));
                if place + 1 == requests.len() {
                    return Ok(());
                }
            }
        }
    }

    /// Sends requests of which the kernel takes all or none, between the two messages that say so and are not
    /// acknowledged. The error is that of the first request that was refused; one about the whole names the first.
    pub(crate) fn transaction(
        &mut self,
        begin: &Request,
        requests: &[Request],
        end: &Request,
    ) -> Result<(), Error> {
        let count = u32::try_from(requests.len()).unwrap_or(u32::MAX - 2);
        let first = SEQUENCE.fetch_add(count + 2, Ordering::Relaxed);
        self.buffer.clear();
        begin.write(&mut self.buffer, first, 0);
        for (request, offset) in requests.iter().zip(1..) {
            request.write(&mut self.buffer, first.wrapping_add(offset), NLM_F_ACK);
        }
        end.write(&mut self.buffer, first.wrapping_add(count + 1), 0);
        uninterrupted(|| self.inner.send(&self.buffer, 0)).map_err(|e| begin.failed(e))?;
        let mut verdicts: Vec<_> = requests.iter().map(|_| None).collect();
        while verdicts.iter().any(Option::is_none) {
            self.receive().map_err(|e| begin.failed(e))?;
            for message in Messages(&self.buffer).filter(|message| message.kind == NLMSG_ERROR) {
                let place = message.sequence.wrapping_sub(first) as usize;
                let verdict = message.acknowledgement();
                if let (0, Err(refusal), Some(request)) = (place, &verdict, requests.first()) {
                    return Err(request.refused(refusal.clone()));
                }
                if let Some(waiting) = place.checked_sub(1).and_then(|place| verdicts.get_mut(place)) {
                    *waiting = Some(verdict);
                }
            }
        }
        let refused = |(request, verdict): (&Request, Option<Result<(), Refusal>>)| {
            Some(request.refused(verdict?.err()?))
        };
        requests.iter().zip(verdicts).find_map(refused).map_or(Ok(()), Err)
    }

    /// Of a table that changes during each attempt to read it, entries that were there all the time may then be missing.
    pub(crate) fn accept_unsettled(&mut self, accept: bool) {
        self.accept_unsettled = accept;
    }

    /// Reads a table. Starts again when the kernel says that the table has changed meanwhile.
    pub(crate) fn dump<T>(
        &mut self,
        request: &Request,
        mut decode: impl FnMut(&Message<'_>) -> Option<T>,
    ) -> Result<Vec<T>, Error> {
        for attempt in 1..=DUMP_ATTEMPTS {
            let (entries, consistent) = self.dump_once(request, &mut decode)?;
            if consistent || (self.accept_unsettled && attempt == DUMP_ATTEMPTS) {
                return Ok(entries);
            }
        }
        Err(request.interrupted(DUMP_ATTEMPTS))
    }

    fn dump_once<T>(
        &mut self,
        request: &Request,
        decode: &mut impl FnMut(&Message<'_>) -> Option<T>,
    ) -> Result<(Vec<T>, bool), Error> {
        let first = self.send(std::slice::from_ref(request), NLM_F_DUMP).map_err(|e| request.failed(e))?;
        let mut entries = Vec::new();
        let mut consistent = true;
        let mut overruns = 0;
        loop {
            match self.receive() {
                // The rest of the dump is still to come, and has to be read before another may start. Or the kernel has no memory
                // for the next message, and says so again and again.
                Err(error) if error.raw_os_error() == Some(Errno::ENOBUFS as i32) && overruns < OVERRUNS => {
                    (consistent, overruns) = (false, overruns + 1);
                }
                other => consistent &= other.map_err(|e| request.failed(without_end(e)))?,
            }
            for message in Messages(&self.buffer).filter(|message| message.sequence == first) {
                consistent &= message.flags & NLM_F_DUMP_INTR == 0;
                match message.kind {
                    NLMSG_DONE => return finish(message.done(), consistent, entries, request),
                    NLMSG_ERROR => {
                        return finish(message.acknowledgement(), consistent, entries, request);
                    }
                    _ => entries.extend(decode(&message)),
                }
            }
        }
    }

    /// Sends requests in one system call, the last with these flags, and returns the sequence number of the first.
    fn send(&mut self, requests: &[Request], flags: u16) -> io::Result<u32> {
        let count = u32::try_from(requests.len()).unwrap_or(u32::MAX);
        let first = SEQUENCE.fetch_add(count, Ordering::Relaxed);
        self.buffer.clear();
        for (request, offset) in requests.iter().zip(0..) {
            let flags = if offset + 1 == count { flags } else { 0 };
            request.write(&mut self.buffer, first.wrapping_add(offset), flags);
        }
        uninterrupted(|| self.inner.send(&self.buffer, 0))?;
        Ok(first)
    }

    /// Reads one datagram. False, and nothing in the buffer, of one that did not fit: there is room for it the next time.
    fn receive(&mut self) -> io::Result<bool> {
        let length = receive(&self.inner, &mut self.buffer, self.room)?;
        if length > LONGEST_READ {
            return Err(too_long(length));
        }
        self.room = self.room.max(length.next_power_of_two());
        Ok(length == self.buffer.len())
    }
}

/// Of a dump that overruns the socket for ever, its length is the cause; a request that finds no memory may be sent again.
fn without_end(error: io::Error) -> io::Error {
    if error.raw_os_error() == Some(Errno::ENOBUFS as i32) {
        return io::Error::new(io::ErrorKind::FileTooLarge, error);
    }
    error
}

fn finish<T>(
    verdict: Result<(), Refusal>,
    consistent: bool,
    entries: Vec<T>,
    request: &Request,
) -> Result<(Vec<T>, bool), Error> {
    verdict.map_err(|refusal| request.refused(refusal))?;
    Ok((entries, consistent))
}

/// Opens a socket that accepts messages of the kernel only.
pub(crate) fn connected(protocol: isize) -> io::Result<netlink_sys::Socket> {
    let socket = netlink_sys::Socket::new(protocol)?;
    socket.connect(&SocketAddr::new(0, 0))?;
    socket.set_cap_ack(true)?;
    socket.set_ext_ack(true)?;
    // Since Linux 4.20. Only with it does the kernel filter dumps; RHEL 8 kernels have it as well.
    socket.set_netlink_get_strict_chk(true)?;
    Ok(socket)
}

/// Reads one datagram into `buffer`, which is empty if there was no room for all of it; returns the length of the datagram.
pub(crate) fn receive(socket: &netlink_sys::Socket, buffer: &mut Vec<u8>, room: usize) -> io::Result<usize> {
    buffer.clear();
    buffer.reserve(room);
    let length = uninterrupted(|| socket.recv(buffer, MSG_TRUNC))?;
    if length > buffer.len() {
        buffer.clear();
    }
    Ok(length)
}

fn too_long(length: usize) -> io::Error {
    io::Error::new(
        io::ErrorKind::FileTooLarge,
        format!("the kernel sent {length} bytes, more than {LONGEST_READ}"),
    )
}

fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests;
