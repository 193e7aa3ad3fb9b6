//! The numbers, as a table for people and JSON for comparing runs.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::budget::Verdict;
use crate::markdown;
use crate::plot::{self, Bar};
use crate::samples::Samples;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Unit {
    Seconds,
    Bytes,
    Count,
}

/// One line: what was measured of us, of the peers, or of neither.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) case: String,
    pub(crate) unit: Unit,
    pub(crate) ours: Option<Samples>,
    pub(crate) theirs: Option<Samples>,
}

#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
    notes: Vec<String>,
    failures: Vec<String>,
}

impl Report {
    pub(crate) fn compare(&mut self, case: String, unit: Unit, [ours, theirs]: [Samples; 2]) {
        self.rows.push(Row { case, unit, ours: Some(ours), theirs: Some(theirs) });
    }

    /// Where the peers have nothing to compare with.
    pub(crate) fn alone(&mut self, case: String, unit: Unit, ours: Samples) {
        self.rows.push(Row { case, unit, ours: Some(ours), theirs: None });
    }

    /// What no plugin can be faster than.
    pub(crate) fn floor(&mut self, case: &str, samples: Samples) {
        self.alone(case.to_owned(), Unit::Seconds, samples);
    }

    pub(crate) fn note(&mut self, note: &str) {
        self.notes.push(note.to_owned());
    }

    pub(crate) fn failure(&mut self, failure: &str) {
        self.failures.push(failure.to_owned());
    }

    pub(crate) fn has_failed(&self) -> bool {
        !self.failures.is_empty()
    }

    /// The rows whose case begins so.
    pub(crate) fn rows<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a Row> {
        self.rows.iter().filter(move |row| row.case.starts_with(prefix))
    }

    #[expect(clippy::print_stdout, reason = "the table is what the program is run for")]
    pub(crate) fn print(&self, verdicts: &[Verdict]) {
        println!("{:<44} {:>33} {:>33} {:>7}", "median (least .. nine of ten)", "ours", "peers", "ratio");
        for row in &self.rows {
            println!("{row}");
        }
        println!();
        for verdict in verdicts {
            println!("{verdict}");
        }
        for note in &self.notes {
            println!("note: {note}");
        }
        for failure in &self.failures {
            println!("FAILED {failure}");
        }
    }

    pub(crate) fn save(&self, path: &Path, verdicts: &[Verdict]) -> Result<()> {
        let rows = self.rows.iter().map(Row::json).collect::<Vec<_>>();
        let budgets = verdicts.iter().map(Verdict::json).collect::<Vec<_>>();
        let text = format!("{:#}\n", json!({ "rows": rows, "budgets": budgets, "notes": self.notes }));
        std::fs::create_dir_all(path.parent().context("the path of the JSON file")?)?;
        state::file::replace(path, text.as_bytes())?;
        let table = markdown::table(&self.rows, verdicts, &self.notes);
        state::file::replace(&path.with_extension("md"), table.as_bytes())?;
        Ok(state::file::replace(&path.with_extension("svg"), self.picture(verdicts).as_bytes())?)
    }

    fn picture(&self, verdicts: &[Verdict]) -> String {
        let budget =
            |case: &str| verdicts.iter().filter_map(Verdict::of_peers).find(|of| of.0 == case).map(|of| of.1);
        let bar =
            |row: &Row| Some(Bar { case: row.case.clone(), ratio: row.ratio()?, budget: budget(&row.case) });
        let bars: Vec<_> = self.rows.iter().filter_map(bar).collect();
        plot::svg(&bars, &self.notes.join("; "))
    }
}

/// How busy the machine was while it was measured, and what it is.
pub(crate) fn machine() -> String {
    let first = |path| std::fs::read_to_string(path).unwrap_or_default().split(' ').next().map(str::to_owned);
    let (kernel, load) = (first("/proc/sys/kernel/osrelease"), first("/proc/loadavg"));
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let text = |value: Option<String>| value.unwrap_or_default().trim().to_owned();
    format!("Linux {}, {cpus} CPUs, load {} in the last minute", text(kernel), text(load))
}

impl Row {
    /// Of the medians.
    pub(crate) fn ratio(&self) -> Option<f64> {
        Some(self.ours.as_ref()?.median() / self.theirs.as_ref()?.median())
    }

    pub(crate) fn json(&self) -> Value {
        let unit = match self.unit {
            Unit::Seconds => "s",
            Unit::Bytes => "B",
            Unit::Count => "",
        };
        let side = |samples: &Option<Samples>| samples.as_ref().map(Samples::json);
        json!({ "case": self.case, "unit": unit, "ours": side(&self.ours), "theirs": side(&self.theirs),
                "ratio": self.ratio() })
    }

    fn cell(&self, samples: Option<&Samples>) -> String {
        let Some(samples) = samples else { return "-".to_owned() };
        let text = |value| quantity(self.unit, value);
        match samples.len() {
            1 => text(samples.median()),
            _ => format!("{} ({} .. {})", text(samples.median()), text(samples.min()), text(samples.high())),
        }
    }
}

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (ours, theirs) = (self.cell(self.ours.as_ref()), self.cell(self.theirs.as_ref()));
        let ratio = self.ratio().map(|ratio| format!("{ratio:.4}")).unwrap_or_default();
        write!(f, "{:<44} {ours:>33} {theirs:>33} {ratio:>7}", self.case)
    }
}

pub(crate) fn quantity(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Seconds => format!("{:.2} ms", value * 1e3),
        Unit::Bytes => format!("{:.2} MB", value / 1e6),
        Unit::Count => format!("{value:.0}"),
    }
}
