//! Talking to a child over its three pipes at once, so that neither side waits for the other.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, ExitStatus};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;

/// What the child said until it ended, or closed its pipes.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
}

/// A pipe that is ready for writing takes this much without blocking (`PIPE_BUF`, pipe(7)).
const CHUNK: usize = 4096;

/// What a plugin may print: a result is a few kilobytes.
pub(super) const LONGEST_RESULT: usize = 4 << 20;
/// What of its log is kept; the rest is read, so that it does not wait for us, and dropped.
const LONGEST_LOG: usize = 1 << 20;
/// How often a child is looked after: a process that it left behind may hold its pipes open for ever.
const GLANCE: Duration = Duration::from_millis(20);
/// A child that has closed its pipes ends within microseconds.
const FIRST_GLANCE: Duration = Duration::from_micros(50);
/// What a pipe holds (pipe(7)), and as much again of whoever still writes.
const LEFT_IN_PIPE: usize = 2 * 65536 / CHUNK;

/// Feeds the child and reads it until it has ended, or closed its pipes. `TimedOut` when the deadline comes first, and
/// `FileTooLarge` when it prints without an end.
pub(super) fn converse(child: &mut Child, input: &[u8], deadline: Instant) -> io::Result<Heard> {
    let mut pipes = Pipes::of(child, input);
    let mut glance = Instant::now() + GLANCE;
    while pipes.are_open() {
        let heard = pipes.turn(GLANCE.min(left(deadline)?))?;
        if heard && Instant::now() < glance {
            continue;
        }
        if child.try_wait()?.is_some() {
            pipes.drain()?;
            break;
        }
        glance = Instant::now() + GLANCE;
    }
    Ok(Heard { stdout: pipes.stdout.bytes, stderr: pipes.stderr.bytes })
}

/// Waits for a child that has closed its pipes.
pub(super) fn end(child: &mut Child, deadline: Instant) -> io::Result<ExitStatus> {
    let mut pause = FIRST_GLANCE;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        wait([None; 3], pause.min(left(deadline)?))?;
        pause = GLANCE.min(pause * 2);
    }
}

fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

struct Pipes<'a> {
    stdin: Feed<'a>,
    stdout: Listen<ChildStdout>,
    stderr: Listen<ChildStderr>,
}

impl<'a> Pipes<'a> {
    fn of(child: &mut Child, input: &'a [u8]) -> Self {
        let mut stdin = Feed { pipe: child.stdin.take(), rest: input };
        stdin.close_if_done();
        Self { stdin, stdout: Listen::new(child.stdout.take()), stderr: Listen::new(child.stderr.take()) }
    }

    fn are_open(&self) -> bool {
        self.stdout.pipe.is_some() || self.stderr.pipe.is_some()
    }

    /// Writes and reads what can be; false when nothing could.
    fn turn(&mut self, patience: Duration) -> io::Result<bool> {
        let ready = wait([self.stdin.fd(), self.stdout.fd(), self.stderr.fd()], patience)?;
        if ready[0] {
            self.stdin.write()?;
        }
        if ready[1] {
            self.stdout.read()?;
        }
        if ready[2] {
            self.stderr.read()?;
            self.stderr.bytes.truncate(LONGEST_LOG);
        }
        if self.stdout.bytes.len() > LONGEST_RESULT {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(ready != [false; 3])
    }

    /// What a child that has ended left in the pipes.
    fn drain(&mut self) -> io::Result<()> {
        self.stdin.pipe = None;
        for _ in 0..LEFT_IN_PIPE {
            if !self.are_open() || !self.turn(Duration::ZERO)? {
                break;
            }
        }
        Ok(())
    }
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
fn wait(pipes: [Option<BorrowedFd<'_>>; 3], patience: Duration) -> io::Result<[bool; 3]> {
    const WANTED: [PollFlags; 3] = [PollFlags::POLLOUT, PollFlags::POLLIN, PollFlags::POLLIN];
    let open: Vec<_> = (0..3).filter_map(|i| pipes[i].map(|fd| (i, fd))).collect();
    let mut fds: Vec<_> = open.iter().map(|(i, fd)| PollFd::new(*fd, WANTED[*i])).collect();
    match ppoll(&mut fds, Some(TimeSpec::from_duration(patience)), None) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(errno) => return Err(errno.into()),
    }
    let mut ready = [false; 3];
    for ((i, _), fd) in open.iter().zip(&fds) {
        ready[*i] = fd.any().unwrap_or(true);
    }
    Ok(ready)
}
