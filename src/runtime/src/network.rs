//! Networks, found by name or file as a person gives them.

mod documents;
mod nad;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use cni::Version;
use cni::conflist::NetworkList;
use state::file;

pub use documents::{is_kubernetes, rendered};

/// A network with its plugins, whatever kind of file it came from.
#[derive(Clone, Debug)]
pub struct Network {
    /// Its plugins in their order.
    pub list: NetworkList,
    /// As it is cached.
    pub bytes: Vec<u8>,
    /// What whoever uses it should know: keys that a `SpiderMultusConfig` has in vain.
    pub warnings: Vec<String>,
}

/// Of files of networks.
const EXTENSIONS: [&str; 5] = ["conflist", "conf", "json", "yaml", "yml"];

/// The network of a name in `folder`, or of a file: conflist, conf, or documents of Kubernetes, of which a file may hold
/// several.
pub fn find(word: &str, folder: &Path) -> Result<Vec<Network>> {
    if is_path(word) { from_file(Path::new(word)) } else { Ok(vec![by_name(word, folder)?]) }
}

/// A network name has no slash, and the kinds of file have an extension that a name could have only by intent.
fn is_path(word: &str) -> bool {
    word.contains('/')
        || Path::new(word).extension().and_then(OsStr::to_str).is_some_and(|end| EXTENSIONS.contains(&end))
}

/// As libcni does it: config lists first, then single configs, each kind in the order of the file names. A file that
/// cannot be read ends the search, since it might have been the one.
fn by_name(name: &str, folder: &Path) -> Result<Network> {
    let lists = files(folder, &["conflist"])?;
    let singles = files(folder, &["conf", "json"])?;
    for path in lists.iter().chain(&singles) {
        let networks = from_file(path)?;
        if let Some(network) = networks.into_iter().find(|network| network.name() == name) {
            return Ok(network);
        }
    }
    if Path::new(name).is_file() {
        bail!(
            "{name:?} is the name of no network in {}, and a file is taken for one if its name ends in .{}",
            folder.display(),
            EXTENSIONS.join(", .")
        );
    }
    let count = lists.len() + singles.len();
    bail!("no network {name:?} is configured in {} ({count} config files): see --conf-dir", folder.display())
}

/// The names of all networks of `folder`, as far as its files can be read.
pub fn names(folder: &Path) -> Vec<String> {
    let files = files(folder, &["conflist", "conf", "json"]).unwrap_or_default();
    let networks = files.iter().filter_map(|path| from_file(path).ok()).flatten();
    let mut names: Vec<_> = networks.map(|network| network.name().to_owned()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn from_file(path: &Path) -> Result<Vec<Network>> {
    let text = text(path)?;
    let parsed = match path.extension().and_then(OsStr::to_str) {
        Some("yaml" | "yml") => documents::networks(&text),
        _ if is_kubernetes(&text) => documents::networks(&text),
        _ => Network::parse(text.as_bytes()).map(|network| vec![network]),
    };
    let mut networks = parsed.with_context(|| called(path))?;
    networks.iter_mut().try_for_each(|network| network.add_folder(path))?;
    Ok(networks)
}

/// The file of an error: a page or a script was hardly meant.
fn called(path: &Path) -> String {
    match path.extension().and_then(OsStr::to_str) {
        Some(end) if !EXTENSIONS.contains(&end) => {
            format!("{} (files of networks end in .{})", path.display(), EXTENSIONS.join(", ."))
        }
        _ => path.display().to_string(),
    }
}

/// What a file holds that was named by hand or found in a folder.
pub fn text(path: &Path) -> Result<String> {
    file::read_text(path)?.with_context(|| format!("there is no file {}", path.display()))
}

/// The files of a folder with one of these extensions, by name; none when there is no folder.
fn files(folder: &Path, extensions: &[&str]) -> Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.with_context(|| format!("list {}", folder.display()))?,
    };
    let wanted = |path: &PathBuf| {
        path.extension().and_then(OsStr::to_str).is_some_and(|end| extensions.contains(&end))
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("list {}", folder.display()))?.path();
        files.extend(Some(path).filter(|path| wanted(path) && !path.is_dir()));
    }
    files.sort_unstable();
    Ok(files)
}

impl Network {
    /// A list, or the config of a single plugin.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        Ok(Self { list: NetworkList::parse(bytes)?, bytes: bytes.to_vec(), warnings: Vec::new() })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.list.name
    }

    /// Its `cniVersion`.
    pub fn version(&self) -> Version {
        self.list.cni_version
    }

    /// Plugins may lie beside a list, in a folder of the network's name.
    fn add_folder(&mut self, path: &Path) -> Result<()> {
        if self.list.load_only_inlined_plugins || path.extension().and_then(OsStr::to_str) != Some("conflist")
        {
            return Ok(());
        }
        for path in files(&path.with_file_name(self.name()), &["conf"])? {
            self.list.append(text(&path)?.as_bytes()).with_context(|| path.display().to_string())?;
        }
        Ok(())
    }
}
