//! Which pod a command refers to: its network namespace and its container ID.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha512};

/// Where `ip netns` has namespaces by name.
pub(crate) const NAMED: &str = "/run/netns";

/// What people call a namespace, as a path: a bare word is a name below /run/netns unless a file of that name exists.
pub(crate) fn netns_path(text: &str) -> std::io::Result<PathBuf> {
    let path = Path::new(text);
    let is_name = !text.contains('/') && !text.is_empty() && !path.exists();
    if is_name { Ok(Path::new(NAMED).join(text)) } else { std::path::absolute(path) }
}

/// cnitool's: `cnitool-` and the first ten bytes of the SHA-512 of the absolute path, in hex.
pub(crate) fn container_id(netns: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    let digest = Sha512::digest(netns.as_os_str().as_bytes());
    digest.iter().take(10).fold("cnitool-".to_owned(), |id, byte| format!("{id}{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_names_and_paths_stay() {
        assert_eq!(netns_path("blue").unwrap(), Path::new("/run/netns/blue"));
        assert_eq!(netns_path("/proc/1/ns/net").unwrap(), Path::new("/proc/1/ns/net"));
        assert!(netns_path("./blue").unwrap().is_absolute());
    }

    #[test]
    fn the_container_id_is_that_of_cnitool() {
        // printf /run/netns/blue | sha512sum | cut -c-20
        assert_eq!(container_id(Path::new("/run/netns/blue")), "cnitool-df26705e2e4ffd095eb1");
    }
}
