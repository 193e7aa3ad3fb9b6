//! What CHECK, DEL and GC have to know of an ADD, in the files that libcni keeps: `results/<network>-<container>-<ifname>`
//! of kind `cniCacheV1`. Ours lie below the state directory, which a reboot empties together with the namespaces.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use state::{Dirs, Root, file, name};

use crate::driver::{Object, Pairs, RuntimeConf};
use crate::network::Network;

const KIND: &str = "cniCacheV1";
const FOLDER: &[&str] = &["railctl", "results"];
/// Where libcni has them of every runtime that does not say otherwise, below /var/lib/cni.
const OF_RUNTIMES: &[&str] = &["results"];

/// One file, in the shape of libcni's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Entry {
    kind: String,
    /// `CNI_CONTAINERID`
    pub container_id: String,
    /// The network's config list as it was at ADD, base64.
    config: String,
    /// `CNI_IFNAME`
    pub if_name: String,
    /// The network's name.
    pub network_name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    /// `CNI_NETNS`
    pub netns: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cni_args: Vec<[String; 2]>,
    #[serde(skip_serializing_if = "Object::is_empty")]
    capability_args: Object,
    #[serde(skip_serializing_if = "Value::is_null")]
    /// The last plugin's, as the network's version prints it.
    pub result: Value,
}

impl Entry {
    /// What there is to remember of a finished ADD.
    pub fn new(network: &Network, runtime: &RuntimeConf, result: Value) -> Self {
        Self {
            kind: KIND.to_owned(),
            container_id: runtime.container_id.clone(),
            config: BASE64_STANDARD.encode(&network.bytes),
            if_name: runtime.ifname.clone(),
            network_name: network.name().to_owned(),
            netns: runtime.netns.clone(),
            cni_args: runtime.args.0.clone(),
            capability_args: runtime.capabilities.clone(),
            result,
        }
    }

    /// The call that a DEL of this attachment has to repeat.
    pub fn runtime(&self) -> RuntimeConf {
        RuntimeConf {
            container_id: self.container_id.clone(),
            netns: self.netns.clone(),
            ifname: self.if_name.clone(),
            args: Pairs(self.cni_args.clone()),
            capabilities: self.capability_args.clone(),
        }
    }

    /// The network's config list as it was at ADD.
    pub fn config(&self) -> Result<Vec<u8>> {
        BASE64_STANDARD.decode(&self.config).context("the cached config is no base64")
    }

    /// The pod as Kubernetes calls it, `namespace/name`, if a kubelet made it.
    pub fn pod(&self) -> Option<String> {
        let arg = |key: &str| self.cni_args.iter().find(|[name, _]| name == key).map(|[_, value]| value);
        Some(format!("{}/{}", arg("K8S_POD_NAMESPACE")?, arg("K8S_POD_NAME")?))
    }

    fn is_of(&self, network: &str, runtime: &RuntimeConf) -> bool {
        (&*self.network_name, &self.container_id, &self.if_name)
            == (network, &runtime.container_id, &runtime.ifname)
    }
}

/// The folder of these files.
#[derive(Clone, Debug)]
pub struct Cache {
    root: Root,
    folder: &'static [&'static str],
}

impl Cache {
    /// Ours.
    pub fn new(dirs: &Dirs) -> Self {
        Self { root: dirs.state.clone(), folder: FOLDER }
    }

    /// Those of the node's container runtime: to read, never to write.
    pub fn of_runtime(dirs: &Dirs) -> Self {
        Self { root: dirs.upstream.clone(), folder: OF_RUNTIMES }
    }

    /// Writes the file of an attachment, whole.
    pub fn save(&self, entry: &Entry) -> Result<()> {
        let path = self.path(&entry.network_name, &entry.container_id, &entry.if_name)?;
        self.root.create(self.folder)?;
        Ok(file::replace(&path, &serde_json::to_vec(entry)?)?)
    }

    /// `None` when nothing is cached; a file that is damaged, or refers to something else, is an error.
    pub fn load(&self, network: &str, runtime: &RuntimeConf) -> Result<Option<Entry>> {
        let path = self.path(network, &runtime.container_id, &runtime.ifname)?;
        let Some(bytes) = file::read(&path)? else { return Ok(None) };
        let entry: Entry =
            serde_json::from_slice(&bytes).with_context(|| format!("{} is damaged", path.display()))?;
        if entry.kind != KIND || !entry.is_of(network, runtime) {
            bail!("{} is the cache of another attachment", path.display());
        }
        Ok(Some(entry))
    }

    /// Removes the file of an attachment, if there is one.
    pub fn remove(&self, network: &str, runtime: &RuntimeConf) -> Result<()> {
        file::remove(&self.path(network, &runtime.container_id, &runtime.ifname)?)?;
        Ok(())
    }

    /// Every attachment in the cache, by file name; what cannot be read is left out, as libcni does.
    pub fn list(&self) -> Result<Vec<Entry>> {
        Ok(self.files()?.iter().filter_map(|path| read(path)).collect())
    }

