//! Knobs of the emulated HCA, in debugfs.

use std::fs;
use std::path::{Path, PathBuf};

use crate::file;

/// One knob of one PCI function.
#[derive(Debug, Clone)]
pub struct Knob {
    path: PathBuf,
}

impl Knob {
    pub(crate) fn new(bdf: &str, name: &str) -> Self {
        Self { path: Path::new("/sys/kernel/debug/lab_hca").join(bdf).join(name) }
    }

    /// Present value.
    #[track_caller]
    pub fn read(&self) -> u64 {
        let text = fs::read_to_string(&self.path).unwrap_or_else(|error| panic!("read {self}: {error}"));
        text.trim().parse().unwrap_or_else(|error| panic!("{self} reads {text:?}: {error}"))
    }

    /// Sets it until the test ends: the lab starts over for the next one.
    #[track_caller]
    pub fn write(&self, value: u64) {
        file::set(&self.path, &value.to_string())
            .unwrap_or_else(|error| panic!("set {self} to {value}: {error}"));
    }
}

impl std::fmt::Display for Knob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.path.display().fmt(f)
    }
}
