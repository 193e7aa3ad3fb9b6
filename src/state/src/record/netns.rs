use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The network namespace as it was at ADD.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Netns {
    /// Of the nsfs mount.
    pub dev: u64,
    /// Of the namespace; the next one may get it again.
    pub ino: u64,
    /// What no other namespace of the boot has. 0: its kernel has none, or the record is of a version that did not ask.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cookie: u64,
    /// `CNI_NETNS`.
    pub path: PathBuf,
}

impl Netns {
    /// Whether both are about one namespace, whatever its paths. Without both cookies, device and inode have to do.
    pub fn is_same(&self, other: &Self) -> bool {
        let cookies = [self.cookie, other.cookie];
        let may_be = cookies.contains(&0) || self.cookie == other.cookie;
        may_be && (self.dev, self.ino) == (other.dev, other.ino)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(cookie: &u64) -> bool {
    *cookie == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn netns(ino: u64, cookie: u64) -> Netns {
        Netns { dev: 4, ino, cookie, path: "/run/netns/pod".into() }
    }

    #[test]
    fn a_later_namespace_with_the_same_inode_is_another() {
        assert!(!netns(1, 7).is_same(&netns(1, 8)));
        assert!(netns(1, 7).is_same(&Netns { path: "/proc/1/ns/net".into(), ..netns(1, 7) }));
    }

    #[test]
    fn without_both_cookies_the_inode_has_to_do() {
        for (one, other) in [(0, 0), (0, 7), (7, 0)] {
            assert!(netns(1, one).is_same(&netns(1, other)));
            assert!(!netns(1, one).is_same(&netns(2, other)));
        }
    }

    #[test]
    fn a_record_of_a_version_without_cookies_is_read_and_written_as_it_was() {
        let old = r#"{"dev":4,"ino":1,"path":"/run/netns/pod"}"#;
        let read: Netns = serde_json::from_str(old).unwrap();
        assert_eq!(read, netns(1, 0));
        assert_eq!(serde_json::to_string(&read).unwrap(), old);
    }
}
