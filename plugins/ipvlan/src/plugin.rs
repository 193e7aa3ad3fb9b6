use attach::Pod;
use cni::{CniResult, Error, Plugin, Request, ValidAttachments};
use links::child::{self, Child, Kind, Master, Parent, parent};
use netlink::link::{IpVlanFlags, LinkKind, NewKind};
use netlink::{Link, Rtnetlink};

use crate::conf::{Conf, inherited};

/// The CNI type, the file name, and the kernel's name of the link.
const NAME: &str = "ipvlan";

/// The plugin.
#[derive(Debug)]
pub struct Ipvlan;

impl Plugin for Ipvlan {
    fn about(&self) -> &'static str {
        "railcni ipvlan: a child link of a master interface, with its MAC, in the pod"
    }

    fn add(&self, request: &Request) -> Result<CniResult, Error> {
        let conf = Conf::in_chain(request)?;
        child::add(request, NAME, |host, pod| {
            let parent = master(&conf).find(host, pod)?;
            plan(&conf, parent, host, pod).map(|child| Child { inherited: inherited(request), ..child })
        })
    }

    fn del(&self, request: &Request) -> Result<(), Error> {
        child::del(request, NAME, NAME)
    }

    fn check(&self, request: &Request) -> Result<(), Error> {
        let conf = Conf::of(request)?;
        let found = |host: &mut Rtnetlink, pod: &mut Pod| {
            let parent = match conf.master {
                Some(_) => master(&conf).find(host, pod)?,
                None => Parent::of_child(&request.env.ifname, host, pod)?,
            };
            plan(&conf, parent, host, pod)
        };
        child::check(request, NAME, found, |_, link| other_kind(&conf, link))
    }

    fn gc(&self, request: &Request, valid: &ValidAttachments) -> Result<(), Error> {
        child::gc(request, NAME, valid)
    }

    fn status(&self, request: &Request) -> Result<(), Error> {
        let conf = Conf::of(request)?;
        child::status(request, |host| conf.require_parent(host))
    }
}

impl Kind for Conf {
    fn plan(&self, host: &mut Rtnetlink, pod: &mut Pod) -> Result<Child, Error> {
        let parent = master(self).find(host, pod)?;
        plan(self, parent, host, pod)
    }

    fn diff(&self, _: &Child, link: &Link) -> Option<String> {
        other_kind(self, link)
    }

    fn require_parent(&self, host: &mut Rtnetlink) -> Result<(), Error> {
        match master(self).find_on_host(host)? {
            Some(link) => {
                parent::require_ethernet(NAME, &link, host)?;
                parent::require_up(&link)
            }
            None => Ok(()),
        }
    }
}

/// What the link is to be on that parent, if it can be.
fn plan(conf: &Conf, parent: Parent, host: &mut Rtnetlink, pod: &mut Pod) -> Result<Child, Error> {
    parent::require_ethernet(NAME, &parent.link, if parent.in_pod { &mut pod.netlink } else { host })?;
    parent::expect_up(&parent.link, conf.require_master_up)?;
    parent::check_mtu(conf.mtu, &parent.link)?;
    Ok(Child { parent, kind: NewKind::Ipvlan(conf.kind()), mtu: conf.mtu, address: None, inherited: None })
}

fn master(conf: &Conf) -> Master<'_> {
    Master { name: conf.master.as_deref(), in_pod: conf.link_in_container }
}

/// Mode and flag are the master's: another network on it changes those of all its links.
fn other_kind(conf: &Conf, link: &Link) -> Option<String> {
    match &link.kind {
        LinkKind::Ipvlan(ipvlan) if *ipvlan != conf.kind() => Some(format!(
            "its mode is {} and its flag {}, expected {} and {}: all networks on one master need the same",
            mode_name(ipvlan),
            flag_name(ipvlan.flags),
            mode_name(&conf.kind()),
            flag_name(conf.flags),
        )),
        _ => None,
    }
}

fn mode_name(ipvlan: &netlink::link::Ipvlan) -> String {
    format!("{:?}", ipvlan.mode).to_lowercase()
}

fn flag_name(flags: IpVlanFlags) -> &'static str {
    if flags.contains(IpVlanFlags::Private) {
        "private"
    } else if flags.contains(IpVlanFlags::Vepa) {
        "vepa"
    } else {
        "bridge"
    }
}
