//! `railctl gc --dry-run|--apply`: what was left over on this node, found and released without a runtime's help.

mod crictl;

use anyhow::{Result, ensure};
use runtime::Driver;
use runtime::leftovers::{Said, Sweep};
use state::Dirs;

use crate::Differs;
use crate::output::{self, BAD, FAINT, GOOD, WARN, styled};
use crate::verbs::Gc;

/// Says what is left over and why, and releases it if that is wanted. Goes on after a failure, and fails at its end; with
/// `exit_code` also where something is left over.
pub(crate) fn run(driver: &Driver, args: &Gc) -> Result<()> {
    let dirs = Dirs::from_env()?;
    let mut tally = Tally::default();
    let sweep = Sweep { driver, dirs: &dirs, whole_node: args.whole_node, apply: args.apply };
    tally.alive = sweep.run(&crictl::pods, &mut |said| tally.hear(said))?;
    let is_clean = tally.leftovers == 0;
    tally.close(args.apply)?;
    ensure!(is_clean || !args.exit_code, Differs);
    Ok(())
}

#[derive(Default)]
struct Tally {
    alive: usize,
    kept: usize,
    leftovers: usize,
    failed: Vec<String>,
}

impl Tally {
    fn hear(&mut self, said: Said) -> Result<()> {
        match said {
            Said::NotAsked(what) => {
                output::warn(&what);
                Ok(())
            }
            Said::Kept { title, why } => {
                self.kept += 1;
                output::line(&format!("{} {title} is kept: {why}", styled(WARN, "?")))
            }
            Said::Leftover { title, why, outcome } => {
                self.leftovers += 1;
                match outcome {
                    None => output::line(&format!("{} {title} is left over: {why}", styled(FAINT, "-"))),
                    Some(Ok(())) => {
                        output::line(&format!("{} {title} is released: {why}", styled(GOOD, "✓")))
                    }
                    Some(Err(error)) => {
                        self.failed.push(format!("{title}: {error:#}"));
                        output::line(&format!("{} {title} is not released: {why}", styled(BAD, "✗")))
                    }
                }
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
