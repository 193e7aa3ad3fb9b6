//! Who has objected to which address: over all ADDs of the node, so that one neighbour that answers for every address does
//! not take a pool away, one address with each ADD.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use state::{Dirs, file};

use attach::Error;

const FOLDER: &str = "detection";
const FILE: &str = "objectors";
const LOCK: &str = "lock";
const PATIENCE: Duration = Duration::from_secs(5);
/// Seconds for which an objection is remembered.
const MEMORY: u64 = 3600;
/// So many hosts may have addresses of the pools. Whoever answers for everything may do so by a new address each time.
const MOST: usize = 16;

/// What is remembered.
#[derive(Debug, Default, Deserialize, Serialize)]
struct Objectors(BTreeMap<String, Objection>);

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
struct Objection {
    address: IpAddr,
    until: u64,
}

/// Why an objection is not to be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    /// The same host has objected to this address before.
    Again(IpAddr),
    /// So many hosts have objected lately.
    Many(usize),
}

impl Objectors {
    /// Takes an objection down, unless there is a doubt. A holder is a hardware address, or the address in dispute where
    /// nobody told who has it.
    fn hear(&mut self, holder: &str, address: IpAddr, now: u64) -> Option<Doubt> {
        self.0.retain(|_, objection| objection.until > now);
        match self.0.get(holder) {
            Some(before) if before.address != address => return Some(Doubt::Again(before.address)),
            None if self.0.len() >= MOST => return Some(Doubt::Many(MOST)),
            _ => (),
        }
        self.0.insert(holder.to_owned(), Objection { address, until: now + MEMORY });
        None
    }
}

/// Takes an objection down for all later ADDs, and says whether it can be believed.
pub(super) fn hear(holder: &str, address: IpAddr) -> Result<Option<Doubt>, Error> {
    let state = Dirs::from_env()?.state;
    let _lock = state.lock(&[FOLDER], LOCK, PATIENCE)?;
    let path = state.folder(&[FOLDER])?.join(FILE);
    let written = file::read(&path)?.unwrap_or_default();
    // What cannot be read, no ADD has written: the count starts again.
    let mut objectors: Objectors = serde_json::from_slice(&written).unwrap_or_default();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let doubt = objectors.hear(holder, address, now);
    let bytes = serde_json::to_vec(&objectors).unwrap_or_default();
    file::replace(&path, &bytes)?;
    Ok(doubt)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(host: u8) -> IpAddr {
        [10, 0, 0, host].into()
    }

    #[test]
    fn one_host_is_believed_of_one_address() {
        let mut objectors = Objectors::default();
        assert_eq!(objectors.hear("m", ip(1), 0), None);
        assert_eq!(objectors.hear("m", ip(1), 9), None, "of the same again");
        assert_eq!(objectors.hear("m", ip(2), 10), Some(Doubt::Again(ip(1))));
        assert_eq!(objectors.hear("other", ip(2), 10), None);
        assert_eq!(objectors.hear("m", ip(2), 9 + MEMORY), None, "it may have moved");
    }

    #[test]
    fn a_new_hardware_address_with_every_answer_ends_somewhere() {
        let mut objectors = Objectors::default();
        let believed = (0..u8::MAX).filter(|n| objectors.hear(&format!("m{n}"), ip(*n), 0).is_none()).count();
        assert_eq!(believed, MOST);
        assert_eq!(objectors.hear("m0", ip(0), 1), None, "who was believed is believed again");
    }
}
