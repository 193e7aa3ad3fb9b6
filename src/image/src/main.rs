//! `image`: the image of the plugins from what `make build` left in dist/.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use image::{Archive, Entry, Image, check_program};

/// The entrypoint.
const INSTALLER: &str = "railcni-install";
/// What the image has beside what it installs on nodes: it runs in the image.
const AT_ROOT: [&str; 2] = [INSTALLER, "raild"];

#[derive(Parser)]
#[command(about = "Writes an OCI image of static programs, without a container engine")]
struct Cli {
    /// Name and tag
    #[arg(long, default_value = "railcni:latest")]
    name: String,
    /// Architecture and directory of its programs, as amd64=dist; once for each architecture
    #[arg(long = "arch", value_name = "ARCH=DIR", required = true)]
    architectures: Vec<String>,
    /// Programs of that directory, beside railcni-install
    #[arg(required = true)]
    programs: Vec<String>,
    /// The tar to write, for `ctr image import` and `docker load`
    #[arg(long)]
    tar: PathBuf,
    /// A directory to write the OCI layout to, for `skopeo` and `crane`
    #[arg(long)]
    layout: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "image: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<()> {
    let images = cli.architectures.iter().map(|text| {
        let (architecture, dir) =
            text.split_once('=').with_context(|| format!("--arch {text}: it has to be ARCH=DIR"))?;
        of_architecture(architecture, Path::new(dir), &cli.programs)
    });
    let archive = Archive::new(&cli.name, &images.collect::<Result<Vec<_>>>()?)?;
    let temporary = cli.tar.with_extension("tar.new");
    let bytes = archive.tar()?;
    let written = File::create(&temporary).and_then(|mut file| file.write_all(&bytes));
    written.and_then(|()| fs::rename(&temporary, &cli.tar)).with_context(|| cli.tar.display().to_string())?;
    cli.layout.as_ref().map_or(Ok(()), |dir| archive.write_layout(dir))
}

fn of_architecture(architecture: &str, dir: &Path, programs: &[String]) -> Result<Image> {
    let mut files = BTreeMap::new();
    for name in programs.iter().map(String::as_str).chain([INSTALLER]) {
        let path = dir.join(name);
        let bytes = fs::read(&path).with_context(|| format!("read {} (make build)", path.display()))?;
        check_program(architecture, &bytes).with_context(|| path.display().to_string())?;
        let place = if AT_ROOT.contains(&name) { name.to_owned() } else { format!("usr/bin/{name}") };
        files.insert(place, Entry::File(0o755, bytes));
    }
    ensure!(!programs.is_empty(), "an image of no programs");
    let labels =
        [("org.opencontainers.image.title", "railcni"), ("org.opencontainers.image.version", VERSION)];
    Ok(Image {
        architecture: architecture.into(),
        files,
        entrypoint: vec![format!("/{INSTALLER}")],
        labels: labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
    })
}

const VERSION: &str = env!("CARGO_PKG_VERSION");
