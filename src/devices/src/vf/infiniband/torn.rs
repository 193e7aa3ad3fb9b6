use std::path::{Path, PathBuf};

use attach::Error;
use netlink::Rtnetlink;
use state::Dirs;

use super::ib_sriov_cni::IbSriovCniCache;
use crate::upstream::{is_of_this_boot, names};
use crate::vf::caches::UpstreamCache;
use crate::vf::torn::{default_name, nobody};
use crate::vf::{Device, Id, VfKind, VfUndo};

pub(super) fn unknown(id: &Id, name: String) -> UpstreamCache {
    tracing::warn!(
        device = %id,
        "what it was is not known: it gets the usual name, link state auto, and a GUID that no port may have"
    );
    IbSriovCniCache::unknown(name).into()
}

/// The device is the attachment's whose cache is torn, if it has come back under the name that it had there.
pub(super) fn guess_user(
    dirs: &Dirs,
    device: &Device,
    host: &mut Rtnetlink,
) -> Result<Option<VfUndo>, Error> {
    let (kind, id) = (VfKind::InfiniBand, device.id());
    let Some(link) = device.link(host)?.filter(|_| kind.special().is_guessable(device)) else {
        return Ok(None);
    };
    let folder = kind.holders(dirs).folder()?;
    for name in names(&folder) {
        let Some((container, ifname)) = name.rsplit_once('-').filter(|(_, ifname)| *ifname == link.name)
        else {
            continue;
        };
        let (path, key) = (folder.join(&name), nobody(container.to_owned(), ifname.to_owned()));
        if !path.is_file()
            || !is_of_this_boot(&path, None)?
            || IbSriovCniCache::parse(&read(&path)?).is_some()
        {
            continue;
        }
        if !kind.holders(dirs).is_others(id, &key)? {
            let name = default_name(device, host)?;
            return Ok(Some(unknown(id, name).undo(kind, key, id, PathBuf::new())));
        }
    }
    Ok(None)
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    Ok(state::file::read(path)?.unwrap_or_default())
}
