//! What became of each of several things that a command was to do.

use anyhow::{Result, ensure};
use attach::differences;
use cni::exec::ExecError;
use serde_json::{Value, json};

use crate::Differs;
use crate::cli::Format;
use crate::output::{self, BAD, FAINT, GOOD, WARN, styled};

/// What became of a thing that did not fail.
#[derive(Clone, Copy)]
pub(super) enum Became {
    /// It is as was asked.
    Done(&'static str),
    /// Nothing was done or looked at, and why.
    Skipped(&'static str),
}

/// All have had their turn: the failures.
pub(super) struct Outcomes {
    failures: Vec<(String, anyhow::Error)>,
}

impl Outcomes {
    /// Does one after the other and says of each what became of it: people hear it at once, programs at the end.
    pub(super) fn of(
        outcomes: impl Iterator<Item = (String, Result<Became>)>,
        format: Format,
    ) -> Result<Self> {
        let (mut failures, mut told) = (Vec::new(), Vec::new());
        for (name, outcome) in outcomes {
            if format.is_table() {
                output::line(&line(&name, &outcome))?;
            }
            told.push(value(&name, &outcome));
            failures.extend(outcome.err().map(|error| (name, error)));
        }
        if !format.is_table() {
            output::print(&told, format)?;
        }
        Ok(Self { failures })
    }

    /// Fails if one did.
    pub(super) fn close(self) -> Result<()> {
        let failed: Vec<_> = self.failures.iter().map(|(name, error)| told(name, error)).collect();
        ensure!(failed.is_empty(), "{}", failed.join("\n"));
        Ok(())
    }

    /// The same, where a difference that a plugin's CHECK found is no failure of the comparison.
    pub(super) fn close_with_code(self) -> Result<()> {
        let is_found = |error: &anyhow::Error| matches!(error.downcast_ref(), Some(ExecError::Failed { .. }));
        let (found, failures): (Vec<_>, Vec<_>) =
            self.failures.into_iter().partition(|(_, error)| is_found(error));
        for (name, error) in &found {
            output::warn(&told(name, error));
        }
        Self { failures }.close()?;
        ensure!(found.is_empty(), Differs);
        Ok(())
    }
}

fn line(name: &str, outcome: &Result<Became>) -> String {
    match outcome {
        Ok(Became::Done(text)) => format!("{} {name} {text}", styled(GOOD, "✓")),
        Ok(Became::Skipped(text)) => format!("{} {name} {text}", styled(WARN, "!")),
        Err(_) => format!("{} {name} {}", styled(BAD, "✗"), styled(FAINT, "failed")),
    }
}

fn value(name: &str, outcome: &Result<Became>) -> Value {
    match outcome {
        Ok(Became::Done(text)) => json!({ "name": name, "ok": true, "outcome": text }),
        Ok(Became::Skipped(text)) => json!({ "name": name, "ok": true, "outcome": text, "skipped": true }),
        Err(error) => {
            let message = format!("{error:#}");
            let mut told = json!({ "name": name, "ok": false, "error": message });
            if let Some((_, differences)) = differences(&message) {
                told["differences"] = differences.into();
            }
            told
        }
    }
}

/// In a line, or as many as CHECK found differences.
fn told(name: &str, error: &anyhow::Error) -> String {
    let message = format!("{name}: {error:#}");
    match differences(&message) {
        Some((what, several)) if several.len() > 1 => {
            format!("{what} is not as ADD left it, in {} ways:\n  {}", several.len(), several.join("\n  "))
        }
        _ => message,
    }
}
