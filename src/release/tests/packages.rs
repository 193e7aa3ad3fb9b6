//! Archive and packages as the tools of their kinds read them, and that nothing in them depends on when and where.

#![expect(clippy::unwrap_used, reason = "the functions between the tests are tests too")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use release::{Arch, Built, File, Release, chart, deb, installed, rpm, tarball};

const TIME: u64 = 1_790_000_000;

/// A static program of this machine, which is as far as packages look into it.
const PLUGIN: &str = "#!/bin/sh\necho '{\"cniVersion\":\"1.0.0\",\"supportedVersions\":[\"1.0.0\"]}'\n";

fn file(path: &str, mode: u32, text: &str) -> File {
    File { path: path.into(), mode, bytes: text.into() }
}

fn built() -> Built {
    Built {
        plugins: vec![file("macvlan", 0o755, PLUGIN), file("rail", 0o755, PLUGIN)],
        tools: vec![
            file("railctl", 0o755, "#!/bin/sh\n"),
            file("railcni-install", 0o755, "#!/bin/sh\necho \"$@\"\n"),
        ],
        man: vec![file("railctl.8", 0o644, ".TH RAILCTL 8\n")],
        completions: ["bash", "fish", "zsh"].map(|shell| file(shell, 0o644, shell)).into(),
        units: vec![file("railcni-gc.service", 0o644, "ExecStart=/usr/local/bin/railctl gc --apply\n")],
        docs: vec![file("LICENSE", 0o644, "Apache\n")],
    }
}

fn release() -> Release {
    Release { version: "0.1.0".into(), time: TIME }
}

/// Runs a program that has to succeed; what it prints.
#[track_caller]
fn run(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).env("LC_ALL", "C").env("TZ", "UTC").output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error} (scripts/setup test)"));
    let [out, err] =
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    assert!(output.status.success(), "{program} {args:?}: {out}{err}");
    out
}

