//! What is left to run, shared by the threads that each have one guest.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use crate::harness::Configuration;
use crate::wire::Test;

/// So many tests are worth a further guest that boots beside the one that is at them.
const WORTH_A_BOOT: usize = 12;
/// Where each test takes minutes.
const WORTH_A_BOOT_IN_FULL: usize = 1;

/// What is in the names of the tests that take longest.
const LONG: [&str; 2] = ["::matrices::", "::power_loss::"];

/// Tests by configuration.
#[derive(Debug)]
pub(crate) struct Queue {
    lanes: Mutex<Vec<Lane>>,
    worth_a_boot: usize,
    until: Option<SystemTime>,
}

#[derive(Debug)]
struct Lane {
    configuration: Configuration,
    tests: VecDeque<Test>,
    guests: usize,
}

impl Queue {
    /// All of `tests`, for a bounded run or a full one; the longest are first, so that no guest is left alone with one at the end.
    pub(crate) fn of(
        configurations: &[Configuration],
        tests: &[Test],
        full: bool,
        until: Option<SystemTime>,
    ) -> Self {
        let owned = |configuration: &Configuration| {
            let own = || tests.iter().filter(|test| configuration.owns(test)).cloned();
            let is_long = |test: &Test| LONG.iter().any(|part| test.shown.contains(part));
            own().filter(is_long).chain(own().filter(|test| !is_long(test))).collect()
        };
        let lane = |configuration: &Configuration| Lane {
            configuration: *configuration,
            tests: owned(configuration),
            guests: 0,
        };
        let worth_a_boot = if full { WORTH_A_BOOT_IN_FULL } else { WORTH_A_BOOT };
        Self { lanes: Mutex::new(configurations.iter().map(lane).collect()), worth_a_boot, until }
    }

    /// The configuration that needs a guest most; nothing when those that run are enough. Ends with [`Queue::leave`].
    pub(crate) fn join(&self) -> Option<Configuration> {
        if self.is_over() {
            return None;
        }
        let mut lanes = self.lanes();
        let needs =
            |lane: &&mut Lane| lane.tests.len() >= if lane.guests == 0 { 1 } else { self.worth_a_boot };
        let share = |lane: &&mut Lane| lane.tests.len() / (lane.guests + 1);
        let lane = lanes.iter_mut().filter(needs).max_by_key(share)?;
        lane.guests += 1;
        Some(lane.configuration)
    }

    /// A guest of the configuration has ended.
    pub(crate) fn leave(&self, configuration: Configuration) {
        self.with(configuration, |lane| lane.guests -= 1);
    }

    /// The next test for a guest.
    pub(crate) fn next(&self, configuration: Configuration) -> Option<Test> {
        if self.is_over() { None } else { self.with(configuration, |lane| lane.tests.pop_front()) }
    }

    /// The number of those that nobody has been handed.
    pub(crate) fn left(&self) -> usize {
        self.lanes().iter().map(|lane| lane.tests.len()).sum()
    }

    /// Whether no test may begin any more.
    fn is_over(&self) -> bool {
        self.until.is_some_and(|until| SystemTime::now() >= until)
    }

    /// A test that has not begun goes to the next guest.
    pub(crate) fn put_back(&self, configuration: Configuration, test: Test) {
        self.with(configuration, |lane| lane.tests.push_front(test));
    }

    /// Takes all that is left: the configuration does not boot.
    pub(crate) fn give_up(&self, configuration: Configuration) -> VecDeque<Test> {
        self.with(configuration, |lane| std::mem::take(&mut lane.tests))
    }

    fn with<T>(&self, configuration: Configuration, work: impl FnOnce(&mut Lane) -> T) -> T {
        let mut lanes = self.lanes();
        let lane = lanes.iter_mut().find(|lane| lane.configuration.name == configuration.name);
        work(lane.expect("configurations come from the queue"))
    }

    fn lanes(&self) -> MutexGuard<'_, Vec<Lane>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::harness::CONFIGURATIONS;

    fn tests(name: &str, count: usize) -> impl Iterator<Item = Test> {
        let shown = move |number: usize| format!("{name}::test{number}");
        (0..count)
            .map(move |number| Test {
                shown: shown(number),
                binary: "guest".into(),
                name: String::new(),
                limit: 1,
                ignored: false,
            })
            .collect::<Vec<_>>()
            .into_iter()
    }

    fn joined(queue: &Queue) -> Option<&'static str> {
        queue.join().map(|configuration| configuration.name)
    }

    #[test]
    fn the_longest_is_first_and_a_second_guest_helps_where_that_is_worth_a_boot() {
        let all: Vec<_> = tests("ib", 3).chain(tests("eth", 40)).chain(tests("igb", 2)).collect();
        let queue = Queue::of(&CONFIGURATIONS, &all, false, None);
        assert_eq!((joined(&queue), joined(&queue)), (Some("eth"), Some("eth")));
        assert_eq!((joined(&queue), joined(&queue)), (Some("eth"), Some("eth")));
        for _ in 0..=(40 - WORTH_A_BOOT) {
            queue.next(CONFIGURATIONS[0]).expect("a test");
        }
        assert_eq!((joined(&queue), joined(&queue), joined(&queue)), (Some("ib"), Some("igb"), None));
    }

    #[test]
    fn nothing_is_handed_out_after_the_time_and_what_is_left_is_counted() {
        let all: Vec<_> = tests("eth", 3).collect();
        let queue = |until| Queue::of(&CONFIGURATIONS, &all, false, Some(until));
        let (over, later) = (queue(SystemTime::now()), queue(SystemTime::now() + Duration::from_secs(600)));
        assert!(over.join().is_none() && over.next(CONFIGURATIONS[0]).is_none());
        assert_eq!(over.left(), 3);
        let eth = later.join().expect("a configuration");
        assert!(later.next(eth).is_some());
        assert_eq!(later.left(), 2);
    }

    #[test]
    fn matrices_come_first() {
        let [short, mut long] = [1, 1].map(|count| tests("eth", count).next().expect("a test"));
        long.shown = "eth::matrices::long".into();
        let queue = Queue::of(&CONFIGURATIONS, &[short.clone(), long.clone()], false, None);
        let eth = queue.join().expect("a configuration");
        assert_eq!([queue.next(eth), queue.next(eth)], [Some(long), Some(short)]);
    }

    #[test]
    fn every_test_is_handed_out_once_and_again_only_when_put_back() {
        let queue = Queue::of(&CONFIGURATIONS, &tests("many", 2).collect::<Vec<_>>(), false, None);
        let many = queue.join().expect("a configuration");
        let first = queue.next(many).expect("a test");
        queue.put_back(many, first.clone());
        assert_eq!(queue.next(many), Some(first));
        assert_eq!(queue.give_up(many).len(), 1);
        assert_eq!((queue.next(many), queue.join().is_none()), (None, true));
    }
}
