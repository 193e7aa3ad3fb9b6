//! What failed is not asked again at once: it has failed because of what it was, and is the same until somebody changes it.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use serde_json::Value;

/// After the first failure; it doubles with each.
const FIRST: Duration = Duration::from_secs(15);
const LAST: Duration = Duration::from_secs(480);

/// What was asked and failed, by the name of what it was to be.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    failed: BTreeMap<String, Failed>,
    hasher: RandomState,
}

#[derive(Debug)]
struct Failed {
    /// Of what was wanted and what was found.
    what: u64,
    problem: String,
    /// By the clock of whoever asks.
    again: Duration,
    wait: Duration,
}

impl Attempts {
    /// What came of it the last time, if that was a failure, nothing has changed since, and it is not time to ask again.
    pub(super) fn failed(
        &self,
        name: &str,
        wanted: &Value,
        found: Option<&Value>,
        now: Duration,
    ) -> Option<&str> {
        let failed = self.failed.get(name)?;
        let is_same = failed.what == self.what(wanted, found) && now < failed.again;
        is_same.then_some(failed.problem.as_str())
    }

    /// What came of it.
    pub(super) fn note(
        &mut self,
        name: &str,
        wanted: &Value,
        found: Option<&Value>,
        outcome: &Result<(), String>,
        now: Duration,
    ) {
        let Err(problem) = outcome else {
            self.failed.remove(name);
            return;
        };
        let what = self.what(wanted, found);
        let before = self.failed.get(name).filter(|failed| failed.what == what);
        let wait = before.map_or(FIRST, |failed| (failed.wait * 2).min(LAST));
        let failed = Failed { what, problem: problem.clone(), again: now + wait, wait };
        self.failed.insert(name.to_owned(), failed);
    }

    /// There is reason to believe that it would come out otherwise now.
    pub(super) fn again(&mut self, name: &str) {
        self.failed.remove(name);
    }

    /// It is not to be asked about for so long, unless it changes.
    pub(super) fn hold(
        &mut self,
        name: &str,
        wanted: &Value,
        found: &Value,
        why: &str,
        now: Duration,
        wait: Duration,
    ) {
        let what = self.what(wanted, Some(found));
        let failed = Failed { what, problem: why.to_owned(), again: now + wait, wait };
        self.failed.insert(name.to_owned(), failed);
    }

    /// Forgets what nobody has asked for in a long time.
    pub(super) fn forget(&mut self, now: Duration) {
        self.failed.retain(|_, failed| now < failed.again + LAST);
    }

    /// An object that is found is told by its version.
    fn what(&self, wanted: &Value, found: Option<&Value>) -> u64 {
        let found = found.map(|found| [&found["metadata"]["uid"], &found["metadata"]["resourceVersion"]]);
        self.hasher.hash_one((wanted.to_string(), format!("{found:?}")))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NAME: &str = "tenant/rail1";

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    /// At which of so many seconds it is asked, with a pass in each.
    fn asked(attempts: &mut Attempts, wanted: &Value, until: u64) -> Vec<u64> {
        let mut asked = Vec::new();
        for second in 0..until {
            if attempts.failed(NAME, wanted, None, seconds(second)).is_none() {
                attempts.note(NAME, wanted, None, &Err("no".to_owned()), seconds(second));
                asked.push(second);
            }
        }
        asked
    }

    #[test]
    fn what_fails_is_asked_less_and_less_however_many_passes_there_are() {
        let mut attempts = Attempts::default();
        assert_eq!(asked(&mut attempts, &json!({}), 2000), [0, 15, 45, 105, 225, 465, 945, 1425, 1905]);
        assert_eq!(attempts.failed(NAME, &json!({}), None, seconds(2000)), Some("no"));
    }

    #[test]
    fn what_has_changed_is_asked_at_once() {
        let mut attempts = Attempts::default();
        let (one, two) = (json!({ "a": 1 }), json!({ "a": 2 }));
        attempts.note(NAME, &one, None, &Err("no".to_owned()), seconds(0));
        assert_eq!(attempts.failed(NAME, &one, None, seconds(1)), Some("no"));
        assert_eq!(attempts.failed(NAME, &two, None, seconds(1)), None);
        assert_eq!(attempts.failed("tenant/other", &one, None, seconds(1)), None);
        let found = json!({ "metadata": { "uid": "u", "resourceVersion": "5" } });
        assert_eq!(attempts.failed(NAME, &one, Some(&found), seconds(1)), None);
        attempts.note(NAME, &one, None, &Ok(()), seconds(2));
        assert_eq!(attempts.failed(NAME, &one, None, seconds(3)), None);
    }

    #[test]
    fn what_is_gone_is_forgotten() {
        let mut attempts = Attempts::default();
        attempts.note(NAME, &json!({}), None, &Err("no".to_owned()), seconds(0));
        attempts.forget(seconds(100));
        assert_eq!(attempts.failed.len(), 1);
        attempts.forget(seconds(1000));
        assert_eq!(attempts.failed.len(), 0);
    }
}
