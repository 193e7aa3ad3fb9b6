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

    pub(super) fn has(&self, dev: u32, is_v6: bool) -> bool {
        self.of(dev).any(|route| route.is_v6() == is_v6)
    }

    pub(super) fn of(&self, dev: u32) -> impl Iterator<Item = &Route> {
        self.0.iter().map(|entry| &entry.route).filter(move |route| route.dev == dev)
    }

    /// Drops what speaks of links that are gone, and what somebody else removed.
    pub(super) fn forget(&mut self, present: &[Route], exists: impl Fn(u32) -> bool) {
        self.0.retain(|entry| exists(entry.route.dev) && (entry.moved || present.contains(&entry.route)));
    }

    /// What makes main hold those that `keep` says and no other one of ours, in their order; additions come first.
    /// Afterwards each entry says what is to be put back should the changes be cut short.
    pub(super) fn settle(&mut self, present: &[Route], keep: impl Fn(&Route) -> bool) -> Vec<Change> {
        let mut now = present.to_vec();
        let mut changes = Vec::new();
        for i in (0..self.0.len()).rev() {
            let entry = &self.0[i];
            if keep(&entry.route) && entry.moved && !now.contains(&entry.route) {
                self.put_back(i, &mut now, &mut changes);
            }
        }
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

    fn put_back(&mut self, i: usize, now: &mut Vec<Route>, changes: &mut Vec<Change>) {
        let route = self.0[i].route.clone();
        let peers: Vec<Route> = now.iter().filter(|other| rivals(other, &route)).cloned().collect();
        let followers: Vec<usize> =
            peers.iter().filter_map(|other| self.position(other)).filter(|&place| place > i).collect();
        if !route.is_v6() && followers.len() == peers.len() {
            changes.push(Change::AddRoute(route.clone(), Place::First));
            now.insert(0, route);
            return;
        }
        changes.push(Change::AddRoute(route.clone(), Place::Last));
        now.push(route);
        for follower in followers {
            self.send_to_the_end(follower, now, changes);
        }
    }

    fn send_to_the_end(&mut self, i: usize, now: &mut Vec<Route>, changes: &mut Vec<Change>) {
        self.0[i].moved = true;
        let route = self.0[i].route.clone();
        now.retain(|other| *other != route);
        now.push(route.clone());
        changes.push(Change::DeleteRoute(route.clone()));
        changes.push(Change::AddRoute(route, Place::Last));
    }

    fn position(&self, route: &Route) -> Option<usize> {
        self.0.iter().position(|entry| entry.route == *route)
    }
}

/// The kernel keeps one order among these.
fn rivals(a: &Route, b: &Route) -> bool {
    (a.dst, a.priority) == (b.dst, b.priority)
}
