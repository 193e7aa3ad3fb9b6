//! What the plugins keep on disk: locks with deadlines, files that are replaced whole, an append-only journal,
//! and the record of one attachment.

mod boot;
pub mod calls;
mod dirs;
#[expect(missing_docs, reason = "each variant's message says what its fields are")]
mod error;
pub mod file;
pub mod journal;
mod lock;
pub mod name;
pub mod record;

pub use boot::BootId;
pub use dirs::{Dirs, Root};
pub use error::Error;
pub use journal::Journal;
pub use lock::Lock;
pub use record::{AttachmentKey, Netns, Record, Records, Saved};
