//! What kubelet, kubeadm, the distributions and the default CNI leave on a node. Files only.

use std::fs;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use serde_json::Value;
use state::file;

const API_SERVER: &str = "etc/kubernetes/manifests/kube-apiserver.yaml";
const CONTROLLER: &str = "etc/kubernetes/manifests/kube-controller-manager.yaml";
/// Where kubeadm's own config is kept by those that write one.
const KUBEADM: [&str; 3] = [
    "etc/kubernetes/kubeadm-config.yaml",
    "etc/kubernetes/kubeadm.yaml",
    "etc/kubernetes/kubeadm/kubeadm.yaml",
];
const RANCHER: [&str; 2] = ["etc/rancher/rke2/config.yaml", "etc/rancher/k3s/config.yaml"];
const KUBELET: &str = "var/lib/kubelet/config.yaml";
const FLANNEL: &str = "run/flannel/subnet.env";
const NET_D: &str = "etc/cni/net.d";

/// CIDRs of one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cidrs {
    pub(super) values: Vec<IpNet>,
    pub(super) source: String,
}

/// What a node knows of its cluster.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) pods: Vec<Cidrs>,
    pub(super) services: Vec<Cidrs>,
    pub(super) others: Vec<Cidrs>,
    /// What a person should look at.
    pub(super) doubts: Vec<String>,
}

impl Found {
    /// Looks below `root`.
    pub(super) fn below(root: &Path) -> Self {
        let node = Node { root };
        let mut found = Self { others: vec![link_local()], ..Self::default() };
        found.services.extend(node.services());
        if found.services.is_empty() {
            found.doubts.push(node.no_services());
        }
        node.pods(&mut found);
        found
    }

    /// For a message.
    pub(super) fn example() -> Self {
        let one = |cidr: &str, what: &str| {
            vec![Cidrs { values: cidr.parse().into_iter().collect(), source: what.to_owned() }]
        };
        Self {
            pods: one("10.244.0.0/16", "the cluster's pods"),
            services: one("10.96.0.0/12", "its services"),
            others: vec![link_local()],
            doubts: Vec::new(),
        }
    }
}

/// Node-local DNS and metadata services.
fn link_local() -> Cidrs {
    let values = "169.254.0.0/16".parse().into_iter().collect();
    Cidrs { values, source: "what the node serves by link-local addresses, as Spiderpool does".to_owned() }
}

struct Node<'a> {
    root: &'a Path,
}

