//! Calls of the node's plugins: how many, how they failed, how long they took. What becomes a label is of lists that end: the plugins of
//! the suite, the verbs of CNI, and the codes that its plugins answer.

use std::collections::BTreeMap;

use runtime::suite;
use state::calls::Call;

use crate::family::{Families, Kind, Labels, Value};
use crate::histogram::Histogram;

/// Upper bounds of durations, in seconds: an ADD takes some milliseconds, and a runtime gives up after minutes.
const BOUNDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0, 60.0];
const COMMANDS: [&str; 6] = ["ADD", "CHECK", "DEL", "GC", "STATUS", "VERSION"];
/// Of the specification, of the reference, and of `rail-ipam`. Another IPAM's may be any number.
const CODES: [u32; 17] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 50, 51, 100, 101, 102, 103, 999];
const OTHER: &str = "other";

/// Those that have ended since the agent began.
#[derive(Clone, Debug, Default)]
pub struct Calls(BTreeMap<(String, String), OfOne>);

/// Of one plugin and verb.
#[derive(Clone, Debug)]
struct OfOne {
    took: Histogram,
    failures: BTreeMap<String, u64>,
}

impl Calls {
    /// One more. What no plugin of ours has written is none.
    pub fn add(&mut self, call: &Call) {
        if !suite::has(&call.plugin) || !COMMANDS.contains(&&*call.command) {
            return;
        }
        let own = self.0.entry((call.plugin.clone(), call.command.clone()));
        let own = own.or_insert_with(|| OfOne { took: Histogram::of(&BOUNDS), failures: BTreeMap::new() });
        own.took.add(call.took.as_secs_f64());
        if let Some(code) = call.code {
            let code = if CODES.contains(&code) { code.to_string() } else { OTHER.to_owned() };
            *own.failures.entry(code).or_default() += 1;
        }
    }

    /// All that is told of them.
    pub(crate) fn tell(&self, families: &mut Families) {
        let help = "Calls of plugins that have ended, whether well or not";
        let calls = families.declare("railcni_plugin_calls", Kind::Counter, help);
        let help = "Calls of plugins that ended with an error, by its CNI code";
        let failures = families.declare("railcni_plugin_failures", Kind::Counter, help);
        let help = "How long calls of plugins took, from the start of the process to its answer";
        let durations = families.declare("railcni_plugin_duration_seconds", Kind::Histogram, help);
        for ((plugin, command), own) in &self.0 {
            let labels: Labels = vec![("plugin", plugin.clone()), ("command", command.clone())];
            families.add(calls, labels.clone(), Value::Whole(own.took.count()));
            families.add(durations, labels.clone(), own.took.value());
            for (code, count) in &own.failures {
                let labels = labels.iter().cloned().chain([("code", code.clone())]).collect();
                families.add(failures, labels, Value::Whole(*count));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn call(plugin: &str, command: &str, code: Option<u32>) -> Call {
        let (plugin, command) = (plugin.to_owned(), command.to_owned());
        Call { plugin, command, code, took: Duration::from_millis(7) }
    }

    /// Whatever stands in the file.
    #[test]
    fn labels_are_of_lists_that_end() {
        let mut calls = Calls::default();
        for code in 0..5_000 {
            calls.add(&call("macvlan", "ADD", Some(code)));
            calls.add(&call(&format!("plugin{code}"), "ADD", None));
            calls.add(&call("rail", &format!("VERB{code}"), None));
        }
        let (of, own) = calls.0.first_key_value().unwrap();
        assert_eq!((calls.0.len(), &*of.0, &*of.1), (1, "macvlan", "ADD"));
        assert_eq!((own.took.count(), own.failures.len()), (5_000, CODES.len() + 1));
        assert_eq!(own.failures[OTHER], 5_000 - CODES.len() as u64);
    }

    /// Their own, in the code.
    #[test]
    fn the_codes_of_the_suite_are_known() {
        let codes = include_str!("../../cni/src/code.rs").lines();
        let own = codes.filter_map(|line| line.strip_suffix(';')?.rsplit_once("u32 = ")?.1.parse().ok());
        let own: Vec<u32> = own.collect();
        assert!(own.len() > 10 && own.iter().all(|code| CODES.contains(code)), "{own:?}");
    }
}
