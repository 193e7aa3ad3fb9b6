//! What a controller does when the API server may know less than the nodes: it asks all of them what they hold, and grants
//! nothing before they have answered.

use super::Controller;
use super::message::{Expected, Request};
use crate::project::granted_since;
use crate::world::Node;

/// The nodes are asked what they hold, since the API server knows less than they do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Doubt {
    /// Until all have answered.
    Asking,
    /// All have; the blocks and then the specs are put right.
    Finishing,
}

impl Controller {
    /// While there is doubt: the questions that are still to be asked. None once all have answered.
    pub(super) fn questions(&mut self) -> Option<Vec<Request>> {
        if !self.rules.doubt_is_cleared {
            return None;
        }
        if self.doubt.is_none() && self.here().any(|(_, node)| knows_more(node) || node.spec.confirm) {
            self.doubt = Some(Doubt::Asking);
        }
        if self.doubt == Some(Doubt::Finishing) && self.has_unheard() {
            self.doubt = Some(Doubt::Asking);
        }
        let asked: Vec<Request> = match self.doubt? {
            Doubt::Finishing if self.here().all(|(_, node)| !node.spec.confirm) => {
                (self.doubt, self.afresh) = (None, false);
                (self.asked, self.answered) = Default::default();
                return None;
            }
            Doubt::Finishing => self.ask(|_, node| knows_more(node)),
            Doubt::Asking => self.ask(|name, node| self.is_to_be_asked(name, node)),
        };
        for question in &asked {
            if let Request::PatchNode(name, Expected { uid, .. }, spec) = question {
                self.asked.insert(name.clone(), Expected { uid: uid.clone(), epoch: spec.epoch });
            }
        }
        if asked.is_empty() && self.doubt == Some(Doubt::Asking) {
            if !self.have_all_answered() {
                return Some(Vec::new());
            }
            self.doubt = Some(Doubt::Finishing);
            self.answered = self.here().map(|(name, _)| name.clone()).collect();
            self.awaited.clear();
            self.all_due();
        }
        (!asked.is_empty()).then_some(asked)
    }

    fn ask(&self, whom: impl Fn(&str, &Node) -> bool) -> Vec<Request> {
        let asked = self.here().filter(|(name, node)| whom(name, node));
        asked.map(|(name, node)| Request::ask(&self.world, self.rules, name, node)).collect()
    }

    /// Whether there is a node whose answer is not among those by which all is put right, and that may hold addresses: it was gone while
    /// the others were asked and has some by what the API server knows, or its object was deleted since, and its answer with it.
    fn has_unheard(&self) -> bool {
        let owns = |name: &String| {
            self.world
                .blocks
                .values()
                .flat_map(|block| &block.rails)
                .any(|rail| rail.owners.contains_key(name))
        };
        let is_unheard = |(name, node): (&String, &Node)| {
            let may_hold = || self.awaited.contains(name) || !node.has_nothing() || owns(name);
            !self.answered.contains(name) && may_hold()
        };
        self.without_object().next().is_some() || self.here().any(is_unheard)
    }

    fn is_to_be_asked(&self, name: &str, node: &Node) -> bool {
        let is_asked =
            !self.afresh || self.asked_since(name, node).is_some_and(|asked| node.spec.epoch >= asked);
        let is_answer_too_old = granted_since(&self.world, name) > node.spec.epoch;
        !node.spec.confirm || knows_more(node) || is_answer_too_old || !is_asked
    }

    fn have_all_answered(&self) -> bool {
        self.without_object().next().is_none() && self.here().all(|(_, node)| node.has_confirmed())
    }

    /// With which epoch this object of the node was asked.
    fn asked_since(&self, name: &str, node: &Node) -> Option<i64> {
        self.asked.get(name).filter(|asked| asked.uid == node.uid).map(|asked| asked.epoch)
    }
}

fn knows_more(node: &Node) -> bool {
    node.status.epoch > node.spec.epoch
}
