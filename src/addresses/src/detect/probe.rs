use std::net::Ipv4Addr;
use std::panic::resume_unwind;
use std::thread;
use std::time::Instant;

use attach::Error;
use netlink::HwAddr;
use netns::NetNs;

use super::Detection;
use super::arp::Framing;
use super::socket::PacketSocket;

/// Addresses to be asked for on one link.
pub(super) struct Question<'a> {
    /// Which of the candidates it is about.
    pub(super) candidate: usize,
    /// Where the link is; `None`: where the plugin runs.
    pub(super) netns: Option<&'a NetNs>,
    pub(super) ifname: &'a str,
    pub(super) framing: Framing,
    pub(super) addresses: Vec<Ipv4Addr>,
    pub(super) settings: Detection,
}

/// An address, and who has it.
pub(super) type Objection = (Ipv4Addr, HwAddr);

/// Asks all questions at the same time, with a thread for each: so they also share the grace periods of their sockets.
/// A question for which there is no thread is asked in turn, which takes longer and is no failure.
pub(super) fn ask_all(questions: &[Question<'_>]) -> Vec<(usize, Result<Option<Objection>, Error>)> {
    thread::scope(|scope| {
        let start = |question| {
            thread::Builder::new().spawn_scoped(scope, move || Question::ask(question)).map_err(|_| question)
        };
        let asked: Vec<_> = questions.iter().map(start).collect();
        let answers = asked.into_iter().map(|asked| match asked {
            Ok(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
            Err(question) => question.ask(),
        });
        questions.iter().map(|question| question.candidate).zip(answers).collect()
    })
}

impl Question<'_> {
    /// The first objection; `None` when nobody objects in time.
    fn ask(&self) -> Result<Option<Objection>, Error> {
        match self.netns {
            Some(netns) => netns.run(|| self.ask_here())?,
            None => self.ask_here(),
        }
    }

    fn ask_here(&self) -> Result<Option<Objection>, Error> {
        let socket = PacketSocket::open(self.ifname)?;
        for request in 1..=self.settings.retries {
            for address in &self.addresses {
                socket.send(&self.framing.probe(*address))?;
            }
            let last = request == self.settings.retries;
            let pause = if last { self.settings.timeout } else { self.settings.interval };
            let objection = socket.receive(Instant::now() + pause, |frame| self.objection(frame))?;
            if objection.is_some() {
                return Ok(objection);
            }
        }
        Ok(None)
    }

    fn objection(&self, frame: &[u8]) -> Option<Objection> {
        let arp = self.framing.parse(frame)?;
        let disputed = self.addresses.iter().find(|wanted| arp.disputes(**wanted, self.framing.own()))?;
        Some((*disputed, arp.sender.0))
    }
}
