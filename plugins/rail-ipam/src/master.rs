//! The addresses of the device below the interface, for `matchMasterSubnet`.

use std::net::IpAddr;

use cni::Request;
use cni::setting::Names;
use ipam::Error;
use nix::ifaddrs::{InterfaceAddress, getifaddrs};
use sysfs::Root;

/// The addresses of the VF's PF, or of the `master` that the same config names.
pub(crate) fn addresses(request: &Request) -> Result<Vec<IpAddr>, Error> {
    let master = name(request)?;
    let entries =
        getifaddrs().map_err(failed)?.filter(|entry| entry.interface_name == master).collect::<Vec<_>>();
    if entries.is_empty() {
        return Err(Error::Master(format!("interface {master} does not exist on this node")));
    }
    Ok(entries.iter().filter_map(address).collect())
}

/// The C library asks the kernel for us: the room `netlink` would be a third of this binary.
fn address(entry: &InterfaceAddress) -> Option<IpAddr> {
    let address = entry.address.as_ref()?;
    let v4 = address.as_sockaddr_in().map(|address| address.ip().into());
    v4.or_else(|| address.as_sockaddr_in6().map(|address| address.ip().into()))
}

fn name(request: &Request) -> Result<String, Error> {
    if let Some(device) = text(request, "deviceID")?.or(text(request, "pciBusID")?) {
        return pf(&device);
    }
    match text(request, "master")? {
        Some(master) => Ok(master),
        None => Err(Error::Master("the config has neither deviceID, pciBusID nor master".to_owned())),
    }
}

fn text(request: &Request, key: &'static str) -> Result<Option<String>, Error> {
    let names = Names {
        runtime_config: if key == "deviceID" { key } else { "" },
        args_cni: "",
        cni_args: "",
        config: key,
    };
    // A list is what Spiderpool writes for `master`, and a bond's members are no master.
    let found = request.list_setting::<String>(names).map_err(|error| Error::Master(error.msg.clone()))?;
    match found.map(|setting| setting.value).as_deref() {
        None => Ok(None),
        Some([one]) => Ok(Some(one.clone())),
        Some(several) => Err(Error::Master(format!("{key} {several:?} is more than one device"))),
    }
}

fn pf(device: &str) -> Result<String, Error> {
    let function = Root::system().pci(device.parse().map_err(failed)?).map_err(failed)?;
    let pf = function.physfn().map_err(failed)?;
    let pf = pf.ok_or_else(|| Error::Master(format!("device {device} is not a VF")))?;
    let netdev = pf.netdev().map_err(failed)?;
    let netdev = netdev.ok_or_else(|| Error::Master(format!("PF {} has no network interface", pf.bdf())))?;
    Ok(netdev.name().to_owned())
}

fn failed(error: impl std::error::Error) -> Error {
    Error::Master(error.to_string())
}
