//! Talking to a child over its three pipes at once, so that neither side waits for the other.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::{Child, ChildStdin};
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// What the child said until it closed its pipes.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
}

/// A pipe that is ready for writing takes this much without blocking (`PIPE_BUF`, pipe(7)).
const CHUNK: usize = 4096;

/// Feeds the child and reads it to its end; `TimedOut` when the deadline comes first.
pub(super) fn converse(child: &mut Child, input: &[u8], deadline: Option<Instant>) -> io::Result<Heard> {
    let mut stdin = Feed { pipe: child.stdin.take(), rest: input };
    let (mut stdout, mut stderr) = (Listen::new(child.stdout.take()), Listen::new(child.stderr.take()));
    stdin.close_if_done();
    while stdout.pipe.is_some() || stderr.pipe.is_some() {
        let ready = wait([stdin.fd(), stdout.fd(), stderr.fd()], deadline)?;
        if ready[0] {
            stdin.write()?;
        }
        if ready[1] {
            stdout.read()?;
        }
        if ready[2] {
            stderr.read()?;
        }
    }
    Ok(Heard { stdout: stdout.bytes, stderr: stderr.bytes })
}

struct Feed<'a> {
    pipe: Option<ChildStdin>,
    rest: &'a [u8],
}

impl Feed<'_> {
    fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().map(AsFd::as_fd)
    }

    /// A child that does not read its input to the end is no failure.
    fn write(&mut self) -> io::Result<()> {
        let Some(pipe) = &mut self.pipe else { return Ok(()) };
        match pipe.write(&self.rest[..self.rest.len().min(CHUNK)]) {
            Ok(written) => self.rest = &self.rest[written..],
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => self.rest = &[],
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
        self.close_if_done();
        Ok(())
    }

    fn close_if_done(&mut self) {
        if self.rest.is_empty() {
            self.pipe = None;
        }
    }
}

struct Listen<P> {
    pipe: Option<P>,
    bytes: Vec<u8>,
}

impl<P: Read + AsFd> Listen<P> {
    fn new(pipe: Option<P>) -> Self {
        Self { pipe, bytes: Vec::new() }
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().map(AsFd::as_fd)
    }

    fn read(&mut self) -> io::Result<()> {
        let Some(pipe) = &mut self.pipe else { return Ok(()) };
        let mut chunk = [0; CHUNK];
        match pipe.read(&mut chunk) {
            Ok(0) => self.pipe = None,
            Ok(count) => self.bytes.extend_from_slice(&chunk[..count]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
        Ok(())
    }
}

/// Which of stdin, stdout and stderr can go on, or have been closed by the child.
fn wait(pipes: [Option<BorrowedFd<'_>>; 3], deadline: Option<Instant>) -> io::Result<[bool; 3]> {
    const WANTED: [PollFlags; 3] = [PollFlags::POLLOUT, PollFlags::POLLIN, PollFlags::POLLIN];
    let open: Vec<_> = (0..3).filter_map(|i| pipes[i].map(|fd| (i, fd))).collect();
    let mut fds: Vec<_> = open.iter().map(|(i, fd)| PollFd::new(*fd, WANTED[*i])).collect();
    match poll(&mut fds, patience(deadline)?) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(errno) => return Err(errno.into()),
    }
    let mut ready = [false; 3];
    for ((i, _), fd) in open.iter().zip(&fds) {
        ready[*i] = fd.any().unwrap_or(true);
    }
    Ok(ready)
}

fn patience(deadline: Option<Instant>) -> io::Result<PollTimeout> {
    let Some(deadline) = deadline else { return Ok(PollTimeout::NONE) };
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    // Rounded up, or the last millisecond would be spent spinning.
    Ok(PollTimeout::try_from(left.as_millis() + 1).unwrap_or(PollTimeout::MAX))
}
