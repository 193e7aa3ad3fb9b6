//! The caches of ib-sriov-cni below /var/lib/cni/ib-sriov: its config as JSON, with what it filled in.

use std::path::PathBuf;

use attach::{Error, Failure, UndoContext};
use cni::{Request, ValidAttachments, lenient};
use netlink::{Guid, Rtnetlink};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use state::{AttachmentKey, Dirs, file};
use sysfs::Root;

use super::rebind::RdmaBefore;
use super::undo::holders;
use super::{IbSpec, IbUndo, NAME};
use crate::users::{Peers, Users};
use crate::vf::sriov_cni::{default_name, named, written_since_boot};
use crate::vf::{Attributes, Device, Id, LinkState, Netdev};

/// The peer's keys, as far as an undo needs them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct IbSriovCniCache {
    #[serde(rename = "cniVersion", skip_serializing_if = "String::is_empty")]
    cni_version: String,
    name: String,
    #[serde(rename = "type")]
    plugin: String,
    ipam: Ipam,
    #[serde(rename = "Master")]
    master: String,
    #[serde(rename = "deviceID")]
    device: String,
    #[serde(rename = "VFID")]
    vf: u32,
    #[serde(rename = "HostIFNames")]
    ifname: String,
    #[serde(rename = "HostIFGUID")]
    guid: String,
    #[serde(rename = "ContIFNames")]
    pod_ifname: String,
    pkey: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    link_state: String,
    #[serde(rename = "rdmaIsolation", skip_serializing_if = "is_false")]
    isolation: bool,
    #[serde(rename = "RdmaNetState")]
    rdma: RdmaState,
    #[serde(rename = "vfioPciMode", skip_serializing_if = "is_false")]
    vfio: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Ipam {
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    plugin: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct RdmaState {
    version: String,
    #[serde(rename = "deviceID")]
    device: String,
    #[serde(rename = "sandboxRdmaDevName")]
    host_name: String,
    #[serde(rename = "containerRdmaDevName")]
    pod_name: String,
}

/// As the peer sets it where a VF has none: an ADD that gives it no other is refused.
const NO_GUID: &str = "ff:ff:ff:ff:ff:ff:ff:ff";

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape that serde wants")]
fn is_false(value: &bool) -> bool {
    !value
}

fn path(dirs: &Dirs, key: &AttachmentKey) -> Result<PathBuf, Error> {
    Ok(dirs.upstream.path(&[NAME])?.join(format!("{}-{}", key.container_id, key.ifname)))
}

/// Writes the cache, so that the peer can detach what was attached here.
pub(super) fn save(
    dirs: &Dirs,
    request: &Request,
    wanted: &IbSpec,
    undo: &IbUndo,
    pf: Option<(String, u32)>,
) -> Result<(), Error> {
    let (master, vf) = pf.unwrap_or_default();
    let rdma = undo.rdma.as_ref().filter(|_| undo.isolated).map(|rdma| RdmaState {
        version: "1.0".to_owned(),
        device: undo.device.clone(),
        host_name: rdma.name.clone(),
        pod_name: rdma.name.clone(),
    });
    let cache = IbSriovCniCache {
        cni_version: request.config.cni_version.to_string(),
        name: request.config.name.clone(),
        plugin: NAME.to_owned(),
        ipam: Ipam { plugin: undo.ipam.clone().unwrap_or_default() },
        master,
        device: undo.device.clone(),
        vf,
        ifname: undo.netdev.as_ref().map_or_else(String::new, |netdev| netdev.name.clone()),
        guid: undo.guid.map_or_else(String::new, |guid| guid.to_string()),
        pod_ifname: undo.ifname.clone(),
        pkey: wanted.pkey.map_or_else(String::new, |pkey| pkey.to_string()),
        link_state: wanted.link_state.map_or_else(String::new, |state| format!("{state:?}").to_lowercase()),
        isolation: wanted.isolation,
        rdma: rdma.unwrap_or_default(),
        vfio: wanted.vfio,
    };
    let path = path(dirs, &undo.key)?;
    dirs.upstream.create(&[NAME])?;
    Ok(file::replace_json(&path, &cache)?)
}

/// Removes the cache.
pub(super) fn forget(dirs: &Dirs, key: &AttachmentKey) -> Result<(), Error> {
    file::remove(&path(dirs, key)?)?;
    Ok(())
}

/// What the peer attached since the machine started.
pub fn find(dirs: &Dirs, key: &AttachmentKey, context: &mut UndoContext) -> Result<Option<IbUndo>, Error> {
    let path = path(dirs, key)?;
    let Some(bytes) = file::read(&path)? else { return Ok(None) };
    if !written_since_boot(&path) {
        return Ok(None);
    }
    if let Some(cache) = parse(&bytes) {
        return Ok(Some(cache.undo(key.clone())));
    }
    tracing::warn!(path = %path.display(), "this cache does not say which device it is about");
    let guessed = guess(dirs, key, context)?;
    if guessed.is_none() {
        forget(dirs, key)?;
    }
    Ok(guessed)
}

/// The device whose interface has the attachment's name: in the pod or, when that is gone, on the host, if nothing says that
/// it is another's. What it was called there, and which GUID it had, nobody knows.
fn guess(dirs: &Dirs, key: &AttachmentKey, context: &mut UndoContext) -> Result<Option<IbUndo>, Error> {
    let found = match &mut context.pod {
        Some(pod) => named(&key.ifname, &mut pod.netlink)?,
        None => named(&key.ifname, context.host()?)?,
    };
    let Some(device) = found.filter(|device| device.pf().is_some()) else { return Ok(None) };
    if holders(dirs).is_others(device.id(), key)? {
        return Ok(None);
    }
    tracing::warn!(
        device = %device.id(),
        "what it was is not known: it gets the usual name, link state auto, and a GUID that no port may have"
    );
    let cache = IbSriovCniCache {
        device: device.id().to_string(),
        ifname: default_name(&device, context.host()?)?,
        guid: NO_GUID.to_owned(),
        link_state: "auto".to_owned(),
        ..IbSriovCniCache::default()
    };
    Ok(Some(cache.undo(key.clone())))
}

/// The peer's attachments of `network` that are not valid any more. Names of interfaces seldom have a dash.
pub(super) fn stale(dirs: &Dirs, network: &str, valid: &ValidAttachments) -> Result<Vec<IbUndo>, Error> {
    let entries = std::fs::read_dir(dirs.upstream.path(&[NAME])?).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut found = Vec::new();
    for name in names {
        let Some((container, ifname)) = name.rsplit_once('-') else { continue };
        let Ok(key) = AttachmentKey::new(network, container, ifname) else { continue };
        // What an older boot wrote, no VF has any more.
        if !written_since_boot(&path(dirs, &key)?) {
            continue;
        }
        let bytes = file::read(&path(dirs, &key)?)?.unwrap_or_default();
        let of_network = parse(&bytes).filter(|cache| cache.name == network);
        found.extend(of_network.filter(|_| !valid.contains(container, ifname)).map(|cache| cache.undo(key)));
    }
    Ok(found)
}

/// Puts back what pods of the peer left that are gone, from their caches but for the `spared` one, whose record says more.
/// The caller has the PF's lock.
pub(super) fn repair(dirs: &Dirs, id: &Id, spared: Option<&str>) -> Result<(), Error> {
    if !is_free(id)? {
        return Ok(());
    }
    let users = Users::find(dirs, Peers::IbSriov, id)?;
    for name in users.caches().filter(|name| Some(*name) != spared) {
        let path = dirs.upstream.path(&[NAME])?.join(name);
        let Some(cache) = file::read(&path)?.as_deref().and_then(parse) else { continue };
        let Some((container, ifname)) = name.rsplit_once('-') else { continue };
        let key = AttachmentKey::new(&cache.name, container, ifname)?;
        tracing::info!(device = %id, cache = name, "putting back what a pod that is gone had");
        let errors = cache.undo(key.clone()).undo_locked(dirs, id, &mut UndoContext::default())?;
        if let Some(error) = Error::join(errors) {
            return Err(Failure::Leftover { key, source: error }.into());
        }
    }
    unreadable(dirs)?.into_iter().try_for_each(|key| repair_unknown(dirs, id, key))
}

/// Attachments of this boot whose caches do not say which device they are about, nor in which network.
fn unreadable(dirs: &Dirs) -> Result<Vec<AttachmentKey>, Error> {
    let entries = std::fs::read_dir(dirs.upstream.path(&[NAME])?).into_iter().flatten().flatten();
    let mut found = Vec::new();
    for path in entries.map(|entry| entry.path()).filter(|path| path.is_file() && written_since_boot(path)) {
        let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.rsplit_once('-'));
        let (Some((container, ifname)), None) = (name, file::read(&path)?.as_deref().and_then(parse)) else {
            continue;
        };
        found.push(AttachmentKey {
            network: String::new(),
            container_id: container.to_owned(),
            ifname: ifname.to_owned(),
        });
    }
    Ok(found)
}

