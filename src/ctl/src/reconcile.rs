//! `railctl gc --dry-run|--apply`: what was left over on this node, found and released without a runtime's help.

mod crictl;

use anyhow::{Result, ensure};
use clap::builder::styling::Style;
use runtime::Driver;
use runtime::leftovers::{Said, Sweep};
use serde::Serialize;
use serde_json::json;
use state::Dirs;

use crate::Differs;
use crate::cli::Format;
use crate::output::{self, BAD, FAINT, GOOD, WARN, styled};
use crate::verbs::Gc;

/// Says what is left over and why, and releases it if that is wanted. Goes on after a failure, and fails at its end; with
/// `exit_code` also where something is left over.
pub(crate) fn run(driver: &Driver, args: &Gc) -> Result<()> {
    let dirs = Dirs::from_env()?;
    let mut tally = Tally::new(args.output);
    let sweep = Sweep { driver, dirs: &dirs, whole_node: args.whole_node, apply: args.apply };
    tally.alive = sweep.run(&crictl::pods, &mut |said| tally.hear(said))?;
    let is_clean = tally.leftovers == 0;
    tally.close(args.apply)?;
    ensure!(is_clean || !args.exit_code, Differs);
    Ok(())
}

/// One thing that was judged, for programs.
#[derive(Serialize)]
struct Judged {
    name: String,
    state: &'static str,
    why: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

struct Tally {
    format: Format,
    judged: Vec<Judged>,
    not_asked: Vec<String>,
    alive: usize,
    kept: usize,
    leftovers: usize,
    failed: Vec<String>,
}

impl Tally {
    fn new(format: Format) -> Self {
        let (judged, not_asked, failed) = (Vec::new(), Vec::new(), Vec::new());
        Self { format, judged, not_asked, alive: 0, kept: 0, leftovers: 0, failed }
    }

    /// People hear it at once, programs at the end.
    fn hear(&mut self, said: Said) -> Result<()> {
        let (title, why, outcome) = match said {
            Said::NotAsked(what) => {
                output::warn(&what);
                self.not_asked.push(what);
                return Ok(());
            }
            Said::Kept { title, why } => {
                self.kept += 1;
                return self.judge((WARN, "?"), ("kept", "is kept"), title, why, None);
            }
            Said::Leftover { title, why, outcome } => (title, why, outcome),
        };
        self.leftovers += 1;
        match outcome {
            None => self.judge((FAINT, "-"), ("leftOver", "is left over"), title, why, None),
            Some(Ok(())) => self.judge((GOOD, "✓"), ("released", "is released"), title, why, None),
            Some(Err(error)) => {
                self.failed.push(format!("{title}: {error:#}"));
                let error = Some(format!("{error:#}"));
                self.judge((BAD, "✗"), ("notReleased", "is not released"), title, why, error)
            }
        }
    }

    fn judge(
        &mut self,
        mark: (Style, &str),
        (state, words): (&'static str, &str),
        name: String,
        why: String,
        error: Option<String>,
    ) -> Result<()> {
        let line = format!("{} {name} {words}: {why}", styled(mark.0, mark.1));
        self.judged.push(Judged { name, state, why, error });
        if self.format.is_table() { output::line(&line) } else { Ok(()) }
    }

    fn close(self, apply: bool) -> Result<()> {
        let Self { format, judged, not_asked, alive, kept, leftovers, failed } = self;
        if format.is_table() {
            let done = if apply { "" } else { "; nothing was changed, --apply releases what is left over" };
            output::line(&format!("{leftovers} left over, {alive} alive, {kept} unclear{done}"))?;
        } else {
            let told = json!({
                "judged": judged, "notAsked": not_asked, "leftOver": leftovers, "alive": alive, "unclear": kept,
                "applied": apply,
            });
            output::print(&told, format)?;
        }
        ensure!(failed.is_empty(), "{}", failed.join("\n"));
        Ok(())
    }
}
