//! What the programs of a node are told.

use serde_json::{Value, json};

use crate::versions::Versions;

/// containerd's config, which has another form since its second major version.
pub(crate) fn containerd(versions: Versions) -> &'static str {
    match versions {
        Versions::Newest => include_str!("node/containerd.toml"),
        Versions::Oldest => include_str!("node/containerd-1.toml"),
    }
}

/// What `ctr images import` has to be told to read the file itself, as that of Debian 12 always does.
pub(crate) fn import(versions: Versions) -> &'static [&'static str] {
    match versions {
        Versions::Newest => &["--local"],
        Versions::Oldest => &[],
    }
}

/// kubelet's config: YAML, and so may be JSON.
pub(crate) fn kubelet(cgroup: &str) -> Value {
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "staticPodPath": "/etc/kubernetes/manifests",
        // Nobody else is in the node's network.
        "authentication": {"anonymous": {"enabled": true}, "webhook": {"enabled": false}},
        "authorization": {"mode": "AlwaysAllow"},
        // One root in the machine's cgroups, of whichever version.
        "failCgroupV1": false,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": format!("/{cgroup}"),
        "enforceNodeAllocatable": [],
        "localStorageCapacityIsolation": false,
        "oomScoreAdj": 0,
        "maxOpenFiles": 4096,
        // A machine that does other things as well, and may be short of disk.
        "makeIPTablesUtilChains": false,
        "failSwapOn": false,
        "evictionHard": {"memory.available": "1Mi", "nodefs.available": "0%", "imagefs.available": "0%"},
        "imageGCHighThresholdPercent": 100,
        "maxPods": 250,
        "serializeImagePulls": false,
        "registryPullQPS": 0,
        "eventRecordQPS": 0,
        "kubeAPIQPS": 500,
        "kubeAPIBurst": 500,
        "syncFrequency": "10s",
        "resolvConf": "",
        "clusterDomain": "cluster.local",
    })
}

/// The only network config that containerd sees: Multus, with what gives a pod its eth0.
pub(crate) fn multus(versions: Versions, default: &Value) -> Value {
    // containerd 1 knows no STATUS and no GC, and refuses a version of CNI that has them.
    let version = if versions == Versions::Newest { "1.1.0" } else { "1.0.0" };
    json!({
        "cniVersion": version,
        "name": "multus",
        "type": "multus",
        "kubeconfig": "/etc/cni/net.d/multus.kubeconfig",
        "namespaceIsolation": true,
        "binDir": "/opt/cni/bin",
        "capabilities": {"portMappings": true},
        "delegates": [default],
    })
}

/// Of Multus' daemon, which writes from it the config of its shim.
pub(crate) fn multus_daemon() -> Value {
    json!({
        "cniVersion": "1.1.0",
        "logLevel": "verbose",
        "logToStderr": true,
        "socketDir": "/run/multus/",
        "daemonSocketDir": "/run/multus/",
        "namespaceIsolation": true,
        "binDir": "/opt/cni/bin",
        "cniConfigDir": "/etc/cni/net.d",
        "multusAutoconfigDir": "/etc/cni/net.d",
        "multusConfigFile": "auto",
        "multusMasterCNI": "10-pods.conf",
    })
}

/// A bridge and a range of pods' addresses of the node's own. Of 1.0.0: STATUS of Debian's bridge fails at 1.1.0.
pub(crate) fn bridge(subnet: &str) -> Value {
    json!({
        "cniVersion": "1.0.0",
        "name": "pods",
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": true,
        "hairpinMode": true,
        "ipam": {"type": "host-local", "ranges": [[{"subnet": subnet}]], "routes": [{"dst": "0.0.0.0/0"}],
            "dataDir": "/run/cni/pods"},
    })
}
