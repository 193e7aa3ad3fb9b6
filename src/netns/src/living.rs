//! Which network namespaces are alive, whatever paths they have.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::num::NonZeroU64;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::walk::{By, Crowded, link, point_of, walk};
use crate::{Id, NetNs};

/// The inode of the kernel's first PID namespace (`PROC_PID_INIT_INO` in `include/linux/proc_ns.h`).
const FIRST_PID_NAMESPACE: &str = "pid:[4026531836]";
/// Ways into a namespace that are kept: one may be gone by the time it is used.
const WAYS: usize = 4;
/// How often a namespace is looked for anew of which all ways that were kept are gone.
const AGAIN: usize = 3;
/// For one look, however many descriptors there are on the node.
const LOOK: Duration = Duration::from_secs(5);

/// What holds a namespace: a thread in it, a mount of it, or a descriptor that is open on it.
#[derive(Debug)]
pub struct Living {
    /// All namespaces are files of one file system.
    dev: u64,
    /// By their inodes.
    held: BTreeMap<u64, Held>,
    /// Processes that let nobody look, and may hold a namespace unseen.
    closed: Vec<String>,
    /// Those for which there was no time.
    crowded: Vec<Crowded>,
    /// Whether /proc is that of the machine's first PID namespace, which has all processes.
    of_machine: bool,
}

#[derive(Debug, Default)]
struct Held {
    /// Whether a thread is in it.
    peopled: bool,
    /// Whether it has a path among our own mounts, as a runtime gives one to each pod.
    mounted: bool,
    /// Whether we are in it.
    ours: bool,
    /// Files that lead to it.
    ways: Vec<PathBuf>,
}

/// The namespaces that have a path among our own mounts, as a runtime gives one to each pod; without a look at anything else.
pub fn mounted() -> Vec<NetNs> {
    let table = fs::read("/proc/self/mountinfo").unwrap_or_default();
    let mut found: BTreeMap<u64, NetNs> = BTreeMap::new();
    for (inode, point) in table.split(|&byte| byte == b'\n').filter_map(point_of) {
        if let Ok(netns) = NetNs::open(&Path::new("/").join(point)) {
            found.entry(inode).or_insert(netns);
        }
    }
    found.into_values().collect()
}

impl Living {
    /// Goes through /proc once.
    pub fn look() -> io::Result<Self> {
        Self::look_until(Instant::now() + LOOK)
    }

    /// The same with less time, or more.
    pub fn look_until(deadline: Instant) -> io::Result<Self> {
        let dev = fs::metadata("/proc/self/ns/net")?.dev();
        let of_machine = link(Path::new("/proc/self/ns/pid")).is_some_and(|pid| pid == FIRST_PID_NAMESPACE);
        let mut held: BTreeMap<u64, Held> = BTreeMap::new();
        let missed = walk(deadline, |inode, way, by| held.entry(inode).or_default().add(way, by))?;
        Ok(Self { dev, held, closed: missed.closed, crowded: missed.crowded, of_machine })
    }

    /// Whether anything holds it. In doubt it is alive.
    pub fn has(&self, id: Id, cookie: Option<NonZeroU64>) -> bool {
        self.held(id).is_some_and(|held| held.is(id, cookie))
    }

    /// Whether a thread is in it.
    pub fn is_peopled(&self, id: Id, cookie: Option<NonZeroU64>) -> bool {
        self.held(id).is_some_and(|held| held.peopled && held.is(id, cookie))
    }

    /// Whether it has a path among our own mounts.
    pub fn is_mounted(&self, id: Id) -> bool {
        self.held(id).is_some_and(|held| held.mounted)
    }

    /// Opens it, if anything holds it that leads there yet.
    pub fn open(&self, id: Id, cookie: Option<NonZeroU64>) -> Option<NetNs> {
        let mut found = self.held(id)?.open(id);
        if found.is_none() {
            self.look_again(BTreeSet::from([id.ino]), &mut |netns| found = Some(netns));
        }
        found.filter(|netns| is(netns, cookie))
    }

