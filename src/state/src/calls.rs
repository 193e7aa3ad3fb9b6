//! How calls of plugins ended: a line each, for an agent that counts them. The file is there only while an agent wants it, and a plugin
//! makes none: where nobody counts, a call costs the attempt to open it. Nothing here can fail a call or hold it up.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::file;
use crate::{Dirs, Error};

const DIRECTORY: &str = "node";
const NAME: &str = "calls";
/// Bytes of the file: forty thousand calls. Those that find it full are not counted.
const MOST: u64 = 1 << 20;
/// From here on the reader begins another.
const ENOUGH: u64 = MOST / 2;

/// One call that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// `macvlan`
    pub plugin: String,
    /// `ADD`
    pub command: String,
    /// Of the error that it ended with.
    pub code: Option<u32>,
    /// From the start of the process to its answer, to the microsecond.
    pub took: Duration,
}

impl Call {
    fn line(&self) -> String {
        let code = self.code.map_or_else(|| "ok".to_owned(), |code| code.to_string());
        format!("{} {} {code} {}\n", self.plugin, self.command, self.took.as_micros())
    }
}

/// What a full disk has left of a line makes the next one a line of none, too.
impl FromStr for Call {
    type Err = ();

    fn from_str(line: &str) -> Result<Self, ()> {
        let fields: Vec<&str> = line.split(' ').collect();
        let [plugin, command, code, took] = fields[..] else { return Err(()) };
        let code = if code == "ok" { None } else { Some(code.parse().map_err(|_| ())?) };
        let took = Duration::from_micros(took.parse().map_err(|_| ())?);
        Ok(Self { plugin: plugin.to_owned(), command: command.to_owned(), code, took })
    }
}

/// For whoever counts. What goes wrong is nobody's business but his, who sees that calls are missing.
pub fn note(dirs: &Dirs, call: &Call) {
    if let Ok(path) = path(dirs) {
        let _ = file::extend(&path, call.line().as_bytes(), MOST);
    }
}

fn path(dirs: &Dirs) -> Result<PathBuf, Error> {
    dirs.state.path(&[DIRECTORY, NAME])
}

/// Who reads the calls, one at a time on a node.
#[derive(Debug)]
pub struct Calls {
    path: PathBuf,
    now: Part,
    /// The file of before, for those that had it open when the new one came.
    before: Option<Part>,
}

/// A file, and how much of it was read.
#[derive(Debug)]
struct Part {
    file: File,
    read: u64,
}

/// What a look has found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// In the order in which they ended.
    pub calls: Vec<Call>,
    /// There was no room for others.
    pub is_full: bool,
}

impl Calls {
    /// From now on; what an agent before this one has left is not counted.
    pub fn begin(dirs: &Dirs) -> Result<Self, Error> {
        dirs.state.create(&[DIRECTORY])?;
        let path = path(dirs)?;
        Ok(Self { now: Part::empty(&path)?, path, before: None })
    }

    /// Plugins are to write no more.
    pub fn end(dirs: &Dirs) -> Result<(), Error> {
        file::remove(&path(dirs)?).map(drop)
    }

    /// Those that have ended since the last look.
    pub fn take(&mut self) -> Result<Found, Error> {
        let mut found = Found::default();
        if let Some(mut before) = self.before.take() {
            before.take(&self.path, &mut found)?;
        }
        self.now.take(&self.path, &mut found)?;
        if self.now.read >= ENOUGH || !self.path.exists() {
            self.before = Some(std::mem::replace(&mut self.now, Part::empty(&self.path)?));
        }
        Ok(found)
    }
}

impl Part {
    /// Puts a new file in the place of the old one, so that there is always one.
    fn empty(path: &std::path::Path) -> Result<Self, Error> {
        file::replace(path, b"")?;
        let opened = fs::File::open(path);
        Ok(Self { file: opened.map_err(|error| Error::io("open", path, &error))?, read: 0 })
    }

    /// Whole lines: the last one may be on its way.
    fn take(&mut self, path: &std::path::Path, found: &mut Found) -> Result<(), Error> {
        let problem = |error| Error::io("read", path, &error);
        let length = self.file.metadata().map_err(problem)?.len().min(MOST);
        let mut bytes = vec![0; usize::try_from(length.saturating_sub(self.read)).unwrap_or_default()];
        self.file.read_exact_at(&mut bytes, self.read).map_err(problem)?;
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last + 1);
        let lines = String::from_utf8_lossy(&bytes[..whole]);
        found.calls.extend(lines.lines().filter_map(|line| line.parse().ok()));
        found.is_full |= length > MOST - LONGEST;
        self.read += whole as u64;
        Ok(())
    }
}

/// No line is longer.
const LONGEST: u64 = 128;

#[cfg(test)]
mod tests {
    use super::*;

    fn call(plugin: &str, command: &str, code: Option<u32>, micros: u64) -> Call {
        let (plugin, command) = (plugin.to_owned(), command.to_owned());
        Call { plugin, command, code, took: Duration::from_micros(micros) }
    }

    fn node() -> (tempfile::TempDir, Dirs) {
        let base = tempfile::tempdir().unwrap();
        let dirs = Dirs::under(base.path());
        (base, dirs)
    }

    #[test]
    fn where_nobody_counts_nothing_is_made() {
        let (base, dirs) = node();
        note(&dirs, &call("macvlan", "ADD", None, 1));
        assert_eq!(fs::read_dir(base.path()).unwrap().count(), 0);
        dirs.state.create(&["node"]).unwrap();
        note(&dirs, &call("macvlan", "ADD", None, 1));
        assert_eq!(fs::read_dir(dirs.state.as_path().join("node")).unwrap().count(), 0);
    }

