//! A private universe for one test: its own mounts, namespaces and directories.

use crate::figures::in_guest;
use crate::mounts::{Home, cover, must, renew_sysfs};
use crate::rail::{Pod, Rail};
use crate::snapshot::Snapshot;
use crate::space::Space;
use std::cell::{Cell, RefCell};
use std::fs::create_dir_all;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

/// The calling thread's private universe; dropping it takes the thread back and leaves nothing.
///
/// /run and /var/lib are empty tmpfs in it, so even a program that ignores its environment touches nothing
/// of the machine. Threads and commands that the thread starts are inside too.
pub struct World {
    pods: RefCell<Vec<Space>>,
    next_pod: Cell<u8>,
    switch: Space,
    host: Space,
    dirs: Dirs,
    // A thread is in namespaces, a process is not.
    _bound_to_thread: PhantomData<*const ()>,
    // The last field: the thread goes home when everything else is closed.
    home: Option<Home>,
}

/// The directories that a world gives to plugins by `RAILCNI_*_DIR`.
#[derive(Clone, Debug)]
pub struct Dirs {
    /// `RAILCNI_STATE_DIR`
    pub state: PathBuf,
    /// `RAILCNI_DURABLE_DIR`
    pub durable: PathBuf,
    /// `RAILCNI_PEER_DIR`
    pub peer: PathBuf,
    /// `RAILCNI_CONFIG_DIR`
    pub config: PathBuf,
    /// For the test's own files.
    pub scratch: PathBuf,
    pub(crate) base: PathBuf,
}

impl Dirs {
    fn create(base: &Path) -> Self {
        let dir = |name: &str| {
            let path = base.join(name);
            must(&format!("create {}", path.display()), create_dir_all(&path));
            path
        };
        Self {
            state: dir("state"),
            durable: dir("durable"),
            peer: dir("peer"),
            config: dir("config"),
            scratch: dir("scratch"),
            base: base.to_owned(),
        }
    }

    /// What children get in their environment.
    pub fn env(&self) -> [(&'static str, &Path); 4] {
        [
            ("RAILCNI_STATE_DIR", &self.state),
            ("RAILCNI_DURABLE_DIR", &self.durable),
            ("RAILCNI_PEER_DIR", &self.peer),
            ("RAILCNI_CONFIG_DIR", &self.config),
        ]
    }
}

impl World {
    /// Takes the calling thread into a new world with a host and a switch namespace.
    #[expect(clippy::new_without_default, reason = "it changes the thread: not something to get by default")]
    #[track_caller]
    pub fn new() -> Self {
        require_root();
        let home = Home::leave();
        for path in ["/run", "/var/lib"] {
            cover(path);
        }
        renew_sysfs();
        let world = Self::around(Some(home));
        world.host.ip_do("link set lo up");
        world
    }

    /// A world whose host is where the thread is already: for a guest, whose PFs are nowhere else. The test has mounts of its own.
    #[track_caller]
    pub fn of_guest() -> Self {
        require_root();
        assert!(in_guest(), "only a guest of the VM lab may be changed");
        Self::around(None)
    }

    fn around(home: Option<Home>) -> Self {
        let dirs = Dirs::create(Path::new("/run/world"));
        must("create /run/netns", create_dir_all("/run/netns"));
        let host = Space::here("host");
        let switch = Space::create("switch");
        for key in ["net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"] {
            switch.set_sysctl(key, "1");
        }
        Self {
            pods: RefCell::default(),
            next_pod: Cell::new(1),
            switch,
            host,
            dirs,
            _bound_to_thread: PhantomData,
            home,
        }
    }

    /// The namespace that plugins run in.
    pub fn host(&self) -> &Space {
        &self.host
    }

    /// The far end of every rail: it has the gateways and routes between the rails.
    pub fn switch(&self) -> &Space {
        &self.switch
    }

    /// Where plugins find their state.
    pub fn dirs(&self) -> &Dirs {
        &self.dirs
    }

    /// Rail `number`: a master `railN` in the host whose far end is in the switch.
    pub fn rail(&self, number: u8) -> Rail {
        Rail::create(self, number)
    }

    /// Has the node's administrator let a bond or a macvlan in mode passthru take them whole. Rails are veth pairs, as the NICs of
    /// pods are.
    #[expect(clippy::disallowed_methods, reason = "nobody reads it while it is written")]
    pub fn let_take_whole(&self, names: &[&str]) {
        let file = self.dirs.config.join("node.yaml");
        must("write node.yaml", std::fs::write(file, format!("wholeMasters: [{}]\n", names.join(", "))));
    }

    /// A pod with a default NIC `eth0`, routed through the host as Calico does it.
    pub fn pod(&self, name: &str) -> Pod {
        let number = self.next_pod.get();
        self.next_pod.set(number + 1);
        Pod::create(self, self.bare_pod(name), number)
    }

    /// A pod that has only lo.
    pub fn bare_pod(&self, name: &str) -> Space {
        let space = Space::create(name);
        self.pods.borrow_mut().push(space.clone());
        space
    }

    /// Removes a pod's namespace as a runtime does: its path goes at once, and its links with the last handle, as they
    /// do with the last process of a container.
    pub fn remove_pod(&self, name: &str) {
        let path = Path::new("/run/netns").join(name);
        self.pods.borrow_mut().retain(|pod| pod.name() != name);
        let unmounted = nix::mount::umount2(&path, nix::mount::MntFlags::MNT_DETACH);
        must(&format!("unmount {}", path.display()), unmounted);
        must(&format!("remove {}", path.display()), std::fs::remove_file(&path));
    }

    /// A file of the test below `scratch`, with this content.
    #[expect(clippy::disallowed_methods, reason = "nobody reads a test's own file while it is written")]
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dirs.scratch.join(name);
        must(&format!("write {}", path.display()), std::fs::write(&path, content));
        path
    }

    /// Everything that a plugin could have changed: host, pods, and the files below the four directories.
    pub fn snapshot(&self) -> Snapshot {
        let pods = self.pods.borrow();
        // A guest's host has dozens of functions, and reading a sysctl takes it a millisecond.
        let crowded = self.home.is_none().then_some(&self.host);
        Snapshot::take(std::iter::once(&self.host).chain(pods.iter()), crowded, &self.dirs)
    }
}

#[track_caller]
fn require_root() {
    assert!(
        nix::unistd::geteuid().is_root(),
        "this test makes network namespaces: run it as root, by `make test` or `sudo -E cargo test`"
    );
}
