//! What an API server is answered that asks about a pod, or about an object of our own kinds (`admission.k8s.io/v1`). Pure: what the
//! cluster has is passed in, so that `raild webhook` has nothing to decide.

mod answer;
mod books;
mod judge;
mod pods;
mod pool;
mod removal;
mod request;
mod users;
mod world;

pub use answer::Answer;
pub use books::{Books, Loss, asked};
pub use judge::judge;
pub use pods::mutate;
pub use pool::{holders, is_as_known, losing};
pub use removal::{going, removal};
pub use request::Request;
pub use users::User;
pub use world::World;
