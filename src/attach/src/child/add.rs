use cni::{CniResult, Interface, Request, delegate};
use netlink::{Link, Route};
use state::Dirs;

use super::link::require_free;
use super::{Child, PodLink, key_of};
use crate::{Adding, Attachments, Error, Pod, addresses, announce};

/// ADD of a child link. `plan` looks at host and pod, and changes nothing.
pub fn add(
    request: &Request,
    plugin: &str,
    plan: impl FnOnce(&mut Route, &mut Pod) -> Result<Child, cni::Error>,
) -> Result<CniResult, cni::Error> {
    let env = &request.env;
    let netns = env.netns.as_deref().ok_or_else(|| cni::Error::netns("CNI_NETNS is empty"))?;
    let mut pod = Pod::open(netns)?;
    let mut host = Route::open().map_err(Error::from)?;
    let child = plan(&mut host, &mut pod)?;
    if let Some(ipam) = &request.config.ipam_type {
        delegate::require(request, ipam)?;
    }
    let attachments = Attachments::open(&Dirs::from_env().map_err(Error::from)?, plugin)?;
    let prepared = attachments.prepare::<PodLink>(key_of(request)?, &pod.netns)?;
    require_free(&mut pod, &env.ifname)?;
    if prepared.superseded() {
        release_addresses(request)?;
    }
    let adding = prepared.begin(PodLink {
        ifname: env.ifname.clone(),
        kind: child.kind.name().to_owned(),
        index: None,
        ipam: request.config.ipam_type.clone(),
    })?;
    Build { request, pod, host, child, addressed: false }.run(adding)
}

struct Build<'a> {
    request: &'a Request,
    pod: Pod,
    host: Route,
    child: Child,
    /// The IPAM holds a lease for this attachment.
    addressed: bool,
}

impl Build<'_> {
    fn run(mut self, mut adding: Adding<PodLink>) -> Result<CniResult, cni::Error> {
        let built = self.build(&mut adding).and_then(|result| {
            adding.attached()?;
            Ok(result)
        });
        built.map_err(|error| self.roll_back(adding, error))
    }

    fn build(&mut self, adding: &mut Adding<PodLink>) -> Result<CniResult, cni::Error> {
        let ifname = &self.request.env.ifname;
        let link = self.child.create(&mut self.host, &mut self.pod, ifname)?;
        adding.note(|undo| undo.index = Some(link.index));
        let mut result = self.allocate()?;
        result.interfaces = vec![self.interface(&link)];
        for ip in &mut result.ips {
            ip.interface = Some(0);
        }
        addresses::configure(&mut self.pod, &link, &result)?;
        announce::addresses(&mut self.pod, &link, &result);
        Ok(result)
    }

    /// The addresses of the IPAM; none without one, and the link works on layer 2.
    fn allocate(&mut self) -> Result<CniResult, cni::Error> {
        let own_dns = self.request.config.dns.clone();
        let Some(ipam) = &self.request.config.ipam_type else {
            return Ok(CniResult { dns: own_dns, ..CniResult::default() });
        };
        let mut result = delegate::add(self.request, ipam)?;
        self.addressed = true;
        if result.ips.is_empty() {
            return Err(cni::Error::internal(format!(
                "IPAM plugin {ipam} returned missing IP config: no address"
            )));
        }
        result.dns = addresses::merge_dns(own_dns, result.dns);
        Ok(result)
    }

    fn interface(&self, link: &Link) -> Interface {
        Interface {
            name: link.name.clone(),
            mac: link.address.map(|address| address.to_string()),
            mtu: Some(link.mtu),
            sandbox: self.request.env.netns.as_ref().map(|path| path.display().to_string()),
            ..Interface::default()
        }
    }

    /// The link goes before its addresses are free for others.
    fn roll_back(&self, adding: Adding<PodLink>, error: cni::Error) -> cni::Error {
        let mut failures: Vec<_> = adding.fail().into_iter().map(cni::Error::from).collect();
        if self.addressed {
            failures.extend(release_addresses(self.request).err());
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

fn release_addresses(request: &Request) -> Result<(), cni::Error> {
    request.config.ipam_type.as_ref().map_or(Ok(()), |ipam| delegate::del(request, ipam))
}
