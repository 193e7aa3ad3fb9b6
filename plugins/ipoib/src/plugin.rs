use attach::Pod;
use cni::{Error, Request};
use links::child::{self, Child, Kind, Master, Nature, Parent, Single, parent};
use links::pkey::Pkey;
use netlink::link::arphrd::INFINIBAND;
use netlink::link::{self, LinkKind, NewKind};
use netlink::{Link, Rtnetlink};

use crate::conf::Conf;

/// The plugin.
pub type Ipoib = child::Plugin<Conf>;

impl Single for Conf {
    const NAME: &'static str = "ipoib";
    const ABOUT: &'static str = "railcni ipoib: a child of an IP-over-InfiniBand interface, in the pod";

    fn read(request: &Request) -> Result<Self, Error> {
        Self::of(request)
    }
}

impl Kind for Conf {
    fn tells_parents_namespace(&self) -> bool {
        false
    }

    fn plan(&self, host: &mut Rtnetlink, pod: &mut Pod) -> Result<Child, Error> {
        let parent = master(self).find(host, pod)?;
        let kind = self.kind(&fit(&parent.link, host)?);
        parent::check_mtu(self.mtu, &parent.link)?;
        warn_of_partition(self, &parent);
        Ok(Child {
            parent,
            kind: NewKind::Ipoib(kind),
            mtu: self.mtu,
            address: None,
            inherited: None,
            nature: Nature { outlives_namespace: true, ..Nature::default() },
        })
    }

    fn diff(&self, child: &Child, link: &Link) -> Option<String> {
        other_kind(child, link)
    }

    fn require_parent(&self, host: &mut Rtnetlink) -> Result<(), Error> {
        match master(self).find_on_host(host)? {
            Some(link) => fit(&link, host).map(drop),
            None => Ok(()),
        }
    }
}

fn master(conf: &Conf) -> Master<'_> {
    Master { name: Some(&conf.master), in_pod: false }
}

/// The kernel takes any InfiniBand link for its own `IPoIB` driver's, and refuses a child of a child with EINVAL.
fn fit(link: &Link, host: &mut Rtnetlink) -> Result<link::Ipoib, Error> {
    let name = &link.name;
    let refuse = |why: String| Err(Error::invalid_config(format!("master \"{name}\" {why}")));
    let LinkKind::Ipoib(kind) = &link.kind else {
        return match link.hardware_type {
            INFINIBAND => refuse(
                "is an InfiniBand interface of a driver without IPoIB children: use `ib-sriov`".to_owned(),
            ),
            _ => {
                refuse("is not an IPoIB interface: on Ethernet use `macvlan`, `ipvlan` or `sriov`".to_owned())
            }
        };
    };
    if let Some(index) = link.parent {
        let parent = host.link_by_index(index).map_err(attach::Error::from)?;
        let parent = parent.map_or_else(|| index.to_string(), |parent| parent.name);
        return refuse(format!("is a child itself: use {parent} with the `pkey` of {name}"));
    }
    parent::require_up(link)?;
    Ok(kind.clone())
}

/// It may come yet: the subnet manager fills the table.
fn warn_of_partition(conf: &Conf, parent: &Parent) {
    let name = &parent.link.name;
    if let Some(pkey) = conf.pkey.filter(|pkey| pkey.is_in_table_of(name) == Some(false)) {
        tracing::warn!(
            %pkey,
            master = name,
            "the port is not in this partition: there is no carrier until the subnet manager puts it there"
        );
    }
}

fn other_kind(child: &Child, link: &Link) -> Option<String> {
    let (NewKind::Ipoib(wanted), LinkKind::Ipoib(found)) = (&child.kind, &link.kind) else { return None };
    let differs = [
        (!same_partition(wanted, found)).then(|| format!("its pkey is {}", hex(found.pkey))),
        (wanted.mode != found.mode).then(|| format!("its mode is {:?}", found.mode)),
        (wanted.umcast != found.umcast).then(|| format!("its umcast is {:?}", found.umcast)),
    ];
    let differs: Vec<_> = differs.into_iter().flatten().collect();
    (!differs.is_empty()).then(|| {
        let mode = wanted.mode.map_or_else(String::new, |mode| format!(", mode {mode:?}"));
        format!("{}; expected pkey {}{mode}", differs.join(", "), hex(wanted.pkey))
    })
}

/// The kernel sets the bit of full membership.
fn same_partition(wanted: &link::Ipoib, found: &link::Ipoib) -> bool {
    match (wanted.pkey.and_then(Pkey::new), found.pkey) {
        (Some(wanted), Some(found)) => wanted.is_partition_of(found),
        _ => true,
    }
}

fn hex(pkey: Option<u16>) -> String {
    pkey.map_or_else(|| "unknown".to_owned(), |pkey| format!("{pkey:#06x}"))
}
