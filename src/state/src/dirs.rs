use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Component, Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use nix::errno::Errno;

use crate::{Error, Lock, name};

/// Where the plugins write and read; each root is moved by one environment variable.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Dirs {
    /// Lives as long as the kernel does: `RAILCNI_STATE_DIR`, /run/railcni.
    pub state: Root,
    /// Outlives a boot: `RAILCNI_DURABLE_DIR`, /var/lib/railcni.
    pub durable: Root,
    /// The caches of the plugins that ours replace: `RAILCNI_PEER_DIR`, /var/lib/cni.
    pub upstream: Root,
    /// What the administrator wrote: `RAILCNI_CONFIG_DIR`, /etc/railcni.
    pub config: Root,
}

impl Dirs {
    /// The four roots; an unset or empty variable means the default. They are read once in a process.
    pub fn from_env() -> Result<Self, Error> {
        static READ: OnceLock<Dirs> = OnceLock::new();
        if let Some(dirs) = READ.get() {
            return Ok(dirs.clone());
        }
        let dirs = Self::read()?;
        Ok(READ.get_or_init(|| dirs).clone())
    }

    fn read() -> Result<Self, Error> {
        Ok(Self {
            state: Root::from_env("RAILCNI_STATE_DIR", "/run/railcni")?,
            durable: Root::from_env("RAILCNI_DURABLE_DIR", "/var/lib/railcni")?,
            upstream: Root::from_env("RAILCNI_PEER_DIR", "/var/lib/cni")?,
            config: Root::from_env("RAILCNI_CONFIG_DIR", "/etc/railcni")?,
        })
    }

    /// All four as directories of `base`, which must be absolute.
    pub fn under(base: &Path) -> Self {
        let root = |name: &str| Root(base.join(name));
        Self {
            state: root("state"),
            durable: root("durable"),
            upstream: root("peer"),
            config: root("config"),
        }
    }
}

/// A directory below which every path is made of validated names and holds no symbolic link.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Root(PathBuf);

impl Root {
    fn from_env(variable: &'static str, default: &str) -> Result<Self, Error> {
        let value = std::env::var_os(variable).filter(|value| !value.is_empty());
        Self::parse(variable, value.map_or_else(|| default.into(), PathBuf::from))
    }

    fn parse(variable: &'static str, path: PathBuf) -> Result<Self, Error> {
        let climbs = path.components().any(|part| part == Component::ParentDir);
        if path.is_absolute() && !climbs {
            return Ok(Self(path));
        }
        Err(Error::Directory { variable, value: path.display().to_string() })
    }

    /// The root itself.
    pub fn as_path(&self) -> &Path {
        &self.0
    }

    /// The path of `names` below the root; touches nothing. Each must fit [`name::id`].
    pub fn path(&self, names: &[&str]) -> Result<PathBuf, Error> {
        let mut path = self.0.clone();
        for part in names {
            name::id("path component", part)?;
            path.push(part);
        }
        Ok(path)
    }

    /// The same for a directory that holds state: a link in the place of it, or of one above it, is refused. It need
    /// not exist.
    pub fn folder(&self, names: &[&str]) -> Result<PathBuf, Error> {
        let path = self.path(names)?;
        for part in Self::below(&path, names) {
            match fs::symlink_metadata(part) {
                Ok(found) if found.file_type().is_symlink() => {
                    return Err(Error::Symlink { path: part.to_path_buf() });
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                Err(error) => return Err(Error::io("inspect", part, &error)),
                Ok(_) => (),
            }
        }
        Ok(path)
    }

    /// The same with every missing directory made (mode 0700), and a link in the place of one refused.
    pub fn create(&self, names: &[&str]) -> Result<PathBuf, Error> {
        let path = self.path(names)?;
        // Once per boot something is missing, and once too often something is in its place.
        if Self::below(&path, names).into_iter().all(is_directory) {
            return Ok(path);
        }
        let parents = self.0.parent().unwrap_or(Path::new("/"));
        let make = |path: &Path| fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
        make(parents).map_err(|error| Error::io("create directory", parents, &error))?;
        Self::below(&path, names).into_iter().try_for_each(create_one)?;
        Ok(path)
    }

    /// The root and every directory from there to `path`.
    fn below<'a>(path: &'a Path, names: &[&str]) -> Vec<&'a Path> {
        let mut below: Vec<_> = path.ancestors().take(names.len() + 1).collect();
        below.reverse();
        below
    }
}

impl Root {
    /// Takes the lock on `file` in the directory of `names`, which is made when it is missing: once per boot.
    pub fn lock(&self, names: &[&str], file: &str, timeout: Duration) -> Result<Lock, Error> {
        self.locked(names, file, |path| Lock::acquire(path, timeout))
    }

    /// The same for one of the locks that share `file`.
    pub fn lock_slot(&self, names: &[&str], file: &str, slot: i64, timeout: Duration) -> Result<Lock, Error> {
        self.locked(names, file, |path| Lock::acquire_slot(path, slot, timeout))
    }