impl Node<'_> {
    fn services(&self) -> Option<Cidrs> {
        let arg = "--service-cluster-ip-range";
        self.argument(API_SERVER, arg)
            .or_else(|| self.argument(CONTROLLER, arg))
            .or_else(|| self.of_kubeadm("serviceSubnet"))
            .or_else(|| self.of_rancher("service-cidr"))
    }

    fn no_services(&self) -> String {
        let dns =
            self.documents(KUBELET).iter().find_map(|config| list(&config["clusterDNS"]).into_iter().next());
        let hint = dns.map(|dns| format!("; the cluster's DNS is {dns}")).unwrap_or_default();
        format!(
            "no service CIDR: this node has no static pods of the control plane and no kubeadm, k3s or RKE2 config{hint}; \
             `kubectl get servicecidrs`, or `kubectl -n kube-system get cm kubeadm-config -o yaml`, tells it: add it as serviceCIDR"
        )
    }

    /// As Spiderpool's `podCIDRType: auto`: by the default CNI, whose config comes first.
    fn pods(&self, found: &mut Found) {
        let Some((file, network)) = self.default_cni() else {
            found.doubts.push(format!(
                "no pod CIDR: there is no CNI config in {NET_D}, so nothing lies over another network"
            ));
            return;
        };
        let cluster = || {
            self.argument(CONTROLLER, "--cluster-cidr")
                .or_else(|| self.of_kubeadm("podSubnet"))
                .or_else(|| self.of_rancher("cluster-cidr"))
        };
        let name = network["name"].as_str().unwrap_or_default().to_owned();
        let of_cni = match name.as_str() {
            "calico" | "k8s-pod-network" => calico(&file, &network),
            "cbr0" | "flannel" => self.flannel(),
            _ => None,
        };
        let is_own = of_cni.is_some();
        found.pods.extend(of_cni.or_else(cluster));
        let what_tells = match name.as_str() {
            "calico" | "k8s-pod-network" => "`kubectl get ippools.crd.projectcalico.org`",
            "cilium" => "`kubectl -n kube-system get cm cilium-config -o yaml` (cluster-pool-ipv4-cidr)",
            _ => "`kubectl -n kube-system get cm kubeadm-config -o yaml`",
        };
        match found.pods.first() {
            None => {
                found.doubts.push(format!("no pod CIDR: {what_tells} tells it: add it as overlayPodCIDR"));
            }
            Some(cidrs) if !is_own && matches!(name.as_str(), "calico" | "k8s-pod-network" | "cilium") => {
                let source = &cidrs.source;
                found.doubts.push(format!(
                    "the pod CIDR is that of {source}, and {name} may use others: {what_tells} tells"
                ));
            }
            Some(_) => (),
        }
    }

    /// The first config that is not Multus's own, as the runtime sorts them.
    fn default_cni(&self) -> Option<(String, Value)> {
        let mut paths: Vec<PathBuf> =
            fs::read_dir(self.root.join(NET_D)).ok()?.flatten().map(|entry| entry.path()).collect();
        paths.retain(|path| {
            path.extension().is_some_and(|ext| ext == "conf" || ext == "conflist" || ext == "json")
        });
        paths.sort();
        paths.into_iter().find_map(|path| {
            let network: Value = serde_json::from_slice(&file::read_linked(&path).ok()??).ok()?;
            let is_multus = network["type"] == "multus" || network["plugins"][0]["type"] == "multus";
            let file = path.strip_prefix(self.root).unwrap_or(&path).display().to_string();
            (!is_multus && network.is_object()).then(|| (format!("/{file}"), network))
        })
    }

    fn flannel(&self) -> Option<Cidrs> {
        let text = file::read_text(&self.root.join(FLANNEL)).ok()??;
        let of = |key: &str| text.lines().find_map(|line| Some(line.strip_prefix(key)?.to_owned()));
        let networks = ["FLANNEL_NETWORK=", "FLANNEL_IPV6_NETWORK="].into_iter().filter_map(of);
        cidrs(networks, format!("/{FLANNEL}"))
    }

    /// `--name=value`, or the two one after another, of a static pod.
    fn argument(&self, path: &str, name: &str) -> Option<Cidrs> {
        let documents = self.documents(path);
        let containers =
            documents.iter().flat_map(|pod| pod["spec"]["containers"].as_array().into_iter().flatten());
        let words: Vec<String> = containers
            .flat_map(|container| [list(&container["command"]), list(&container["args"])].concat())
            .collect();
        let value = words.iter().enumerate().find_map(|(place, word)| match word.strip_prefix(name)? {
            "" => words.get(place + 1).cloned(),
            value => value.strip_prefix('=').map(str::to_owned),
        });
        cidrs(value.into_iter(), format!("{name} in /{path}"))
    }

    fn of_kubeadm(&self, key: &str) -> Option<Cidrs> {
        KUBEADM.iter().find_map(|path| {
            let documents = self.documents(path);
            let values = documents.iter().flat_map(|document| list(&document["networking"][key]));
            cidrs(values, format!("networking.{key} in /{path}"))
        })
    }

    fn of_rancher(&self, key: &str) -> Option<Cidrs> {
        RANCHER.iter().find_map(|path| {
            let documents = self.documents(path);
            cidrs(documents.iter().flat_map(|document| list(&document[key])), format!("{key} in /{path}"))
        })
    }

    /// None of a file that is not there, or is no YAML: somebody else's business.
    fn documents(&self, path: &str) -> Vec<Value> {
        file::read_text(&self.root.join(path))
            .ok()
            .flatten()
            .and_then(|text| yaml::documents(&text).ok())
            .unwrap_or_default()
    }
}

/// Pools that the config itself names; usually Calico keeps them in the cluster.
fn calico(file: &str, network: &Value) -> Option<Cidrs> {
    let plugins = network["plugins"].as_array().map_or(std::slice::from_ref(network), Vec::as_slice);
    let pools = plugins.iter().flat_map(|plugin| {
        [list(&plugin["ipam"]["ipv4_pools"]), list(&plugin["ipam"]["ipv6_pools"])].concat()
    });
    cidrs(pools, format!("ipam in {file}"))
}

/// A string, or a list of them.
fn list(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// Those that are CIDRs, also of lists with commas; `None` without any.
fn cidrs(texts: impl Iterator<Item = String>, source: String) -> Option<Cidrs> {
    let all: Vec<String> = texts.collect();
    let parts = all.iter().flat_map(|text| text.split(',')).map(str::trim);
    let values: Vec<IpNet> =
        parts.filter_map(|part| part.parse::<IpNet>().ok()).map(|net| net.trunc()).collect();
    (!values.is_empty()).then_some(Cidrs { values, source })
}
