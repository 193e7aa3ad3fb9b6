//! `railctl gc --dry-run` and `--apply`: each reason by which a leftover is told, and that nothing else is touched.

#[path = "reconcile/paths.rs"]
mod paths;
#[path = "reconcile/runtime.rs"]
mod runtime;

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use ipam::{JournalStore, Store};
use netns_tests::suite::{Binary, Stage, with};
use serde_json::{Value, json};
use state::record::Loaded;
use state::{AttachmentKey, BootId, Dirs, Records};
use testkit::{Space, assert_same, binary, eventually};

const PATIENCE: Duration = Duration::from_secs(20);

struct Node {
    stage: Stage,
    /// `CONTAINER_RUNTIME_ENDPOINT`
    runtime: String,
}

impl Node {
    fn new() -> Self {
        Self { stage: Stage::new(), runtime: String::new() }
    }

    /// A pod with `net1` by macvlan, rail-ipam and coordinator.
    fn chain(&self, name: &str) -> Space {
        let pod = self.pod(name);
        let config = Binary::named("macvlan").config();
        let result = self.plugin("macvlan", &pod).add(&config).success();
        let routing = with(Binary::named("coordinator").config(), &json!({ "prevResult": result }));
        self.plugin("coordinator", &pod).add(&routing).success();
        pod
    }

    /// A pod with `net1` by rail.
    fn rail(&self, name: &str) -> Space {
        let pod = self.pod(name);
        self.plugin("rail", &pod).add(&Binary::named("rail").config()).success();
        pod
    }

    fn pod(&self, name: &str) -> Space {
        let pod = self.stage.world.bare_pod(name);
        pod.set_sysctl("net/ipv6/conf/default/accept_dad", "0");
        pod
    }

    fn plugin(&self, name: &str, pod: &Space) -> testkit::Plugin {
        self.stage.world.plugin(name).netns(pod.path()).container(pod.name())
    }

    /// Ends a pod without a DEL; its namespace ends with the last handle on it.
    fn lose(&self, pod: Space) {
        self.stage.world.remove_pod(pod.name());
        drop(pod);
    }

    /// A script in place of crictl that knows these pods: what a real runtime answers, the VM lab shows.
    fn runtime_knows(&mut self, pods: &[&str]) {
        self.crictl(&format!("echo {}", pods.join("; echo ")));
    }

    fn crictl(&mut self, line: &str) {
        let script =
            self.stage.world.file("crictl", format!("#!/bin/sh\necho \"$@\" >\"$0.called\"\n{line}\n"));
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).expect("a program");
        "unix:///run/sock".clone_into(&mut self.runtime);
    }

    /// Where the tests run in a container, all of their pods are in it, too.
    fn command(&self, mode: &str) -> Command {
        let mut command = self.bare_command(mode);
        // The inode of the machine's first PID namespace, as the kernel has it in its headers.
        if std::fs::read_link("/proc/self/ns/pid").is_ok_and(|own| own != Path::new("pid:[4026531836]")) {
            command.arg("--whole-node");
        }
        command
    }

    fn bare_command(&self, mode: &str) -> Command {
        let (dirs, program) = (self.stage.world.dirs(), binary("railctl"));
        let path = format!("{}:{}", dirs.scratch.display(), std::env::var("PATH").unwrap_or_default());
        let mut command = Command::new(&program);
        command.args(["gc", mode]).env("CNI_PATH", program.parent().unwrap_or(Path::new("/")));
        command.envs(dirs.env()).env("PATH", path).env("CONTAINER_RUNTIME_ENDPOINT", &self.runtime);
        command
    }

    #[track_caller]
    fn gc(&self, mode: &str) -> String {
        said(&self.command(mode).output().expect("run railctl"))
    }

    fn records(&self) -> Vec<String> {
        let text = self.stage.world.snapshot().to_string();
        let records = text.lines().filter_map(|line| line.strip_prefix("file state/attachments/rail1/"));
        records.filter_map(|line| Some(line.split_once(": ")?.0.to_owned())).collect()
    }

    /// Puts an attachment's records an hour back.
    fn age(container: &str) {
        let dirs = Dirs::under(Path::new("/run/world"));
        let key = AttachmentKey::new("rail1", container, "net1").expect("a key");
        for plugin in ["macvlan", "coordinator"] {
            let records = Records::open(&dirs, plugin).expect("records");
            let Loaded::Present(mut record) = records.load::<Value>(&key).expect("a record") else {
                panic!("{plugin} has no record of {key}");
            };
            record.created -= 3600;
            records.save(&record).expect("saved");
        }
    }

    fn leases() -> Vec<String> {
        Self::leases_of(&BootId::current().expect("a boot"))
    }

    /// A process reads the boot's id once, and this one may have done so before a test changes it.
    fn leases_of(boot: &BootId) -> Vec<String> {
        let mut found = Vec::new();
        let store = JournalStore::of_boot(&Dirs::under(Path::new("/run/world")), Duration::ZERO, boot);
        let look = &mut |leases: &dyn ipam::Leases| {
            found = leases.all()?.into_iter().map(|lease| lease.key.container_id).collect();
            Ok(())
        };
        store.view(look).expect("leases");
        found.sort();
        found
    }
}

