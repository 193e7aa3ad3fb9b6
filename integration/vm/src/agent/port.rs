//! The virtio port to the machine.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use serde::de::DeserializeOwned;

use crate::wire::Event;

/// The sending half; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Port(Arc<Mutex<File>>);

impl Port {
    /// Sends one event.
    pub(crate) fn send(&self, event: &Event) -> Result<()> {
        let mut line = serde_json::to_vec(event)?;
        line.push(b'\n');
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(&line).context("send an event")
    }
}

/// Opens the port, which takes one opener only: both halves share one file.
pub(crate) fn open() -> Result<(Port, BufReader<File>)> {
    let path = find()?;
    let file = File::options().read(true).write(true).open(&path);
    let file = file.with_context(|| format!("open {}", path.display()))?;
    let input = BufReader::new(file.try_clone()?);
    Ok((Port(Arc::new(Mutex::new(file))), input))
}

/// Reads one message.
pub(crate) fn receive<T: DeserializeOwned>(input: &mut BufReader<File>) -> Result<T> {
    let mut line = String::new();
    input.read_line(&mut line)?;
    Ok(serde_json::from_str(&line)?)
}

/// There is no udev in the guest to make the link by name.
fn find() -> Result<PathBuf> {
    for entry in fs::read_dir("/sys/class/virtio-ports").context("list the virtio ports")? {
        let entry = entry?;
        let name = fs::read_to_string(entry.path().join("name")).unwrap_or_default();
        if name.trim() == "lab.agent" {
            return Ok(PathBuf::from("/dev").join(entry.file_name()));
        }
    }
    anyhow::bail!("no virtio port is called lab.agent")
}
