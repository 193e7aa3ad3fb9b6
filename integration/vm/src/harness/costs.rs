//! Where the time of a run went, for whoever adds to it.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::time::Duration;

const SLOWEST: usize = 10;
/// A run that is over so soon needs no account.
const WORTH_A_LOOK: usize = 20;

/// What one boot took.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Spent {
    /// From power-on to power-off.
    pub(crate) time: Duration,
    /// Of QEMU.
    pub(crate) cpu: Duration,
}

/// The sums, by configuration.
#[derive(Debug, Default)]
pub(crate) struct Costs {
    tests: Vec<(Duration, String)>,
    boots: BTreeMap<String, (usize, Spent)>,
}

impl Costs {
    pub(crate) fn test(&mut self, shown: &str, time: Duration) {
        self.tests.push((time, shown.to_owned()));
    }

    pub(crate) fn boot(&mut self, configuration: &str, spent: Spent) {
        let (count, sum) = self.boots.entry(configuration.to_owned()).or_default();
        *count += 1;
        sum.time += spent.time;
        sum.cpu += spent.cpu;
    }

    /// Of the tests of one configuration.
    fn in_tests(&self, configuration: &str) -> Duration {
        let own = |(_, shown): &&(Duration, String)| shown.split("::").next() == Some(configuration);
        self.tests.iter().filter(own).map(|(time, _)| *time).sum()
    }
}

impl Display for Costs {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.tests.len() < WORTH_A_LOOK {
            return Ok(());
        }
        writeln!(f, "\nseconds by boot (the rest is booting, and clearing up between tests):")?;
        for (name, (count, sum)) in &self.boots {
            let (time, tests) = (sum.time.as_secs(), self.in_tests(name).as_secs());
            writeln!(f, "{time:>5} {name}: {tests} in tests; {} of CPU; boots: {count}", sum.cpu.as_secs())?;
        }
        let cpu: Duration = self.boots.values().map(|(_, sum)| sum.cpu).sum();
        writeln!(f, "{:>5} of CPU in all", cpu.as_secs())?;
        let mut slowest: Vec<_> = self.tests.iter().collect();
        slowest.sort_by(|one, other| other.cmp(one));
        writeln!(f, "the slowest tests:")?;
        slowest
            .iter()
            .take(SLOWEST)
            .try_for_each(|(time, shown)| writeln!(f, "{:>7.1} {shown}", time.as_secs_f32()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sums_are_those_of_the_boot_and_the_slowest_come_first() {
        let mut costs = Costs::default();
        for number in 1..=25 {
            costs.test(&format!("eth::t{number}"), Duration::from_secs(number));
        }
        costs.test("ib::long", Duration::from_secs(60));
        costs.boot("eth", Spent { time: Duration::from_secs(400), cpu: Duration::from_secs(300) });
        costs.boot("eth", Spent { time: Duration::from_secs(100), cpu: Duration::from_secs(90) });
        let text = costs.to_string();
        assert!(text.contains("  500 eth: 325 in tests; 390 of CPU; boots: 2\n"), "{text}");
        let slowest: Vec<_> =
            text.lines().skip_while(|line| !line.starts_with("the slowest")).skip(1).collect();
        assert_eq!((slowest.len(), slowest[0], slowest[9]), (10, "   60.0 ib::long", "   17.0 eth::t17"));
    }

    #[test]
    fn a_handful_of_tests_needs_no_account() {
        let mut costs = Costs::default();
        costs.test("eth::one", Duration::from_secs(3));
        assert_eq!(costs.to_string(), "");
    }
}
