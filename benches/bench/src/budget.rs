//! The budgets of the design, and whether a run kept them.

use std::fmt;

use anyhow::{Result, bail};
use serde_json::{Value, json};

use crate::options::Options;
use crate::report::{Report, Unit, quantity};
use crate::samples::Samples;

/// What a number is held against.
#[derive(Clone, Copy, Debug)]
enum Of {
    /// Seconds or bytes as they are.
    Nothing,
    /// The peers' median in the same row.
    Peers,
    /// Our median in another row.
    Row(&'static str),
}

/// An upper limit on each row whose case begins so.
#[derive(Debug)]
pub(crate) struct Budget {
    rows: &'static str,
    of: Of,
    limit: f64,
}

const fn budget(rows: &'static str, of: Of, limit: f64) -> Budget {
    Budget { rows, of, limit }
}

/// Of `make bench`.
pub(crate) const OF_PROCESSES: [Budget; 17] = [
    budget("size of macvlan", Of::Nothing, 1.2e6),
    budget("size of coordinator", Of::Nothing, 1.2e6),
    budget("size of rail-ipam", Of::Nothing, 1.2e6),
    budget("size of `sriov`", Of::Nothing, 1.2e6),
    budget("size of `ib-sriov`", Of::Nothing, 1.2e6),
    // At first 1.2 MB, as for a single plugin: it does what eight of them do, which have 6.5 MB.
    budget("size of `rail`", Of::Nothing, 1.7e6),
    budget("memory of", Of::Nothing, 2e6),
    budget("one rail by the chain, ADD", Of::Peers, 0.25),
    // At first 0.10, when its messages were reckoned at half of what they are with the node's side of the coordinator: 0.06 of
    // the peers' time by themselves. How much more than its messages it may take is the next budget.
    budget("one rail by `rail`, ADD", Of::Peers, 0.125),
    // What is missed of it is in docs/benchmarks.md.
    budget("`rail` beside its bare messages, ADD", Of::Row("bare messages of one rail, ADD"), 1.7),
    budget("eight rails by `rail`, ADD", Of::Peers, 0.06),
    budget("eight rails by `rail`, DEL", Of::Peers, 0.15),
    budget("IPAM among 60000 leases, ADD", Of::Row("IPAM among 10 leases, ADD"), 3.0),
    budget("IPAM among 60000 leases, ADD", Of::Peers, 0.01),
    budget("IPAM among 60000 owners, ADD", Of::Row("IPAM among 10 owners, ADD"), 3.0),
    budget("128 IPAM ADDs at once", Of::Peers, 0.3),
    budget("STATUS of", Of::Nothing, 1e-3),
];

/// Of `make vm-bench`.
pub(crate) const IN_A_GUEST: [Budget; 2] = [
    budget("eight rails on VFs by `rail`, ADD", Of::Row("bare messages of eight rails on VFs, ADD"), 2.0),
    budget("eight rails on VFs by `rail`, DEL", Of::Row("bare messages of eight rails on VFs, DEL"), 2.0),
];

/// One budget against one row.
#[derive(Debug)]
pub(crate) struct Verdict {
    case: String,
    /// Of the limit, when it is not a ratio.
    unit: Option<Unit>,
    of: Of,
    limit: f64,
    /// `None` when there is no such row.
    measured: Option<f64>,
}

pub(crate) fn judge(report: &Report, budgets: &[Budget]) -> Vec<Verdict> {
    budgets.iter().flat_map(|budget| judge_one(report, budget)).collect()
}

/// With `--check` every one has to be kept.
pub(crate) fn require(options: &Options, verdicts: &[Verdict]) -> Result<()> {
    match verdicts.iter().filter(|verdict| !verdict.is_kept()).count() {
        missed @ 1.. if options.check => bail!("{missed} of {} budgets are missed", verdicts.len()),
        _ => Ok(()),
    }
}

fn judge_one(report: &Report, budget: &Budget) -> Vec<Verdict> {
    let Budget { rows, of, limit } = *budget;
    let verdicts = report.rows(rows).map(|row| {
        let ours = row.ours.as_ref().map(Samples::median);
        let (unit, measured) = match of {
            Of::Nothing => (Some(row.unit), ours),
            Of::Peers => (None, row.ratio()),
            Of::Row(other) => (None, ours.zip(median(report, other)).map(|(ours, other)| ours / other)),
        };
        Verdict { case: row.case.clone(), unit, of, limit, measured }
    });
    let verdicts = verdicts.collect::<Vec<_>>();
    let absent = Verdict { case: rows.to_owned(), unit: None, of, limit, measured: None };
    if verdicts.is_empty() { vec![absent] } else { verdicts }
}

fn median(report: &Report, case: &str) -> Option<f64> {
    report.rows(case).find_map(|row| row.ours.as_ref()).map(Samples::median)
}

impl Verdict {
    /// The limit of a case against the peers.
    pub(crate) fn of_peers(&self) -> Option<(&str, f64)> {
        matches!(self.of, Of::Peers).then_some((&self.case, self.limit))
    }

