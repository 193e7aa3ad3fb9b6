use addresses::{Detection, result_differences};
use attach::{Attachments, Error, Pod, key_of, not_available, verdict};
use cni::{Request, delegate};
use netlink::{Link, Rtnetlink};
use netns::NetNs;
use state::Dirs;

use super::{Child, Kind, PodLink};

/// CHECK of a child link: the kernel against the config, the record and `prevResult`, then the IPAM's own CHECK.
pub(super) fn check(request: &Request, plugin: &str, kind: &dyn Kind) -> Result<(), cni::Error> {
    let netns = request.env.require_netns()?;
    request.config.require_prev_result()?;
    Detection::of(&request.config)?;
    let mut pod = Pod::open(netns)?;
    let mut host = Rtnetlink::open().map_err(Error::from)?;
    let record = Attachments::open(&Dirs::from_env().map_err(Error::from)?, plugin)?;
    let record = record.on_record::<PodLink>(&key_of(request)?)?.about(&pod.netns);
    let mut found: Vec<_> = record.err().into_iter().collect();
    found.extend(differences(request, kind, &mut host, &mut pod)?);
    if let Some(ipam) = &request.config.ipam_type {
        found.extend(delegate::check(request, ipam).err().map(|error| error.to_string()));
    }
    verdict(&request.env.ifname, &found)
}

/// STATUS: the parent is there and the IPAM can give addresses. Takes no lock and writes nothing.
pub(super) fn status(request: &Request, kind: &dyn Kind) -> Result<(), cni::Error> {
    Detection::of(&request.config)?;
    let mut host = Rtnetlink::open().map_err(Error::from)?;
    kind.require_parent(&mut host).map_err(not_available)?;
    request.config.ipam_type.as_ref().map_or(Ok(()), |ipam| delegate::status(request, ipam))
}

/// The link in the pod against what it is to be and against `prevResult`.
pub fn differences(
    request: &Request,
    kind: &dyn Kind,
    host: &mut Rtnetlink,
    pod: &mut Pod,
) -> Result<Vec<String>, cni::Error> {
    let child = kind.plan(host, pod)?;
    let Some(link) = pod.netlink.link_by_name(&request.env.ifname).map_err(Error::from)? else {
        return Ok(vec![format!("interface {} is missing in the pod", request.env.ifname)]);
    };
    let mut found = link_differences(&child, &link);
    let place = pod.netlink.netns_id(&NetNs::current().map_err(Error::from)?).map_err(Error::from)?;
    let is_told = kind.tells_parents_namespace() && !child.parent.in_pod && link.parent.is_some();
    if is_told && link.parent_netnsid != place {
        found.push(format!(
            "it is not on {} any more, but on a link of another namespace",
            child.parent.link.name
        ));
    }
    found.extend(kind.diff(&child, &link));
    found.extend(result_differences(request, pod, &link)?);
    Ok(found)
}

fn link_differences(child: &Child, link: &Link) -> Vec<String> {
    let mut found = Vec::new();
    if link.kind.name() != child.kind.name() {
        found.push(format!("it is a {:?} link, expected {}", link.kind.name(), child.kind.name()));
    }
    // Where the parent has the link's own number, in its namespace, IPoIB's kernel part says nothing of it
    // (`nla_put_iflink` in net/core/rtnetlink.c).
    if link.parent.unwrap_or(link.index) != child.parent.link.index {
        found.push(format!("it is not on {} any more", child.parent.link.name));
    }
    if child.mtu.is_some_and(|mtu| mtu != link.mtu) {
        found.push(format!("its MTU is {}, expected {}", link.mtu, child.mtu.unwrap_or_default()));
    }
    if !link.is_up() {
        found.push("it is down".to_owned());
    }
    found
}
