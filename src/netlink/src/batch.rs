use crate::error::Error;
use crate::handle::Rtnetlink;
use crate::message::Request;

/// Requests that go to the kernel in one system call.
///
/// The kernel works through all of them, in order, also past one that it refuses: an undo has to cover them all.
#[derive(Debug)]
#[must_use = "nothing is sent before commit() or outcomes()"]
pub struct Batch<'a> {
    route: &'a mut Rtnetlink,
    requests: Vec<Request>,
}

impl<'a> Batch<'a> {
    pub(crate) fn new(route: &'a mut Rtnetlink) -> Self {
        Self { route, requests: Vec::new() }
    }

    pub(crate) fn push(&mut self, request: Request) -> &mut Self {
        self.requests.push(request);
        self
    }

    /// How many requests are waiting.
    pub fn len(&self) -> usize {
        self.requests.len()
    }

    /// Whether no request is waiting.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// Sends what is waiting. The error is that of the first request that was refused, and names it.
    pub fn commit(&mut self) -> Result<(), Error> {
        self.outcomes()?.into_iter().collect()
    }

    /// Sends what is waiting, and returns what became of each request, in their order: for an undo that goes on.
    pub fn outcomes(&mut self) -> Result<Vec<Result<(), Error>>, Error> {
        let requests = std::mem::take(&mut self.requests);
        self.route.pipeline(&requests)
    }
}
