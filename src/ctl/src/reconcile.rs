//! `railctl gc --dry-run|--apply`: what was left over on this node, found and released without a runtime's help.

mod cri;
mod judge;
mod leases;
mod release;

use anyhow::{Result, bail, ensure};
use runtime::{
    Driver,
    records::{self, Attachment},
};
use state::Dirs;

use crate::Differs;
use crate::output::{self, BAD, FAINT, GOOD, WARN, styled};
use crate::verbs::Gc;
use judge::{Verdict, Witnesses, judge};
use leases::Leases;

/// Says what is left over and why, and releases it if that is wanted. Goes on after a failure, and fails at its end; with
/// `exit_code` also where something is left over.
pub(crate) fn run(driver: &Driver, args: &Gc) -> Result<()> {
    let (apply, exit_code) = (args.apply, args.exit_code);
    let dirs = Dirs::from_env()?;
    // The records first: what is attached later is not among them, whatever is seen of its namespace.
    let attachments = records::all(&dirs)?;
    let leases = Leases::read(&dirs, &attachments)?;
    let witnesses = Witnesses::of(&attachments, args.whole_node)?;
    if let Some(unseen) = witnesses.not_seen().filter(|_| apply) {
        bail!(
            "nothing is released: {unseen}; run this as root in the host's PID namespace (hostPID: true of a pod, or nsenter -t 1 -p); \
             where the node itself is a container without a CRI, --whole-node says that all its pods are in this one"
        );
    }
    warn(&witnesses);
    let mut tally = Tally::default();
    for attachment in &attachments {
        let verdict = judge(attachment, &witnesses);
        let title = title(attachment);
        match verdict {
            Verdict::Alive => tally.alive += 1,
            Verdict::Unclear(why) => tally.kept(&title, &why)?,
            Verdict::Leftover(why) => {
                let outcome = apply.then(|| release::attachment(driver, &dirs, attachment, &leases));
                tally.leftover(&title, &why.to_string(), outcome)?;
            }
        }
    }
    for lease in &leases.orphans {
        let title = format!("{} (lease of {})", lease.key, lease.ips.join(", "));
        match judge::lease(lease, &witnesses) {
            Verdict::Alive => tally.alive += 1,
            Verdict::Unclear(why) => tally.kept(&title, &why)?,
            Verdict::Leftover(why) => {
                let outcome = apply.then(|| release::lease(driver, &lease.key));
                tally.leftover(&title, &why.to_string(), outcome)?;
            }
        }
    }
    let is_clean = tally.leftovers == 0;
    tally.close(apply)?;
    ensure!(is_clean || !exit_code, Differs);
    Ok(())
}

/// What was not looked at is said, so that nobody takes it for judged.
fn warn(witnesses: &Witnesses) {
    for missing in [witnesses.runtime.not_asked(), witnesses.not_seen()].into_iter().flatten() {
        output::warn(&missing);
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

#[derive(Default)]
struct Tally {
    alive: usize,
    kept: usize,
    leftovers: usize,
    failed: Vec<String>,
}

impl Tally {
    fn kept(&mut self, title: &str, why: &str) -> Result<()> {
        self.kept += 1;
        output::line(&format!("{} {title} is kept: {why}", styled(WARN, "?")))
    }

    /// `outcome` is `None` where nothing is to be done.
    fn leftover(&mut self, title: &str, why: &str, outcome: Option<Result<()>>) -> Result<()> {
        self.leftovers += 1;
        match outcome {
            None => output::line(&format!("{} {title} is left over: {why}", styled(FAINT, "-"))),
            Some(Ok(())) => output::line(&format!("{} {title} is released: {why}", styled(GOOD, "✓"))),
            Some(Err(error)) => {
                self.failed.push(format!("{title}: {error:#}"));
                output::line(&format!("{} {title} is not released: {why}", styled(BAD, "✗")))
            }
        }
    }

    fn close(self, apply: bool) -> Result<()> {
        let Self { alive, kept, leftovers, failed } = self;
        let done = if apply { "" } else { "; nothing was changed, --apply releases what is left over" };
        output::line(&format!("{leftovers} left over, {alive} alive, {kept} unclear{done}"))?;
        ensure!(failed.is_empty(), "{}", failed.join("\n"));
        Ok(())
    }
}
