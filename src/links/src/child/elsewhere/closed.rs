//! Namespaces that let nobody see their links. A pod can make one, and its own DEL waits for it; those of others must not.

use std::collections::BTreeSet;
use std::sync::Arc;

use attach::{Error, Pod, living};
use netlink::Rtnetlink;
use netns::{Id, NetNs};

/// A namespace whose links could not be listed.
#[derive(Debug)]
pub(super) struct Closed {
    pub(super) netns: Arc<NetNs>,
    /// Whether a runtime has mounted it.
    pub(super) in_a_pod: bool,
}

/// Those that have a number for it, a link of theirs having been moved there, or for one that has.
#[derive(Clone, Copy, Debug, Default)]
struct Knowers {
    /// The pod that has lost a link.
    own: bool,
    /// Another that a runtime has mounted.
    anothers: bool,
}

impl Closed {
    /// Whether a link of the pod may be in there; `None` is a pod that is gone.
    pub(super) fn may_have_one_of(&self, pod: Option<&Pod>) -> Result<bool, Error> {
        let own = pod.map(|pod| pod.netns.id());
        let is_own = own == Some(self.netns.id());
        Ok(is_own || may_have(self.in_a_pod, knowers(&self.netns, own)?))
    }
}

/// What only another pod leads to is that pod's: it is the first to move a link to a namespace that it has made, and the kernel
/// writes that down. What nobody leads to, a pod may have made that is gone.
fn may_have(in_a_pod: bool, knowers: Knowers) -> bool {
    knowers.own || !in_a_pod && !knowers.anothers
}

/// Goes back from namespace to namespace, over those that no runtime has mounted.
fn knowers(closed: &Arc<NetNs>, own: Option<Id>) -> Result<Knowers, Error> {
    let (mut knowers, host) = (Knowers::default(), NetNs::current()?.id());
    let mut seen = BTreeSet::from([host.ino, closed.id().ino]);
    let mut next = vec![Arc::clone(closed)];
    while let Some(living) = living().filter(|_| !next.is_empty()) {
        let reached = std::mem::take(&mut next);
        living.visit(&mut |netns| {
            if seen.contains(&netns.id().ino) || !knows_any(&netns, &reached) {
                return;
            }
            seen.insert(netns.id().ino);
            match Some(netns.id()) == own {
                true => knowers.own = true,
                false if living.is_mounted(netns.id()) => knowers.anothers = true,
                false => next.push(Arc::new(netns)),
            }
        });
    }
    Ok(knowers)
}

fn knows_any(netns: &NetNs, others: &[Arc<NetNs>]) -> bool {
    Rtnetlink::open_in(netns)
        .is_ok_and(|mut route| others.iter().any(|other| route.netns_id(other).is_ok_and(|id| id.is_some())))
}

#[cfg(test)]
mod tests {
    use super::{Knowers, may_have};

    #[test]
    fn a_link_may_be_where_its_pod_leads_or_where_nobody_does() {
        let cases = [
            ("nobody leads there", false, false, false, true),
            ("its pod leads there", false, true, false, true),
            ("its pod and another one", false, true, true, true),
            ("another pod only", false, false, true, false),
            ("another pod's own", true, false, false, false),
            ("another pod's own, and its pod leads there", true, true, false, true),
        ];
        for (case, in_a_pod, own, anothers, expected) in cases {
            assert_eq!(may_have(in_a_pod, Knowers { own, anothers }), expected, "{case}");
        }
    }
}
