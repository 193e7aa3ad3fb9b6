use attach::Pod;
use cni::{Error, Request};
use links::child::{self, Child, Kind, Master, Nature, Single, parent};
use netlink::link::{LinkKind, MacVlanMode, NewKind};
use netlink::{Link, Rtnetlink};

use crate::conf::Conf;

/// The plugin.
pub type Macvlan = child::Plugin<Conf>;

impl Single for Conf {
    const NAME: &'static str = "macvlan";
    const ABOUT: &'static str = "railcni macvlan: a child link of a master interface, in the pod";

    fn read(request: &Request) -> Result<Self, Error> {
        Self::of(request)
    }
}

impl Kind for Conf {
    fn plan(&self, host: &mut Rtnetlink, pod: &mut Pod) -> Result<Child, Error> {
        let parent = master(self).find(host, pod)?;
        let namespace = if parent.in_pod { &mut pod.netlink } else { host };
        parent::require_ethernet(Self::NAME, &parent.link, namespace)?;
        parent::expect_up(&parent.link, self.require_master_up)?;
        parent::check_mtu(self.mtu, &parent.link)?;
        Ok(Child {
            parent,
            kind: NewKind::Macvlan(self.kind()),
            mtu: self.mtu,
            address: self.mac,
            inherited: None,
            nature: Nature {
                excluded_by: Some("ipvlan"),
                takes_parent: self.mode == MacVlanMode::Passthrough,
                ..Nature::default()
            },
        })
    }

    fn diff(&self, _: &Child, link: &Link) -> Option<String> {
        difference(self, link)
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

/// In what makes it this macvlan and not another.
fn difference(conf: &Conf, link: &Link) -> Option<String> {
    let LinkKind::Macvlan(macvlan) = &link.kind else { return None };
    let mode = (macvlan.mode != conf.mode)
        .then(|| format!("its mode is {:?}, expected {:?}", macvlan.mode, conf.mode));
    let queue = conf.bc_queue_len.filter(|length| macvlan.bc_queue_len.is_some_and(|found| found != *length));
    let queue = queue.map(|length| {
        format!("its bcqueuelen is {}, expected {length}", macvlan.bc_queue_len.unwrap_or_default())
    });
    let found: Vec<_> = [mode, queue].into_iter().flatten().collect();
    (!found.is_empty()).then(|| found.join(", and "))
}
