//! The entrypoint of the images, as the SR-IOV network operator calls it.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

struct Image {
    base: TempDir,
}

impl Image {
    fn new(plugins: &[&str]) -> Self {
        let base = tempfile::tempdir().expect("a directory");
        for directory in ["bin", "host"] {
            fs::create_dir(base.path().join(directory)).expect("a directory");
        }
        for plugin in plugins {
            let mut file = File::create(base.path().join("bin").join(plugin)).expect("a plugin");
            file.write_all(plugin.as_bytes()).expect("written");
        }
        Self { base }
    }

    fn run(&self, args: &[&str]) -> Output {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/image-entrypoint");
        Command::new(script)
            .args(args)
            .env("CNI_BIN_DIR", self.base.path().join("host"))
            .env("RAILCNI_IMAGE_DIR", self.base.path().join("bin"))
            .output()
            .expect("run the entrypoint")
    }

    fn installed(&self) -> Vec<String> {
        let entries = fs::read_dir(self.base.path().join("host")).expect("the host's directory");
        let mut names: Vec<_> = entries
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

#[test]
fn no_sleep_installs_what_the_image_has_and_ends() {
    let image = Image::new(&["rdma", "sriov"]);
    let output = image.run(&["--no-sleep"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(image.installed(), ["rdma", "sriov"], "and no temporary file");
    let path = image.base.path().join("host/sriov");
    assert_eq!(fs::metadata(&path).expect("installed").permissions().mode() & 0o777, 0o755);
    assert_eq!(fs::read_to_string(path).expect("installed"), "sriov");
}

#[test]
fn a_plugin_that_runs_keeps_the_file_it_has() {
    let image = Image::new(&["sriov"]);
    let path = image.base.path().join("host/sriov");
    let mut old = File::create(&path).expect("an older plugin");
    old.write_all(b"old").expect("written");
    assert!(image.run(&["--no-sleep"]).status.success());
    assert_eq!(old.metadata().expect("still open").len(), 3, "replaced by rename, never written to");
    assert_eq!(fs::read_to_string(path).expect("installed"), "sriov");
}

#[test]
fn the_peers_arguments_are_taken_in_both_forms() {
    let image = Image::new(&["sriov", "rdma"]);
    let (host, file) = (image.base.path().join("host"), image.base.path().join("bin/rdma"));
    let (host, file) = (host.to_str().expect("a path"), file.to_str().expect("a path"));
    let joined = format!("--cni-bin-dir={host}");
    assert!(image.run(&[&joined, "--rdma-cni-bin-file", file, "--no-sleep"]).status.success());
    assert_eq!(image.installed(), ["rdma"], "only the file that is named");
}

#[test]
fn what_cannot_be_done_is_said() {
    let image = Image::new(&[]);
    for (args, said) in [
        (&["--no-sleep"][..], "no plugin in"),
        (&["--no-slep"], "unknown argument --no-slep"),
        (&["--cni-bin-dir"], "--cni-bin-dir needs a value"),
    ] {
        let output = image.run(args);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && stderr.contains(said), "{stderr}");
    }
    assert!(image.installed().is_empty());
}
