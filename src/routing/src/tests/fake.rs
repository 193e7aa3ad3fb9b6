use std::net::IpAddr;

use ipnet::IpNet;
use state::{AttachmentKey, Netns};

use crate::changes::{Change, LinkSetting, Place};
use crate::config::{DefaultRouteNic, Mode, Settings};
use crate::model::{Ipv4, Link, MAIN, Route, View};
use crate::plan::{self, Plan};
use crate::shared::Shared;
use crate::undo::RoutingUndo;
use crate::{Address, PodNic};

pub(super) const ETH0: u32 = 2;
const BOOT: u8 = 3;
const KERNEL: u8 = 2;

/// A pod with its record.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Fake {
    pub(super) view: View,
    pub(super) shared: Shared,
}

pub(super) fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

pub(super) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(super) fn settings() -> Settings {
    Settings {
        first_nic: "eth0".into(),
        default_nic: None,
        tune: true,
        table: None,
        gateways: Vec::new(),
        detours: Vec::new(),
        policy_routes: Vec::new(),
        rp_filter: Some(0),
        tx_queue_len: None,
        mac_prefix: None,
        mode: Mode::Auto,
        host_table: Some(500),
        veth_mtu: 1500,
        veth_address: None,
    }
}

pub(super) fn with_default_nic(nic: &str) -> Settings {
    Settings { default_nic: Some(DefaultRouteNic { nic: nic.into(), from_pod: false }), ..settings() }
}

/// A route of main, as `ip route add` makes it.
pub(super) fn route(dst: &str, via: Option<&str>, dev: u32) -> Route {
    let dst = net(dst);
    Route {
        dst,
        table: MAIN,
        protocol: BOOT,
        scope: if via.is_none() && dst.addr().is_ipv4() { 253 } else { 0 },
        priority: if dst.addr().is_ipv6() { 1024 } else { 0 },
        gateway: via.map(ip),
        src: None,
        dev,
        onlink: false,
        mtu: None,
        advmss: None,
    }
}

impl Fake {
    /// Calico's eth0, both families.
    pub(super) fn with_eth0() -> Self {
        let mut fake = Self::default();
        fake.view.rp_filter = "0".into();
        fake.link(ETH0, "eth0", &["10.244.0.1/32", "fd00:244::1/128"]);
        fake.view.routes.push(Route {
            protocol: KERNEL,
            priority: 256,
            ..route("fd00:244::1/128", None, ETH0)
        });
        fake.view.routes.push(route("169.254.1.1/32", None, ETH0));
        fake.add(route("0.0.0.0/0", Some("169.254.1.1"), ETH0), Place::Last);
        fake.add(route("::/0", Some("fe80::1"), ETH0), Place::Last);
        fake
    }

    /// `netN` on rail N: addresses, connected routes, link-local ones, and default routes where `place` says.
    pub(super) fn rail(&mut self, number: u32, place: Option<Place>) {
        let index = 10 + number;
        let (v4, v6) = (format!("172.16.{number}.10/24"), format!("fd00:16:{number}::10/64"));
        self.link(index, &format!("net{number}"), &[&v4, &v6]);
        let connected = route(&format!("172.16.{number}.0/24"), None, index);
        self.view.routes.push(Route { protocol: KERNEL, src: Some(net(&v4).addr()), ..connected });
        let connected = route(&format!("fd00:16:{number}::/64"), None, index);
        self.view.routes.push(Route { protocol: KERNEL, priority: 256, ..connected });
        if let Some(place) = place {
            self.add(route("0.0.0.0/0", Some(&format!("172.16.{number}.254")), index), place);
            self.add(route("::/0", Some(&format!("fd00:16:{number}::fe")), index), Place::Last);
        }
    }

    pub(super) fn link(&mut self, index: u32, name: &str, addresses: &[&str]) {
        let mac = Some([2, 0, 0, 0, 0, index.to_le_bytes()[0]]);
        let ipv4 = Some(Ipv4::default());
        self.view.links.push(Link { index, name: name.into(), mac, tx_queue_len: 1000, ipv4, peer: None });
        self.view.addresses.extend(addresses.iter().map(|address| (index, net(address))));
        self.view.addresses.push((index, net("fe80::10/64")));
        self.view.routes.push(Route { protocol: KERNEL, priority: 256, ..route("fe80::/64", None, index) });
    }

    /// The view with what has no order in the kernel sorted, for comparison.
    pub(super) fn sorted(&self) -> View {
        let mut view = self.view.clone();
        view.rules.sort_by_key(|rule| (rule.src.addr().is_ipv6(), rule.priority));
        view.routes.sort_by_key(|route| {
            (route.table, route.dst, route.priority, (!route.is_default()).then_some(route.dev))
        });
        view
    }

    pub(super) fn defaults(&self, is_v6: bool) -> Vec<u32> {
        self.view.main_defaults().filter(|route| route.is_v6() == is_v6).map(|route| route.dev).collect()
    }

    pub(super) fn plan(&mut self, ifname: &str, settings: &Settings) -> Result<Plan, String> {
        self.plan_with(ifname, settings, &[])
    }

