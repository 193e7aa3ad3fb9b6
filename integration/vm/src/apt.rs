//! Packages by apt, downloaded and extracted into the cache, never installed.
//!
//! apt runs with lists of its own, made from the machine's configured mirror and, for what only they have, the release's
//! backports, so that neither /etc/apt nor the dpkg database is touched and no mirror is named here.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::cache::Cache;
use crate::command::output;
use crate::file;

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Where a package comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Suite {
    /// The machine's own release, with its updates.
    Release,
    /// The backports of the machine's release.
    Backports,
}

/// apt with private lists of one suite.
#[derive(Debug)]
pub(crate) struct Apt {
    config: PathBuf,
    codename: String,
    suite: Suite,
}

impl Apt {
    /// Writes the private configuration and fetches the lists.
    pub(crate) fn update(cache: &Cache, suite: Suite) -> Result<Self> {
        // A release that has no backports (yet) is no worse for it.
        let root = cache.path(match suite {
            Suite::Release => "apt",
            Suite::Backports => "apt-backports",
        });
        for dir in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(root.join(dir))?;
        }
        let codename = codename()?;
        ensure!(Path::new(KEYRING).exists(), "{KEYRING} is missing: install debian-archive-keyring");
        file::put(&root.join("sources.list"), sources(&targets()?, &codename, suite)?.as_bytes())?;
        let config = root.join("apt.conf");
        file::put(&config, configuration(&root).as_bytes())?;
        let apt = Self { config, codename, suite };
        output(apt.run("apt-get").arg("update")).context("fetch the package lists")?;
        Ok(apt)
    }

    fn run(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("APT_CONFIG", &self.config).env("DEBIAN_FRONTEND", "noninteractive").arg("-q");
        // Left alone, apt prefers the release with its security updates, and backports last.
        if self.suite == Suite::Backports {
            command.args(["-o", &format!("APT::Default-Release={}-backports", self.codename)]);
        }
        command
    }

    /// One field of the package's candidate, as `Version` or `Depends`.
    pub(crate) fn field(&self, package: &str, field: &str) -> Result<String> {
        let mut command = self.run("apt-cache");
        let shown = output(command.args(["show", "--no-all-versions", package]))
            .with_context(|| format!("package {package} is not offered by the configured mirror"))?;
        let prefix = format!("{field}: ");
        let value = shown.lines().find_map(|line| line.strip_prefix(&prefix));
        value.map(str::to_owned).with_context(|| format!("package {package} has no field {field}"))
    }

    /// Names of the direct dependencies, first alternatives only.
    pub(crate) fn depends(&self, package: &str) -> Result<Vec<String>> {
        let depends = self.field(package, "Depends")?;
        let name = |clause: &str| clause.split([' ', '(', '|', ':']).next().unwrap_or_default().to_owned();
        Ok(depends.split(',').map(|clause| name(clause.trim())).collect())
    }

    /// Downloads exactly these packages and extracts them into `root`.
    pub(crate) fn extract(&self, packages: &[String], root: &Path) -> Result<()> {
        let archives = tempfile::tempdir_in(root)?;
        let mut command = self.run("apt-get");
        output(command.arg("download").args(packages).current_dir(archives.path()))
            .with_context(|| format!("download {}", packages.join(" ")))?;
        unpack(archives.path(), root)
    }

    /// Downloads `package` with everything it needs that the machine lacks, and extracts it into `root`.
    pub(crate) fn extract_closure(&self, package: &str, root: &Path) -> Result<()> {
        let archives = tempfile::tempdir_in(root)?;
        fs::create_dir(archives.path().join("partial"))?;
        let mut command = self.run("apt-get");
        command.arg("-o").arg(format!("Dir::Cache::archives={}", archives.path().display()));
        // Nothing is installed, so the lock of the package database is none of our business.
        command.args(["-o", "Debug::NoLocking=1", "install", "--yes", "--reinstall"]);
        output(command.args(["--no-install-recommends", "--download-only", package]))
            .with_context(|| format!("download {package} and what it needs"))?;
        unpack(archives.path(), root)
    }
}

fn codename() -> Result<String> {
    let release = fs::read_to_string("/etc/os-release").context("read the release's name")?;
    let value = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    value.map(str::to_owned).context("the VM lab needs Debian: /etc/os-release has no VERSION_CODENAME")
}