    #[test]
    fn each_call_is_found_once_and_none_of_before_the_beginning() {
        let (_base, dirs) = node();
        drop(Calls::begin(&dirs).unwrap());
        note(&dirs, &call("rail", "DEL", None, 1));
        let mut calls = Calls::begin(&dirs).unwrap();
        assert_eq!(calls.take().unwrap(), Found::default());
        let both = [call("macvlan", "ADD", None, 4_321), call("rail-ipam", "DEL", Some(11), 60_000_000)];
        for call in &both {
            note(&dirs, call);
        }
        assert_eq!(calls.take().unwrap(), Found { calls: both.to_vec(), is_full: false });
        assert_eq!(calls.take().unwrap(), Found::default());
        Calls::end(&dirs).unwrap();
        note(&dirs, &both[0]);
        assert!(!path(&dirs).unwrap().exists());
    }

    #[test]
    fn a_line_that_is_on_its_way_is_read_when_it_is_whole() {
        let (_base, dirs) = node();
        let mut calls = Calls::begin(&dirs).unwrap();
        let extend = |text: &str| file::extend(&path(&dirs).unwrap(), text.as_bytes(), MOST).unwrap();
        extend("macvlan AD");
        assert!(calls.take().unwrap().calls.is_empty());
        extend("D ok 7\n");
        assert_eq!(calls.take().unwrap().calls, [call("macvlan", "ADD", None, 7)]);
    }

    #[test]
    fn what_a_full_disk_left_of_a_line_is_no_call() {
        let whole = "macvlan ADD ok 1234";
        for cut in 1..whole.len() {
            let torn = format!("{}{whole}", &whole[..cut]);
            let read = torn.parse::<Call>().map(|call| call.plugin);
            assert!(read.is_err() || !["macvlan", "rail"].contains(&&*read.unwrap()), "{torn}");
        }
        for bad in ["", "macvlan ADD ok", "macvlan ADD -1 1", "macvlan ADD 1 x", "macvlan  ADD ok 1"] {
            assert!(bad.parse::<Call>().is_err(), "{bad}");
        }
    }

    #[test]
    fn another_file_is_begun_in_time_and_who_has_the_old_one_open_is_heard() {
        let (_base, dirs) = node();
        let mut calls = Calls::begin(&dirs).unwrap();
        let own = path(&dirs).unwrap();
        let line = call("coordinator", "CHECK", None, 1).line();
        let many = usize::try_from(ENOUGH).unwrap() / line.len() + 1;
        file::extend(&own, line.repeat(many).as_bytes(), MOST).unwrap();
        let late = fs::File::options().append(true).open(&own).unwrap();
        assert_eq!(calls.take().unwrap().calls.len(), many);
        std::io::Write::write_all(&mut &late, line.as_bytes()).unwrap();
        note(&dirs, &call("rail", "ADD", None, 2));
        assert_eq!(fs::metadata(&own).unwrap().len(), 14);
        let plugins: Vec<String> = calls.take().unwrap().calls.into_iter().map(|call| call.plugin).collect();
        assert_eq!(plugins, ["coordinator", "rail"]);
    }

    #[test]
    fn a_full_file_takes_nothing_more_and_says_so() {
        let (_base, dirs) = node();
        let mut calls = Calls::begin(&dirs).unwrap();
        let own = path(&dirs).unwrap();
        let line = call("macvlan", "ADD", None, 1).line();
        let many = usize::try_from(MOST).unwrap() / line.len();
        file::extend(&own, line.repeat(many).as_bytes(), MOST).unwrap();
        let before = fs::metadata(&own).unwrap().len();
        note(&dirs, &call("macvlan", "ADD", None, 1));
        assert_eq!(fs::metadata(&own).unwrap().len(), before);
        let found = calls.take().unwrap();
        assert_eq!((found.calls.len(), found.is_full), (many, true));
        note(&dirs, &call("macvlan", "ADD", None, 1));
        assert_eq!(
            calls.take().unwrap(),
            Found { calls: vec![call("macvlan", "ADD", None, 1)], is_full: true }
        );
        assert_eq!(calls.take().unwrap(), Found::default());
    }

    #[test]
    fn a_file_that_somebody_removed_is_made_again() {
        let (_base, dirs) = node();
        let mut calls = Calls::begin(&dirs).unwrap();
        fs::remove_file(path(&dirs).unwrap()).unwrap();
        calls.take().unwrap();
        note(&dirs, &call("macvlan", "ADD", None, 1));
        assert_eq!(calls.take().unwrap().calls.len(), 1);
    }

    /// Whatever lies there holds nobody up.
    #[test]
    fn what_is_no_file_is_left_alone() {
        let (base, dirs) = node();
        let node = dirs.state.create(&["node"]).unwrap();
        let (own, target) = (node.join("calls"), base.path().join("target"));
        file::replace(&target, b"").unwrap();
        std::os::unix::fs::symlink(&target, &own).unwrap();
        note(&dirs, &call("macvlan", "ADD", None, 1));
        assert_eq!(fs::metadata(&target).unwrap().len(), 0);
        fs::remove_file(&own).unwrap();
        nix::unistd::mkfifo(&own, nix::sys::stat::Mode::S_IRWXU).unwrap();
        note(&dirs, &call("macvlan", "ADD", None, 1));
        fs::remove_file(&own).unwrap();
        fs::create_dir(&own).unwrap();
        note(&dirs, &call("macvlan", "ADD", None, 1));
        assert!(Calls::begin(&dirs).is_err());
    }
}
