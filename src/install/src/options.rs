//! The command line: that of the images of sriov-cni, ib-sriov-cni, rdma-cni and ipoib-cni, so that an operator need not
//! change its own.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::Error;

/// What is printed for `--help` and after an error.
pub const USAGE: &str = "\
usage: railcni-install [--cni-bin-dir=DIR] [--{sriov,ib-sriov-cni,rdma-cni,ipoib}-bin-file=FILE]... [--no-sleep]
       railcni-install --uninstall [--cni-bin-dir=DIR] [--stay]
       railcni-install --version
CNI_BIN_DIR is the default of DIR, /host/opt/cni/bin that of CNI_BIN_DIR. RAILCNI_PLUGINS names what is installed (default:
all that the image has). Without --no-sleep it stays until it is ended, as a container of a DaemonSet has to; --uninstall does so with --stay.";

const FILES: [&str; 4] =
    ["--sriov-bin-file", "--ib-sriov-cni-bin-file", "--rdma-cni-bin-file", "--ipoib-bin-file"];

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Put the plugins in place.
    Install,
    /// Take them away.
    Uninstall,
    /// Print the usage.
    Help,
    /// Print which build it is.
    Version,
}

/// The command line and environment, validated.
#[derive(Debug)]
pub struct Options {
    /// What to do.
    pub verb: Verb,
    /// The host's directory of plugins.
    pub target: PathBuf,
    /// What is installed or removed, by path in the image.
    pub files: Vec<PathBuf>,
    /// Where the plugins keep their state.
    pub state: PathBuf,
    /// Whether to stay when all is done.
    pub sleep: bool,
}

impl Options {
    /// Reads the arguments, which come without the program's name, and the variables.
    pub fn parse(
        args: impl IntoIterator<Item = String>,
        variables: &HashMap<String, String>,
    ) -> Result<Self, Error> {
        let variable = |name: &str| variables.get(name).filter(|value| !value.is_empty());
        let path = |name: &str, default: &str| PathBuf::from(variable(name).map_or(default, String::as_str));
        let mut options = Self {
            verb: Verb::Install,
            target: path("CNI_BIN_DIR", "/host/opt/cni/bin"),
            files: Vec::new(),
            state: path("RAILCNI_STATE_DIR", "/host/run/railcni"),
            sleep: true,
        };
        options.take(&mut args.into_iter())?;
        if options.files.is_empty() && matches!(options.verb, Verb::Install | Verb::Uninstall) {
            let named = variable("RAILCNI_PLUGINS").map(String::as_str);
            options.files = in_image(&path("RAILCNI_IMAGE_DIR", "/usr/bin"), named)?;
        }
        Ok(options)
    }

    fn take(&mut self, args: &mut impl Iterator<Item = String>) -> Result<(), Error> {
        let mut stay = false;
        while let Some(arg) = args.next() {
            let (key, joined) = match arg.split_once('=') {
                Some((key, value)) => (key, Some(value.to_owned())),
                None => (arg.as_str(), None),
            };
            match key {
                "--no-sleep" => self.sleep = false,
                "--stay" => stay = true,
                "--uninstall" => (self.verb, self.sleep) = (Verb::Uninstall, false),
                "-h" | "--help" => self.verb = Verb::Help,
                "-V" | "--version" => self.verb = Verb::Version,
                "--cni-bin-dir" => self.target = value(key, joined, args)?.into(),
                _ if FILES.contains(&key) => self.files.push(value(key, joined, args)?.into()),
                _ => return Err(Error::Arguments(format!("unknown argument {arg}"))),
            }
        }
        self.sleep |= stay;
        Ok(())
    }
}

fn value(
    key: &str,
    joined: Option<String>,
    args: &mut impl Iterator<Item = String>,
) -> Result<String, Error> {
    let value = joined.or_else(|| args.next()).filter(|value| !value.is_empty());
    value.ok_or_else(|| Error::Arguments(format!("{key} needs a value")))
}

/// The programs of the image, or those of them that are named.
fn in_image(dir: &Path, named: Option<&str>) -> Result<Vec<PathBuf>, Error> {
    if let Some(named) = named {
        return Ok(named.split_whitespace().map(|name| dir.join(name)).collect());
    }
    let entries = std::fs::read_dir(dir).map_err(Error::on("list", dir))?;
    let mut files: Vec<_> =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    files.sort();
    if files.is_empty() { Err(Error::NoPlugin(dir.to_owned())) } else { Ok(files) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Options, Error> {
        Options::parse(args.iter().map(ToString::to_string), &HashMap::new())
    }

    #[test]
    fn values_come_joined_or_apart() {
        for args in [
            &["--cni-bin-dir=/a", "--sriov-bin-file=/b"][..],
            &["--cni-bin-dir", "/a", "--sriov-bin-file", "/b"],
        ] {
            let options = parse(args).unwrap();
            assert_eq!((options.target, options.files), ("/a".into(), vec!["/b".into()]));
        }
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (args, said) in
            [(&["--no-slep"][..], "unknown argument --no-slep"), (&["--cni-bin-dir"], "needs a value")]
        {
            assert!(parse(args).unwrap_err().to_string().contains(said));
        }
    }
}
