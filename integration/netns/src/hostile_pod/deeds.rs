//! What a pod may do to its interfaces, and around them.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::process::{Command, Stdio};

use testkit::{Space, World};

use crate::program::passes_everything;

/// Lines for `ip`, or for the program that begins them: `sysctl KEY VALUE`, `nft`, `tc`, `rdma`. `INDEX` is that of net1, `NESTED` a
/// namespace of the pod's own, in which a line runs that begins with `nested`, `XDP` a program. What is refused is refused.
#[derive(Debug)]
pub struct Deed {
    /// After "the pod".
    pub name: &'static str,
    lines: &'static [&'static str],
}

/// All of them.
pub const DEEDS: &[Deed] = &[
    Deed {
        name: "renames it",
        lines: &["link set net1 down", "link set net1 name other", "link set other up"],
    },
    Deed { name: "moves it into a namespace of its own", lines: &["link set net1 netns NESTED"] },
    Deed {
        name: "hides it under another name, MAC and address",
        lines: &[
            "link set net1 netns NESTED",
            "nested link set net1 address 02:00:00:00:00:99 name hidden",
            "nested link set hidden up",
            "nested link set lo up",
            "nested addr flush dev hidden",
            "nested addr add 172.16.1.11/32 dev lo",
        ],
    },
    Deed { name: "deletes it", lines: &["link del net1"] },
    Deed {
        name: "puts another in its place",
        lines: &[
            "link set net1 netns NESTED",
            "link add v0 type veth peer name v1",
            "link add link v0 name net1 index INDEX type macvlan",
            "link set net1 up",
        ],
    },
    Deed {
        name: "makes another of the same name, and of another kind",
        lines: &["link del net1", "link add net1 type veth peer name v1", "link set net1 up"],
    },
    Deed {
        name: "makes a twin with its addresses",
        lines: &[
            "link add link net1 name twin type macvlan",
            "link add link net1 name twin type ipvlan",
            "link set twin up",
            "addr add 172.16.1.11/24 dev twin",
        ],
    },
    Deed {
        name: "gives its MAC to a link of its own",
        lines: &[
            "link set net1 address 02:00:00:00:00:77",
            "link add v0 type veth peer name v1",
            "link add link v0 name twin address 02:00:00:00:00:77 type macvlan",
            "link set twin up",
        ],
    },
    Deed {
        name: "takes addresses of others",
        lines: &[
            "addr add 172.16.1.254/32 dev net1",
            "addr add 172.16.1.77/32 dev net1",
            "addr add 10.244.0.2/32 dev net1",
            "addr add 10.244.0.2/32 dev lo",
        ],
    },
    Deed {
        name: "plants rules and routes that carry our number",
        lines: &[
            "rule add from 172.16.1.99 lookup 101 priority 10101 protocol 211",
            "rule add from 10.244.0.1 lookup 777 priority 10777 protocol 211",
            "route add 10.77.0.0/16 dev eth0 table 101 protocol 211",
            "route add 10.78.0.0/16 dev eth0 protocol 211",
        ],
    },
    Deed {
        name: "takes away what it finds",
        lines: &["rule flush", "route flush table main", "route flush table 101", "addr flush dev net1"],
    },
    Deed {
        name: "puts lo and eth0 into groups",
        lines: &["link set lo group 1769996288", "link set eth0 group 1769996290", "link set net1 group 7"],
    },
    Deed {
        name: "gives names that a terminal obeys, and those of the host",
        lines: &[
            "link set net1 alias \u{1b}[2J\u{7}",
            "link property add dev net1 altname \u{1b}[31mred",
            "link property add dev net1 altname rail1",
            "link property add dev net1 altname net1-of-another-pod-with-a-name-as-long-as-it-may-be",
            "link add rail1 type veth peer name cali2",
        ],
    },
    Deed {
        name: "sets what can be set",
        lines: &[
            "sysctl net/ipv6/conf/all/disable_ipv6 1",
            "sysctl net/ipv4/conf/all/rp_filter 1",
            "sysctl net/ipv4/conf/all/arp_ignore 8",
            "sysctl net/ipv4/ip_forward 1",
            "link set net1 txqueuelen 7",
            "link set net1 mtu 1280",
            "link set net1 promisc on",
            "link set net1 allmulticast on",
            "link set net1 arp off",
            "link set net1 gso_max_segs 7",
            "link set net1 down",
        ],
    },
    Deed {
        name: "drops all packets by nftables",
        lines: &[
            "nft add table inet mine",
            "nft add chain inet mine in { type filter hook input priority 0; policy drop; }",
            "nft add chain inet mine out { type filter hook output priority 0; policy drop; }",
            "nft add table netdev mine",
            "nft add chain netdev mine in { type filter hook ingress device net1 priority 0; policy drop; }",
            "nft add chain netdev mine out { type filter hook egress device net1 priority 0; policy drop; }",
        ],
    },
    Deed {
        name: "queues and filters by tc",
        lines: &[
            "tc qdisc add dev net1 clsact",
            "tc filter add dev net1 ingress matchall action drop",
            "tc filter add dev net1 egress matchall action drop",
            "tc filter add dev net1 ingress matchall action mirred egress redirect dev eth0",
            "tc qdisc add dev net1 root handle 1: prio",
            "tc qdisc add dev net1 parent 1:1 tbf rate 1kbit burst 9216 latency 50ms",
        ],
    },
    Deed {
        name: "takes its queues apart by tc",
        lines: &[
            "tc qdisc add dev net1 ingress",
            "tc qdisc add dev net1 root mqprio num_tc 1 map 0 0 0 0 0 0 0 0 queues 1@0 hw 0",
            "tc qdisc add dev lo root pfifo limit 0",
            "tc qdisc add dev eth0 root pfifo limit 0",
        ],
    },
    Deed {
        name: "gives it an XDP program",
        lines: &[
            "link set net1 xdpgeneric obj XDP sec xdp",
            "link set net1 xdpdrv obj XDP sec xdp",
            "link set lo xdpgeneric obj XDP sec xdp",
        ],
    },
    Deed {
        name: "makes it a port of a bridge",
        lines: &["link add br0 type bridge", "link set net1 master br0", "link set br0 up"],
    },
    Deed {
        name: "makes it a port of a bond",
        lines: &[
            "link add bond0 type bond mode active-backup",
            "link set net1 down",
            "link set net1 master bond0",
            "link set bond0 up",
            "addr add 172.16.1.11/24 dev bond0",
        ],
    },
    Deed {
        name: "puts it into a VRF, and links on it",
        lines: &[
            "link add vrf0 type vrf table 101",
            "link set net1 master vrf0",
            "link add link net1 name net1.5 type vlan id 5",
            "link set net1.5 up",
            "link add vx0 type vxlan id 5 dev net1 dstport 4789 remote 172.16.1.254",
            "link set net1.5 netns NESTED",
        ],
    },
    Deed {
        name: "takes its RDMA device for itself",
        lines: &["rdma dev set RDMA name mine", "rdma dev set mine netns NESTED"],
    },
];