    fn files(&self) -> Result<Vec<PathBuf>> {
        let folder = self.root.path(self.folder)?;
        let entries = match std::fs::read_dir(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.with_context(|| format!("list {}", folder.display()))?,
        };
        let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        paths.sort_unstable();
        Ok(paths)
    }

    /// The interfaces that a container has from a network, by the names of files; what a file says takes precedence, if it can
    /// be read.
    pub fn ifnames(&self, network: &str, container_id: &str) -> Result<Vec<String>> {
        let begin = format!("{network}-{container_id}-");
        let of = |path: PathBuf| {
            let ifname = path.file_name()?.to_str()?.strip_prefix(&begin)?.to_owned();
            let is_other = read(&path).is_some_and(|entry| {
                (entry.network_name.as_str(), entry.container_id.as_str()) != (network, container_id)
            });
            (!is_other && name::ifname(&ifname).is_ok()).then_some(ifname)
        };
        Ok(self.files()?.into_iter().filter_map(of).collect())
    }

    fn path(&self, network: &str, container_id: &str, ifname: &str) -> Result<PathBuf> {
        name::id("network name", network)?;
        name::id("container ID", container_id)?;
        name::ifname(ifname)?;
        Ok(self.root.path(self.folder)?.join(format!("{network}-{container_id}-{ifname}")))
    }
}

fn read(path: &std::path::Path) -> Option<Entry> {
    let bytes = file::read(path).ok()??;
    serde_json::from_slice(&bytes).ok().filter(|entry: &Entry| entry.kind == KIND)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pod_has_a_name_where_a_kubelet_gave_it_one() {
        let entry = |args: serde_json::Value| -> Entry {
            serde_json::from_value(json!({"kind": KIND, "cniArgs": args})).unwrap()
        };
        let of_kubelet =
            json!([["IgnoreUnknown", "1"], ["K8S_POD_NAMESPACE", "rails"], ["K8S_POD_NAME", "train-0"]]);
        assert_eq!(entry(of_kubelet).pod().as_deref(), Some("rails/train-0"));
        assert_eq!(entry(json!([["K8S_POD_NAME", "train-0"]])).pod(), None);
    }

    fn runtime() -> RuntimeConf {
        RuntimeConf {
            container_id: "pod-1".to_owned(),
            netns: "/run/netns/pod-1".to_owned(),
            ifname: "net1".to_owned(),
            args: Pairs(vec![["K".to_owned(), "V".to_owned()]]),
            capabilities: Object::new(),
        }
    }

    const CONFIG: &[u8] = br#"{"name":"rail1","plugins":[{"type":"a"}]}"#;

    fn network() -> Network {
        Network::parse(CONFIG).unwrap()
    }

    fn cache() -> (tempfile::TempDir, Cache) {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(&Dirs::under(folder.path()));
        (folder, cache)
    }

    #[test]
    fn what_was_saved_is_loaded_listed_and_removed() {
        let (_folder, cache) = cache();
        let entry = Entry::new(&network(), &runtime(), json!({"cniVersion": "1.1.0"}));
        assert!(cache.list().unwrap().is_empty());
        cache.save(&entry).unwrap();
        assert_eq!(cache.load("rail1", &runtime()).unwrap().as_ref(), Some(&entry));
        assert_eq!(cache.list().unwrap(), std::slice::from_ref(&entry));
        assert_eq!((entry.runtime(), entry.config().unwrap().as_slice()), (runtime(), CONFIG));
        cache.remove("rail1", &runtime()).unwrap();
        assert_eq!(cache.load("rail1", &runtime()).unwrap(), None);
    }

    #[test]
    fn the_shape_is_that_of_libcni() {
        let entry = Entry::new(&network(), &runtime(), json!({"cniVersion": "1.1.0"}));
        let expected = json!({
            "kind": "cniCacheV1", "containerId": "pod-1", "config": BASE64_STANDARD.encode(CONFIG), "ifName": "net1", "networkName": "rail1",
            "netns": "/run/netns/pod-1", "cniArgs": [["K", "V"]], "result": {"cniVersion": "1.1.0"},
        });
        assert_eq!(serde_json::to_value(entry).unwrap(), expected);
    }

    #[test]
    fn a_damaged_or_foreign_file_is_an_error_and_not_listed() {
        let (_folder, cache) = cache();
        let entry = Entry::new(&network(), &runtime(), Value::Null);
        cache.save(&entry).unwrap();
        let path = cache.path("rail1", "pod-1", "net1").unwrap();
        for bytes in [b"".as_slice(), b"{}", br#"{"kind":"cniCacheV1","networkName":"rail2"}"#] {
            file::replace(&path, bytes).unwrap();
            cache.load("rail1", &runtime()).unwrap_err();
        }
        file::replace(&path, b"{").unwrap();
        assert!(cache.list().unwrap().is_empty());
    }

    #[test]
    fn names_that_would_leave_the_folder_are_refused() {
        let (_folder, cache) = cache();
        assert!(cache.load("../rail1", &runtime()).is_err());
        assert!(cache.load("rail1", &RuntimeConf { ifname: "a/b".to_owned(), ..runtime() }).is_err());
    }
}
