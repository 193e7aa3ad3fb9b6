//! What becomes a part of a URL, in which the client escapes nothing: a second wall behind those who check names where they come from.

use super::Failure;

/// Refuses what would lead elsewhere than to this object of this list.
pub(super) fn check(path: &str, name: &str) -> Result<(), Failure> {
    check_path(path)?;
    if is_segment(name) { Ok(()) } else { Err(bad("name", name)) }
}

/// Refuses what would lead elsewhere than to this list.
pub(super) fn check_path(path: &str) -> Result<(), Failure> {
    let is_path = path.strip_prefix('/').is_some_and(|path| path.split('/').all(is_segment));
    if is_path { Ok(()) } else { Err(bad("path", path)) }
}

/// One step of a path, and nothing that a proxy could take for more.
fn is_segment(text: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | ':');
    !matches!(text, "" | "." | "..") && text.chars().all(legal)
}

fn bad(what: &str, value: &str) -> Failure {
    Failure::Unknown(format!("{what} {value:?} is none that an API server has: nothing was asked"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFINITIONS: &str = "/apis/k8s.cni.cncf.io/v1/namespaces/tenant-b/network-attachment-definitions";

    #[test]
    fn no_name_leads_out_of_its_list() {
        for bad in [
            "",
            ".",
            "..",
            "x/../../../victim/rail1",
            "a/b",
            "a?dryRun=All",
            "a#b",
            "a%2fb",
            "a,b",
            "a b",
            "\u{e4}",
        ] {
            assert!(check(DEFINITIONS, bad).is_err(), "{bad}");
        }
        for good in ["a", "gpu-rail1.worker-1", "worker_1", "system:node:a"] {
            assert_eq!(check(DEFINITIONS, good), Ok(()), "{good}");
        }
        for bad in ["", "api", "/api/../x", "/api//x", "/api/x?y", "/api/x/"] {
            assert!(check_path(bad).is_err(), "{bad}");
        }
    }
}
