use attach::Pod;
use attach::child::{self, Child, Parent};
use cni::{CniResult, Error, Plugin, Request, ValidAttachments};
use netlink::link::{LinkKind, NewKind};
use netlink::{Link, Route};

use crate::conf::Conf;
use crate::master;

/// The CNI type, the file name, and the kernel's name of the link.
const NAME: &str = "macvlan";

/// The plugin.
pub(crate) struct Macvlan;

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
        let master_of_host = |host: &mut Route| {
            if conf.link_in_container { Ok(()) } else { master::find(&conf, host).map(drop) }
        };
        child::status(request, master_of_host)
    }
}

/// What the link is to be, once its master is known.
fn plan(conf: &Conf, host: &mut Route, pod: &mut Pod) -> Result<Child, Error> {
    let master = master::find(conf, if conf.link_in_container { &mut pod.route } else { host })?;
    master::check_mtu(conf.mtu, &master)?;
    Ok(Child {
        parent: Parent { link: master, in_pod: conf.link_in_container },
        kind: NewKind::Macvlan(conf.kind()),
        mtu: conf.mtu,
        address: conf.mac,
    })
}

fn other_mode(conf: &Conf, link: &Link) -> Option<String> {
    match &link.kind {
        LinkKind::Macvlan(macvlan) if macvlan.mode != conf.mode => {
            Some(format!("its mode is {:?}, expected {:?}", macvlan.mode, conf.mode))
        }
        _ => None,
    }
}
