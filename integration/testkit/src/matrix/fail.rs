//! An error at every call that changes something, or on which such a call depends.

use super::{Matrix, Point, with_each};
use crate::fault::{Scope, Trace};
use crate::figures::{figure, in_part, torture};
use crate::plugin::Outcome;

/// Of the calls that only come before a change, a bounded run lets one of so many fail: most of them read the answers of the kernel.
const ONE_OF_READS: usize = 8;
/// Of one verb, in a full run: all would take a guest days.
const MOST_IN_A_GUEST: usize = 64;
const ERRORS: [&str; 7] = ["ENOSPC", "EIO", "EMFILE", "EBUSY", "ENODEV", "ENOBUFS", "EINTR"];
/// What takes a path can meet a disk that is read-only, or is somebody else's, too.
const ERRORS_OF_PATHS: [&str; 9] =
    ["ENOSPC", "EROFS", "EIO", "EACCES", "EMFILE", "EBUSY", "ENODEV", "ENOBUFS", "EINTR"];
const PATHS: [&str; 15] = [
    "open",
    "openat",
    "rename",
    "renameat",
    "renameat2",
    "unlink",
    "unlinkat",
    "rmdir",
    "mkdir",
    "mkdirat",
    "symlink",
    "symlinkat",
    "link",
    "linkat",
    "ftruncate",
];
/// Those that a disk has which takes nothing.
const OF_DISKS: [&str; 2] = ["ENOSPC", "EROFS"];

/// The record that the rails of a pod share: a rail that failed may have added what it saw of the routes of all.
const SHARED: &str = "file state/attachments/pods/";

impl Matrix<'_> {
    /// Has a call of ADD or DEL fail. Each point has one of the errors in turn; in a full run, all of them.
    #[track_caller]
    pub fn fail(&self, verb: &str) {
        let mut points = self.fallible(verb);
        let of = points.iter().map(|point| errors_of(point).len()).sum();
        if !torture() {
            let mut turn = 0;
            points.retain(|point| {
                turn += 1;
                point.is_change() || turn % ONE_OF_READS == 0
            });
        }
        let runs = with_each(self.share(points, MOST_IN_A_GUEST), errors_of);
        for (point, errno) in &runs {
            match verb {
                "ADD" => self.fail_add(point, errno),
                _ => self.fail_del(point, errno),
            }
        }
        figure("failures injected", &format!("{} {verb}", self.name), runs.len(), of);
    }

    /// What starts every program (its libraries, where it has any) is left out: there is no plugin yet that could answer.
    fn fallible(&self, verb: &str) -> Vec<Point> {
        let loader: Vec<_> = self
            .chain
            .steps
            .iter()
            .map(|step| step.plugin.trace("VERSION", &step.config, "openat,?open", Scope::Plugin).points())
            .collect();
        self.points(verb).into_iter().filter(|point| !loader[point.at].contains(&point.call)).collect()
    }

    /// ADD answers with a code and has undone itself, or it has done all.
    fn fail_add(&self, point: &Point, errno: &str) {
        let config = self.chain.config(point.at, &self.chain.add_first(point.at));
        let around = self.picture().without(SHARED);
        let step = &self.chain.steps[point.at];
        let Trace { outcome, .. } = step.plugin.fail_at("ADD", &config, point.scope, &point.call, errno);
        let what = format!("{} by {errno}", self.said("ADD", point));
        if !outcome.status.success() && !is_speechless(&outcome, point, &what) {
            let error = outcome.error();
            assert!(error.code > 0 && !error.msg.is_empty(), "{what}: {error:?}");
            // Each process has its own failure at that point: the undo of one after that of the other is said to be open.
            if point.scope == Scope::Plugin || !error.details.contains("the undo is left to DEL") {
                self.assert_same_without(&[SHARED], &around, &format!("{what} with {error:?}"));
            }
        }
        self.chain.del();
        self.assert_clean(&format!("{what}, then DEL"));
    }

    /// DEL goes on and reports, and the next one finishes.
    fn fail_del(&self, point: &Point, errno: &str) {
        self.chain.add();
        self.chain.del_after(point.at + 1);
        let step = &self.chain.steps[point.at];
        let Trace { outcome, .. } = step.plugin.fail_at("DEL", &step.config, point.scope, &point.call, errno);
        let what = format!("{} by {errno}", self.said("DEL", point));
        let failed = !outcome.status.success();
        if failed && !is_speechless(&outcome, point, &what) {
            let error = outcome.error();
            assert!(error.code > 0 && !error.msg.contains("not found"), "{what}: {error:?}");
        }
        // What said that it succeeded has, and gets no second chance.
        self.chain.del_first(if failed { point.at + 1 } else { point.at });
        // A disk that takes nothing is no reason to leave anything in the kernel: the record stays as it was written before.
        let but: &[&str] = if !failed && OF_DISKS.contains(&errno) { &[SHARED] } else { &[] };
        let before = but.iter().fold(self.before.clone(), |before, prefix| before.without(prefix));
        self.assert_same_without(but, &before, &what);
    }
}

/// A guest's bounded run has so few points that it keeps to what devices answer.
fn errors_of(point: &Point) -> &'static [&'static str] {
    if PATHS.contains(&point.call.name.as_str()) && !in_part() { &ERRORS_OF_PATHS } else { &ERRORS }
}

/// Two failures leave nothing to say: of the write that says it, and of the way out of the pod's namespace, in which
/// nothing may go on. Then it is as with a kill, and DEL undoes it.
#[track_caller]
fn is_speechless(outcome: &Outcome, point: &Point, what: &str) -> bool {
    let silent = outcome.stdout.is_empty();
    assert!(
        !silent || ["write", "setns"].contains(&point.call.name.as_str()),
        "silence after {what}: {outcome}"
    );
    silent
}