    fn locked(
        &self,
        names: &[&str],
        file: &str,
        acquire: impl Fn(&Path) -> Result<Lock, Error>,
    ) -> Result<Lock, Error> {
        let path = self.path(names)?.join(file);
        match acquire(&path) {
            Err(Error::Io { errno: Errno::ENOENT, .. }) => {
                self.create(names)?;
                acquire(&path)
            }
            other => other,
        }
    }
}

fn is_directory(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_dir())
}

fn create_one(path: &Path) -> Result<(), Error> {
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => expect_directory(path),
        made => made.map_err(|error| Error::io("create directory", path, &error)),
    }
}

fn expect_directory(path: &Path) -> Result<(), Error> {
    let kind = fs::symlink_metadata(path).map_err(|error| Error::io("inspect", path, &error))?.file_type();
    match (kind.is_symlink(), kind.is_dir()) {
        (true, _) => Err(Error::Symlink { path: path.to_path_buf() }),
        (_, true) => Ok(()),
        _ => Err(Error::errno("enter directory", path, Errno::ENOTDIR)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_root_is_absolute_and_does_not_climb() {
        let parse = |path: &str| Root::parse("RAILCNI_STATE_DIR", path.into());
        assert_eq!(parse("/run/railcni").unwrap().as_path(), Path::new("/run/railcni"));
        for bad in ["run", "./run", "/run/../etc"] {
            let said = parse(bad).unwrap_err().to_string();
            assert_eq!(said, format!("RAILCNI_STATE_DIR is {bad:?}: give an absolute path without `..`"));
        }
    }

    #[test]
    fn a_path_below_is_made_of_names_only() {
        let root = Dirs::under(Path::new("/base")).durable;
        assert_eq!(root.path(&["ipam", "rail-1"]).unwrap(), Path::new("/base/durable/ipam/rail-1"));
        for bad in ["", "..", "a/b", "/etc", "a\0"] {
            assert!(matches!(root.path(&["ipam", bad]), Err(Error::Name { .. })), "{bad:?}");
        }
    }

    #[test]
    fn directories_are_made_for_root_alone_and_twice_without_error() {
        let base = tempfile::tempdir().unwrap();
        let root = Dirs::under(&base.path().join("deep/down")).state;
        for _ in 0..2 {
            root.create(&["ipam", "net"]).unwrap();
        }
        for path in ["", "ipam", "ipam/net"] {
            let mode = fs::metadata(root.as_path().join(path)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700, "{path}");
        }
    }

    #[test]
    fn a_lock_makes_its_directory_once() {
        let base = tempfile::tempdir().unwrap();
        let root = Dirs::under(&base.path().join("deep")).state;
        for _ in 0..2 {
            let lock = root.lock(&["locks"], "pod-1", Duration::ZERO).unwrap();
            assert!(matches!(root.lock(&["locks"], "pod-1", Duration::ZERO), Err(Error::Timeout { .. })));
            drop(lock);
        }
    }

    #[test]
    fn a_link_or_a_file_in_the_place_of_a_directory_is_refused() {
        let base = tempfile::tempdir().unwrap();
        let root = Dirs::under(base.path()).state;
        root.create(&[]).unwrap();
        symlink("/tmp", root.as_path().join("ipam")).unwrap();
        fs::File::create(root.as_path().join("plain")).unwrap();
        assert!(
            matches!(root.create(&["ipam", "net"]), Err(Error::Symlink { path }) if path.ends_with("ipam"))
        );
        assert!(matches!(root.create(&["plain", "net"]), Err(Error::Io { errno: Errno::ENOTDIR, .. })));
        assert!(!Path::new("/tmp/net").exists());
    }

    #[test]
    fn a_folder_is_never_reached_through_a_link() {
        let base = tempfile::tempdir().unwrap();
        let root = Dirs::under(base.path()).state;
        let below = ["attachments", "net"];
        assert_eq!(
            root.folder(&below).unwrap(),
            base.path().join("state/attachments/net"),
            "it need not exist"
        );
        root.create(&["attachments"]).unwrap();
        symlink("/tmp", root.as_path().join("attachments/net")).unwrap();
        assert!(matches!(root.folder(&below), Err(Error::Symlink { path }) if path.ends_with("net")));
        fs::remove_file(root.as_path().join("attachments/net")).unwrap();
        fs::remove_dir(root.as_path().join("attachments")).unwrap();
        symlink("/tmp", root.as_path().join("attachments")).unwrap();
        assert!(matches!(root.folder(&below), Err(Error::Symlink { path }) if path.ends_with("attachments")));
    }

    #[test]
    fn a_root_that_is_a_link_is_refused() {
        let base = tempfile::tempdir().unwrap();
        symlink("/tmp", base.path().join("state")).unwrap();
        assert!(matches!(Dirs::under(base.path()).state.create(&[]), Err(Error::Symlink { .. })));
    }
}
