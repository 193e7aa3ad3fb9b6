//! Addresses from the IPAM plugin of the config, given back when the ADD fails.

use std::net::IpAddr;

use cni::{Attachment, CniResult, Dns, Request, delegate};

use crate::ipam::{self, Delegated, Ipam};
use crate::{Attachments, Error, merge_dns};

/// What the IPAM holds for an ADD under way.
pub struct IpamHold<'a> {
    request: &'a Request,
    ipam: &'a dyn Ipam,
    held: bool,
    /// Addresses of it that others use.
    declined: Vec<IpAddr>,
}

impl<'a> IpamHold<'a> {
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
