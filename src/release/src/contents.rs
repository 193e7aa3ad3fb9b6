//! Which file goes where.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use image::check_program;

use crate::Arch;
use crate::gzip::gzip;

/// Where a package keeps the plugins; its script has `railcni-install` put them into /opt/cni/bin, which other packages
/// (kubernetes-cni, containernetworking-plugins) own parts of.
pub(crate) const PLUGINS: &str = "usr/lib/railcni/cni";

/// One file of an archive or package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Below the root, without a slash before it.
    pub path: String,
    /// Permissions.
    pub mode: u32,
    /// What is in it.
    pub bytes: Vec<u8>,
}

impl File {
    fn new(path: String, mode: u32, bytes: Vec<u8>) -> Self {
        Self { path, mode, bytes }
    }
}

/// What is there before packaging, each list sorted by name.
#[derive(Debug, Clone, Default)]
pub struct Built {
    /// Plugins by name.
    pub plugins: Vec<File>,
    /// `railctl` and `railcni-install`.
    pub tools: Vec<File>,
    /// Manual pages, as in `railctl.8`.
    pub man: Vec<File>,
    /// By the name of the shell: bash, zsh, fish.
    pub completions: Vec<File>,
    /// systemd units, which start /usr/local/bin/railctl.
    pub units: Vec<File>,
    /// `LICENSE` and what else is to be read.
    pub docs: Vec<File>,
}

impl Built {
    /// From the tree of sources, and from a directory with the binaries of `arch`, `man/` and `completions/`.
    pub fn read(root: &Path, binaries: &Path, made: &Path, arch: Arch) -> Result<Self> {
        let plugins = names(&root.join("plugins"))?;
        let tools = ["railctl", "railcni-install"].map(str::to_owned);
        let programs = |names: &[String]| {
            names.iter().map(|name| program(binaries, name, arch)).collect::<Result<Vec<_>>>()
        };
        Ok(Self {
            plugins: programs(&plugins)?,
            tools: programs(&tools)?,
            man: texts(&made.join("man"))?,
            completions: texts(&made.join("completions"))?,
            units: texts(&root.join("deploy/systemd"))?,
            docs: ["CHANGELOG.md", "LICENSE", "README.md", "README.zh.md", "SECURITY.md"]
                .iter()
                .map(|name| text(root, name))
                .collect::<Result<_>>()?,
        })
    }
}

/// What a package installs, sorted by path.
pub fn installed(built: &Built) -> Result<Vec<File>> {
    let mut files = Vec::new();
    let mut put = |directory: &str, file: &File| {
        files.push(File { path: format!("{directory}/{}", file.path), ..file.clone() });
    };
    built.plugins.iter().for_each(|file| put(PLUGINS, file));
    for tool in &built.tools {
        put(if tool.path == "railctl" { "usr/bin" } else { "usr/lib/railcni" }, tool);
    }
    for page in &built.man {
        let bytes = gzip(&page.bytes)?;
        put("usr/share/man/man8", &File::new(format!("{}.gz", page.path), 0o644, bytes));
    }
    for unit in &built.units {
        put("usr/lib/systemd/system", &started_from(unit, "/usr/bin/railctl"));
    }
    built.docs.iter().for_each(|file| put("usr/share/doc/railcni", file));
    for completion in &built.completions {
        let (directory, name) = place(&completion.path);
        put(directory, &File { path: name.to_owned(), ..completion.clone() });
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// Where shells look for what a package brings.
fn place(shell: &str) -> (&'static str, &'static str) {
    match shell {
        "zsh" => ("usr/share/zsh/site-functions", "_railctl"),
        "fish" => ("usr/share/fish/vendor_completions.d", "railctl.fish"),
        _ => ("usr/share/bash-completion/completions", "railctl"),
    }
}

fn started_from(unit: &File, railctl: &str) -> File {
    let text = String::from_utf8_lossy(&unit.bytes).replace("/usr/local/bin/railctl", railctl);
    File { bytes: text.into_bytes(), ..unit.clone() }
}

fn program(directory: &Path, name: &str, arch: Arch) -> Result<File> {
    let path = directory.join(name);
    let bytes = fs::read(&path).with_context(|| format!("read {} (make build)", path.display()))?;
    check_program(arch.name(), &bytes).with_context(|| path.display().to_string())?;
    Ok(File::new(name.to_owned(), 0o755, bytes))
}

fn text(directory: &Path, name: &str) -> Result<File> {
    let path = directory.join(name);
    let bytes = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
    Ok(File::new(name.to_owned(), 0o644, bytes))
}

fn texts(directory: &Path) -> Result<Vec<File>> {
    names(directory)?.iter().map(|name| text(directory, name)).collect()
}

fn names(directory: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(directory).with_context(|| format!("list {}", directory.display()))?;
    let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    let mut names = entries.map(|entry| Ok(name(entry?))).collect::<Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}