/// Something that runs in a pod, until it is dropped.
struct Process(Child);

impl Process {
    fn within(pod: &Space) -> Self {
        let mut command = Command::new("sleep");
        command.arg("600").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(pod.run(|| command.spawn().expect("a process in the pod")))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended needs no end.
        let _ = self.0.kill().and_then(|()| self.0.wait());
    }
}

fn mount_at(pod: &Space, path: &str) {
    std::fs::File::create(path).expect("a place");
    let mounted = Command::new("mount").arg("--bind").arg(pod.path()).arg(path).status().expect("mount");
    assert!(mounted.success(), "{mounted}");
}

/// Both outputs of a run that has to succeed.
#[track_caller]
fn said(output: &Output) -> String {
    let [out, err] =
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    assert!(output.status.success(), "{}: {out}{err}", output.status);
    format!("{err}\n{out}")
}

#[track_caller]
fn has(text: &str, words: &[&str]) {
    let found = text.lines().any(|line| words.iter().all(|word| line.contains(word)));
    assert!(found, "no line with {words:?} in:\n{text}");
}

/// As scripts want it: nothing is left over, or something is.
#[test]
fn a_dry_run_has_an_exit_code_for_who_asks() {
    let node = Node::new();
    let pod = node.rail("lost");
    let code = |words: &[&str]| node.command("--dry-run").args(words).status().expect("run railctl").code();
    assert_eq!(code(&["--exit-code"]), Some(0));
    node.lose(pod);
    assert_eq!((code(&[]), code(&["--exit-code"])), (Some(0), Some(3)));
    node.gc("--apply");
    assert_eq!(code(&["--exit-code"]), Some(0));
}

#[test]
fn a_namespace_that_is_gone_leaves_an_attachment_over() {
    let node = Node::new();
    let (living, before) = (node.chain("living"), node.stage.world.snapshot().without("file "));
    let newer = node.pod("newer");
    node.lose(node.chain("dead"));
    node.lose(node.rail("lost"));
    // Another pod takes the path: it is told by device and inode. Made later, the kernel might have given it the same.
    mount_at(&newer, "/run/netns/dead");
    let text = node.gc("--dry-run");
    has(&text, &["- rail1/dead/net1 (macvlan, coordinator)", "/run/netns/dead at ADD, is gone"]);
    has(&text, &["- rail1/lost/net1 (rail)", "is gone"]);
    has(&text, &["2 left over, 1 alive, 0 unclear", "nothing was changed"]);
    has(&text, &["no container runtime with a CRI listens here"]);

    let untouched = node.stage.world.snapshot();
    let output = node.command("--dry-run").args(["-o", "json"]).output().expect("run railctl");
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(
        (&told["leftOver"], &told["alive"], &told["applied"]),
        (&2.into(), &1.into(), &false.into()),
        "{told}"
    );
    let judged = told["judged"].as_array().expect("a list");
    assert!(
        judged.iter().any(|one| one["state"] == "leftOver"
            && one["name"].as_str().is_some_and(|name| name.starts_with("rail1/dead/net1"))),
        "{told}"
    );
    node.gc("--dry-run");
    assert_same(&untouched, &node.stage.world.snapshot());

    let text = node.gc("--apply");
    has(&text, &["✓ rail1/dead/net1 (macvlan, coordinator) is released"]);
    has(&text, &["2 left over, 1 alive"]);
    assert_eq!(Node::leases(), ["living"]);
    assert_eq!(node.records(), ["living,coordinator,net1", "living,macvlan,net1"]);
    assert!(living.has_link("net1") && !newer.has_link("net1"));
    node.lose(newer);
    assert_same(&before, &node.stage.world.snapshot().without("file "));
    has(&node.gc("--apply"), &["0 left over, 1 alive"]);
}

