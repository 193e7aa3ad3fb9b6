use std::path::Path;

use tempfile::TempDir;

use super::find::Found;
use super::text;
use routing::NodeFile;

#[expect(clippy::disallowed_methods, reason = "nobody reads a test's own file while it is written")]
fn node(files: &[(&str, &str)]) -> TempDir {
    let root = TempDir::new().unwrap();
    for (name, content) in files {
        let path = root.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    root
}

fn found(files: &[(&str, &str)]) -> Found {
    Found::below(node(files).path())
}

/// Values and places, as `pods`, `services`.
fn said(found: &Found) -> (Vec<String>, Vec<String>) {
    let lines = |cidrs: &[super::Cidrs]| {
        let line = |cidr: &super::Cidrs| {
            let values: Vec<String> = cidr.values.iter().map(ToString::to_string).collect();
            format!("{} from {}", values.join(","), cidr.source)
        };
        cidrs.iter().map(line).collect()
    };
    (lines(&found.pods), lines(&found.services))
}

const CONTROLLER: (&str, &str) = (
    "etc/kubernetes/manifests/kube-controller-manager.yaml",
    "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - command:\n    - kube-controller-manager\n    - --cluster-cidr=10.233.64.0/18,fd85:ee78:d8a6:8607::1:0000/112\n    - --service-cluster-ip-range\n    - 10.233.0.0/18\n",
);
const CALICO: (&str, &str) = (
    "etc/cni/net.d/10-calico.conflist",
    r#"{"name": "k8s-pod-network", "plugins": [{"type": "calico", "ipam": {"type": "calico-ipam"}}]}"#,
);
const MULTUS: (&str, &str) =
    ("etc/cni/net.d/00-multus.conf", r#"{"name": "multus-cni-network", "type": "multus"}"#);

/// V00009: kube-controller-manager, when there is no kubeadm config; V00003: Calico's pools may be others.
#[test]
fn a_control_plane_with_calico_says_it_by_its_static_pods() {
    let found = found(&[CONTROLLER, CALICO, MULTUS]);
    let path = "/etc/kubernetes/manifests/kube-controller-manager.yaml";
    let (pods, services) = said(&found);
    assert_eq!(pods, [format!("10.233.64.0/18,fd85:ee78:d8a6:8607::1:0/112 from --cluster-cidr in {path}")]);
    assert_eq!(services, [format!("10.233.0.0/18 from --service-cluster-ip-range in {path}")]);
    assert!(found.doubts[0].contains("k8s-pod-network may use others"), "{:?}", found.doubts);
}

#[test]
fn the_api_servers_range_counts_before_that_of_the_controller() {
    let api = (
        "etc/kubernetes/manifests/kube-apiserver.yaml",
        "spec: {containers: [{args: [\"--service-cluster-ip-range=10.96.0.0/12\"]}]}\n",
    );
    assert!(said(&found(&[CONTROLLER, CALICO, api])).1[0].starts_with("10.96.0.0/12 from"));
}

#[test]
fn kubeadm_k3s_and_flannel_are_read() {
    let flannel =
        ("etc/cni/net.d/10-flannel.conflist", r#"{"name": "cbr0", "plugins": [{"type": "flannel"}]}"#);
    let kubeadm = (
        "etc/kubernetes/kubeadm-config.yaml",
        "kind: InitConfiguration\n---\nkind: ClusterConfiguration\nnetworking: {podSubnet: 10.1.0.0/16, serviceSubnet: \"10.2.0.0/16,fd02::/112\"}\n",
    );
    let (pods, services) = said(&found(&[flannel, kubeadm]));
    assert_eq!(pods, ["10.1.0.0/16 from networking.podSubnet in /etc/kubernetes/kubeadm-config.yaml"]);
    assert_eq!(
        services,
        ["10.2.0.0/16,fd02::/112 from networking.serviceSubnet in /etc/kubernetes/kubeadm-config.yaml"]
    );
    let env = ("run/flannel/subnet.env", "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.3.1/24\n");
    let k3s = ("etc/rancher/k3s/config.yaml", "service-cidr:\n- 10.43.0.0/16\n- fd43::/112\n");
    let (pods, services) = said(&found(&[flannel, env, k3s]));
    assert_eq!(pods, ["10.244.0.0/16 from /run/flannel/subnet.env"]);
    assert_eq!(services, ["10.43.0.0/16,fd43::/112 from service-cidr in /etc/rancher/k3s/config.yaml"]);
}

/// V00002, V00005 and V00011: what is not there is said, with where to look.
#[test]
fn a_worker_says_what_is_missing_and_where_it_is_told() {
    let kubelet = ("var/lib/kubelet/config.yaml", "kind: KubeletConfiguration\nclusterDNS:\n- 10.96.0.10\n");
    let cilium =
        ("etc/cni/net.d/05-cilium.conflist", r#"{"name": "cilium", "plugins": [{"type": "cilium-cni"}]}"#);
    let worker = found(&[kubelet, cilium]);
    assert_eq!(said(&worker), (vec![], vec![]));
    assert!(worker.doubts[0].contains("the cluster's DNS is 10.96.0.10"), "{:?}", worker.doubts);
    assert!(worker.doubts[1].contains("cilium-config"), "{:?}", worker.doubts);
    let bare = found(&[]);
    assert!(bare.doubts[1].contains("no CNI config"), "{:?}", bare.doubts);
}

#[test]
fn broken_files_are_no_answer_and_no_failure() {
    let broken = found(&[
        ("etc/kubernetes/manifests/kube-apiserver.yaml", "a: [\n"),
        ("etc/cni/net.d/01-broken.conf", "{"),
        ("etc/cni/net.d/02-list.conf", "[]"),
        ("etc/kubernetes/kubeadm-config.yaml", "networking: {podSubnet: none, serviceSubnet: 7}\n"),
    ]);
    assert_eq!(said(&broken), (vec![], vec![]));
}

#[test]
fn what_is_written_is_what_the_plugins_read() {
    let text = text(&found(&[CONTROLLER, CALICO]));
    let keys = NodeFile::parse(Path::new("node.yaml"), text.as_bytes()).unwrap();
    assert_eq!(keys["overlayPodCIDR"], serde_json::json!(["10.233.64.0/18", "fd85:ee78:d8a6:8607::1:0/112"]));
    assert_eq!(keys["serviceCIDR"], serde_json::json!(["10.233.0.0/18"]));
    assert_eq!(keys["hijackCIDR"], serde_json::json!(["169.254.0.0/16"]));
    assert!(
        text.contains("# --cluster-cidr in /etc/kubernetes/manifests/kube-controller-manager.yaml"),
        "{text}"
    );
}