/// The device is the attachment's if it has come home under the name that it had there.
fn repair_unknown(dirs: &Dirs, id: &Id, key: AttachmentKey) -> Result<(), Error> {
    let mut context = UndoContext::default();
    let Some(undo) = guess(dirs, &key, &mut context)?.filter(|undo| undo.device == id.to_string()) else {
        return Ok(());
    };
    match Error::join(undo.undo_locked(dirs, id, &mut context)?) {
        Some(error) => Err(Failure::Leftover { key, source: error }.into()),
        None => Ok(()),
    }
}

/// Whether no pod has its interface, as far as the host can see: these peers do not write down who lives.
fn is_free(id: &Id) -> Result<bool, Error> {
    let Some(device) = Device::find(&Root::system(), id)? else { return Ok(false) };
    Ok(device.is_userspace() || device.link(&mut Rtnetlink::open()?)?.is_some())
}

/// `None` if it is torn, or does not say which device it is about.
fn parse(bytes: &[u8]) -> Option<IbSriovCniCache> {
    let value: Value = serde_json::from_slice(bytes).ok()?;
    lenient::from_value::<IbSriovCniCache>(&value).ok().filter(|cache| !cache.device.is_empty())
}

impl IbSriovCniCache {
    /// The peer keeps no link state from before, and resets it to auto; a GUID that it did not set it does not reset.
    fn undo(&self, key: AttachmentKey) -> IbUndo {
        let guid = self.guid.parse::<Guid>().ok();
        let before = Attributes {
            link_state: (!self.link_state.is_empty()).then_some(LinkState::Auto),
            node_guid: guid,
            port_guid: guid,
            ..Attributes::default()
        };
        let netdev =
            (!self.ifname.is_empty()).then(|| Netdev { name: self.ifname.clone(), ..Netdev::default() });
        let rdma = RdmaBefore { name: self.rdma.host_name.clone(), verbs: None };
        IbUndo {
            ifname: key.ifname.clone(),
            key,
            device: self.device.clone(),
            driver: None,
            driver_override: None,
            index: None,
            netdev,
            guid,
            before: Some(before),
            rdma: Some(rdma).filter(|rdma| !rdma.name.is_empty()),
            isolated: self.isolation,
            ipam: Some(self.ipam.plugin.clone()).filter(|ipam| !ipam.is_empty()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GO: &str = r#"{"cniVersion":"0.4.0","name":"ib","type":"ib-sriov","ipam":{"type":"whereabouts"},"dns":{},
        "Master":"ibp3s0","deviceID":"0000:3b:00.3","VFID":2,"HostIFNames":"ibp3s0v2","HostIFGUID":"02:00:5e:ff:fe:10:00:01",
        "ContIFNames":"net1","pkey":"0x8001","link_state":"enable","rdmaIsolation":true,
        "RdmaNetState":{"version":"1.0","deviceID":"0000:3b:00.3","sandboxRdmaDevName":"mlx5_4","containerRdmaDevName":"mlx5_4"},
        "args":{"cni":{"guid":"x"}}}"#;

    #[test]
    fn a_cache_of_the_peer_is_an_undo() {
        let key = AttachmentKey::new("ib", "c0ffee", "net1").unwrap();
        let undo = parse(GO.as_bytes()).unwrap().undo(key);
        assert_eq!((undo.device.as_str(), undo.isolated), ("0000:3b:00.3", true));
        assert_eq!(undo.netdev.unwrap().name, "ibp3s0v2");
        assert_eq!(undo.guid.unwrap().to_string(), "02:00:5e:ff:fe:10:00:01");
        assert_eq!(undo.before.unwrap().link_state, Some(LinkState::Auto));
        assert_eq!(undo.rdma.unwrap().name, "mlx5_4");
        assert_eq!(undo.ipam.as_deref(), Some("whereabouts"));
    }

    #[test]
    fn a_torn_or_empty_cache_is_none() {
        for text in ["", "{", "{}", &GO[..100]] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }
}
