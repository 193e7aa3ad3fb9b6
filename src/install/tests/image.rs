//! The entrypoint of the image, as the SR-IOV network operator calls it, and what it does on a bad day.

#![expect(clippy::unwrap_used, reason = "the functions between the tests are tests too")]

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// A plugin, as far as anybody asks it.
const PLUGIN: &str =
    "#!/bin/sh\n# VERSION_OF_IT\necho '{\"cniVersion\":\"1.0.0\",\"supportedVersions\":[\"1.0.0\"]}'\n";

struct Image {
    base: TempDir,
}

impl Image {
    fn new(plugins: &[&str]) -> Self {
        let base = tempfile::tempdir().unwrap();
        for directory in ["bin", "host", "state"] {
            fs::create_dir(base.path().join(directory)).unwrap();
        }
        let image = Self { base };
        for plugin in plugins {
            image.has(plugin, PLUGIN);
        }
        image
    }

    fn has(&self, plugin: &str, content: &str) {
        put(&self.path("bin").join(plugin), content);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.base.path().join(name)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_railcni-install"));
        command.env("CNI_BIN_DIR", self.path("host")).env("RAILCNI_IMAGE_DIR", self.path("bin"));
        command.env("RAILCNI_STATE_DIR", self.path("state"));
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command().args(args).output().unwrap()
    }

    fn installed(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("host")).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path("host").join(name)).unwrap()
    }
}

fn put(path: &Path, content: &str) {
    let mut file = File::create(path).unwrap();
    file.write_all(content.as_bytes()).unwrap();
    file.set_permissions(Permissions::from_mode(0o755)).unwrap();
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn no_sleep_installs_what_the_image_has_and_ends() {
    let image = Image::new(&["rdma", "sriov"]);
    let output = image.run(&["--no-sleep"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(image.installed(), ["rdma", "sriov"], "and no temporary file");
    assert_eq!(fs::metadata(image.path("host/sriov")).unwrap().permissions().mode() & 0o777, 0o755);
    assert!(said(&image.run(&["--no-sleep"])).contains("unchanged"), "nothing is written twice");
}

#[test]
fn without_no_sleep_it_stays_until_it_is_ended() {
    stays_after(&Image::new(&["sriov"]), &[], "installed");
}

#[track_caller]
fn stays_after(image: &Image, args: &[&str], done: &str) {
    let mut child = image.command().args(args).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut line)
        .unwrap();
    assert!(line.starts_with(done), "{line}");
    assert!(child.try_wait().unwrap().is_none(), "it has ended by itself");
    let pid = nix::unistd::Pid::from_raw(child.id().try_into().unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    assert!(child.wait().unwrap().success());
}

/// As the chart's `DaemonSet` that takes the plugins away: it is ready when they are gone.
#[test]
fn an_uninstallation_stays_if_it_is_asked_to() {
    let image = Image::new(&["sriov"]);
    assert!(image.run(&["--no-sleep"]).status.success());
    stays_after(&image, &["--uninstall", "--stay"], "removed");
    assert!(image.installed().is_empty());
}

#[test]
fn a_plugin_that_runs_keeps_the_file_it_has_and_the_old_one_is_kept() {
    let image = Image::new(&["sriov"]);
    put(&image.path("host/sriov"), "old");
    let old = File::open(image.path("host/sriov")).unwrap();
    assert!(image.run(&["--no-sleep"]).status.success());
    assert_eq!(old.metadata().unwrap().len(), 3, "replaced by rename, never written to");
    assert_eq!(image.text("sriov"), PLUGIN);
    assert_eq!(image.text(".sriov.previous"), "old");

    let newer = PLUGIN.replace("VERSION_OF_IT", "newer");
    image.has("sriov", &newer);
    assert!(image.run(&["--no-sleep"]).status.success());
    assert_eq!(image.text(".sriov.previous"), PLUGIN, "one old version, the last");
    assert_eq!(image.installed(), [".sriov.previous", "sriov"]);
}

#[test]
fn a_plugin_that_does_not_work_here_replaces_nothing() {
    for (broken, why) in [
        ("#!/bin/sh\nexit 3\n", "exit status: 3"),
        ("#!/bin/sh\necho '{}'\n", "it answered VERSION with {}"),
        ("#!/no/such/interpreter\n", "No such file"),
        ("\x7fELF of another machine", "xec format error"),
        ("#!/bin/sh\nkill -KILL $$\n", "SIGKILL"),
    ] {
        let image = Image::new(&["macvlan", "sriov"]);
        put(&image.path("host/macvlan"), "old macvlan");
        put(&image.path("host/sriov"), "old sriov");
        image.has("sriov", broken);
        let output = image.run(&["--no-sleep"]);
        assert!(!output.status.success() && said(&output).contains(why), "{why}: {}", said(&output));
        assert_eq!(image.installed(), ["macvlan", "sriov"], "not even the one that works");
        assert_eq!([image.text("macvlan"), image.text("sriov")], ["old macvlan", "old sriov"]);
    }
}

#[test]
fn what_a_killed_installation_left_does_no_harm() {
    let image = Image::new(&["sriov"]);
    put(&image.path("host/.sriov.new"), "half of a plug");
    std::os::unix::fs::symlink("/no/where", image.path("host/.sriov.old")).unwrap();
    put(&image.path("host/sriov"), "old");
    let output = image.run(&["--no-sleep"]);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(image.text("sriov"), PLUGIN);
    assert_eq!(image.installed(), [".sriov.previous", "sriov"]);
}

#[test]
fn the_peers_arguments_name_one_file() {
    let image = Image::new(&["sriov", "rdma"]);
    let file = image.path("bin/rdma").display().to_string();
    assert!(image.run(&["--rdma-cni-bin-file", &file, "--no-sleep"]).status.success());
    assert_eq!(image.installed(), ["rdma"], "only the file that is named");
}

#[test]
fn what_cannot_be_done_is_said() {
    let image = Image::new(&[]);
    for (args, expected) in [
        (&["--no-sleep"][..], "no plugin in"),
        (&["--no-slep"], "unknown argument --no-slep"),
        (&["--cni-bin-dir"], "--cni-bin-dir needs a value"),
        (&["--cni-bin-dir=/no/where", "--sriov-bin-file=/bin/true"], "mount the host's /opt/cni/bin there"),
    ] {
        let output = image.run(args);
        assert!(!output.status.success() && said(&output).contains(expected), "{}", said(&output));
    }
    assert!(image.installed().is_empty());
}

#[test]
fn plugins_stay_while_pods_have_rails() {
    let image = Image::new(&["sriov"]);
    assert!(image.run(&["--no-sleep"]).status.success());
    let network = image.path("state/attachments/gpu1");
    fs::create_dir_all(&network).unwrap();
    put(&network.join("c0ffee,sriov,net1"), "a record");
    let output = image.run(&["--uninstall"]);
    assert!(!output.status.success() && said(&output).contains("drain the node first"), "{}", said(&output));
    assert_eq!(image.installed(), ["sriov"]);

    fs::remove_file(network.join("c0ffee,sriov,net1")).unwrap();
    assert!(image.run(&["--uninstall"]).status.success());
    assert!(image.installed().is_empty());
}
