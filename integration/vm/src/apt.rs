//! Packages by apt, downloaded and extracted into the cache, never installed.
//!
//! apt runs with lists of its own, made from the machine's configured mirror plus the backports suite, so that
//! neither /etc/apt nor the dpkg database is touched and no mirror is named here.

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

/// apt with private lists.
#[derive(Debug)]
pub(crate) struct Apt {
    config: PathBuf,
    codename: String,
}

impl Apt {
    /// Writes the private configuration and fetches the lists.
    pub(crate) fn update(cache: &Cache) -> Result<Self> {
        let root = cache.path("apt");
        for dir in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(root.join(dir))?;
        }
        let codename = codename()?;
        file::put(&root.join("sources.list"), sources(&codename)?.as_bytes())?;
        let config = root.join("apt.conf");
        file::put(&config, configuration(&root).as_bytes())?;
        let apt = Self { config, codename };
        output(apt.run("apt-get", Suite::Release).arg("update")).context("fetch the package lists")?;
        Ok(apt)
    }

    fn run(&self, program: &str, suite: Suite) -> Command {
        let mut command = Command::new(program);
        command.env("APT_CONFIG", &self.config).env("DEBIAN_FRONTEND", "noninteractive").arg("-q");
        // Left alone, apt prefers the release with its security updates, and backports last.
        if suite == Suite::Backports {
            command.args(["-o", &format!("APT::Default-Release={}-backports", self.codename)]);
        }
        command
    }

    /// One field of the package's candidate in `suite`, as `Version` or `Depends`.
    pub(crate) fn field(&self, suite: Suite, package: &str, field: &str) -> Result<String> {
        let mut command = self.run("apt-cache", suite);
        let shown = output(command.args(["show", "--no-all-versions", package]))
            .with_context(|| format!("package {package} is not offered by the configured mirror"))?;
        let prefix = format!("{field}: ");
        let value = shown.lines().find_map(|line| line.strip_prefix(&prefix));
        value.map(str::to_owned).with_context(|| format!("package {package} has no field {field}"))
    }

    /// Names of the direct dependencies, first alternatives only.
    pub(crate) fn depends(&self, suite: Suite, package: &str) -> Result<Vec<String>> {
        let depends = self.field(suite, package, "Depends")?;
        let name = |clause: &str| clause.split([' ', '(', '|', ':']).next().unwrap_or_default().to_owned();
        Ok(depends.split(',').map(|clause| name(clause.trim())).collect())
    }

    /// Downloads exactly these packages and extracts them into `root`.
    pub(crate) fn extract(&self, suite: Suite, packages: &[String], root: &Path) -> Result<()> {
        let archives = tempfile::tempdir_in(root)?;
        let mut command = self.run("apt-get", suite);
        output(command.arg("download").args(packages).current_dir(archives.path()))
            .with_context(|| format!("download {}", packages.join(" ")))?;
        unpack(archives.path(), root)
    }

    /// Downloads `package` with everything it needs that the machine lacks, and extracts it into `root`.
    pub(crate) fn extract_closure(&self, suite: Suite, package: &str, root: &Path) -> Result<()> {
        let archives = tempfile::tempdir_in(root)?;
        fs::create_dir(archives.path().join("partial"))?;
        let mut command = self.run("apt-get", suite);
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

fn sources(codename: &str) -> Result<String> {
    let mut targets = Command::new("apt-get");
    targets.args(["indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages"]);
    let targets = output(&mut targets).context("ask apt for its mirrors")?;
    let wanted = |line: &&str| line.split(' ').nth(1).is_some_and(|release| release.starts_with(codename));
    let mut lines: Vec<_> = targets.lines().filter(wanted).map(str::to_owned).collect();
    let uri = |line: &String| line.strip_suffix(&format!(" {codename} main")).map(str::to_owned);
    let Some(mirror) = lines.iter().find_map(uri) else {
        bail!("apt knows no mirror for {codename} main; run apt-get update first");
    };
    lines.push(format!("{mirror} {codename}-backports main"));
    ensure!(Path::new(KEYRING).exists(), "{KEYRING} is missing: install debian-archive-keyring");
    let entries: Vec<_> = lines.iter().map(|line| format!("deb [signed-by={KEYRING}] {line}")).collect();
    Ok(entries.join("\n") + "\n")
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
