//! The life of an attachment: its record and its lease, from before the first change to after the last undo.
//!
//! A plugin validates its config, reads what it needs, writes down how to undo what it is about to do
//! ([`Attachments::begin`]), and acts. Killed at any point, the next DEL, GC or ADD finishes the undo from the record.
//! What is done to the kernel in between is in the rooms above: links, addresses, routing.

pub mod attachment;
mod del;
mod dns;
mod error;
pub mod ipam;
pub mod lease;
pub mod locks;
mod loopback;
mod owner;
mod pod;
pub mod sysctl;
mod undo_context;
mod verdict;
pub mod wait;

pub use attachment::{Adding, Attachments, OnRecord, Prepared, Undo, despite_disk, identity, key_of};
pub use del::{Del, Undone};
pub use dns::merge_dns;
pub use error::{Coded, Error, Failure};
pub use owner::{containers_of_several, other_owner};
pub use pod::{Pod, require_free};
pub use undo_context::{UndoContext, living};
pub use verdict::{differences, not_available, verdict};