/// What the machine's apt is configured for, a line each: URI, codename, component, origin.
fn targets() -> Result<String> {
    let mut targets = Command::new("apt-get");
    let format = "$(REPO_URI) $(CODENAME) $(COMPONENT) $(ORIGIN)";
    output(targets.args(["indextargets", "--format", format, "Created-By: Packages"]))
        .context("ask apt for its mirrors")
}

/// Debian's own among the `targets`, whatever else is configured, and under whichever name of the release.
fn sources(targets: &str, codename: &str, suite: Suite) -> Result<String> {
    let of_debian = |line: &str| {
        let fields: Vec<_> = line.split(' ').collect();
        match fields[..] {
            [uri, release, component, "Debian"] if release.starts_with(codename) => {
                Some([uri.to_owned(), release.to_owned(), component.to_owned()])
            }
            _ => None,
        }
    };
    let mut found: Vec<_> = targets.lines().filter_map(of_debian).collect();
    let main = found.iter().find(|[_, release, component]| release == codename && component == "main");
    let Some([mirror, ..]) = main.cloned() else {
        bail!("apt knows no mirror for Debian's {codename} main; run apt-get update first");
    };
    found.retain(|[_, release, _]| !release.ends_with("-backports"));
    if suite == Suite::Backports {
        found.push([mirror, format!("{codename}-backports"), "main".to_owned()]);
    }
    let entry = |line: &[String; 3]| format!("deb [signed-by={KEYRING}] {}\n", line.join(" "));
    Ok(found.iter().map(entry).collect())
}

fn configuration(root: &Path) -> String {
    let root = root.display();
    format!(
        "Dir::Etc::sourcelist \"{root}/sources.list\";\nDir::Etc::sourceparts \"-\";\n\
         Dir::State::lists \"{root}/lists\";\nDir::Cache \"{root}/cache\";\n\
         APT::Sandbox::User \"root\";\nAcquire::Retries \"3\";\n"
    )
}

fn unpack(archives: &Path, root: &Path) -> Result<()> {
    for entry in fs::read_dir(archives)? {
        let path = entry?.path();
        // The C library and the loader belong together: the machine's own are used.
        let is_libc = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("libc6_"));
        if path.extension().is_some_and(|ext| ext == "deb") && !is_libc {
            output(Command::new("dpkg-deb").arg("-x").args([&path, &root.to_path_buf()]))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(targets: &[&str], codename: &str, suite: Suite) -> Vec<String> {
        let text = sources(&targets.join("\n"), codename, suite).expect("sources");
        let prefix = format!("deb [signed-by={KEYRING}] ");
        text.lines().map(|line| line.strip_prefix(&prefix).expect("an entry").to_owned()).collect()
    }

    #[test]
    fn the_release_needs_no_backports_and_others_are_left_out() {
        let targets = [
            "http://mirror/debian/ trixie main Debian",
            "http://mirror/debian/ trixie-updates main Debian",
            "http://mirror/security/ trixie-security main Debian",
            "http://mirror/debian/ trixie-backports main Debian",
            "https://elsewhere/debian/ trixie stable Docker",
            "https://elsewhere/ cloud main A vendor",
        ];
        let expected = [
            "http://mirror/debian/ trixie main",
            "http://mirror/debian/ trixie-updates main",
            "http://mirror/security/ trixie-security main",
        ];
        assert_eq!(listed(&targets, "trixie", Suite::Release), expected);
    }

    #[test]
    fn backports_come_from_the_mirror_of_the_release_once() {
        let targets = [
            "http://mirror/debian/ bookworm-backports main Debian",
            "http://mirror/debian/ bookworm main Debian",
        ];
        let expected =
            ["http://mirror/debian/ bookworm main", "http://mirror/debian/ bookworm-backports main"];
        assert_eq!(listed(&targets, "bookworm", Suite::Backports), expected);
    }

    #[test]
    fn a_machine_without_debians_mirror_is_told_so() {
        let error = sources("https://elsewhere/debian/ trixie main Docker\n", "trixie", Suite::Release);
        assert!(error.expect_err("no mirror").to_string().contains("trixie main; run apt-get update first"));
    }
}
