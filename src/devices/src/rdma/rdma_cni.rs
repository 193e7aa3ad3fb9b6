//! The caches of rdma-cni: `/var/lib/cni/rdma/<network>-<container>-<ifname>`.

use std::path::PathBuf;

use attach::{Error, Pod};
use netlink::Rdma;
use serde::{Deserialize, Serialize};
use state::{AttachmentKey, BootId, Dirs, file};

use super::RdmaUndo;
use super::undo::holders;
use crate::upstream::{is_of_this_boot, names};
use crate::vf::Id;

/// What rdma-cni keeps, and what it ignores.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RdmaCniCache {
    #[serde(default)]
    version: String,
    #[serde(rename = "deviceID")]
    device: String,
    sandbox_rdma_dev_name: String,
    container_rdma_dev_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    railcni: Option<Ours>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ours {
    boot_id: BootId,
    key: AttachmentKey,
}

/// The undo that a cache allows; `None` if there is none, or of an older boot. Without the pod, a torn one says nothing: the
/// kernel gives the device back by itself.
pub(crate) fn find(
    dirs: &Dirs,
    key: &AttachmentKey,
    netns: PathBuf,
    pod: Option<&mut Pod>,
) -> Result<Option<RdmaUndo>, Error> {
    let path = holders(dirs).cache_path(key)?;
    let Some(bytes) = file::read(&path)? else { return Ok(None) };
    let Ok(cache) = serde_json::from_slice::<RdmaCniCache>(&bytes) else {
        tracing::warn!(path = %path.display(), "this cache cannot be read: the device of {} it must be", key.ifname);
        return pod.map_or(Ok(None), |pod| guess(dirs, key, netns, pod));
    };
    let current = is_of_this_boot(&path, cache.railcni.as_ref().map(|ours| &ours.boot_id))?;
    Ok(current.then(|| cache.undo(key.clone(), netns)))
}

/// The RDMA device of the interface, which keeps the name that it has.
fn guess(dirs: &Dirs, key: &AttachmentKey, netns: PathBuf, pod: &mut Pod) -> Result<Option<RdmaUndo>, Error> {
    let link = pod.netlink.link_by_name(&key.ifname)?;
    let Some(device) = link.and_then(|link| link.device) else { return Ok(None) };
    if Id::parse(&device).map_or(Ok(true), |id| holders(dirs).is_others(&id, key))? {
        return Ok(None);
    }
    let mut inside = Rdma::open_in(&pod.netns)?;
    for rdma in inside.devices()? {
        let ports = inside.ports(rdma.index)?;
        if ports.iter().any(|port| port.link_name.as_ref() == Some(&key.ifname)) {
            let names = RdmaCniCache {
                version: String::new(),
                device,
                sandbox_rdma_dev_name: rdma.name.clone(),
                container_rdma_dev_name: rdma.name,
                railcni: None,
            };
            return Ok(Some(names.undo(key.clone(), netns)));
        }
    }
    Ok(None)
}

impl RdmaCniCache {
    /// The cache of an attachment.
    pub(super) fn of(undo: &RdmaUndo) -> Result<Self, Error> {
        Ok(Self {
            version: "1.0".to_owned(),
            device: undo.device.clone(),
            sandbox_rdma_dev_name: undo.name.clone(),
            container_rdma_dev_name: undo.pod_name.clone(),
            railcni: Some(Ours { boot_id: BootId::current()?, key: undo.key.clone() }),
        })
    }

    fn undo(self, key: AttachmentKey, netns: PathBuf) -> RdmaUndo {
        RdmaUndo {
            key,
            device: self.device,
            index: None,
            name: self.sandbox_rdma_dev_name,
            pod_name: self.container_rdma_dev_name,
            netns,
            device_info: None,
        }
    }
}

/// The keys of the caches of `network`. Where a part of a peer's file name ends, only the list of valid attachments
/// could tell; interfaces' names seldom have a dash.
pub(super) fn keys(dirs: &Dirs, network: &str) -> Result<Vec<AttachmentKey>, Error> {
    let key = |name: &String| {
        let (container, ifname) = name.strip_prefix(network)?.strip_prefix('-')?.rsplit_once('-')?;
        AttachmentKey::new(network, container, ifname).ok()
    };
    let mut keys: Vec<_> = names(&holders(dirs).folder()?).iter().filter_map(key).collect();
    keys.sort_unstable();
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const GO: &str = r#"{"version":"1.0","deviceID":"0000:3b:02.5","sandboxRdmaDevName":"mlx5_7","containerRdmaDevName":"mlx5_7"}"#;

    fn path(dirs: &Dirs) -> PathBuf {
        holders(dirs).cache_path(&key()).unwrap()
    }

    fn key() -> AttachmentKey {
        AttachmentKey::new("rail1", "c0ffee", "net1").unwrap()
    }

    #[expect(clippy::disallowed_methods, reason = "the peer writes its caches in place")]
    fn peer_wrote(dirs: &Dirs, text: &str) {
        dirs.upstream.create(&["rdma"]).unwrap();
        std::fs::write(path(dirs), text).unwrap();
    }

    #[test]
    fn a_cache_of_the_peer_is_read() {
        let base = tempfile::tempdir().unwrap();
        let dirs = Dirs::under(base.path());
        peer_wrote(&dirs, GO);
        assert!(base.path().join("peer/rdma/rail1-c0ffee-net1").exists(), "the network's name comes first");
        let undo = find(&dirs, &key(), PathBuf::from("/run/netns/a"), None).unwrap().unwrap();
        assert_eq!((undo.device.as_str(), undo.name.as_str(), undo.index), ("0000:3b:02.5", "mlx5_7", None));
        assert_eq!(keys(&dirs, "rail1").unwrap(), [key()]);
        assert!(keys(&dirs, "rail").unwrap().is_empty(), "the name of another network");
    }

    #[test]
    fn the_peer_can_read_what_is_written_here() {
        let base = tempfile::tempdir().unwrap();
        let dirs = Dirs::under(base.path());
        let undo = RdmaUndo {
            key: key(),
            device: "mlx5_core.sf.4".to_owned(),
            index: Some(3),
            name: "mlx5_7".to_owned(),
            pod_name: "rail".to_owned(),
            netns: PathBuf::from("/run/netns/a"),
            device_info: None,
        };
        holders(&dirs).save(&undo.key, &RdmaCniCache::of(&undo).unwrap()).unwrap();
        let text = std::fs::read_to_string(path(&dirs)).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        for (name, expected) in [
            ("version", "1.0"),
            ("deviceID", "mlx5_core.sf.4"),
            ("sandboxRdmaDevName", "mlx5_7"),
            ("containerRdmaDevName", "rail"),
        ] {
            assert_eq!(value[name], expected);
        }
        holders(&dirs).forget_cache(&key()).unwrap();
        assert!(find(&dirs, &key(), PathBuf::new(), None).unwrap().is_none());
    }

    #[test]
    fn torn_caches_and_those_of_an_older_boot_say_nothing() {
        let base = tempfile::tempdir().unwrap();
        let dirs = Dirs::under(base.path());
        for text in ["", "{", "{}", "null"] {
            peer_wrote(&dirs, text);
            assert!(find(&dirs, &key(), PathBuf::new(), None).unwrap().is_none(), "{text:?}");
        }
        peer_wrote(&dirs, GO);
        age(&path(&dirs));
        assert!(find(&dirs, &key(), PathBuf::new(), None).unwrap().is_none());
    }

    fn age(path: &Path) {
        let file = std::fs::File::options().write(true).open(path).unwrap();
        file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1)).unwrap();
    }
}
