//! From the word of a pod, or of its namespace, to the networks and resources that it stands for. Pure: no client, no clock, no
//! I/O, so that the webhook and `railctl inject` say the same.
//!
//! Total: every input gives a pod or a [`Refusal`] that names what is wrong. Idempotent: an injected pod is left as it is. Nothing
//! of the pod is ever taken away: its own networks and resources stay, ours come after them.

mod asked;
mod decide;
mod edit;
mod error;
mod ipam;
mod namespace;
mod networks;
mod requested;
mod resources;

pub use asked::{Asked, Key};
pub use decide::{Injection, Outcome, inject};
pub use error::Refusal;
pub use namespace::{Namespace, Policy};
pub use networks::Networks;
pub use requested::attached;

/// What Multus reads.
pub const NETWORKS: &str = "k8s.v1.cni.cncf.io/networks";
/// On a pod that has been looked at: the word that was followed.
pub const INJECTED: &str = "railcni.dev/injected";
