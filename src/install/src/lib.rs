//! Puts the plugins of an image into a node's /opt/cni/bin, each whole, tried and on disk before it is seen; and takes them
//! away again, unless pods have rails.

mod error;
mod options;
mod place;
mod remove;
mod trial;

pub use error::Error;
pub use options::{Options, USAGE, Verb};
pub use place::{Outcome, Target};
pub use remove::remove;
