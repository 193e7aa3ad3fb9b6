//! Of which versions a cluster's programs are.

use std::env;

use anyhow::{Result, bail};

/// The versions of a cluster's Kubernetes and containerd. All else is the same in each: etcd, kubectl, runc, Multus, the
/// plugins under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Versions {
    /// Kubernetes 1.37 and containerd 2.4, of which everything is tried.
    #[default]
    Newest,
    /// Kubernetes 1.34 and the containerd of this machine's Debian, of which a part is tried.
    Oldest,
}

impl Versions {
    /// What the variable `RAILCNI_CLUSTER_VERSIONS` says: `newest`, as where it is not set, or `oldest`.
    pub fn asked() -> Result<Self> {
        let asked = env::var("RAILCNI_CLUSTER_VERSIONS");
        match asked.as_deref().unwrap_or("newest") {
            "newest" => Ok(Self::Newest),
            "oldest" => Ok(Self::Oldest),
            other => bail!("RAILCNI_CLUSTER_VERSIONS is {other:?}, which is none of newest and oldest"),
        }
    }

    /// The version of Kubernetes in the go.mod of [`Self::module`], which its programs are told: a build of a module does not know it.
    pub fn kubernetes(self) -> &'static str {
        match self {
            Self::Newest => "v1.37.2",
            Self::Oldest => "v1.34.4",
        }
    }

    /// The module below `build/` of which Kubernetes is built.
    pub(crate) fn module(self) -> &'static str {
        match self {
            Self::Newest => "kubernetes",
            Self::Oldest => "kubernetes-1.34",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_told_the_version_of_their_module() {
        for (versions, module) in [
            (Versions::Newest, include_str!("../build/kubernetes/go.mod")),
            (Versions::Oldest, include_str!("../build/kubernetes-1.34/go.mod")),
        ] {
            let line = format!("\tk8s.io/kubernetes {} // indirect", versions.kubernetes());
            assert!(module.lines().any(|own| own == line), "{versions:?}: no {line:?} in its go.mod");
        }
    }
}
