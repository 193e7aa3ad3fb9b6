//! A node with two NICs, and `railctl host` on it.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};

use testkit::{Plugin, Snapshot, World, binary};

/// What the guides do by `setNicAddr.sh`, `setRdmaRule.sh` and `rdma system set`, for their first NIC.
pub(crate) const GUIDE: &str = "
rdmaMode: exclusive
rdmaSubnets: [172.16.0.0/16]
nics:
- {name: eno3np2, addresses: [172.16.0.10/24], gateways: [172.16.0.1], mtu: 4200, table: 152, rdmaRoute: true}
";

pub(crate) const TWO_FAMILIES: &str = "
rdmaSubnets: [172.16.0.0/16, 'fd00:16::/32']
nics:
- {name: eno3np2, addresses: [172.16.0.10/24, 'fd00:16:0:1::a/64'], gateways: [172.16.0.1, 'fd00:16:0:1::1'], mtu: 9000, rdmaRoute: true}
- {name: eno4np3, addresses: [172.16.1.10/24, 'fd00:16:0:2::a/64'], gateways: [172.16.1.1, 'fd00:16:0:2::1'], mtu: 9000}
";

pub(crate) struct Node {
    pub(crate) world: World,
}

/// What a run left.
pub(crate) struct Ran(Output);

impl Node {
    /// Its /etc is in the world's config directory, so that pictures of the world have it.
    pub(crate) fn new() -> Self {
        let node = Self { world: World::new() };
        for key in ["net/ipv6/conf/default/accept_dad", "net/ipv6/conf/default/addr_gen_mode"] {
            node.world.host().set_sysctl(key, if key.ends_with("mode") { "1" } else { "0" });
        }
        for dir in ["etc/modprobe.d", "etc/systemd/system/multi-user.target.wants", "etc/udev/rules.d"] {
            fs::create_dir_all(node.root().join(dir)).unwrap();
        }
        for name in ["eno3np2", "eno4np3"] {
            node.add_nic(name);
        }
        node
    }

    pub(crate) fn add_nic(&self, name: &str) {
        let host = self.world.host();
        let address = format!("02:00:00:00:03:{:02x}", name.as_bytes()[3]);
        host.ip_do(&format!(
            "link add {name} address {address} type veth peer name {name}-p mtu 9000 netns switch"
        ));
        self.world.switch().ip_do(&format!("link set {name}-p up"));
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.world.dirs().config.join("root")
    }

    pub(crate) fn root_file(&self, path: &str) -> String {
        fs::read_to_string(self.root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        self.world.snapshot()
    }

    /// Lines of `ip`.
    pub(crate) fn host_do(&self, lines: &str) {
        self.world.host().ip_do(lines);
    }

    /// What `ip` prints for people.
    pub(crate) fn ip(&self, args: &str) -> String {
        let run = || Command::new("ip").args(args.split(' ')).output().unwrap();
        let output = self.world.host().run(run);
        String::from_utf8(output.stdout).unwrap()
    }

    fn command(&self, args: &[&str], file: &str) -> Command {
        self.command_on(args, &self.world.file("host.yaml", file))
    }

    fn command_on(&self, args: &[&str], path: &Path) -> Command {
        let mut command = Command::new(binary("railctl"));
        command.arg("host").args(args).arg(path).arg("--root").arg(self.root()).envs(self.world.dirs().env());
        command.env("NO_COLOR", "1").stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn railctl(&self, args: &[&str], file: &str) -> Ran {
        Ran(self.command(args, file).output().unwrap())
    }

    /// With whatever lies at the path.
    pub(crate) fn railctl_on(&self, args: &[&str], path: &Path) -> Ran {
        Ran(self.command_on(args, path).output().unwrap())
    }

    /// What a successful apply says.
    #[track_caller]
    pub(crate) fn apply(&self, file: &str) -> String {
        let ran = self.railctl(&["apply"], file);
        assert!(ran.success(), "{ran}");
        ran.stdout()
    }

    /// What a successful undo says.
    #[track_caller]
    pub(crate) fn undo(&self) -> String {
        let ran = self.railctl(&["undo"], "");
        assert!(ran.success(), "{ran}");
        ran.stdout()
    }

    /// Several applies at the same time.
    pub(crate) fn at_once(&self, count: usize, file: &str) -> Vec<Ran> {
        let started: Vec<_> = (0..count).map(|_| self.command(&["apply"], file).spawn().unwrap()).collect();
        started.into_iter().map(|child| Ran(child.wait_with_output().unwrap())).collect()
    }

    /// The verb is `CNI_COMMAND`: what the testkit ends at its system calls are plugins.
    pub(crate) fn subject(&self, file: &str) -> Plugin {
        let path = self.world.file("host.yaml", file);
        let script = format!(
            "#!/bin/sh\nexec {} host \"$CNI_COMMAND\" --root {} {}\n",
            binary("railctl").display(),
            self.root().display(),
            path.display()
        );
        let program = self.world.file("railctl-host", script);
        fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        self.world.foreign_plugin(&program)
    }
}

impl Ran {
    pub(crate) fn success(&self) -> bool {
        self.0.status.success()
    }

    pub(crate) fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.0.stdout).into_owned()
    }

    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.0.stderr).into_owned()
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let status: ExitStatus = self.0.status;
        let signal = status.signal();
        write!(f, "{status} (signal {signal:?})\n-- stdout\n{}\n-- stderr\n{}", self.stdout(), self.stderr())
    }
}
