//! The rows of a run as the table that a README shows.

use std::fmt::Write as _;

use crate::budget::Verdict;
use crate::report::{Row, quantity};
use crate::samples::Samples;

/// Medians, and in brackets the least, what nine of ten do not exceed, and how many there were.
pub(crate) fn table(rows: &[Row], verdicts: &[Verdict], notes: &[String]) -> String {
    let mut out =
        "| what | railcni: median (least .. nine of ten; runs) | peers | ratio | budget |\n| --- | --- | --- | --- | --- |\n"
            .to_owned();
    for row in rows {
        let ratio = row.ratio().map(|ratio| format!("{ratio:.3}")).unwrap_or_default();
        let budgets: Vec<_> =
            verdicts.iter().filter(|one| one.is_about(&row.case)).map(Verdict::short).collect();
        let [ours, theirs] = [&row.ours, &row.theirs].map(|side| cell(row, side.as_ref()));
        // A bar would end the cell.
        let case = row.case.replace(" | ", "; ");
        let _ = writeln!(out, "| {case} | {ours} | {theirs} | {ratio} | {} |", budgets.join("; "));
    }
    let _ = writeln!(out, "\n{}.", notes.join("; "));
    out
}

fn cell(row: &Row, samples: Option<&Samples>) -> String {
    let Some(samples) = samples else { return String::new() };
    let text = |value| quantity(row.unit, value);
    match samples.len() {
        1 => text(samples.median()),
        runs => format!(
            "{} ({} .. {}; {runs})",
            text(samples.median()),
            text(samples.min()),
            text(samples.high())
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::{OF_PROCESSES, judge};
    use crate::report::{Report, Unit};

    #[test]
    fn a_row_has_its_noise_and_its_budget() {
        let mut report = Report::default();
        let samples = |values: [f64; 3]| Samples::new(values.to_vec());
        let sides = [samples([0.001, 0.002, 0.003]), samples([0.01, 0.01, 0.01])];
        report.compare("one rail by `rail`, ADD".into(), Unit::Seconds, sides);
        report.compare("size of macvlan | b".into(), Unit::Bytes, [1e6, 2e6].map(Samples::one));
        let rows: Vec<Row> = report.rows("").cloned().collect();
        let text = table(&rows, &judge(&report, &OF_PROCESSES), &["idle".to_owned()]);
        assert!(
            text.contains("| one rail by `rail`, ADD | 2.00 ms (1.00 ms .. 2.80 ms; 3) | 10.00 ms (10.00 ms .. 10.00 ms; 3) | 0.200 | 0.125 x peers: MISSED |"),
            "{text}"
        );
        assert!(text.contains("| size of macvlan; b | 1.00 MB | 2.00 MB | 0.500 | 1.20 MB |"), "{text}");
        assert!(text.ends_with("\nidle.\n"));
    }
}
