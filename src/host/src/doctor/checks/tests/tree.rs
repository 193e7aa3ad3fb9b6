//! A directory that looks like the node's files where the doctor looks at them.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

pub(super) struct Tree(tempfile::TempDir);

/// Of rail 0 and 1.
const FUNCTIONS: [&str; 2] = [
    "pci0000:18/0000:18:01.0/0000:19:00.0/0000:1a:00.0",
    "pci0000:38/0000:38:01.0/0000:39:00.0/0000:3a:00.0",
];
const GPUS: [&str; 2] = [
    "pci0000:18/0000:18:01.0/0000:19:00.0/0000:1b:00.0",
    "pci0000:38/0000:38:01.0/0000:39:00.0/0000:3b:00.0",
];

impl Tree {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(super) fn root(&self) -> &Path {
        self.0.path()
    }

    #[expect(clippy::disallowed_methods, reason = "nobody reads the tree while it is built")]
    pub(super) fn put(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn link(&self, path: &str, target: &str) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let _ = fs::remove_file(&path);
        symlink(self.root().join(target), path).unwrap();
    }

    pub(super) fn mode(&self, path: &str, mode: u32) {
        fs::set_permissions(self.root().join(path), Permissions::from_mode(mode)).unwrap();
    }

    /// A function, and every bridge above it.
    fn function(&self, path: &str) -> String {
        let parts: Vec<&str> = path.split('/').collect();
        for depth in 2..=parts.len() {
            let directory = format!("sys/devices/{}", parts[..depth].join("/"));
            let address = parts[depth - 1];
            for (name, value) in [
                ("current_link_speed", "16.0 GT/s PCIe"),
                ("max_link_speed", "16.0 GT/s PCIe"),
                ("current_link_width", "16"),
                ("max_link_width", "16"),
                ("numa_node", "0"),
            ] {
                self.put(&format!("{directory}/{name}"), value);
            }
            self.link(&format!("sys/bus/pci/devices/{address}"), &directory);
            self.config(address, 5, (depth < parts.len()).then_some(0));
        }
        format!("sys/devices/{path}")
    }

    /// PCI Express at 0x60 with that read request, and access control at 0x140.
    pub(super) fn config(&self, address: &str, read_request: u8, acs: Option<u16>) {
        let mut config = vec![0; 4096];
        config[0x34] = 0x60;
        config[0x60] = 0x10;
        config[0x69] = read_request << 4;
        config[0x100..0x104].copy_from_slice(&[1, 0, 1, 0x14]);
        if let Some(acs) = acs {
            config[0x140..0x144].copy_from_slice(&[0x0d, 0, 1, 0]);
            config[0x146..0x148].copy_from_slice(&acs.to_le_bytes());
        }
        self.put(&format!("sys/bus/pci/devices/{address}/config"), config);
    }

    pub(super) fn rail(&self, rail: usize) {
        let function = self.function(FUNCTIONS[rail]);
        self.put(&format!("{function}/net/ens{rail}/mtu"), "4200");
        self.device(rail, &format!("mlx5_{rail}"), &function);
        self.gid(rail, 0, "fe80:0000:0000:0000:0a00:27ff:fe00:0001", "IB/RoCE v1");
        self.gid(rail, 3, &format!("0000:0000:0000:0000:0000:ffff:ac10:{rail:02x}0a"), "RoCE v2");
        self.gpu(GPUS[rail]);
    }

    fn device(&self, rail: usize, name: &str, function: &str) {
        let device = format!("{function}/infiniband/{name}");
        self.put(&format!("{device}/node_guid"), format!("0002:c903:0028:{rail:04x}\n"));
        for (file, value) in [
            ("state", "4: ACTIVE"),
            ("phys_state", "5: LinkUp"),
            ("rate", "200 Gb/sec (4X HDR)"),
            ("link_layer", "Ethernet"),
            ("lid", "0x0"),
            ("sm_lid", "0x0"),
        ] {
            self.put(&format!("{device}/ports/1/{file}"), value);
        }
        self.link(&format!("{device}/device"), function);
        self.link(&format!("sys/class/infiniband/{name}"), &device);
        self.put(&format!("sys/class/infiniband_verbs/uverbs{rail}/ibdev"), name);
        self.put(&format!("dev/infiniband/uverbs{rail}"), "");
        self.mode(&format!("dev/infiniband/uverbs{rail}"), 0o666);
    }

    pub(super) fn gid(&self, rail: usize, index: u32, gid: &str, kind: &str) {
        let port = format!("sys/class/infiniband/mlx5_{rail}/ports/1");
        self.put(&format!("{port}/gids/{index}"), gid);
        self.put(&format!("{port}/gid_attrs/types/{index}"), kind);
        self.put(&format!("{port}/gid_attrs/ndevs/{index}"), format!("ens{rail}"));
    }

    /// The rail becomes one of an `InfiniBand` fabric.
    pub(super) fn infiniband(&self, rail: usize) {
        let port = format!("sys/class/infiniband/mlx5_{rail}/ports/1");
        for (file, value) in [
            ("link_layer", "InfiniBand"),
            ("lid", "0x7"),
            ("sm_lid", "0x1"),
            ("pkeys/0", "0xffff"),
            ("pkeys/1", "0x0000"),
        ] {
            self.put(&format!("{port}/{file}"), value);
        }
    }

    /// The first VF of the rail, with its interface and RDMA device here.
    pub(super) fn vf_of(&self, rail: usize) {
        let vf = self.function("pci0000:18/0000:18:01.0/0000:19:00.0/0000:1a:00.2");
        self.link(&format!("{vf}/physfn"), &format!("sys/devices/{}", FUNCTIONS[rail]));
        self.put(&format!("{vf}/net/ens{rail}v0/mtu"), "9000");
        self.device(9, "mlx5_9", &vf);
    }

    pub(super) fn gpu(&self, path: &str) {
        let function = self.function(path);
        self.put(&format!("{function}/vendor"), "0x10de");
        self.put(&format!("{function}/class"), "0x030200");
    }

    pub(super) fn node(&self) {
        for (path, content) in [
            ("sys/module/nvidia_peermem/version", "570.86"),
            ("sys/kernel/mm/memory_peers/nv_mem/version", "1.3"),
            ("sys/kernel/iommu_groups/3/type", "identity"),
            ("proc/sys/kernel/osrelease", "6.8.0-31-generic"),
            ("etc/modprobe.d/ib.conf", "# comment\noptions ib_core netns_mode=0\n"),
            ("etc/cni/net.d/05-multus.conf", r#"{"name": "multus", "type": "multus-shim"}"#),
            ("etc/cni/net.d/10-calico.conflist", r#"{"name": "calico", "plugins": [{"type": "calico"}]}"#),
            ("etc/cni/net.d/whereabouts.d/x", ""),
            ("dev/infiniband/rdma_cm", ""),
            (
                "var/lib/kubelet/device-plugins/kubelet_internal_checkpoint",
                r#"{"Data": {"PodDeviceEntries": [{"PodUID": "a1", "ContainerName": "c", "ResourceName": "nvidia.com/rail1", "DeviceIDs": {"0": ["0000:1a:00.2"]}}]}}"#,
            ),
        ] {
            self.put(path, content);
        }
        self.mode("dev/infiniband/rdma_cm", 0o666);
        for node in ["node0", "node1", "possible"] {
            fs::create_dir_all(self.root().join("sys/devices/system/node").join(node)).unwrap();
        }
        fs::create_dir_all(self.root().join("var/lib/kubelet/pods/a1")).unwrap();
    }
}
