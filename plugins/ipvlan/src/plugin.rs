use attach::Pod;
use cni::{Command, Error, Request};
use links::child::{self, Child, Kind, Master, Nature, Parent, Single, parent};
use netlink::link::{IpVlanFlags, LinkKind, NewKind};
use netlink::{Link, Rtnetlink};

use crate::conf::Conf;

/// The plugin.
pub type Ipvlan = child::Plugin<Conf>;

impl Single for Conf {
    const NAME: &'static str = "ipvlan";
    const ABOUT: &'static str =
        "railcni ipvlan: a child link of a master interface, with its MAC, in the pod";

    fn read(request: &Request) -> Result<Self, Error> {
        match request.env.command {
            Command::Add => Self::in_chain(request),
            Command::Check => Ok(Self { attached: Some(request.env.ifname.clone()), ..Self::of(request)? }),
            _ => Self::of(request),
        }
    }
}

impl Kind for Conf {
    fn plan(&self, host: &mut Rtnetlink, pod: &mut Pod) -> Result<Child, Error> {
        let parent = match (&self.master, &self.attached) {
            (None, Some(ifname)) => Parent::of_child(ifname, host, pod)?,
            _ => master(self).find(host, pod)?,
        };
        let namespace = if parent.in_pod { &mut pod.netlink } else { host };
        parent::require_ethernet(Self::NAME, &parent.link, namespace)?;
        parent::expect_up(&parent.link, self.require_master_up)?;
        parent::check_mtu(self.mtu, &parent.link)?;
        Ok(Child {
            parent,
            kind: NewKind::Ipvlan(self.kind()),
            mtu: self.mtu,
            address: None,
            inherited: self.inherited.clone(),
            nature: Nature { shares_address: true, excluded_by: Some("macvlan"), ..Nature::default() },
        })
    }

    fn diff(&self, _: &Child, link: &Link) -> Option<String> {
        other_kind(self, link)
    }

    fn require_parent(&self, host: &mut Rtnetlink) -> Result<(), Error> {
        match master(self).find_on_host(host)? {
            Some(link) => {
                parent::require_ethernet(Self::NAME, &link, host)?;
                parent::require_up(&link)
            }
            None => Ok(()),
        }
    }
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
