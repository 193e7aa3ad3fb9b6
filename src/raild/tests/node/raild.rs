//! Processes of raild, and what they say.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use testkit::eventually;

const LIMIT: Duration = Duration::from_secs(120);

/// Ends with the test.
pub(crate) struct Raild {
    child: Child,
    said: Arc<Mutex<String>>,
}

impl Raild {
    /// In this mode, with directories below `base`.
    pub(crate) fn start(mode: &str, base: &Path, env: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_raild"));
        for name in ["state", "durable", "peer", "config"] {
            command.env(format!("RAILCNI_{}_DIR", name.to_uppercase()), base.join(name));
        }
        command.arg(mode).envs(env.iter().copied()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let (stderr, heard) = (child.stderr.take().unwrap(), Arc::clone(&said));
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                heard.lock().unwrap().extend([line.as_str(), "\n"]);
            }
        });
        Self { child, said }
    }

    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Waits until it has said these words.
    #[track_caller]
    pub(crate) fn await_words(&self, words: &str) {
        let done = eventually(LIMIT, || self.said().contains(words).then_some(()));
        done.unwrap_or_else(|| panic!("no {words:?} in:\n{}", self.said()));
    }
}

impl Drop for Raild {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
