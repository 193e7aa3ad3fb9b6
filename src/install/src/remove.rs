//! Takes the plugins away.

use std::fs;
use std::path::{Path, PathBuf};

use crate::place::previous;
use crate::{Error, Options};

/// Removes what the image would install, and what it replaced, but nothing while pods have rails: their deletion needs it.
/// Gives the paths that it removed.
pub fn remove(options: &Options) -> Result<Vec<PathBuf>, Error> {
    refuse_while_in_use(&options.state.join("attachments"))?;
    let names = options.files.iter().filter_map(|file| file.file_name());
    let targets = names.map(|name| options.target.join(name));
    let mut removed = Vec::new();
    for path in targets.flat_map(|target| [previous(&target), target]) {
        match fs::remove_file(&path) {
            Ok(()) => removed.push(path),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => (),
            Err(error) => return Err(Error::on("remove", &path)(error)),
        }
    }
    Ok(removed)
}

/// Records are a file each, in a folder of their network.
fn refuse_while_in_use(dir: &Path) -> Result<(), Error> {
    let networks = match fs::read_dir(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        networks => networks.map_err(Error::on("list", dir))?,
    };
    let mut records = Vec::new();
    for network in networks.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()) {
        records.extend(fs::read_dir(&network).map_err(Error::on("list", &network))?.flatten());
    }
    match records.first() {
        None => Ok(()),
        Some(record) => Err(Error::InUse {
            count: records.len(),
            dir: dir.to_owned(),
            one: record.file_name().to_string_lossy().escape_debug().to_string(),
        }),
    }
}