    pub(super) fn plan_with(
        &mut self,
        ifname: &str,
        settings: &Settings,
        gateways: &[IpAddr],
    ) -> Result<Plan, String> {
        let index = self.view.link(ifname).map(|link| link.index);
        let own = index.into_iter().flat_map(|index| self.view.addresses_of(index));
        let gateway = |net: &IpNet| gateways.iter().copied().find(|ip| ip.is_ipv4() == net.addr().is_ipv4());
        let addresses: Vec<_> = own.map(|net| Address { net, gateway: gateway(&net) }).collect();
        let key = key(ifname);
        plan::join(&self.view, &mut self.shared, &[PodNic { key, addresses, settings }])
    }

    /// A whole ADD.
    pub(super) fn join(&mut self, ifname: &str, settings: &Settings) -> RoutingUndo {
        let plan = self.plan(ifname, settings).unwrap();
        let before = self.view.clone();
        self.changes(&plan.changes);
        self.shared.reconciled(&before);
        undo(ifname, &plan)
    }

    /// A whole DEL.
    pub(super) fn leave(&mut self, undo: &RoutingUndo) {
        let before = self.view.clone();
        let changes = plan::leave(&self.view, &mut self.shared, std::slice::from_ref(undo));
        self.changes(&changes);
        self.shared.reconciled(&before);
        if self.shared.members.is_empty() {
            self.shared = Shared::default();
        }
    }

    /// Of a NIC that no record knows, as the result of its ADD tells of it.
    pub(super) fn lost(&self, ifname: &str) -> RoutingUndo {
        let index = self.view.link(ifname).map(|link| link.index).unwrap_or_default();
        let addresses = self.view.addresses_of(index).map(|net| net.addr()).collect();
        RoutingUndo { key: key(ifname), netns: netns(), own: None, addresses, pair: None }
    }

    pub(super) fn changes(&mut self, changes: &[Change]) {
        for change in changes {
            self.change(change);
        }
    }

    /// As the kernel would; what it would refuse is a failed test.
    fn change(&mut self, change: &Change) {
        match change {
            Change::AddRoute(route, place) => self.add(route.clone(), *place),
            Change::AddRule(rule) => {
                assert!(!self.view.rules.contains(rule), "{rule} is there already");
                self.view.rules.push(rule.clone());
            }
            Change::DeleteRoute(route) => {
                let place = self.view.routes.iter().position(|other| other == route);
                self.view.routes.remove(place.unwrap_or_else(|| panic!("no {route:?}")));
            }
            Change::SetLink(setting) => {
                let link = self.view.links.iter_mut().find(|link| link.index == setting.index).unwrap();
                link.mac = setting.mac.or(link.mac);
                link.tx_queue_len = setting.tx_queue_len.unwrap_or(link.tx_queue_len);
                link.ipv4 = link.ipv4.map(|ipv4| apply(setting, ipv4));
            }
            // They are nothing that a plan looks at.
            Change::AddNeighbour { .. } | Change::AddAddress { .. } => (),
            Change::DeleteRule(rule) => {
                let place = self.view.rules.iter().position(|other| other == rule);
                self.view.rules.remove(place.unwrap_or_else(|| panic!("no {rule}")));
            }
        }
    }

    pub(super) fn add(&mut self, route: Route, place: Place) {
        assert!(self.view.has(route.dev), "no link for {route:?}");
        let rival = |other: &Route| {
            (other.dst, other.table, other.priority) == (route.dst, route.table, route.priority)
        };
        assert!(!self.view.routes.contains(&route), "{route:?} is there already");
        match place {
            Place::Only => {
                let refused = self.view.routes.iter().find(|other| rival(other));
                assert!(refused.is_none(), "{route:?} beside {refused:?}");
                self.view.routes.push(route);
            }
            Place::First if !route.is_v6() => {
                let first = self.view.routes.iter().position(rival).unwrap_or(self.view.routes.len());
                self.view.routes.insert(first, route);
            }
            Place::Instead => {
                let place = self.view.routes.iter().position(rival);
                let place = place.unwrap_or_else(|| panic!("nothing to replace by {route:?}"));
                self.view.routes[place] = route;
            }
            Place::First | Place::Last => self.view.routes.push(route),
        }
    }
}

pub(super) fn undo(ifname: &str, plan: &Plan) -> RoutingUndo {
    RoutingUndo {
        key: key(ifname),
        netns: netns(),
        own: Some(plan.parts[0].own.clone()),
        addresses: Vec::new(),
        pair: None,
    }
}

fn key(ifname: &str) -> AttachmentKey {
    AttachmentKey::new("rails", "cid", ifname).unwrap()
}

fn netns() -> Netns {
    Netns { dev: 4, ino: 1, cookie: 0, path: "/run/netns/pod".into() }
}

fn apply(setting: &LinkSetting, now: Ipv4) -> Ipv4 {
    let (arp_announce, arp_ignore) = setting.arp.unwrap_or((now.arp_announce, now.arp_ignore));
    Ipv4 { rp_filter: setting.rp_filter.unwrap_or(now.rp_filter), arp_announce, arp_ignore }
}
