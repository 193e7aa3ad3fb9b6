//! Addresses from the IPAM plugin of the config, given back when the ADD fails.

use cni::{CniResult, Request, delegate};

use crate::{Error, addresses};

/// What the IPAM holds for an ADD under way.
#[derive(Debug)]
pub(crate) struct Lease<'a> {
    request: &'a Request,
    held: bool,
}

impl<'a> Lease<'a> {
    pub(crate) fn of(request: &'a Request) -> Self {
        Self { request, held: false }
    }

    /// The addresses of the IPAM; none without one, and the link works on layer 2.
    pub(crate) fn take(&mut self) -> Result<CniResult, cni::Error> {
        let own_dns = self.request.config.dns.clone();
        let Some(ipam) = &self.request.config.ipam_type else {
            return Ok(CniResult { dns: own_dns, ..CniResult::default() });
        };
        let mut result = delegate::add(self.request, ipam)?;
        self.held = true;
        if result.ips.is_empty() {
            return Err(cni::Error::internal(format!(
                "IPAM plugin {ipam} returned missing IP config: no address"
            )));
        }
        result.dns = addresses::merge_dns(own_dns, result.dns);
        for ip in &mut result.ips {
            ip.interface = Some(0);
        }
        Ok(result)
    }

    /// Why the ADD failed, after `undone`: the link goes before its addresses are free for others.
    pub(crate) fn roll_back(self, error: cni::Error, undone: Vec<Error>) -> cni::Error {
        let mut failures: Vec<_> = undone.into_iter().map(cni::Error::from).collect();
        if self.held {
            failures.extend(release(self.request).err());
        }
        match cni::Error::join(failures) {
            None => error,
            Some(undo) => {
                let details = format!("{}; the undo is left to DEL: {}", error.details, undo.msg);
                error.with_details(details.trim_start_matches("; "))
            }
        }
    }
}

/// Gives back what a killed ADD of the same key may have had.
pub(crate) fn release(request: &Request) -> Result<(), cni::Error> {
    request.config.ipam_type.as_ref().map_or(Ok(()), |ipam| delegate::del(request, ipam))
}
