use cni::Error;
use state::Error as State;

/// Every address of the pools is taken; ADD only, STATUS says 50.
const EXHAUSTED: u32 = 100;
/// The requested address is somebody else's.
const TAKEN: u32 = 101;

/// What the runtime is told.
pub(crate) fn of(error: ipam::Error) -> Error {
    let text = error.to_string();
    match error {
        ipam::Error::Exhausted { .. } => Error::new(EXHAUSTED, text),
        // What is missing comes back with the next pod that ends, anywhere in the cluster.
        ipam::Error::Spent { .. }
        | ipam::Error::NotGranted { .. }
        | ipam::Error::Unpinned { .. }
        | ipam::Error::NotPinned { .. } => Error::try_again(text),
        ipam::Error::Taken { .. } | ipam::Error::Present { .. } | ipam::Error::Kept { .. } => {
            Error::new(TAKEN, text)
        }
        ipam::Error::Store(error) => of_store(&error),
        _ => Error::invalid_config(text),
    }
}

pub(crate) fn of_store(error: &ipam::StoreError) -> Error {
    match error {
        ipam::StoreError::State(error) => of_state(error),
        ipam::StoreError::Damaged { .. }
        | ipam::StoreError::NotUndone { .. }
        | ipam::StoreError::Granted { .. }
        | ipam::StoreError::ForeignGrants { .. } => Error::io(error.to_string()),
        ipam::StoreError::UnconfirmedGrants { .. } => Error::try_again(error.to_string()),
    }
}

pub(crate) fn of_state(error: &State) -> Error {
    match error {
        State::Timeout { .. } => Error::try_again(error.to_string()),
        State::Name { .. } | State::Directory { .. } => Error::invalid_env(error.to_string()),
        _ => Error::io(error.to_string()),
    }
}