    /// Opens all that are alive, one after another. The answer is those that something holds and that let nobody in: what is in
    /// there is not known.
    pub fn visit(&self, visit: &mut dyn FnMut(NetNs)) -> Vec<Id> {
        let mut lost = BTreeSet::new();
        for (&ino, held) in &self.held {
            match held.open(self.id(ino)) {
                Some(netns) => visit(netns),
                None => drop(lost.insert(ino)),
            }
        }
        self.look_again(lost, visit).into_iter().map(|ino| self.id(ino)).collect()
    }

    /// Opens what is met of those inodes in the moment that it is met: the ways that were kept were of threads that have ended
    /// since. What nothing leads to any more is gone.
    fn look_again(&self, mut lost: BTreeSet<u64>, visit: &mut dyn FnMut(NetNs)) -> BTreeSet<u64> {
        for _ in 0..AGAIN {
            if lost.is_empty() {
                break;
            }
            let (mut opened, mut closed) = (BTreeSet::new(), BTreeSet::new());
            let walked = walk(Instant::now() + LOOK, |ino, way, _| {
                if !lost.contains(&ino) || opened.contains(&ino) {
                    return;
                }
                match open(&way, self.id(ino)) {
                    Some(netns) => {
                        opened.insert(ino);
                        visit(netns);
                    }
                    None => drop(closed.insert(ino)),
                }
            });
            // What was not gone through whole may hold the rest.
            let is_seen = walked.is_ok_and(|missed| self.hides_behind(&missed.crowded).is_none());
            lost.retain(|ino| !opened.contains(ino) && (!is_seen || closed.contains(ino)));
        }
        lost
    }

    /// The processes that were not looked into, as they let nobody.
    pub fn closed(&self) -> &[String] {
        &self.closed
    }

    /// Whether all processes of the machine were there to be looked into. In another PID namespace they are not; those of the
    /// pods may be all the same, where the whole node is in it.
    pub fn is_of_machine(&self) -> bool {
        self.of_machine
    }

    /// A process that nobody had the time to go through, and that may hold a namespace of a pod's own making. One whose threads
    /// are in our namespace or in those of pods is not in such a one.
    pub fn crowded(&self) -> Option<&str> {
        self.hides_behind(&self.crowded)
    }

    /// As [`crowded`](Self::crowded), and in our own namespace, too: a daemon of the node may well hold one of a pod that has no path. A
    /// process of a pod has no business with those of others, and only the pod decides how many files it opens.
    pub fn crowded_outside_pods(&self) -> Option<&str> {
        let is_pods = |ino: &u64| self.held.get(ino).is_some_and(|held| held.mounted && !held.ours);
        let found = self.crowded.iter().find(|crowded| !crowded.inodes.iter().all(is_pods));
        found.map(|crowded| crowded.process.as_str())
    }

    fn hides_behind<'a>(&self, crowded: &'a [Crowded]) -> Option<&'a str> {
        let is_known = |ino: &u64| self.held.get(ino).is_some_and(|held| held.mounted || held.ours);
        let found = crowded.iter().find(|crowded| !crowded.inodes.iter().all(is_known));
        found.map(|crowded| crowded.process.as_str())
    }

    fn id(&self, ino: u64) -> Id {
        Id { dev: self.dev, ino }
    }

    fn held(&self, id: Id) -> Option<&Held> {
        self.held.get(&id.ino).filter(|_| id.dev == self.dev)
    }
}

impl Held {
    fn add(&mut self, way: PathBuf, by: By) {
        self.peopled |= by == By::Thread;
        self.mounted |= by == By::Mount { own: true };
        self.ours |= by == By::Thread && way.starts_with("/proc/self");
        if self.ways.len() < WAYS {
            self.ways.push(way);
        }
    }

