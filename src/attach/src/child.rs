//! A link that ADD makes in the pod, on a parent, and DEL deletes: macvlan, ipvlan, ipoib. The whole life of such an
//! attachment; a plugin only says what the link is to be.

mod add;
mod check;
mod del;
mod link;
pub mod parent;

pub use add::add;
pub use check::{check, status};
pub use del::{del, gc};
pub use link::{Child, PodLink};
pub use parent::{Master, Parent};

pub(crate) use check::{result_differences, verdict};
pub(crate) use link::require_free;

use cni::Request;
use state::Key;

use crate::Error;

fn key_of(request: &Request) -> Result<Key, Error> {
    Ok(Key::new(&request.config.name, &request.env.container_id, &request.env.ifname)?)
}
