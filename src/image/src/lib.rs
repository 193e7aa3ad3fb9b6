//! An OCI image of a few files, written without a container engine: one layer, no base, the same bytes every time.

mod layout;
mod program;
mod tar;

pub use layout::{Archive, Image};
pub use program::check_program;
pub use tar::{Entry, Tar};