/// A link in the pod may have any name that the kernel takes.
#[test]
fn names_that_a_terminal_would_obey_are_shown_escaped() {
    let node = Node::new();
    let name = "a\u{1b}[2J\u{9b}1m";
    let pod = node.pod("evil");
    let config = Binary::named("macvlan").config();
    node.plugin("macvlan", &pod).ifname(name).add(&config).success();
    for arguments in
        [["show"].as_slice(), &["show", "evil"], &["show", "--output", "json"], &["show", "--output", "yaml"]]
    {
        let mut show = Command::new(binary("railctl"));
        let output =
            show.args(arguments).envs(node.stage.world.dirs().env()).env("CLICOLOR_FORCE", "1").output();
        let text = said(&output.expect("run railctl"));
        assert!(text.contains("a\\u001b[2J\\u009b1m"), "{text}");
        assert!(!text.contains("\u{1b}[2J") && !text.contains('\u{9b}'), "{text:?}");
    }
}

/// As in a container without hostPID: no process of a pod is seen there, and neither is what it holds.
fn gc_without_host_pid(node: &Node, more: &[&str]) -> Output {
    let gc = node.bare_command("--apply");
    let mut outside = Command::new("unshare");
    outside.args(["--pid", "--fork", "--mount-proc"]).arg(gc.get_program()).args(gc.get_args()).args(more);
    outside.envs(gc.get_envs().filter_map(|(name, value)| Some((name, value?))));
    outside.output().expect("run railctl")
}

#[test]
fn where_not_everything_can_be_seen_nothing_is_released() {
    let mut node = Node::new();
    let pod = node.chain("held");
    let process = Process::within(&pod);
    node.lose(pod);
    let before = node.stage.world.snapshot();
    let refused = |node: &Node| {
        let output = gc_without_host_pid(node, &[]);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.contains("nothing is released") && error.contains("hostPID"), "{error}");
    };
    refused(&node);
    // A socket of the host that was mounted into the container: the runtime answers, and its pods are elsewhere.
    let socket = node.stage.world.dirs().scratch.join("runtime.sock");
    let _listener = UnixListener::bind(&socket).expect("a socket");
    node.runtime_knows(&["other"]);
    node.runtime = format!("unix://{}", socket.display());
    refused(&node);
    assert_same(&before, &node.stage.world.snapshot().without("file crictl"));
    assert_eq!(Node::leases(), ["held"]);
    drop(process);
}