    fn is(&self, id: Id, cookie: Option<NonZeroU64>) -> bool {
        self.open(id).is_none_or(|netns| is(&netns, cookie))
    }

    fn open(&self, id: Id) -> Option<NetNs> {
        self.ways.iter().find_map(|way| open(way, id))
    }
}

fn open(way: &Path, id: Id) -> Option<NetNs> {
    NetNs::open(way).ok().filter(|netns| netns.id() == id)
}

/// Without both cookies, the inode has to do.
fn is(netns: &NetNs, cookie: Option<NonZeroU64>) -> bool {
    cookie.is_none() || netns.cookie().is_none_or(|found| Some(found) == cookie)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_namespace_is_peopled_and_one_of_no_inode_is_not_alive() {
        let own = NetNs::current().unwrap();
        let (living, id, cookie) = (Living::look().unwrap(), own.id(), own.cookie());
        assert!(living.has(id, cookie) && living.is_peopled(id, cookie));
        let others = [Id { ino: 1, ..id }, Id { dev: id.dev + 1, ..id }];
        assert!(others.into_iter().all(|other| !living.has(other, cookie)));
    }

    #[test]
    fn a_namespace_that_ended_is_not_alive_in_the_one_that_got_its_inode() {
        let own = NetNs::current().unwrap();
        let earlier = own.cookie().unwrap().checked_add(1);
        let living = Living::look().unwrap();
        assert!(!living.has(own.id(), earlier) && living.open(own.id(), earlier).is_none());
        assert!(living.has(own.id(), None), "a record without a cookie has but the inode");
    }

    #[test]
    fn a_namespace_without_a_path_is_opened_by_what_holds_it() {
        let held = crate::tests::fresh();
        let living = Living::look().unwrap();
        assert!(!living.is_peopled(held.id(), held.cookie()), "only our descriptor is on it");
        assert_eq!(living.open(held.id(), held.cookie()).unwrap().id(), held.id());
        let mut met = false;
        assert_eq!(living.visit(&mut |netns| met |= netns.id() == held.id()), []);
        assert!(met);
    }

    /// Four short-lived threads are enough: what is held by something else, later in /proc, has none of the ways that are kept.
    #[test]
    fn a_namespace_of_which_all_kept_ways_are_gone_is_found_by_another() {
        let held = crate::tests::fresh();
        let mut living = Living::look().unwrap();
        let gone = || vec![PathBuf::from("/proc/self/task/1/ns/net"); WAYS];
        living.held.get_mut(&held.id().ino).unwrap().ways = gone();
        living.held.insert(1, Held { ways: gone(), ..Held::default() });
        let mut met = 0;
        let closed = living.visit(&mut |netns| met += u32::from(netns.id() == held.id()));
        assert_eq!((met, closed), (1, vec![]), "met once, and what nothing leads to is gone");
        assert!(living.open(held.id(), held.cookie()).is_some());
    }

    #[test]
    fn only_who_is_in_a_namespace_of_nobodys_hides_something_behind_many_descriptors() {
        let mut living = Living::look().unwrap();
        let own = NetNs::current().unwrap().id().ino;
        living.held.insert(1, Held { mounted: true, ..Held::default() });
        living.held.insert(2, Held { peopled: true, ..Held::default() });
        for (inodes, expected) in [(vec![own], None), (vec![1, own], None), (vec![1, 2], Some("/proc/7"))] {
            living.crowded = vec![Crowded { process: "/proc/7".to_owned(), inodes }];
            assert_eq!(living.crowded(), expected);
        }
        let outside = [(vec![own], Some("/proc/7")), (vec![1], None), (vec![1, 2], Some("/proc/7"))];
        for (inodes, expected) in outside {
            living.crowded = vec![Crowded { process: "/proc/7".to_owned(), inodes }];
            assert_eq!(living.crowded_outside_pods(), expected);
        }
    }
}
