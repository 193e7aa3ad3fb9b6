//! What was left over on this node, found and released without a runtime's help.

mod cri;
mod judge;
mod leases;
mod release;

use anyhow::{Result, bail};
use state::Dirs;

use crate::Driver;
use crate::records::{self, Attachment};
pub use cri::Ask;
use judge::{Verdict, Witnesses, judge};
use leases::Leases;

/// A look at the whole node.
#[derive(Clone, Copy)]
pub struct Sweep<'a> {
    /// Calls the plugins that made what is left over.
    pub driver: &'a Driver,
    /// Where they have their records.
    pub dirs: &'a Dirs,
    /// An admin's word that all pods of the node are in this PID namespace.
    pub whole_node: bool,
    /// Whether it is released, too.
    pub apply: bool,
}

/// What is said while it goes on.
#[derive(Debug)]
pub enum Said {
    /// What was not looked at, so that nobody takes it for judged.
    NotAsked(String),
    /// Nobody can tell, and so it is kept.
    Kept {
        /// Attachment or lease.
        title: String,
        /// Why nobody can.
        why: String,
    },
    /// Nobody wants it any more.
    Leftover {
        /// Attachment or lease.
        title: String,
        /// Why nobody does.
        why: String,
        /// What became of it; `None` where nothing was to be done.
        outcome: Option<Result<()>>,
    },
}

impl Sweep<'_> {
    /// Looks, judges, says it, and releases if that is wanted. Goes on after a failure. How many are alive.
    pub fn run(self, ask: Ask<'_>, say: &mut dyn FnMut(Said) -> Result<()>) -> Result<usize> {
        // The records first: what is attached later is not among them, whatever is seen of its namespace.
        let attachments = records::all(self.dirs)?;
        let leases = Leases::read(self.dirs, &attachments)?;
        let witnesses = Witnesses::of(&attachments, self.whole_node, ask)?;
        if let Some(unseen) = witnesses.not_seen().filter(|_| self.apply) {
            bail!(
                "nothing is released: {unseen}; run this as root in the host's PID namespace (hostPID: true of a pod, or nsenter -t 1 -p); \
                 where the node itself is a container without a CRI, --whole-node says that all its pods are in this one"
            );
        }
        for missing in [witnesses.runtime.not_asked(), witnesses.not_seen()].into_iter().flatten() {
            say(Said::NotAsked(missing))?;
        }
        let mut alive = 0;
        for attachment in &attachments {
            let release = || release::attachment(self.driver, self.dirs, attachment, &leases);
            alive += self.one(title(attachment), judge(attachment, &witnesses), release, say)?;
        }
        for lease in &leases.orphans {
            let title = format!("{} (lease of {})", lease.key, lease.ips.join(", "));
            let release = || release::lease(self.driver, &lease.key);
            alive += self.one(title, judge::lease(lease, &witnesses), release, say)?;
        }
        Ok(alive)
    }

    /// One that is alive counts.
    fn one(
        self,
        title: String,
        verdict: Verdict,
        release: impl FnOnce() -> Result<()>,
        say: &mut dyn FnMut(Said) -> Result<()>,
    ) -> Result<usize> {
        match verdict {
            Verdict::Alive => return Ok(1),
            Verdict::Unclear(why) => say(Said::Kept { title, why })?,
            Verdict::Leftover(why) => {
                let outcome = self.apply.then(release);
                say(Said::Leftover { title, why: why.to_string(), outcome })?;
            }
        }
        Ok(0)
    }
}

fn title(attachment: &Attachment) -> String {
    let plugins = [attachment.plugins.as_slice(), attachment.void.as_slice()].concat();
    let plugins = match (plugins.as_slice(), attachment.unread.as_slice()) {
        ([], []) => "damaged".to_owned(),
        ([], _) => "not read".to_owned(),
        (plugins, _) => plugins.join(", "),
    };
    format!("{} ({plugins})", attachment.key)
}
