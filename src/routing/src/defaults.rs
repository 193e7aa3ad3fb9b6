//! Main's default routes: whose stand there, which we have taken out, and in which order they were.

use serde::{Deserialize, Serialize};

use super::changes::{Change, Place};
use super::model::Route;

/// A default route of main as it was when we first saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) route: Route,
    /// We have taken it out, or are about to. One that went without us (Multus) is not put back.
    pub(super) moved: bool,
}

/// In the order in which the kernel had them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Defaults(pub(super) Vec<Entry>);

impl Defaults {
    /// Takes in what is in main now; a newcomer goes before the first known one that follows it there.
    pub(super) fn learn<'a>(&mut self, present: impl DoubleEndedIterator<Item = &'a Route>) {
        let mut next = self.0.len();
        for route in present.rev() {
            match self.position(route) {
                Some(known) => next = known,
                None => self.0.insert(next, Entry { route: route.clone(), moved: false }),
            }
        }
    }

    /// Takes in what another record of the same main table has: what either has moved is to be put back.
    pub(super) fn absorb(&mut self, other: Self) {
        for entry in other.0 {
            match self.position(&entry.route) {
                Some(known) => self.0[known].moved |= entry.moved,
                None => self.0.push(entry),
            }
        }
    }

    pub(super) fn has(&self, dev: u32, is_v6: bool) -> bool {
        self.of(dev).any(|route| route.is_v6() == is_v6)
    }

    pub(super) fn of(&self, dev: u32) -> impl Iterator<Item = &Route> {
        self.0.iter().map(|entry| &entry.route).filter(move |route| route.dev == dev)
    }

    /// Drops what refers to links that are gone, and what somebody else removed.
    pub(super) fn forget(&mut self, present: &[Route], exists: impl Fn(u32) -> bool) {
        self.0.retain(|entry| exists(entry.route.dev) && (entry.moved || present.contains(&entry.route)));
    }

    /// What makes main hold those that `keep` says and no other one of ours, in their order; additions come first.
    /// Afterwards each entry says what is to be put back should the changes be cut short.
    pub(super) fn settle(&mut self, present: &[Route], keep: impl Fn(&Route) -> bool) -> Vec<Change> {
        let mut now = present.to_vec();
        let mut changes = Vec::new();
        for entry in self.0.iter().rev().filter(|entry| keep(&entry.route) && entry.moved) {
            if !now.contains(&entry.route) {
                self.put_back(&entry.route, &mut now, &mut changes);
            }
        }
        self.put_in_order(&mut now, &mut changes, &keep);
        for entry in self.0.iter_mut().filter(|entry| !keep(&entry.route) && now.contains(&entry.route)) {
            entry.moved = true;
            changes.push(Change::DeleteRoute(entry.route.clone()));
        }
        changes
    }

    /// Once the changes are made: what stands in main is not ours to put back.
    pub(super) fn settled(&mut self, keep: impl Fn(&Route) -> bool) {
        self.0.iter_mut().filter(|entry| keep(&entry.route)).for_each(|entry| entry.moved = false);
    }

    fn put_back(&self, route: &Route, now: &mut Vec<Route>, changes: &mut Vec<Change>) {
        let place = self.position(route);
        let follows = |other: &Route| self.position(other).is_some_and(|of_other| Some(of_other) > place);
        let leads = !route.is_v6() && now.iter().filter(|other| rivals(other, route)).all(follows);
        now.insert(if leads { 0 } else { now.len() }, route.clone());
        changes.push(Change::AddRoute(route.clone(), if leads { Place::First } else { Place::Last }));
    }

    /// The kernel can add at an end only: what has to follow is taken out and added again. Looks only at what was put
    /// back, now or by a try that was cut short; an order that somebody else made stays.
    fn put_in_order(
        &mut self,
        now: &mut Vec<Route>,
        changes: &mut Vec<Change>,
        keep: &impl Fn(&Route) -> bool,
    ) {
        let stands = |entry: &Entry| keep(&entry.route) && now.contains(&entry.route);
        let wanted: Vec<Route> =
            self.0.iter().filter(|entry| stands(entry)).map(|entry| entry.route.clone()).collect();
        let moved: Vec<Route> =
            self.0.iter().filter(|e| stands(e) && e.moved).map(|e| e.route.clone()).collect();
        for route in wanted.iter().filter(|route| moved.iter().any(|other| rivals(route, other))) {
            let later = &wanted[wanted.iter().position(|other| other == route).unwrap_or_default()..];
            let place = |route: &Route| now.iter().position(|other| other == route);
            let is_early = |other: &&Route| rivals(other, route) && place(other) < place(route);
            if later.iter().any(|other| is_early(&other)) {
                let rest: Vec<Route> =
                    later.iter().skip(1).filter(|other| rivals(other, route)).cloned().collect();
                for follower in &rest {
                    self.send_to_the_end(follower, now, changes);
                }
            }
        }
    }

    fn send_to_the_end(&mut self, route: &Route, now: &mut Vec<Route>, changes: &mut Vec<Change>) {
        self.0.iter_mut().filter(|entry| entry.route == *route).for_each(|entry| entry.moved = true);
        now.retain(|other| other != route);
        now.push(route.clone());
        changes.push(Change::DeleteRoute(route.clone()));
        changes.push(Change::AddRoute(route.clone(), Place::Last));
    }

    fn position(&self, route: &Route) -> Option<usize> {
        self.0.iter().position(|entry| entry.route == *route)
    }
}

/// The kernel keeps one order among these.
fn rivals(a: &Route, b: &Route) -> bool {
    (a.dst, a.priority) == (b.dst, b.priority)
}
