use attach::Pod;
use cni::{CniResult, Error, Plugin, Request, ValidAttachments};
use links::child::{self, Child, Kind, Master, parent};
use netlink::link::{LinkKind, NewKind};
use netlink::{Link, Rtnetlink};

use crate::conf::Conf;

/// The CNI type, the file name, and the kernel's name of the link.
const NAME: &str = "macvlan";

/// The plugin.
#[derive(Debug)]
pub struct Macvlan;

impl Plugin for Macvlan {
    fn about(&self) -> &'static str {
        "railcni macvlan: a child link of a master interface, in the pod"
    }

    fn add(&self, request: &Request) -> Result<CniResult, Error> {
        let conf = Conf::of(request)?;
        child::add(request, NAME, |host, pod| plan(&conf, host, pod))
    }

    fn del(&self, request: &Request) -> Result<(), Error> {
        child::del(request, NAME, NAME)
    }

    fn check(&self, request: &Request) -> Result<(), Error> {
        let conf = Conf::of(request)?;
        child::check(request, NAME, |host, pod| plan(&conf, host, pod), |_, link| other_mode(&conf, link))
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
        plan(self, host, pod)
    }

    fn diff(&self, _: &Child, link: &Link) -> Option<String> {
        other_mode(self, link)
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

/// What the link is to be, once its master is known.
fn plan(conf: &Conf, host: &mut Rtnetlink, pod: &mut Pod) -> Result<Child, Error> {
    let parent = master(conf).find(host, pod)?;
    parent::require_ethernet(NAME, &parent.link, if parent.in_pod { &mut pod.netlink } else { host })?;
    parent::expect_up(&parent.link, conf.require_master_up)?;
    parent::check_mtu(conf.mtu, &parent.link)?;
    Ok(Child {
        parent,
        kind: NewKind::Macvlan(conf.kind()),
        mtu: conf.mtu,
        address: conf.mac,
        inherited: None,
    })
}

fn master(conf: &Conf) -> Master<'_> {
    Master { name: conf.master.as_deref(), in_pod: conf.link_in_container }
}

fn other_mode(conf: &Conf, link: &Link) -> Option<String> {
    match &link.kind {
        LinkKind::Macvlan(macvlan) if macvlan.mode != conf.mode => {
            Some(format!("its mode is {:?}, expected {:?}", macvlan.mode, conf.mode))
        }
        _ => None,
    }
}
