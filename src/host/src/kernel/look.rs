//! What the node has, for the settings.

use std::path::PathBuf;

use ipnet::IpNet;
use netlink::link::arphrd;
use netlink::{Family, Link, Rdma};

use super::{Kernel, rdma};
use crate::Error;
use crate::inventory::{Inventory, NicFacts};
use crate::key::Key;
use crate::settings::{Nic, Settings};
use crate::wants::MAIN;

impl Kernel {
    /// What wishes depend on.
    pub fn look(&mut self, settings: &Settings) -> Result<Inventory, Error> {
        let mut rdma = rdma()?;
        let (mut nics, mut misnamed) = (Vec::new(), Vec::new());
        for nic in &settings.nics {
            if let Some(link) = self.link(&nic.name)? {
                nics.push(self.facts(settings, nic, &link, rdma.as_mut())?);
            } else if let Some(pci) = nic.pci.map(|pci| pci.to_string())
                && let Some(name) = self.interface_at(&pci)?
            {
                misnamed.push((pci, name));
            }
        }
        Ok(Inventory { nics, misnamed, has_rdma: rdma.is_some() })
    }

    fn facts(
        &mut self,
        settings: &Settings,
        nic: &Nic,
        link: &Link,
        rdma: Option<&mut Rdma>,
    ) -> Result<NicFacts, Error> {
        let mut facts = NicFacts {
            name: nic.name.clone(),
            is_infiniband: link.hardware_type == arphrd::INFINIBAND,
            max_mtu: link.max_mtu,
            has_rdma_cm: self.root.join("sys/kernel/config/rdma_cm").is_dir(),
            routes: self.routes_in_the_way(nic, &settings.rdma_subnets)?,
            ..NicFacts::default()
        };
        if let Some(pf) = self.function(&nic.name)? {
            facts.pci = Some(pf.bdf().to_string());
            facts.total_vfs = pf.sriov_totalvfs()?;
            facts.num_vfs = pf.sriov_numvfs()?;
            facts.rdma = pf.infiniband()?;
            let sysfs = self.sysfs();
            for vf in pf.vfs()?.into_values() {
                facts.vfs.extend(sysfs.pci(vf)?.netdevs()?.iter().map(|netdev| netdev.name().to_owned()));
            }
            facts.notifications = self.notifications(&link.name, &pf.bdf().to_string());
        }
        if facts.rdma.is_empty() {
            facts.rdma = on_link(rdma, link.index)?;
        }
        if settings.roce.is_some() && !facts.is_infiniband {
            facts.dcb_by_firmware =
                self.route.dcb(&link.name)?.is_some_and(|dcb| dcb.is_managed_by_firmware());
        }
        Ok(facts)
    }

    /// Those that a driver has: mlx5's of the mainline kernel, and those of vendor kernels.
    fn notifications(&self, link: &str, pci: &str) -> Vec<PathBuf> {
        let debugfs = ["np_cnp_dscp", "np_cnp_prio"]
            .map(|name| format!("sys/kernel/debug/mlx5/{pci}/cc_params/{name}"));
        let ecn = |name: String| format!("sys/class/net/{link}/ecn/{name}");
        let point = ["cnp_dscp", "cnp_802p_prio"].map(|name| ecn(format!("roce_np/{name}")));
        let enables =
            (0..8).flat_map(|priority| ["np", "rp"].map(|end| ecn(format!("roce_{end}/enable/{priority}"))));
        let all = debugfs.into_iter().chain(point).chain(enables).map(PathBuf::from);
        all.filter(|path| self.root.join(path).is_file()).collect()
    }

    fn routes_in_the_way(&mut self, nic: &Nic, rdma_subnets: &[IpNet]) -> Result<Vec<Key>, Error> {
        let mut keys = Vec::new();
        for family in Family::BOTH {
            for table in nic.table.into_iter().chain(nic.rdma_route.then_some(MAIN)) {
                for route in self.routes(family, table)? {
                    if table == MAIN && !rdma_subnets.contains(&route.dst) {
                        continue;
                    }
                    let oif = route.oif.map(|oif| self.route.link_by_index(oif)).transpose()?.flatten();
                    let link = oif.map_or_else(|| "?".to_owned(), |link| called(nic, link));
                    keys.push(Key::Route { link, dst: route.dst, gateway: route.gateway, table });
                }
            }
        }
        Ok(keys)
    }
}

/// As the settings have it, which may be by an alternative name.
fn called(nic: &Nic, link: Link) -> String {
    if link.is_called(&nic.name) { nic.name.clone() } else { link.name }
}

/// What has no PCI function is found by its port: Soft-RoCE.
fn on_link(rdma: Option<&mut Rdma>, index: u32) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    let Some(rdma) = rdma else { return Ok(names) };
    for device in rdma.devices()? {
        if rdma.ports(device.index)?.iter().any(|port| port.link == Some(index)) {
            names.push(device.name);
        }
    }
    Ok(names)
}
