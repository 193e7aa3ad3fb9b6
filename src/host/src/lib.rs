//! The node's own NICs. A file says how they are to be ([`Settings`]); [`wants`] says what has to be true for that, key by key;
//! [`plan`] compares it with what the kernel says, and with what we did before. Those three are functions, without I/O.
//!
//! [`Kernel`] reads and writes one key, and [`Host`] puts it together: it records before it changes, so that a process may be
//! killed at any instruction, and an undo restores what the record says. Nothing is restored that somebody else has changed since.

mod classes;
pub mod doctor;
mod document;
mod error;
mod host;
mod inventory;
mod judge;
mod kernel;
mod key;
mod persist;
mod plan;
mod record;
mod roce;
mod settings;
mod wants;

pub use classes::{Memory, Shares};
pub use document::parse;
pub use error::Error;
pub use host::{Host, Outcome};
pub use inventory::{Inventory, NicFacts};
pub use kernel::Kernel;
pub use key::{Key, Value};
pub use persist::{Persist, Via};
pub use plan::{Change, Picture, Plan, plan};
pub use record::{Entry, Record};
pub use roce::Roce;
pub use settings::{LinkType, Nic, RdmaMode, Settings};
pub use wants::{Want, wants};
