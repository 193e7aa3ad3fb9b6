//! What is fetched or built once and kept outside the repository.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::fcntl::{Flock, FlockArg};

/// A directory whose entries are complete or absent, whoever is killed meanwhile.
#[derive(Debug, Clone)]
pub(crate) struct Cache {
    root: PathBuf,
}

impl Cache {
    /// `$RAILCNI_VM_CACHE`, or `/var/cache/railcni-vm`.
    pub(crate) fn open() -> Result<Self> {
        let root = env::var_os("RAILCNI_VM_CACHE").map_or("/var/cache/railcni-vm".into(), PathBuf::from);
        fs::create_dir_all(&root).with_context(|| {
            format!("create the cache {} (set RAILCNI_VM_CACHE to move it)", root.display())
        })?;
        Ok(Self { root })
    }

    /// A path below the cache; it need not exist.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// The directory `name`, filled by `build` the first time. `build` gets a scratch directory, which takes its
    /// final name only when `build` succeeded.
    pub(crate) fn once(&self, name: &str, build: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        let target = self.path(name);
        if target.is_dir() {
            return Ok(target);
        }
        let _lock = self.lock(name)?;
        if target.is_dir() {
            return Ok(target);
        }
        let scratch = target.with_file_name(format!(".{}.new", name.rsplit('/').next().unwrap_or(name)));
        let _ = fs::remove_dir_all(&scratch);
        fs::create_dir_all(&scratch)?;
        build(&scratch).with_context(|| format!("prepare {}", target.display()))?;
        fs::rename(&scratch, &target)?;
        Ok(target)
    }

    fn lock(&self, name: &str) -> Result<Flock<File>> {
        let path = self.path(&format!(".{}.lock", name.replace('/', "-")));
        let file = File::options().create(true).append(true).open(&path)?;
        Flock::lock(file, FlockArg::LockExclusive)
            .map_err(|(_, errno)| errno)
            .with_context(|| format!("lock {}", path.display()))
    }
}
