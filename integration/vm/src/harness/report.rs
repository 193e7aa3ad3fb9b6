//! Results as libtest prints them.

use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::harness::Left;
use crate::harness::costs::{Costs, Spent};
use crate::wire::Test;

/// Counts and prints.
pub(crate) struct Report<'a> {
    out: &'a mut (dyn Write + Send),
    failures: Vec<(String, String)>,
    passed: usize,
    not_run: Vec<String>,
    left: Left,
    too_late: usize,
    start: Instant,
    costs: Costs,
}

impl<'a> Report<'a> {
    pub(crate) fn start(
        out: &'a mut (dyn Write + Send),
        machine: &str,
        selected: &[Test],
        left: Left,
    ) -> Result<Self> {
        let count = selected.len();
        writeln!(out, "\nrunning {count} test{} ({machine})", if count == 1 { "" } else { "s" })?;
        let (failures, costs, start) = (Vec::new(), Costs::default(), Instant::now());
        Ok(Self { out, failures, passed: 0, not_run: Vec::new(), left, too_late: 0, start, costs })
    }

    pub(crate) fn finished(&mut self, shown: &str, failure: Option<String>, time: Duration) -> Result<()> {
        self.costs.test(shown, time);
        self.verdict(shown, failure, time)
    }

    fn verdict(&mut self, shown: &str, failure: Option<String>, time: Duration) -> Result<()> {
        let verdict = if failure.is_some() { "FAILED" } else { "ok" };
        writeln!(self.out, "test {shown} ... {verdict} ({:.1} s)", time.as_secs_f32())?;
        match failure {
            Some(text) => self.failures.push((shown.to_owned(), text)),
            None => self.passed += 1,
        }
        Ok(())
    }

    /// What a test counted, on lines of its own.
    pub(crate) fn figures(&mut self, lines: &[String]) -> Result<()> {
        Ok(lines.iter().try_for_each(|line| writeln!(self.out, "{line}"))?)
    }

    /// A test that could not even begin: its boot has said why.
    pub(crate) fn not_run(&mut self, shown: &str) -> Result<()> {
        self.not_run.push(shown.to_owned());
        Ok(writeln!(self.out, "test {shown} ... FAILED (not run)")?)
    }

    /// The boot itself counts as a test: it ends well when the guest powered off with a clean kernel log.
    pub(crate) fn boot(&mut self, configuration: &str, ended: Result<Spent>) -> Result<()> {
        let shown = format!("{configuration}::(boot, clean kernel log, power-off)");
        let (failure, time) = match ended {
            Ok(spent) => {
                self.costs.boot(configuration, spent);
                (None, spent.time)
            }
            Err(error) => (Some(format!("{error:#}")), Duration::ZERO),
        };
        self.verdict(&shown, failure, time)
    }

    /// So many tests were handed to nobody: the time was over.
    pub(crate) fn too_late(&mut self, count: usize) {
        self.too_late = count;
    }

    /// Prints the failures and the closing line; true without failures.
    pub(crate) fn finish(self) -> Result<bool> {
        let good = self.failures.is_empty() && self.not_run.is_empty();
        if !good {
            writeln!(self.out, "\nfailures:\n")?;
        }
        for (name, text) in &self.failures {
            writeln!(self.out, "---- {name} ----\n{}\n", text.trim_end())?;
        }
        if !good {
            writeln!(self.out, "\nfailures:")?;
        }
        for name in self.failures.iter().map(|(name, _)| name).chain(&self.not_run) {
            writeln!(self.out, "    {name}")?;
        }
        write!(self.out, "{}", self.costs)?;
        let verdict = if good { "ok" } else { "FAILED" };
        let (passed, failed) = (self.passed, self.failures.len() + self.not_run.len());
        let Left { ignored, filtered } = self.left;
        if ignored > 0 {
            writeln!(self.out, "\n{ignored} tests of minutes were not run: `make vm-test` has them")?;
        }
        let late = self.too_late;
        if late > 0 {
            writeln!(
                self.out,
                "\nVM LAB CUT SHORT: {late} tests were not run, as the time for them was over (RAILCNI_VM_UNTIL): `make vm-test` has them"
            )?;
        }
        let ignored = ignored + late;
        let time = self.start.elapsed().as_secs_f32();
        writeln!(
            self.out,
            "\ntest result: {verdict}. {passed} passed; {failed} failed; {ignored} ignored; 0 measured; \
             {filtered} filtered out; finished in {time:.2}s\n"
        )?;
        Ok(good)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_shows_its_output_and_turns_the_result() {
        let mut out = Vec::new();
        let mut report = Report::start(&mut out, "a machine", &[], Left::default()).expect("start");
        report.finished("eth::good", None, Duration::ZERO).expect("write");
        report.finished("eth::bad", Some("because".into()), Duration::ZERO).expect("write");
        report.not_run("eth::later").expect("write");
        assert!(!report.finish().expect("finish"));
        let text = String::from_utf8(out).expect("text");
        assert!(text.contains("test eth::good ... ok (0.0 s)"), "{text}");
        assert!(text.contains("---- eth::bad ----\nbecause"), "{text}");
        assert!(text.contains("\nfailures:\n    eth::bad\n    eth::later\n"), "{text}");
        assert!(text.contains("test result: FAILED. 1 passed; 2 failed;"), "{text}");
    }

    #[test]
    fn tests_that_came_too_late_are_said_and_counted_as_ignored() {
        let mut out = Vec::new();
        let mut report = Report::start(&mut out, "a machine", &[], Left::default()).expect("start");
        report.too_late(7);
        assert!(report.finish().expect("finish"));
        let text = String::from_utf8(out).expect("text");
        assert!(text.contains("VM LAB CUT SHORT: 7 tests were not run"), "{text}");
        assert!(text.contains("test result: ok. 0 passed; 0 failed; 7 ignored"), "{text}");
    }

    #[test]
    fn a_boot_that_warned_is_a_failure() {
        let mut out = Vec::new();
        let mut report = Report::start(&mut out, "a machine", &[], Left::default()).expect("start");
        report.boot("ib", Err(anyhow::anyhow!("the guest's kernel warned"))).expect("write");
        assert!(!report.finish().expect("finish"));
    }
}