impl Deed {
    /// Does it, as far as the kernel lets it.
    pub fn act(&self, pod: &Space, nested: &Nested) {
        let index = pod.ifindex("net1").to_string();
        for line in self.lines {
            let line = line.replace("INDEX", &index).replace("NESTED", &nested.way);
            let line = line.replace("XDP", &nested.program);
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["sysctl", key, value] => write(pod, key, value),
                ["nested", ..] => drop(nested.space.try_ip(&words[1..])),
                ["nft" | "tc", ..] => run(pod, &words),
                ["rdma", ..] => rdma(pod, &line),
                _ => drop(pod.try_ip(&words)),
            }
        }
    }
}

/// Every device that is there: which one is the pod's, its number tells.
fn rdma(pod: &Space, line: &str) {
    if !line.contains("RDMA") {
        return run(pod, &line.split(' ').collect::<Vec<_>>());
    }
    let shown = pod.run(|| Command::new("rdma").arg("dev").output());
    let shown = shown.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    for name in shown.lines().filter_map(|line| line.split([' ', ':']).nth(2)) {
        run(pod, &line.replace("RDMA", name).split(' ').collect::<Vec<_>>());
    }
}

/// The program is there: a deed that nobody does shows nothing.
#[track_caller]
fn run(pod: &Space, words: &[&str]) {
    let quiet =
        || Command::new(words[0]).args(&words[1..]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let status = pod.run(quiet);
    assert!(status.is_ok(), "{words:?}: {status:?}");
}

#[expect(clippy::disallowed_methods, reason = "a setting is no file")]
fn write(pod: &Space, key: &str, value: &str) {
    drop(pod.run(|| std::fs::write(format!("/proc/sys/{key}"), value)));
}

/// A namespace that the pod has made: no runtime has mounted it.
#[derive(Debug)]
pub struct Nested {
    /// Into it.
    pub space: Space,
    way: String,
    /// What it may attach to its links.
    program: String,
    _file: File,
}

impl Nested {
    /// Held by a descriptor, as by a process of the pod's.
    #[track_caller]
    pub fn new(world: &World) -> Self {
        let space = world.bare_pod("nested");
        let file = File::open(space.path()).expect("its file");
        let way = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
        world.remove_pod("nested");
        let program = world.file("pass.o", passes_everything()).display().to_string();
        Self { space, way, program, _file: file }
    }
}
