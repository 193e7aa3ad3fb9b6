//! One file into the target, so that nobody ever sees half of it, or one that does not run.

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::fcntl::{Flock, FlockArg};

use crate::{Error, trial};

const MODE: u32 = 0o755;
const LOCKED: Duration = Duration::from_secs(60);

/// The host's directory of plugins, held by this installation.
#[derive(Debug)]
pub struct Target {
    dir: PathBuf,
    lock: Flock<File>,
}

/// What became of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was not there.
    Installed,
    /// It is another one now; the old one is `.NAME.previous`.
    Replaced,
    /// It was there already.
    Unchanged,
}

impl Target {
    /// Takes the directory, which must exist: one that was made here would be in the container, and its plugins with it.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        let file = File::open(dir).ok().filter(|file| file.metadata().is_ok_and(|meta| meta.is_dir()));
        let lock = lock(dir, file.ok_or_else(|| Error::NoTarget(dir.to_owned()))?)?;
        Ok(Self { dir: dir.to_owned(), lock })
    }

    /// Puts all of them in place, or none: every file is written beside its old one, compared, tried and on disk before
    /// the first is renamed.
    pub fn install(&self, sources: &[PathBuf]) -> Result<Vec<(PathBuf, Outcome)>, Error> {
        let prepared = sources.iter().map(|source| self.prepare(source)).collect::<Result<Vec<_>, _>>();
        if prepared.is_err() {
            for source in sources {
                let _ = fs::remove_file(self.temporary(&name(source)));
            }
        }
        let placed = prepared?.into_iter().map(|(name, new)| {
            let outcome = if new { self.place(&name)? } else { Outcome::Unchanged };
            Ok((self.dir.join(&name), outcome))
        });
        placed.collect()
    }

    /// Its name, and whether it is new.
    fn prepare(&self, source: &Path) -> Result<(String, bool), Error> {
        let name = name(source);
        let bytes = fs::read(source).map_err(Error::on("read", source))?;
        if is_there(&self.dir.join(&name), &bytes) {
            return Ok((name, false));
        }
        let temporary = self.temporary(&name);
        write(&temporary, &bytes)?;
        trial::run(&temporary, &name)?;
        Ok((name, true))
    }

    fn place(&self, name: &str) -> Result<Outcome, Error> {
        let target = self.dir.join(name);
        let outcome = self.keep_previous(&target, name)?;
        fs::rename(self.temporary(name), &target).map_err(Error::on("rename to", &target))?;
        self.lock.sync_all().map_err(Error::on("sync", &self.dir))?;
        Ok(outcome)
    }

    fn temporary(&self, name: &str) -> PathBuf {
        self.dir.join(format!(".{name}.new"))
    }

    /// The file that is about to be replaced, under a name that no runtime looks for.
    fn keep_previous(&self, target: &Path, name: &str) -> Result<Outcome, Error> {
        if !target.exists() {
            return Ok(Outcome::Installed);
        }
        let (link, previous) = (self.dir.join(format!(".{name}.old")), previous(target));
        let _ = fs::remove_file(&link);
        fs::hard_link(target, &link).map_err(Error::on("link to", &link))?;
        fs::rename(&link, &previous).map_err(Error::on("rename to", &previous))?;
        Ok(Outcome::Replaced)
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Where the file that stood at `target` before is kept.
pub(crate) fn previous(target: &Path) -> PathBuf {
    target.with_file_name(format!(".{}.previous", name(target)))
}

fn is_there(target: &Path, bytes: &[u8]) -> bool {
    let mode = fs::metadata(target).map(|meta| meta.permissions().mode() & 0o777);
    mode.is_ok_and(|mode| mode == MODE) && fs::read(target).is_ok_and(|old| old == bytes)
}

/// Writes all of it to disk, and reads it again.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    // What a killed installation left may be a link, or running.
    let _ = fs::remove_file(path);
    let written = File::create_new(path).and_then(|mut file| {
        file.write_all(bytes)?;
        file.set_permissions(Permissions::from_mode(MODE))?;
        file.sync_all()
    });
    written.map_err(Error::on("write", path))?;
    let copied = fs::read(path).map_err(Error::on("read", path))?;
    if copied == bytes { Ok(()) } else { Err(Error::Torn(path.to_owned())) }
}

fn lock(dir: &Path, mut file: File) -> Result<Flock<File>, Error> {
    let deadline = Instant::now() + LOCKED;
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(lock),
            Err(_) if Instant::now() > deadline => return Err(Error::Busy(dir.to_owned())),
            Err((back, _)) => file = back,
        }
        trial::pause();
    }
}
