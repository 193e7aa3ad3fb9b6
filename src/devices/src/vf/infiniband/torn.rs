use std::path::{Path, PathBuf};

use attach::Error;
use netlink::Rtnetlink;
use state::{AttachmentKey, Dirs};

use super::InfiniBand;
use super::ib_sriov_cni::IbSriovCniCache;
use crate::users::{is_of_this_boot, names};
use crate::vf::caches::{Caches, UpstreamCache};
use crate::vf::torn::{Torn, default_name, named, nobody};
use crate::vf::{Device, Id, VfKind, VfUndo};

impl Torn for InfiniBand {
    fn find_on_host(
        &self,
        _: &Dirs,
        key: &AttachmentKey,
        _: &Path,
        host: &mut Rtnetlink,
    ) -> Result<Option<Device>, Error> {
        named(&key.ifname, host)
    }

    fn is_guessable(&self, device: &Device) -> bool {
        device.pf().is_some()
    }

    fn guess(&self, key: AttachmentKey, id: &Id, name: String, netns: PathBuf) -> VfUndo {
        tracing::warn!(
            device = %id,
            "what it was is not known: it gets the usual name, link state auto, and a GUID that no port may have"
        );
        IbSriovCniCache::unknown(name).undo(key, id, netns)
    }

    /// The device is the attachment's whose cache is torn, if it has come back under the name that it had there.
    fn guess_user(
        &self,
        dirs: &Dirs,
        device: &Device,
        host: &mut Rtnetlink,
    ) -> Result<Option<VfUndo>, Error> {
        let Some(link) = device.link(host)?.filter(|_| self.is_guessable(device)) else { return Ok(None) };
        let folder = VfKind::InfiniBand.holders(dirs).folder()?;
        for name in names(&folder) {
            let Some((container, ifname)) = name.rsplit_once('-').filter(|(_, ifname)| *ifname == link.name)
            else {
                continue;
            };
            let (path, key) = (folder.join(&name), nobody(container.to_owned(), ifname.to_owned()));
            if !path.is_file() || !is_of_this_boot(&path, None)? || self.parse(&read(&path)?).is_some() {
                continue;
            }
            if !VfKind::InfiniBand.holders(dirs).is_others(device.id(), &key)? {
                let name = default_name(device, host)?;
                return Ok(Some(self.guess(key, device.id(), name, PathBuf::new())));
            }
        }
        Ok(None)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    Ok(state::file::read(path)?.unwrap_or_default())
}
