//! From a `Fabric` and the nodes it selects to the objects that a cluster needs for it. Pure: no client, no clock, no I/O, so that
//! the controller and `railctl plan` say the same.
//!
//! Same input, same bytes; every input gives a [`Plan`] or errors that name a field; a node that comes or goes moves no other
//! node's slice.

mod address;
mod attachments;
mod change;
mod compare;
mod document;
mod error;
mod explain;
mod inventory;
mod link;
mod names;
mod objects;
mod owned;
mod plan;
mod rails;
mod slots;
mod subnets;
mod table;
mod verify;

pub use attachments::{Attachment, attachments};
pub use change::{Change, is_ready};
pub use compare::differences;
pub use document::{DocumentError, fabrics};
pub use error::{Error, Errors};
pub use explain::Place;
pub use inventory::{Nic, Node, nodes};
pub use names::natural;
pub use objects::{Lack, Networks, NodeFile, Options};
pub use owned::{PART_OF, is_as_wanted};
pub use plan::{Plan, PlannedNode, PlannedRail, plan};
pub use slots::Slots;
pub use subnets::Slice;
pub use table::Row;
pub use verify::check;