    pub(crate) fn is_about(&self, case: &str) -> bool {
        self.case == case
    }

    /// The limit, and a word where it is missed.
    pub(crate) fn short(&self) -> String {
        let limit = self.unit.map_or_else(|| self.limit.to_string(), |unit| quantity(unit, self.limit));
        format!("{limit}{}{}", self.of, if self.is_kept() { "" } else { ": MISSED" })
    }

    /// What was not measured is not known to be kept.
    pub(crate) fn is_kept(&self) -> bool {
        self.measured.is_some_and(|measured| measured <= self.limit)
    }

    pub(crate) fn json(&self) -> Value {
        json!({ "case": self.case, "of": self.of.to_string().trim(), "limit": self.limit, "measured": self.measured,
                "kept": self.is_kept() })
    }
}

impl fmt::Display for Of {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => Ok(()),
            Self::Peers => f.write_str(" x peers"),
            Self::Row(other) => write!(f, " x {other}"),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { case, unit, of, limit, measured } = self;
        let text = |value| unit.map_or_else(|| format!("{value:.4}"), |unit| quantity(unit, value));
        let budget = text(*limit);
        match *measured {
            None => write!(f, "MISSED {case}: not measured, the budget is {budget}{of}"),
            Some(value) if self.is_kept() => write!(f, "kept   {case}: {} of {budget}{of}", text(value)),
            Some(value) => {
                let times = value / limit;
                write!(f, "MISSED {case}: {} of {budget}{of}, {times:.1} times too much", text(value))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(ours: f64) -> Report {
        let mut report = Report::default();
        report.compare("128 IPAM ADDs at once".into(), Unit::Seconds, [ours, 0.2].map(Samples::one));
        report.alone("STATUS of rail-ipam".into(), Unit::Seconds, Samples::one(ours / 100.0));
        report
    }

    fn said(report: &Report, case: &str) -> String {
        let verdicts = judge(report, &OF_PROCESSES);
        verdicts.iter().find(|verdict| verdict.case.starts_with(case)).unwrap().to_string()
    }

    #[test]
    fn a_budget_is_kept_up_to_its_limit() {
        let good = report(0.05);
        assert_eq!(said(&good, "128"), "kept   128 IPAM ADDs at once: 0.2500 of 0.3000 x peers");
        assert_eq!(said(&good, "STATUS"), "kept   STATUS of rail-ipam: 0.50 ms of 1.00 ms");
    }

    #[test]
    fn a_missed_one_says_by_how_much() {
        let bad = report(0.12);
        assert_eq!(
            said(&bad, "128"),
            "MISSED 128 IPAM ADDs at once: 0.6000 of 0.3000 x peers, 2.0 times too much"
        );
        assert_eq!(
            said(&bad, "STATUS"),
            "MISSED STATUS of rail-ipam: 1.20 ms of 1.00 ms, 1.2 times too much"
        );
    }

    #[test]
    fn what_was_not_measured_is_missed() {
        let verdicts = judge(&Report::default(), &OF_PROCESSES);
        assert!(verdicts.len() == OF_PROCESSES.len() && !verdicts.iter().any(Verdict::is_kept));
    }
}
