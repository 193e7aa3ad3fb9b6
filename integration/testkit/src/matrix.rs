//! One attachment, ended at every call that changes something: by a kill, or by an error.
//!
//! A first run lists the points; then there is a run for each. Afterwards everything that can be seen of host, pods,
//! devices, leases and files is compared with the picture taken before.

mod fail;
mod kill;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use crate::chain::Chain;
use crate::fault::{CHANGES, Call, FALLIBLE, Scope, Trace};
use crate::figures::{in_guest, in_part, spares_no_guest, torture};
use crate::snapshot::Snapshot;
use crate::wait::eventually;
use crate::world::World;

/// What a namespace that ended gives back, it gives back later than DEL returns.
const SETTLES: Duration = Duration::from_secs(10);

/// The most points of one verb in a bounded run on an emulated CPU.
const IN_A_GUEST: usize = 6;

/// So many runs more tell at most which calls every run has: the first that is like the shortest before it ends the search.
const TRACES: usize = 5;

/// How many of the points of one verb are tried, evenly over all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// Each one; in a guest, which is slow and has company in the namespaces, as if it were `About(IN_A_GUEST)`.
    All,
    /// About so many where the run is bounded, each one in a [full](crate::torture) run.
    About(usize),
    /// About so many, and three times as many in a full run: for eight rails, which have thousands.
    Sample(usize),
}

/// The four tests of an attachment: `$with` makes its matrix and hands it to a closure.
#[macro_export]
macro_rules! matrix_tests {
    ($with:path) => {
        #[test]
        fn add_killed_anywhere_leaves_nothing() {
            $with(|matrix| matrix.kill("ADD"));
        }

        #[test]
        fn del_killed_anywhere_leaves_nothing() {
            $with(|matrix| matrix.kill("DEL"));
        }

        #[test]
        fn add_that_fails_anywhere_has_undone_itself() {
            $with(|matrix| matrix.fail("ADD"));
        }

        #[test]
        fn del_that_fails_anywhere_goes_on_and_reports() {
            $with(|matrix| matrix.fail("DEL"));
        }
    };
}

/// An attachment to be ended at its points.
pub struct Matrix<'w> {
    name: String,
    world: &'w World,
    chain: Chain,
    share: Share,
    ignored: Vec<&'static str>,
    before: Snapshot,
    /// By verb: both kinds of ending have theirs among the same.
    points: RefCell<BTreeMap<String, Vec<Point>>>,
}

/// Where the step `at` is ended.
#[derive(Clone, Debug)]
struct Point {
    at: usize,
    scope: Scope,
    call: Call,
}

