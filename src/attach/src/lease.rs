//! Addresses from the IPAM plugin of the config, given back when the ADD fails.

use std::net::IpAddr;
use std::path::Path;

use cni::{Attachment, CniResult, Dns, Request, delegate};
use state::AttachmentKey;

use crate::ipam::{self, Delegated, Ipam};
use crate::{Attachments, Error, Found, Undo, UndoContext, key_of, merge_dns};

/// What the IPAM holds for an ADD under way.
pub struct Lease<'a> {
    request: &'a Request,
    ipam: &'a dyn Ipam,
    held: bool,
    /// Addresses of it that others use.
    declined: Vec<IpAddr>,
}

impl<'a> Lease<'a> {
    /// Of the IPAM plugin in `CNI_PATH`; nothing is taken yet.
    pub fn of(request: &'a Request) -> Self {
        Self::from(request, &Delegated)
    }

    /// The same, of another IPAM.
    pub fn from(request: &'a Request, ipam: &'a dyn Ipam) -> Self {
        Self { request, ipam, held: false, declined: Vec::new() }
    }

    /// The addresses of the IPAM; none without one, and the link works on layer 2.
    pub fn take(&mut self) -> Result<CniResult, cni::Error> {
        let own_dns = self.request.config.dns.clone();
        let Some(plugin) = &self.request.config.ipam_type else {
            return Ok(CniResult { dns: own_dns, ..CniResult::default() });
        };
        let result = self.ipam.add(self.request, plugin)?;
        self.held = true;
        complete(result, own_dns, plugin)
    }

    /// Gives up an address that somebody else uses, and all others with it, for those that the IPAM has instead. One
    /// that does not know how leaves nothing but to fail with the `conflict`.
    pub fn decline(&mut self, ip: IpAddr, conflict: &Error) -> Result<CniResult, cni::Error> {
        let failed = || cni::Error::new(conflict.code(), conflict.to_string());
        self.declined.push(ip);
        let plugin = self.request.config.ipam_type.as_deref();
        let Some(plugin) = plugin.filter(|plugin| self.held && ipam::is_ours(plugin)) else {
            return Err(failed());
        };
        tracing::warn!(%conflict, "asking the IPAM for another address");
        let another = self.ipam.add(&self.declining(), plugin).map_err(|mut error| {
            error.msg = format!("{}, after {conflict}", error.msg);
            error
        })?;
        if another.ips.iter().any(|ip| self.declined.contains(&ip.address.addr())) {
            return Err(failed());
        }
        complete(another, self.request.config.dns.clone(), plugin)
    }

    /// The request that tells our IPAM which addresses are not to be given again: ADD and DEL quarantine them.
    fn declining(&self) -> Request {
        let mut request = self.request.clone();
        request.env.declined.clone_from(&self.declined);
        request
    }

    pub(crate) fn give_back(self) -> Option<cni::Error> {
        if !self.held {
            return None;
        }
        if self.declined.is_empty() {
            return release_from(self.ipam, self.request).err();
        }
        release_from(self.ipam, &self.declining()).err()
    }
}

fn complete(mut result: CniResult, own_dns: Dns, plugin: &str) -> Result<CniResult, cni::Error> {
    if result.ips.is_empty() {
        return Err(cni::Error::internal(format!(
            "IPAM plugin {plugin} returned missing IP config: no address"
        )));
    }
    result.dns = merge_dns(own_dns, result.dns);
    for ip in &mut result.ips {
        ip.interface = Some(0);
    }
    Ok(result)
}

/// What became of a DEL, and what it went by.
#[derive(Debug)]
pub struct GivenBack {
    /// What could not be undone.
    pub undone: Result<(), Error>,
    /// The IPAM plugin of the record, for a config that names none any more.
    pub ipam: Option<String>,
    /// A record told what there was.
    pub recorded: bool,
}

impl GivenBack {
    /// As a record, or an upstream plugin's cache, told it.
    pub fn by(undo: &impl Undo, undone: Result<(), Error>) -> Self {
        Self { undone, ipam: undo.ipam().map(str::to_owned), recorded: undo.silences() }
    }