/// A node that is a container itself has a PID namespace of its own, and all of its pods in it.
#[test]
fn an_admin_may_say_that_a_pid_namespace_has_the_whole_node() {
    let node = Node::new();
    let pod = node.chain("lost");
    node.lose(pod);
    let output = gc_without_host_pid(&node, &["--whole-node"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("is released"), "{text}");
    assert!(Node::leases().is_empty());
}

/// The runtime has unmounted it, and a process goes on in it: its address is in use.
#[test]
fn a_namespace_without_a_path_is_alive_while_a_process_is_in_it() {
    let node = Node::new();
    let pod = node.chain("held");
    let process = Process::within(&pod);
    node.lose(pod);
    let text = node.gc("--apply");
    has(&text, &["0 left over, 1 alive"]);
    assert_eq!(Node::leases(), ["held"]);
    drop(process);
    let released = || node.gc("--apply").contains("✓ rail1/held/net1").then_some(());
    eventually(PATIENCE, released).expect("it ends with the process");
    assert!(Node::leases().is_empty() && node.records().is_empty());
}

#[test]
fn a_record_of_an_older_boot_is_left_over() {
    let node = Node::new();
    node.lose(node.chain("old"));
    node.lose(node.rail("older"));
    let boot = "00000000-1111-2222-3333-444444444444";
    let id = node.stage.world.file("boot_id", format!("{boot}\n"));
    let boot_id = "/proc/sys/kernel/random/boot_id";
    assert!(Command::new("mount").arg("--bind").arg(id).arg(boot_id).status().expect("mount").success());
    let living = node.chain("living");
    let text = node.gc("--dry-run");
    has(&text, &["rail1/old/net1 (macvlan, coordinator)", "older boot"]);
    has(&text, &["rail1/older/net1 (rail)", "older boot"]);
    node.gc("--apply");
    assert_eq!(node.records(), ["living,coordinator,net1", "living,macvlan,net1"]);
    assert_eq!(Node::leases_of(&BootId::new(boot)), ["living"]);
    assert!(living.has_link("net1"));
}

#[test]
fn a_damaged_record_is_kept_and_said() {
    let node = Node::new();
    let _pod = node.rail("a-pod");
    node.stage.world.remove_pod("a-pod");
    let record = node.stage.world.dirs().state.join("attachments/rail1/a-pod,rail,net1");
    std::fs::File::options().write(true).open(&record).and_then(|file| file.set_len(40)).expect("cut short");
    let text = node.gc("--apply");
    has(&text, &["? rail1/a-pod/net1 (damaged) is kept", "checksum", "DEL"]);
    assert_eq!((node.records().len(), Node::leases().len()), (1, 1));
}

/// What cannot be released is said, fails the run, and holds nothing else back.
#[test]
fn a_failure_is_reported_and_the_rest_is_released() {
    let node = Node::new();
    node.lose(node.chain("one"));
    node.lose(node.rail("two"));
    let partial = node.stage.world.dirs().scratch.join("bin");
    std::fs::create_dir(&partial).expect("a directory");
    std::os::unix::fs::symlink(binary("rail"), partial.join("rail")).expect("a link");
    node.stage.world.file("bin/macvlan", "#!/bin/sh\nexit 1\n");
    std::fs::set_permissions(partial.join("macvlan"), std::fs::Permissions::from_mode(0o755))
        .expect("a program");
    let mut command = node.command("--apply");
    let output = command.env("CNI_PATH", &partial).output().expect("run railctl");
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{text}");
    has(&text, &["✗ rail1/one/net1"]);
    has(&text, &["✓ rail1/two/net1"]);
    has(&text, &["DEL of plugin \"macvlan\""]);
    node.gc("--apply");
    assert!(Node::leases().is_empty() && node.records().is_empty());
}

/// Pods come while leftovers are released again and again: none of them is taken for one.
#[test]
fn adds_race_with_it_and_lose_nothing() {
    let node = Node::new();
    for number in 0..4 {
        node.lose(node.chain(&format!("dead{number}")));
    }
    let pods: Vec<_> = (0..16).map(|number| node.pod(&format!("new{number}"))).collect();
    let plugins: Vec<_> = pods.iter().map(|pod| node.plugin("rail", pod)).collect();
    let config = Binary::named("rail").config();
    std::thread::scope(|scope| {
        let adding = scope.spawn(|| plugins.iter().for_each(|plugin| drop(plugin.add(&config).success())));
        while !adding.is_finished() {
            node.gc("--apply");
        }
    });
    // A new namespace may have the inode of a dead one, which stays in doubt until the record of the new one is there.
    node.gc("--apply");
    has(&node.gc("--apply"), &["0 left over, 16 alive"]);
    assert_eq!(Node::leases().len(), 16);
    assert!(pods.iter().all(|pod| pod.has_link("net1")));
    let result: Value = plugins[0].del(&config).success();
    assert_eq!(result, Value::Null);
}
