//! What a controller does when the API server may know less than the nodes: it asks all of them what they hold, and grants
//! nothing before they have answered.

use super::Controller;
use super::message::Request;
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
        let knows_more = |node: &Node| node.status.epoch > node.spec.epoch;
        if self.doubt.is_none() && self.here().any(|(_, node)| knows_more(node) || node.spec.confirm) {
            self.doubt = Some(Doubt::Asking);
        }
        let unasked = |node: &Node| !node.spec.confirm || knows_more(node);
        let asked = match self.doubt? {
            Doubt::Finishing if self.here().all(|(_, node)| !node.spec.confirm) => {
                self.doubt = None;
                return None;
            }
            Doubt::Finishing => {
                let silent = self.here().filter(|(_, node)| knows_more(node));
                silent.map(|(name, node)| Request::ask(name, node)).collect::<Vec<_>>()
            }
            Doubt::Asking => {
                let unasked = self.here().filter(|(_, node)| unasked(node));
                unasked.map(|(name, node)| Request::ask(name, node)).collect()
            }
        };
        if asked.is_empty() && self.doubt == Some(Doubt::Asking) {
            if !self.here().all(|(_, node)| node.has_confirmed()) {
                return Some(Vec::new());
            }
            self.doubt = Some(Doubt::Finishing);
            self.all_due();
        }
        (!asked.is_empty()).then_some(asked)
    }
}
