//! DEL: the one order in which attachments of every kind end.

use std::path::Path;

use cni::Request;
use state::{AttachmentKey, Dirs};

use crate::ipam::{Delegated, Ipam};
use crate::{Attachments, Error, Undo, UndoContext, key_of};

/// A DEL: undoes the attachment by its record, or else by what the plugin finds without one. The IPAM's DEL comes after that: the
/// link goes before its addresses are free, and while it may still answer for them they stay taken. The record goes last: who
/// repeats a DEL that failed finds all that the first one knew. While an ADD of the attachment is under way, nothing is done, and
/// the runtime has to try again.
pub struct Del<'a> {
    request: &'a Request,
    /// The requests of all its interfaces, as far as the config has them.
    interfaces: &'a [Request],
    /// `None`: it has no addresses of its own.
    ipam: Option<&'a dyn Ipam>,
}

/// What was undone, as far as the IPAM has to know it.
#[derive(Debug, Default)]
pub struct Undone {
    /// The IPAM plugin of each interface, for a config that names none any more.
    pub ipams: Vec<(String, String)>,
    /// What was undone was known by more than its names: nothing else of the pod has its addresses.
    pub silenced: bool,
}

impl Undone {
    /// As a record, or an upstream plugin's cache, told it.
    pub fn by(undo: &impl Undo) -> Self {
        Self { ipams: undo.ipams(), silenced: undo.silences() }
    }
}

impl<'a> Del<'a> {
    /// Of one interface, whose addresses are of the IPAM plugin in `CNI_PATH`.
    pub fn of(request: &'a Request) -> Self {
        Self::of_several(request, std::slice::from_ref(request), &Delegated)
    }

    /// Of one that has no addresses of its own.
    pub fn without_addresses(request: &'a Request) -> Self {
        Self { request, interfaces: &[], ipam: None }
    }

    /// Of all `interfaces`, which have one record together.
    pub fn of_several(request: &'a Request, interfaces: &'a [Request], ipam: &'a dyn Ipam) -> Self {
        Self { request, interfaces, ipam: Some(ipam) }
    }

    /// By the records of `plugin`. `unrecorded` undoes an attachment that has none, or a damaged one.
    pub fn run<T: Undo>(
        self,
        plugin: &str,
        unrecorded: impl FnOnce(&AttachmentKey, &mut UndoContext) -> Result<Undone, Error>,
    ) -> Result<(), cni::Error> {
        let attachments = Attachments::open(&Dirs::from_env().map_err(Error::from)?, plugin)?;
        self.run_on::<T>(&attachments, unrecorded)
    }

    fn run_on<T: Undo>(
        self,
        attachments: &Attachments,
        unrecorded: impl FnOnce(&AttachmentKey, &mut UndoContext) -> Result<Undone, Error>,
    ) -> Result<(), cni::Error> {
        // What is no key has no record, and no lease: its ADD was refused.
        let Ok(key) = key_of(self.request) else { return Ok(()) };
        let _lock = attachments.lock(&key)?;
        let cni_netns = self.request.env.netns.as_deref();
        let Some(undone) =
            undo::<T>(attachments, &key, cni_netns, unrecorded).map_err(|error| self.failed(error))?
        else {
            return Ok(());
        };
        self.ipam.map_or(Ok(()), |ipam| self.end_leases(ipam, &undone))?;
        Ok(attachments.forget(&key)?)
    }

    fn failed(&self, error: Error) -> cni::Error {
        if self.interfaces.iter().any(|interface| interface.config.ipam_type.is_some()) {
            tracing::warn!(
                "the addresses stay taken until the interface is seen to be gone: DEL has to be repeated"
            );
        }
        error.into()
    }

    /// Of the config's interfaces, and of those of the record that it has not.
    fn end_leases(&self, ipam: &dyn Ipam, undone: &Undone) -> Result<(), cni::Error> {
        let mut held: Vec<(&Request, &str, &str)> = Vec::new();
        for interface in self.interfaces {
            let ifname = interface.env.ifname.as_str();
            let recorded = undone.ipams.iter().find(|(of, _)| of == ifname).map(|(_, plugin)| plugin);
            let plugin = interface.config.ipam_type.as_ref().or(recorded);
            held.extend(plugin.map(|plugin| (interface, ifname, plugin.as_str())));
        }
        for (ifname, plugin) in &undone.ipams {
            if self.interfaces.iter().all(|interface| interface.env.ifname != *ifname) {
                held.push((self.request, ifname, plugin));
            }
        }
        let ended = held.into_iter().filter_map(|(request, ifname, plugin)| {
            let mut request = request.clone();
            ifname.clone_into(&mut request.env.ifname);
            request.env.unrecorded = !undone.silenced;
            ipam.del(&request, plugin).err()
        });
        cni::Error::join(ended).map_or(Ok(()), Err)
    }
}

/// `None`: it is another pod's, and stays.
fn undo<T: Undo>(
    attachments: &Attachments,
    key: &AttachmentKey,
    cni_netns: Option<&Path>,
    unrecorded: impl FnOnce(&AttachmentKey, &mut UndoContext) -> Result<Undone, Error>,
) -> Result<Option<Undone>, Error> {
    let on_record = attachments.on_record::<T>(key)?;
    if on_record.is_elsewhere(key, cni_netns) {
        return Ok(None);
    }
    if let Some(undo) = attachments.undo(on_record, cni_netns)? {
        return Ok(Some(Undone::by(&undo)));
    }
    let mut context = UndoContext::at(attachments.dirs(), cni_netns)?;
    context.attachment = Some(key.clone());
    unrecorded(key, &mut context).map(Some)
}

#[cfg(test)]
mod tests;
