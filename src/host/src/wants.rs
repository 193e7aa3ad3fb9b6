//! What has to be true for settings, key by key, in the order in which it is made true.

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use ipnet::IpNet;
use sysfs::Bdf;

use crate::inventory::{Inventory, NicFacts};
use crate::key::{Key, Value};
use crate::persist::Persist;
use crate::roce::Roce;
use crate::settings::{Nic, RdmaMode, Settings};

pub(crate) const MAIN: u32 = 254;
/// Where `ip rule` has those of the guides: in front of main, whose own is 32766.
pub(crate) const OF_A_NIC: u32 = 32_763;
/// In front of the NICs' own.
pub(crate) const NOT_TO_RAILS: u32 = 32_762;
/// In front of 80-net-setup-link.rules, which names what has no name yet.
const NAMES: &str = "etc/udev/rules.d/70-railcni-names.rules";
const MODPROBE: &str = "etc/modprobe.d/railcni-rdma.conf";
const RDMA_CM: &str = "sys/kernel/config/rdma_cm";

/// One key, and what it is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// Which.
    pub key: Key,
    /// What.
    pub value: Value,
}

/// All of it. The PFs come before what depends on their VFs, links before addresses, routes before the rules that lead to them;
/// the RDMA mode is the last, because running containers may refuse it, and all else is done then.
pub fn wants(settings: &Settings, inventory: &Inventory, persist: Option<&Persist>) -> Vec<Want> {
    let mut wants = Wants::default();
    wants.names(settings);
    // What has another name yet gets the rest in the next round, under its own.
    let is_named = |nic: &&Nic| nic.pci.is_none_or(|pci| inventory.misnamed(&pci.to_string()).is_none());
    let named =
        Settings { nics: settings.nics.iter().filter(is_named).cloned().collect(), ..settings.clone() };
    let settings = &named;
    for nic in &settings.nics {
        wants.link(nic, inventory.nic(&nic.name));
    }
    for nic in &settings.nics {
        wants.addresses(nic);
    }
    for nic in &settings.nics {
        wants.routes(nic, &settings.rdma_subnets);
    }
    wants.rules(settings);
    let ethernet = settings.nics.iter().filter_map(|nic| inventory.nic(&nic.name));
    for facts in ethernet.filter(|facts| !facts.is_infiniband) {
        if let Some(roce) = settings.roce {
            wants.roce(facts, roce);
        }
        wants.classes(settings, facts);
    }
    wants.0.extend(persist.map(Persist::wants).unwrap_or_default());
    if let Some(mode) = settings.rdma_mode {
        wants.rdma_mode(mode, inventory.has_rdma);
    }
    wants.0
}

#[derive(Default)]
struct Wants(Vec<Want>);

impl Wants {
    /// Once: two addresses of a subnet have one route.
    fn add(&mut self, key: Key, value: Value) {
        if !self.0.iter().any(|want| want.key == key) {
            self.0.push(Want { key, value });
        }
    }

    /// By a rule for the next time the NIC appears, and for now where it is there.
    fn names(&mut self, settings: &Settings) {
        if !settings.names.is_empty() {
            self.add(Key::File { path: NAMES.into() }, Value::Text(naming(&settings.names)));
        }
        for nic in &settings.nics {
            if let Some(pci) = nic.pci {
                self.add(Key::Name { pci: pci.to_string() }, Value::Text(nic.name.clone()));
            }
        }
    }

    /// Buffers come last: a driver may give them anew as priorities begin to pause.
    fn classes(&mut self, settings: &Settings, facts: &NicFacts) {
        let link = || facts.name.clone();
        if let Some(shares) = settings.ets {
            self.add(Key::Ets { link: link() }, Value::Text(shares.to_string()));
        }
        if let Some(memory) = settings.buffers {
            self.add(Key::Buffers { link: link() }, Value::Text(memory.to_string()));
        }
    }

    /// A VF takes no larger MTU than its PF has, so the PF's comes first; what a number of VFs brings is seen in the next round.
    fn link(&mut self, nic: &Nic, facts: Option<&NicFacts>) {
        let link = || nic.name.clone();
        if let Some(on) = nic.vf_autoprobe {
            self.add(Key::VfAutoprobe { link: link() }, Value::of(on));
        }
        if let Some(mtu) = nic.mtu {
            self.add(Key::Mtu { link: link() }, Value::Number(mtu.into()));
        }
        if let Some(vfs) = nic.vfs {
            self.add(Key::Vfs { link: link() }, Value::Number(vfs.into()));
        }
        // Those that are about to go are not worth it.
        let is_settled = |facts: &&NicFacts| nic.vfs.is_none_or(|wanted| facts.num_vfs == Some(wanted));
        let vfs = facts.filter(is_settled).map(|facts| &facts.vfs[..]).unwrap_or_default();
        if let Some(mtu) = nic.mtu {
            for vf in vfs {
                self.add(Key::Mtu { link: vf.clone() }, Value::Number(mtu.into()));
            }
        }
        self.add(Key::Up { link: link() }, Value::Present);
    }

