//! The device of the previous result's interface, where no `deviceID` is given.

use attach::Pod;
use cni::{CniResult, Interface};
use netlink::{HwAddr, Rtnetlink, Vf};
use sysfs::Root;

use super::Error;
use crate::vf::Id;

/// By the result's `pciID`, by what the kernel says of the interface in the pod, or by the MAC that a PF gave its VF.
pub(super) fn device(result: &CniResult, pod: &mut Pod) -> Result<Id, attach::Error> {
    let interface = only(result)?;
    if let Some(id) = &interface.pci_id {
        return Ok(Id::parse(id)?);
    }
    if let Some(id) = pod.netlink.link_by_name(&interface.name)?.and_then(|link| link.device) {
        return Ok(Id::parse(&id)?);
    }
    let mac = interface.mac.as_deref().unwrap_or_default();
    let mac: HwAddr =
        mac.parse().map_err(|_| no_device(format!("{} has no MAC to look for", interface.name)))?;
    by_mac(&mut Rtnetlink::open()?, mac)
}

fn only(result: &CniResult) -> Result<&Interface, Error> {
    match result.interfaces.as_slice() {
        [one] => Ok(one),
        several => Err(no_device(format!("prevResult has {} interfaces, not one", several.len()))),
    }
}

fn by_mac(host: &mut Rtnetlink, mac: HwAddr) -> Result<Id, attach::Error> {
    let root = Root::system();
    let mut pfs = Vec::new();
    for link in host.links()? {
        let function = link.device.as_deref().and_then(|device| root.pci(device.parse().ok()?).ok());
        let Some(function) = function else { continue };
        if function.sriov_numvfs()?.is_some_and(|vfs| vfs > 0) {
            pfs.push((function, host.vfs(link.index)?));
        }
    }
    let lists: Vec<_> = pfs.iter().map(|(_, vfs)| vfs.as_slice()).collect();
    let (pf, vf) = unique(&lists, mac)?;
    let found = pfs[pf].0.vfs()?.remove(&vf);
    Ok(Id::Pci(found.ok_or_else(|| no_device(format!("VF {vf} with MAC {mac} has no PCI function")))?))
}

/// Position of the list and number of the VF.
fn unique(pfs: &[&[Vf]], mac: HwAddr) -> Result<(usize, u32), Error> {
    let all = pfs.iter().enumerate().flat_map(|(pf, vfs)| vfs.iter().map(move |vf| (pf, vf)));
    let found: Vec<_> = all.filter(|(_, vf)| vf.address == Some(mac)).map(|(pf, vf)| (pf, vf.id)).collect();
    match found.as_slice() {
        [one] => Ok(*one),
        several => Err(no_device(format!(
            "{} VFs of this node have the administrative MAC {mac}, not one",
            several.len()
        ))),
    }
}

fn no_device(problem: String) -> Error {
    Error::NoDevice { problem }
}

#[cfg(test)]
mod tests {
    use netlink::VfVlan;

    use super::*;

    fn vf(id: u32, mac: u8) -> Vf {
        Vf {
            id,
            address: Some([2, 0, 0, 0, 0, mac].into()),
            vlan: VfVlan::default(),
            min_tx_rate: 0,
            max_tx_rate: 0,
            spoofchk: None,
            trust: None,
            link_state: None,
            node_guid: None,
            port_guid: None,
        }
    }

    #[test]
    fn a_mac_counts_if_one_vf_has_it() {
        let (first, second) = ([vf(0, 1), vf(1, 2)], [vf(4, 3), vf(0, 2)]);
        let pfs: [&[Vf]; 2] = [&first, &second];
        let find = |mac: u8| unique(&pfs, [2, 0, 0, 0, 0, mac].into());
        assert_eq!(find(3).unwrap(), (1, 4), "by number, never by position");
        for (mac, count) in [(9, "0 VFs"), (2, "2 VFs")] {
            let said = find(mac).unwrap_err().to_string();
            assert!(said.contains(count) && said.contains("deviceID"), "{said}");
        }
    }

    #[test]
    fn several_interfaces_are_no_basis_for_a_guess() {
        let mut result = CniResult { interfaces: vec![Interface::default(); 2], ..CniResult::default() };
        assert!(only(&result).unwrap_err().to_string().contains("2 interfaces"));
        result.interfaces.pop();
        only(&result).unwrap();
    }
}
