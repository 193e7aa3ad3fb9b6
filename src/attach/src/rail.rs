//! Rails of one pod that come and go together: the steps of the single plugins, each taken for all rails at once, under
//! one record.

mod add;
mod check;
mod del;

pub use add::add;
pub use check::{check, status};
pub use del::{del, gc};

use cni::{CniResult, Request};
use serde::{Deserialize, Serialize};

use crate::child::{Kind, PodLink, delete_all};
use crate::routing::{self, Settings};
use crate::{Error, Scene};

/// Whose records these are.
pub const PLUGIN: &str = "rail";

/// One rail of an attachment.
pub struct Rail {
    /// What its single plugin would get: with the rail's own interface name and config.
    pub request: Request,
    /// What the link is to be.
    pub kind: Box<dyn Kind>,
    /// `None`: routes stay as the addresses bring them.
    pub routing: Option<Settings>,
}

/// How to undo an attachment, and what CHECK compares with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Made {
    links: Vec<PodLink>,
    routing: Vec<routing::Undo>,
    /// One for each link, once all is done.
    results: Vec<CniResult>,
}

impl crate::Undo for Made {
    fn undo(&self, scene: &mut Scene) -> Vec<Error> {
        let mut errors = routing::leave_for_good(&self.routing, scene.pod.as_mut());
        errors.extend(delete_all(&self.links, scene));
        errors
    }
}