    fn addresses(&mut self, nic: &Nic) {
        for &net in &nic.addresses {
            self.add(Key::Address { link: nic.name.clone(), net }, Value::Present);
        }
    }

    /// The NIC's own table has its subnets beside the default route: what goes to a neighbour takes no turn by the gateway.
    fn routes(&mut self, nic: &Nic, rdma_subnets: &[IpNet]) {
        let route = |dst, gateway, table| Key::Route { link: nic.name.clone(), dst, gateway, table };
        if let Some(table) = nic.table {
            for net in routed(nic) {
                self.add(route(net.trunc(), None, table), Value::Present);
            }
            for &gateway in &nic.gateways {
                self.add(route(default_of(gateway.is_ipv6()), Some(gateway), table), Value::Present);
            }
        }
        for subnet in rdma_subnets.iter().filter(|_| nic.rdma_route) {
            if let Some(gateway) = nic.gateway(subnet.addr().is_ipv6()) {
                self.add(route(*subnet, Some(gateway), MAIN), Value::Present);
            }
        }
    }

    fn rules(&mut self, settings: &Settings) {
        for nic in &settings.nics {
            for net in nic.table.iter().flat_map(|_| routed(nic)) {
                let from = Some(IpNet::from(net.addr()));
                let table = nic.table.unwrap_or(MAIN);
                self.add(Key::Rule { priority: OF_A_NIC, from, not_to: None, table }, Value::Present);
            }
        }
        for &subnet in &settings.rdma_subnets {
            let not_to = Some(subnet);
            self.add(Key::Rule { priority: NOT_TO_RAILS, from: None, not_to, table: MAIN }, Value::Present);
        }
    }

    fn roce(&mut self, facts: &NicFacts, roce: Roce) {
        let link = || facts.name.clone();
        for (dscp, priority) in [(roce.dscp, roce.priority), (roce.cnp_dscp, roce.cnp_priority)] {
            self.add(Key::Dscp { link: link(), dscp }, Value::Number(priority.into()));
        }
        self.add(Key::Pfc { link: link() }, Value::Number(1 << roce.priority));
        for (path, value) in
            facts.notifications.iter().filter_map(|path| Some((path, notification(path, roce)?)))
        {
            self.add(Key::Attribute { path: path.clone() }, Value::Text(value));
        }
        for device in facts.rdma.iter().filter(|_| facts.has_rdma_cm) {
            let device = PathBuf::from(RDMA_CM).join(device);
            self.add(Key::Directory { path: device.clone() }, Value::Present);
            for (name, value) in
                [("default_roce_mode", "RoCE v2".to_owned()), ("default_roce_tos", roce.tos().to_string())]
            {
                self.add(Key::Attribute { path: device.join("ports/1").join(name) }, Value::Text(value));
            }
        }
    }

    fn rdma_mode(&mut self, mode: RdmaMode, has_rdma: bool) {
        let option = format!(
            "# Who sees which RDMA device: railctl host.\noptions ib_core netns_mode={}\n",
            mode.parameter()
        );
        self.add(Key::File { path: MODPROBE.into() }, Value::Text(option));
        // Before its module is loaded there is nothing to set, and the file is what it will read.
        if has_rdma {
            self.add(Key::RdmaMode, Value::Text(mode.name().to_owned()));
        }
    }
}

/// For the interface of the function itself: those of its VFs are of other functions, and representors say which port they stand for.
/// An attribute that a NIC does not have matches nothing, not even `!=`.
fn naming(named: &[(Bdf, String)]) -> String {
    let rule = |(pci, name): &(Bdf, String)| format!("KERNELS==\"{pci}\", NAME=\"{name}\"\n");
    let rules: String = named.iter().map(rule).collect();
    format!(
        "# Names of the RDMA NICs: railctl host.\n\
         ACTION!=\"add\", GOTO=\"railcni_names_end\"\n\
         SUBSYSTEM!=\"net\", GOTO=\"railcni_names_end\"\n\
         ATTR{{phys_port_name}}==\"*pf*\", GOTO=\"railcni_names_end\"\n\
         {rules}LABEL=\"railcni_names_end\"\n"
    )
}

/// Those whose family has a gateway.
fn routed(nic: &Nic) -> impl Iterator<Item = &IpNet> {
    nic.addresses.iter().filter(|net| nic.gateway(net.addr().is_ipv6()).is_some())
}

fn default_of(v6: bool) -> IpNet {
    let unspecified = if v6 {
        std::net::IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED)
    } else {
        std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED)
    };
    IpNet::new_assert(unspecified, 0)
}

/// What a driver's file about congestion notifications is to hold: mlx5's own in debugfs, and those of vendor kernels.
fn notification(path: &std::path::Path, roce: Roce) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let parent = path.parent()?.file_name()?.to_str()?;
    let enabled = (parent == "enable" && name == roce.priority.to_string()).then(|| "1".to_owned());
    match name {
        "np_cnp_dscp" | "cnp_dscp" => Some(roce.cnp_dscp.to_string()),
        "np_cnp_prio" | "cnp_802p_prio" => Some(roce.cnp_priority.to_string()),
        _ => enabled,
    }
}