impl<'w> Matrix<'w> {
    /// Attaches and detaches once, so that locks and folders are there and the pictures differ in nothing else. `ignored` begins
    /// lines that change by themselves.
    #[track_caller]
    pub fn new(name: &str, world: &'w World, chain: Chain, share: Share, ignored: &[&'static str]) -> Self {
        let mut matrix = Self {
            name: name.to_owned(),
            world,
            chain,
            share,
            ignored: ignored.to_vec(),
            before: world.snapshot(),
            points: RefCell::default(),
        };
        let unchanged = matrix.picture().without("file ");
        matrix.chain.add();
        matrix.chain.del();
        // What a link gets again when it comes up, it gets later than DEL returns.
        matrix.assert_same_without(&["file "], &unchanged, "one ADD and DEL");
        matrix.before = matrix.picture();
        matrix
    }

    /// The store of the leases remembers what was released; what is held has lines of its own.
    fn picture(&self) -> Snapshot {
        let whole = self.world.snapshot().without("file state/ipam");
        self.ignored.iter().fold(whole, |picture, prefix| picture.without(prefix))
    }

    #[track_caller]
    fn assert_clean(&self, after: &str) {
        self.assert_same_without(&[], &self.before, after);
    }

    /// That the world is as `expected`, but for the lines that begin with one of `but`.
    #[track_caller]
    fn assert_same_without(&self, but: &[&str], expected: &Snapshot, after: &str) {
        let mut diff = String::new();
        let same = eventually(SETTLES, || {
            let now = but.iter().fold(self.picture(), |picture, prefix| picture.without(prefix));
            diff = expected.diff(&now);
            diff.is_empty().then_some(())
        });
        let name = &self.name;
        assert!(same.is_some(), "{name}: {after}: the world changed (- before, + after):\n{diff}");
    }

    /// ADD of step `at` in the place that a chain has for it, run to its end under strace.
    fn traced_add(&self, at: usize, scope: Scope) -> Trace {
        let config = self.chain.config(at, &self.chain.add_first(at));
        let trace = self.chain.steps[at].plugin.trace("ADD", &config, &all_calls(), scope);
        self.chain.del();
        trace
    }

    /// DEL of step `at`, run to its end under strace.
    fn traced_del(&self, at: usize, scope: Scope) -> Trace {
        self.chain.add();
        self.chain.del_after(at + 1);
        let step = &self.chain.steps[at];
        let trace = step.plugin.trace("DEL", &step.config, &all_calls(), scope);
        self.chain.del();
        trace
    }

    /// The points of one verb of every step. Where a step calls another plugin, its process and both together.
    fn points(&self, verb: &str) -> Vec<Point> {
        self.points.borrow_mut().entry(verb.to_owned()).or_insert_with(|| self.find_points(verb)).clone()
    }

    fn find_points(&self, verb: &str) -> Vec<Point> {
        let mut points = Vec::new();
        let more = if in_part() { 0 } else { TRACES };
        for at in 0..self.chain.steps.len() {
            let traced = |scope| match verb {
                "ADD" => self.traced_add(at, scope),
                _ => self.traced_del(at, scope),
            };
            for scope in [Scope::Plugin, Scope::Delegates] {
                let mut trace = traced(scope);
                if scope == Scope::Delegates && trace.processes == 1 {
                    continue;
                }
                // What a run has to wait for makes calls of its own, more on a busy machine: those are points of that run only.
                for _ in 0..more {
                    let next = traced(scope);
                    let (before, now) = (trace.calls.len(), next.calls.len());
                    if now < before {
                        trace = next;
                    }
                    if now == before {
                        break;
                    }
                }
                let found = trace.points();
                trace.outcome.success();
                points.extend(found.into_iter().map(|call| Point { at, scope, call }));
            }
        }
        assert!(
            points.len() > 2,
            "{}: only {} points of {verb}: is strace counting?",
            self.name,
            points.len()
        );
        points
    }

    /// Those of the points that this run tries; in a guest at most `most_in_a_guest` of them.
    fn share(&self, points: Vec<Point>, most_in_a_guest: usize) -> Vec<Point> {
        let most = match (in_guest(), torture()) {
            (true, true) if !spares_no_guest() => most_in_a_guest,
            (true, false) => IN_A_GUEST,
            _ => usize::MAX,
        };
        let wanted = match (self.share, torture()) {
            (Share::All | Share::About(_), true) | (Share::All, false) => points.len(),
            (Share::Sample(count), true) => count * 3,
            (Share::About(count) | Share::Sample(count), false) => count,
        };
        let wanted = wanted.min(most);
        let step = points.len().div_ceil(wanted).max(1);
        points.into_iter().step_by(step).collect()
    }

    fn said(&self, verb: &str, point: &Point) -> String {
        let program = self.chain.steps[point.at].plugin.program.file_name().unwrap_or_default();
        let whose = if point.scope == Scope::Plugin { "" } else { " of it and its delegate" };
        format!("{verb} of step {} ({}) ended at {}{whose}", point.at, program.display(), point.call)
    }
}

fn all_calls() -> String {
    format!("{CHANGES},{FALLIBLE}")
}

impl Point {
    /// The call can leave a trace, where others only come before one that does.
    fn is_change(&self) -> bool {
        // A file that is only read is as it was, wherever the reader is ended.
        !self.call.reads && CHANGES.split(',').any(|name| name.trim_start_matches('?') == self.call.name)
    }
}

/// Every point with one of its variants in turn, or with all of them.
fn with_each<V: Copy + 'static>(
    points: Vec<Point>,
    variants: impl Fn(&Point) -> &'static [V],
) -> Vec<(Point, V)> {
    let each = torture() && (!in_guest() || spares_no_guest());
    let mut runs = Vec::new();
    for (turn, point) in points.into_iter().enumerate() {
        let all = variants(&point);
        let tried = if each { all } else { &all[turn % all.len()..][..1] };
        runs.extend(tried.iter().map(|variant| (point.clone(), *variant)));
    }
    runs
}
