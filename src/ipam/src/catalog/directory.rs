use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use state::file;

use super::Catalog;

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
            match file::read_text(&path) {
                Ok(text) => self.add_text(&source, &text.unwrap_or_default()),
                Err(error) => self.add_unreadable(error.to_string()),
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
