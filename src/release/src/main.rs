//! `release`: what `scripts/release` calls, one step at a time.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use release::{Arch, Built, Release, chart, deb, installed, man, rpm, sbom, sha256, tarball};

/// Makes the files of a release of what is built
#[derive(Parser)]
struct Cli {
    /// The repository
    #[arg(long, default_value = ".")]
    root: PathBuf,
    #[command(subcommand)]
    step: Step,
}

#[derive(Subcommand)]
enum Step {
    /// Manual pages of the plugins
    Man {
        /// Where to
        directory: PathBuf,
    },
    /// Archive and packages of one architecture
    Pack {
        /// amd64 or arm64
        arch: Arch,
        /// The binaries
        binaries: PathBuf,
        /// What holds man/ and completions/
        made: PathBuf,
        /// Where to
        directory: PathBuf,
        /// Of all that has a time, in seconds since 1970
        #[arg(long, env = "SOURCE_DATE_EPOCH")]
        time: u64,
    },
    /// The chart, for `helm install`
    Chart {
        /// Where to
        directory: PathBuf,
        /// Of all that has a time, in seconds since 1970
        #[arg(long, env = "SOURCE_DATE_EPOCH")]
        time: u64,
    },
    /// The bill of materials
    Sbom {
        /// Where to
        directory: PathBuf,
        /// Targets that are shipped
        #[arg(long = "target", required = true)]
        targets: Vec<String>,
        /// Packages of the workspace that are shipped
        #[arg(required = true)]
        packages: Vec<String>,
    },
    /// SHA256SUMS of all files of a directory
    Sums {
        /// Which
        directory: PathBuf,
    },
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "release: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<()> {
    match &cli.step {
        Step::Man { directory } => write_pages(&cli.root, directory),
        Step::Pack { arch, binaries, made, directory, time } => {
            let release = Release { version: VERSION.to_owned(), time: *time };
            let built = Built::read(&cli.root, binaries, made, *arch)?;
            pack(&release, *arch, &built, directory)
        }
        Step::Chart { directory, time } => {
            let (name, archive) = chart(&Release { version: VERSION.to_owned(), time: *time }, &cli.root)?;
            write(directory, &name, &archive)
        }
        Step::Sbom { directory, targets, packages } => {
            let lock = fs::read_to_string(cli.root.join("Cargo.lock")).context("read Cargo.lock")?;
            let bom = sbom::cyclonedx(VERSION, &sbom::metadata(&cli.root, targets)?, &lock, packages)?;
            write(directory, &format!("railcni-{VERSION}.cdx.json"), format!("{bom:#}\n").as_bytes())
        }
        Step::Sums { directory } => write_sums(directory),
    }
}

fn write_pages(root: &Path, directory: &Path) -> Result<()> {
    for plugin in names(&root.join("plugins"))? {
        let path = root.join("plugins").join(&plugin).join("README.md");
        let readme = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        let page = man::page(&plugin, VERSION, &readme).with_context(|| path.display().to_string())?;
        write(directory, &format!("railcni-{plugin}.8"), page.as_bytes())?;
    }
    Ok(())
}

fn pack(release: &Release, arch: Arch, built: &Built, directory: &Path) -> Result<()> {
    let (name, archive) = tarball(release, arch, built)?;
    write(directory, &format!("{name}.tar.gz"), &archive)?;
    let files = installed(built)?;
    for (name, package) in [deb(release, arch, &files)?, rpm(release, arch, &files)?] {
        write(directory, &name, &package)?;
    }
    Ok(())
}

fn write_sums(directory: &Path) -> Result<()> {
    const NAME: &str = "SHA256SUMS";
    let line = |name: String| {
        let path = directory.join(&name);
        let bytes = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        Ok(format!("{}  {name}\n", sha256(&bytes)))
    };
    let names = names(directory)?.into_iter().filter(|name| name != NAME);
    let sums = names.map(line).collect::<Result<String>>()?;
    write(directory, NAME, sums.as_bytes())
}

fn write(directory: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let path = directory.join(name);
    let written = File::create(&path).and_then(|mut file| file.write_all(bytes));
    written.with_context(|| format!("write {}", path.display()))
}

fn names(directory: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(directory).with_context(|| format!("list {}", directory.display()))?;
    let mut names = entries
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}
