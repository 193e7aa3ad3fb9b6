//! The Container Network Interface as a plugin sees it, spec versions 0.1.0 to 1.1.0: environment and stdin in, one
//! JSON object out, and the same protocol from the other side for delegation and for drivers.
//!
//! Results are held in their 1.1.0 form and converted only at the edge. Nothing here knows the kernel, and of files only those
//! that a config may name.

pub mod args;
pub mod attachments;
pub mod code;
pub mod config;
pub mod conflist;
pub mod delegate;
pub mod env;
pub mod error;
pub mod exec;
pub mod lenient;
pub mod log;
pub mod node;
pub mod result;
pub mod setting;
pub mod skel;
pub mod unknown;
pub mod version;

pub use args::CniArgs;
pub use attachments::{Attachment, ValidAttachments};
pub use config::Config;
pub use env::{Command, Env};
pub use error::{Error, ErrorObject};
pub use result::{CniResult, Dns, Interface, IpConfig, Route, parse_cidr};
pub use skel::{Plugin, Request, run, run_with};
pub use version::Version;

// Not called: it has to be linked.
use no_backtrace as _;
