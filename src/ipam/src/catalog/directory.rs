use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::fcntl::OFlag;

use super::Catalog;

/// Room for some ten thousand pools; read at every ADD.
const LONGEST: u64 = 4 << 20;
const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];

impl Catalog {
    /// Adds every YAML and JSON file of a directory, by name; hidden ones are of editors and mounts. No directory is no
    /// pools.
    pub fn add_directory(&mut self, directory: &Path) {
        let place = directory.display();
        let names = match names(directory) {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return self.places.push(format!("there is no directory {place}"));
            }
            Err(error) => return self.add_unreadable(format!("{place}: {error}")),
        };
        for name in &names {
            let path = directory.join(name);
            let source = path.display().to_string();
            match text(&path) {
                Ok(text) => self.add_text(&source, &text),
                Err(error) => self.add_unreadable(format!("{source}: {error}")),
            }
        }
        self.places.push(match names.as_slice() {
            [] => format!("{place} holds no *.yaml, *.yml or *.json"),
            names => format!("{place} holds no pool in {}", names.join(", ")),
        });
    }
}

fn names(directory: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        if is_of_pools(&name) {
            names.push(name.to_string_lossy().into_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn is_of_pools(name: &OsStr) -> bool {
    let extension = Path::new(name).extension().and_then(OsStr::to_str);
    !name.as_bytes().starts_with(b".") && extension.is_some_and(|extension| EXTENSIONS.contains(&extension))
}

/// By way of links, as a mounted `ConfigMap` has them. Nobody writes to a pipe that would be waited for.
fn text(path: &Path) -> io::Result<String> {
    let flags = (OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    if found.len() > LONGEST {
        return Err(io::Error::other(format!("it is longer than {LONGEST} bytes")));
    }
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text)?;
    Ok(text)
}