#[expect(clippy::disallowed_methods, reason = "nobody reads a test's own file while it is written")]
fn put(directory: &Path, (name, bytes): (String, Vec<u8>)) -> PathBuf {
    let path = directory.join(name);
    fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn the_archive_holds_all_below_one_directory() {
    let scratch = tempfile::tempdir().unwrap();
    let (name, bytes) = tarball(&release(), Arch::Arm64, &built()).unwrap();
    assert_eq!(name, "railcni-0.1.0-linux-arm64");
    let path = put(scratch.path(), (name, bytes));
    let list = run("tar", &["-tvzf", path.to_str().unwrap()]);
    assert!(list.lines().all(|line| line.contains(" railcni-0.1.0-linux-arm64/")), "{list}");
    assert!(list.lines().all(|line| line.contains("0/0") && line.contains("2026-09-21 14:13")), "{list}");
    for part in [
        "-rwxr-xr-x 0/0              70 2026",
        "/cni/macvlan",
        "/bin/railctl",
        "/man/railctl.8",
        "/systemd/",
        "/LICENSE",
    ] {
        assert!(list.contains(part), "{part} is not in\n{list}");
    }
}

/// Of the repository itself: as `helm package` has it, with the kinds, and the same bytes every time.
#[test]
fn the_chart_is_packaged_whole() {
    let scratch = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let release = Release { version: env!("CARGO_PKG_VERSION").into(), time: TIME };
    let packaged = chart(&release, &root).unwrap();
    assert_eq!(packaged, chart(&release, &root).unwrap());
    assert_eq!(packaged.0, format!("railcni-{}.tgz", release.version));
    let path = put(scratch.path(), packaged);
    run("tar", &["-xzf", path.to_str().unwrap(), "-C", scratch.path().to_str().unwrap()]);
    let there = scratch.path().join("railcni").display().to_string();
    run("diff", &["-r", &there, &root.join("deploy/chart/railcni").display().to_string()]);

    let other = Release { version: "9.9.9".into(), time: TIME };
    let error = chart(&other, &root).unwrap_err().to_string();
    assert!(error.contains("version and appVersion have to be 9.9.9"), "{error}");
}

#[test]
fn dpkg_reads_the_package() {
    let scratch = tempfile::tempdir().unwrap();
    let files = installed(&built()).unwrap();
    let path = put(scratch.path(), deb(&release(), Arch::Arm64, &files).unwrap());
    assert!(path.ends_with("railcni_0.1.0-1_arm64.deb"), "{}", path.display());
    let path = path.to_str().unwrap();
    assert_eq!(run("dpkg-deb", &["-f", path, "Package", "Version", "Architecture"]).lines().count(), 3);
    let root = scratch.path().join("root");
    run("dpkg-deb", &["-x", path, root.to_str().unwrap()]);
    let read = |name: &str| fs::read_to_string(root.join(name)).unwrap();
    assert_eq!(read("usr/lib/railcni/cni/macvlan"), PLUGIN);
    assert_eq!(read("usr/lib/systemd/system/railcni-gc.service"), "ExecStart=/usr/bin/railctl gc --apply\n");
    assert_eq!(read("usr/share/bash-completion/completions/railctl"), "bash");
    let page = root.join("usr/share/man/man8/railctl.8.gz");
    assert_eq!(run("zcat", &[page.to_str().unwrap()]), ".TH RAILCTL 8\n");
}

/// As dpkg runs them: with the files in place, as root of the node's own tree.
#[test]
fn the_scripts_of_the_package_call_the_installer() {
    let scratch = tempfile::tempdir().unwrap();
    let files = installed(&built()).unwrap();
    let path = put(scratch.path(), deb(&release(), Arch::Amd64, &files).unwrap());
    let control = scratch.path().join("control");
    run("dpkg-deb", &["-e", path.to_str().unwrap(), control.to_str().unwrap()]);
    for (script, args, installer) in [
        ("postinst", "configure", "--no-sleep"),
        ("postinst", "abort-upgrade", ""),
        ("prerm", "remove", "--uninstall"),
        ("prerm", "upgrade", ""),
    ] {
        let text = fs::read_to_string(control.join(script)).unwrap();
        let tool = scratch.path().join("installer");
        let said = "#!/bin/sh\necho \"$RAILCNI_IMAGE_DIR $CNI_BIN_DIR $RAILCNI_STATE_DIR $@\"\n";
        put(scratch.path(), ("installer".into(), said.into()));
        run("chmod", &["+x", tool.to_str().unwrap()]);
        let here = scratch.path().join("bin");
        let text = text
            .replace("/usr/lib/railcni/railcni-install", tool.to_str().unwrap())
            .replace("mkdir -p /opt/cni/bin", &format!("mkdir -p {}", here.display()));
        let expected = match installer {
            "" => String::new(),
            word => format!("/usr/lib/railcni/cni /opt/cni/bin /run/railcni {word}\n"),
        };
        assert_eq!(run("sh", &["-c", &text, script, args]), expected, "{script} {args}");
    }
}

#[test]
fn rpm_reads_the_package_and_finds_its_digests_right() {
    let scratch = tempfile::tempdir().unwrap();
    let files = installed(&built()).unwrap();
    let (name, bytes) = rpm(&release(), Arch::Arm64, &files).unwrap();
    assert_eq!(name, "railcni-0.1.0-1.aarch64.rpm");
    let path = put(scratch.path(), (name.clone(), bytes.clone()));
    let path = path.to_str().unwrap();
    assert!(run("rpm", &["-K", path]).contains("digests OK"));
    let about =
        run("rpm", &["-qp", "--qf", "%{NAME} %{VERSION} %{RELEASE} %{ARCH} %{LICENSE} %{BUILDTIME}", path]);
    assert_eq!(about, "railcni 0.1.0 1 aarch64 Apache-2.0 1790000000");
    let list = run("rpm", &["-qp", "--dump", path]);
    let line = list.lines().find(|line| line.starts_with("/usr/lib/railcni/cni/macvlan ")).unwrap();
    assert!(
        line.contains(&release::sha256(PLUGIN.as_bytes())) && line.contains(" 0100755 root root "),
        "{line}"
    );
    assert_eq!(list.lines().count(), files.len());
    assert!(run("rpm", &["-qp", "--scripts", path]).contains("railcni-install --no-sleep"));
    let unpacked = format!("cd {} && rpm2cpio {name} | cpio -idm --quiet", scratch.path().display());
    run("sh", &["-c", &unpacked]);
    assert_eq!(fs::read_to_string(scratch.path().join("usr/lib/railcni/cni/rail")).unwrap(), PLUGIN);

    let mut damaged = bytes;
    let at = damaged.len() - 20;
    damaged[at] ^= 1;
    let path = put(scratch.path(), ("damaged.rpm".into(), damaged));
    assert!(!Command::new("rpm").arg("-K").arg(path).output().unwrap().status.success());
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let all = || {
        let (built, release) = (built(), release());
        let files = installed(&built).unwrap();
        [
            tarball(&release, Arch::Amd64, &built).unwrap(),
            deb(&release, Arch::Amd64, &files).unwrap(),
            rpm(&release, Arch::Amd64, &files).unwrap(),
        ]
    };
    assert!(all() == all());
}

#[test]
fn every_plugin_has_a_page_that_man_takes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins");
    let scratch = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(root).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        let readme = fs::read_to_string(entry.path().join("README.md")).unwrap();
        let page = release::man::page(&name, "0.1.0", &readme).unwrap();
        assert!(page.contains(".TP\n\\fB"), "{name}: no keys");
        let path = put(scratch.path(), (format!("{name}.8"), page.into_bytes()));
        let output = Command::new("man")
            .args(["--warnings=all", "-l", "-Tutf8"])
            .arg(path)
            .env("MANWIDTH", "100")
            .output()
            .unwrap();
        let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && complaints.is_empty(), "{name}: {complaints}");
    }
}
