use std::path::{Component, Path, PathBuf};

use serde_json::{Map, Value};
use state::{Dirs, file};

use super::Node;
use crate::{Error, lenient};

/// A key by which a config names a path, and `paths` in `node.yaml` the directories and files that it may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// What the plugin appends to.
    LogFile,
    /// What the plugin reads and puts into the result.
    ResolvConf,
    /// Where the plugin removes the files of addresses.
    DataDir,
    /// What the plugin writes.
    DeviceInfoFile,
}

impl Named {
    const ALL: [Self; 4] = [Self::LogFile, Self::ResolvConf, Self::DataDir, Self::DeviceInfoFile];

    /// As in `node.yaml`.
    fn key(self) -> &'static str {
        match self {
            Self::LogFile => "logFile",
            Self::ResolvConf => "resolvConf",
            Self::DataDir => "dataDir",
            Self::DeviceInfoFile => "CNIDeviceInfoFile",
        }
    }

    /// Where the plugins of this suite, and those that it replaces, have such files.
    fn defaults(self, dirs: &Dirs) -> Vec<PathBuf> {
        let fixed: &[&str] = match self {
            Self::LogFile => &["/var/log/railcni", "/var/log/spidernet", "/var/log/cni"],
            Self::ResolvConf => &[
                "/etc/resolv.conf",
                "/run/systemd/resolve/resolv.conf",
                "/run/systemd/resolve/stub-resolv.conf",
            ],
            Self::DataDir => &["/run/cni"],
            Self::DeviceInfoFile => {
                &["/run/k8s.cni.cncf.io/devinfo/cni", "/var/run/k8s.cni.cncf.io/devinfo/cni"]
            }
        };
        let own = (self == Self::DataDir).then(|| dirs.upstream.as_path().to_path_buf());
        fixed.iter().map(PathBuf::from).chain(own).collect()
    }

    fn roots(self, node: &Node, dirs: &Dirs) -> Vec<PathBuf> {
        let said = lenient::member(&Value::Object(node.paths.clone()), self.key()).and_then(texts);
        said.unwrap_or_else(|| self.defaults(dirs))
    }
}

/// Refuses what no root can be; says nothing of keys that are not there.
pub(super) fn check(paths: &Map<String, Value>) -> Result<(), String> {
    for (key, value) in paths {
        let keys = Named::ALL.map(Named::key);
        if !keys.iter().any(|known| known.eq_ignore_ascii_case(key)) {
            return Err(format!("paths: there is no key \"{key}\": allowed are {}", keys.join(", ")));
        }
        if !value.is_null() && texts(value).is_none_or(|roots| !roots.iter().all(|root| is_straight(root))) {
            return Err(format!("paths.{key} {value}: expected a list of absolute paths without .."));
        }
    }
    Ok(())
}

fn texts(value: &Value) -> Option<Vec<PathBuf>> {
    value.as_array()?.iter().map(|root| root.as_str().map(PathBuf::from)).collect()
}

fn is_straight(path: &Path) -> bool {
    path.is_absolute() && !path.components().any(|part| part == Component::ParentDir)
}

/// The path, where the node allows that a config names it; `key` is how the config did. Nothing below the root may be a
/// symbolic link, and what is there must be a regular file or, of a `dataDir`, a directory.
pub fn allowed(named: Named, key: &str, path: &Path) -> Result<PathBuf, Error> {
    let dirs = Dirs::from_env().map_err(|error| Error::invalid_env(error.to_string()))?;
    let shown = path.display().to_string();
    let of = |problem: String| Error::invalid_config(format!("{key} {shown:?}: {problem}"));
    if !is_straight(path) {
        return Err(of("expected an absolute path without ..".to_owned()));
    }
    let roots = named.roots(&Node::load(&dirs)?, &dirs);
    let Some(root) = roots.iter().find(|root| path.starts_with(root)) else {
        return Err(of(outside(named, &roots, &dirs)));
    };
    file::refuse_links(root, path).map_err(|error| of(error.to_string()))?;
    Ok(path.to_path_buf())
}

fn outside(named: Named, roots: &[PathBuf], dirs: &Dirs) -> String {
    let roots: Vec<_> = roots.iter().map(|root| root.display().to_string()).collect();
    let (key, file) = (named.key(), super::path(dirs));
    let allowed = if roots.is_empty() { "nothing".to_owned() } else { roots.join(", ") };
    format!(
        "a config may name {allowed} and what is below; the administrator allows more as paths.{key} in {}",
        file.display()
    )
}