    /// Without a record: only links that still have the name of the attachment were found.
    pub fn unrecorded(undone: Result<(), Error>) -> Self {
        Self { undone, ipam: None, recorded: false }
    }
}

/// A DEL: undoes the attachment by its record, or else by what `unrecorded` finds, which is told what damage the record has.
/// The IPAM's DEL comes last: the link goes before its addresses are free, and while it may still answer for them they stay
/// taken. While an ADD of the attachment is under way, nothing is done, and the runtime has to try again.
pub fn end<T: Undo>(
    request: &Request,
    attachments: &Attachments,
    unrecorded: impl FnOnce(&AttachmentKey, Option<String>) -> Result<GivenBack, Error>,
) -> Result<(), cni::Error> {
    // What is no key has no record, and no lease: its ADD was refused.
    let Ok(key) = key_of(request) else { return Ok(()) };
    let _lock = attachments.lock(&key)?;
    let cni_netns = request.env.netns.as_deref();
    if attachments.exists_elsewhere(&key, cni_netns) {
        return Ok(());
    }
    let given_back = give_back::<T>(&key, cni_netns, attachments, unrecorded);
    end_lease(request, given_back.unwrap_or_else(|error| GivenBack::unrecorded(Err(error))))
}

fn give_back<T: Undo>(
    key: &AttachmentKey,
    cni_netns: Option<&Path>,
    attachments: &Attachments,
    unrecorded: impl FnOnce(&AttachmentKey, Option<String>) -> Result<GivenBack, Error>,
) -> Result<GivenBack, Error> {
    match attachments.find::<T>(key)? {
        Found::Attached { undo, netns } => {
            let mut context = UndoContext::of(attachments.dirs(), netns.as_ref(), cni_netns)?;
            Ok(GivenBack::by(&undo, attachments.release(key, &undo, &mut context)))
        }
        Found::Damaged(damage) => unrecorded(key, Some(damage)),
        Found::Nothing => unrecorded(key, None),
    }
}

fn end_lease(request: &Request, given_back: GivenBack) -> Result<(), cni::Error> {
    let ipam = request.config.ipam_type.clone().or(given_back.ipam);
    if let Err(error) = given_back.undone {
        if ipam.is_some() {
            tracing::warn!(
                "the addresses stay taken until the interface is seen to be gone: DEL has to be repeated"
            );
        }
        return Err(error.into());
    }
    let mut request = request.clone();
    request.env.unrecorded = !given_back.recorded;
    ipam.map_or(Ok(()), |ipam| delegate::del(&request, &ipam))
}

/// A GC, after what the plugin has collected: the IPAM's own, of what has no record any more.
pub fn collect(request: &Request, attachments: &Attachments, errors: Vec<Error>) -> Result<(), cni::Error> {
    let Some(ipam) = request.config.ipam_type.as_ref() else { return join(errors, None) };
    let recorded = attachments.keys(&request.config.name)?.into_iter();
    let recorded = recorded.map(|key| Attachment { container_id: key.container_id, ifname: key.ifname });
    let told = ipam::with_key(request, ipam::VALID, ipam::valid(request, recorded));
    join(errors, told.and_then(|told| delegate::gc(&told, ipam)).err())
}

fn join(errors: Vec<Error>, of_ipam: Option<cni::Error>) -> Result<(), cni::Error> {
    let errors = errors.into_iter().map(cni::Error::from).chain(of_ipam);
    cni::Error::join(errors).map_or(Ok(()), Err)
}

/// Gives back what a killed ADD of the same key may have had.
pub fn release(request: &Request) -> Result<(), cni::Error> {
    release_from(&Delegated, request)
}

/// As [`release`].
pub fn release_from(ipam: &dyn Ipam, request: &Request) -> Result<(), cni::Error> {
    request.config.ipam_type.as_ref().map_or(Ok(()), |plugin| ipam.del(request, plugin))
}
