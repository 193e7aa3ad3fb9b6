//! How much of what is sent may be held at once. Whoever reaches the port may send as much as an API server; what is read of it takes many times its
//! length.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::registration::PODS;

/// What nearly all reviews are below.
const SMALL: u64 = 256 << 10;
const SMALLS: usize = 64;
const LARGES: usize = 2;
/// An API server takes an object of up to 3 MiB.
const ONE: u64 = 4 << 20;
/// A review of our own kinds has two.
const TWO: u64 = 8 << 20;

/// Of the body of a review.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Size {
    Small,
    Large,
}

impl Size {
    /// None where it is more than is taken; a length that is not told may be the largest.
    pub(super) fn of(path: &str, length: Option<u64>) -> Option<Self> {
        match length {
            Some(length) if length <= SMALL => Some(Self::Small),
            Some(length) if length > most(path) => None,
            _ => Some(Self::Large),
        }
    }
}

/// The longest body at this path.
pub(super) fn most(path: &str) -> u64 {
    if path == PODS { ONE } else { TWO }
}

/// Places for bodies, those that are read included: 16 MiB of small ones, and as much of large ones, so that neither waits for the other.
pub(super) struct Room {
    small: Arc<Semaphore>,
    large: Arc<Semaphore>,
}

impl Room {
    pub(super) fn new() -> Self {
        Self { small: Arc::new(Semaphore::new(SMALLS)), large: Arc::new(Semaphore::new(LARGES)) }
    }

    /// Waits for a place, which is free again when it is dropped.
    pub(super) async fn enter(&self, size: Size) -> Option<OwnedSemaphorePermit> {
        let places = match size {
            Size::Small => &self.small,
            Size::Large => &self.large,
        };
        places.clone().acquire_owned().await.ok()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::registration::OBJECTS;
    use super::*;

    #[test]
    fn a_body_has_a_size_before_it_is_read() {
        for (length, size) in [
            (Some(0), Some(Size::Small)),
            (Some(SMALL), Some(Size::Small)),
            (Some(SMALL + 1), Some(Size::Large)),
            (Some(ONE), Some(Size::Large)),
            (Some(ONE + 1), None),
            (None, Some(Size::Large)),
        ] {
            assert_eq!(Size::of(PODS, length), size, "{length:?}");
        }
        assert_eq!(Size::of(OBJECTS, Some(TWO)), Some(Size::Large));
        assert_eq!(Size::of(OBJECTS, Some(TWO + 1)), None);
    }

    #[test]
    fn a_crowd_of_large_reviews_waits_for_its_turn_and_keeps_no_small_one_waiting() {
        let soon = Duration::from_millis(20);
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
            let room = Room::new();
            let mut inside = Vec::new();
            for _ in 0..LARGES {
                inside.push(tokio::time::timeout(soon, room.enter(Size::Large)).await.unwrap());
            }
            assert!(tokio::time::timeout(soon, room.enter(Size::Large)).await.is_err());
            assert!(tokio::time::timeout(soon, room.enter(Size::Small)).await.is_ok());
            inside.clear();
            assert!(tokio::time::timeout(soon, room.enter(Size::Large)).await.is_ok());
        });
    }
}
