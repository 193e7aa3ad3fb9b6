//! Which VF is which rail: those that the config writes, and those that the runtime gives.

use cni::setting::Names;
use cni::{Command, Error, Request};
use devices::vf::Id;
use serde_json::{Map, Value};
use sysfs::Root;

use crate::expand::text;

/// Stands for a device that nobody has named yet: STATUS has none, and DEL needs none.
pub const UNKNOWN_DEVICE: &str = "0000:00:00.0";

type Rail = Map<String, Value>;

/// Whether a name in `rails` is that of a device, and not of an interface.
pub(crate) fn is_device(name: &str) -> bool {
    Id::parse(name).is_ok()
}

/// Gives each rail its device: its own, else the runtime's on the PF that the rail names, else the runtime's next.
pub(crate) fn assign(request: &Request, written: Option<Vec<Rail>>) -> Result<Vec<Rail>, Error> {
    let mut given = given(request)?;
    let mut rails = written.unwrap_or_else(|| vec![Rail::new(); given.len().max(1)]);
    given.retain(|device| !rails.iter().any(|rail| text(rail, "deviceID") == Some(device)));
    // Without a namespace there is nothing to attach: somebody only wants to know.
    let is_needed =
        matches!(request.env.command, Command::Add | Command::Check) && request.env.netns.is_some();
    let is_open = |rail: &&mut Rail| text(rail, "deviceID").is_none();
    for rail in rails.iter_mut().filter(is_open) {
        if let Some(pf) = text(rail, "master").map(str::to_owned)
            && let Some(place) = given.iter().position(|device| pf_of(device).as_deref() == Some(&pf))
        {
            set(rail, given.remove(place));
        }
    }
    for (position, rail) in rails.iter_mut().enumerate().filter(|(_, rail)| is_open(rail)) {
        match text(rail, "master") {
            None if !given.is_empty() => set(rail, given.remove(0)),
            _ if !is_needed => set(rail, UNKNOWN_DEVICE.to_owned()),
            pf => return Err(missing(position, pf, &given)),
        }
    }
    match given.first().filter(|_| is_needed) {
        Some(left) => Err(Error::invalid_config(format!(
            "deviceID {left}: the runtime gives it, and no rail is on its PF{}; name that in rails, or take one resource \
             for each rail",
            pf_of(left).map(|pf| format!(" {pf}")).unwrap_or_default()
        ))),
        None => Ok(rails),
    }
}

/// Rails whose devices will come with the pod.
pub(crate) fn unknown(written: Option<Vec<Rail>>, count: usize) -> Vec<Rail> {
    let mut rails = written.unwrap_or_else(|| vec![Rail::new(); count]);
    for rail in &mut rails {
        set(rail, UNKNOWN_DEVICE.to_owned());
    }
    rails
}

fn set(rail: &mut Rail, device: String) {
    rail.insert("deviceID".to_owned(), Value::String(device));
}

fn missing(position: usize, pf: Option<&str>, given: &[String]) -> Error {
    let what = match (pf, given) {
        (Some(pf), []) => format!("rails[{position}]: no deviceID for a VF of {pf}"),
        (Some(pf), others) => format!("rails[{position}]: none of {} is a VF of {pf}", others.join(", ")),
        (None, _) if position == 0 => {
            "deviceID is missing: the PCI address of a VF, such as 0000:3b:02.5, or of one for each rail"
                .to_owned()
        }
        (None, _) => format!("rails[{position}]: no deviceID is left for it; the runtime gave {position}"),
    };
    Error::invalid_config(what).with_details(
        "Multus fills in one deviceID when the network attachment definition has the annotation \
         k8s.v1.cni.cncf.io/resourceName and the pod requests that resource; for several rails write \"devices\": \"pod\", or theirs \
         into rails, or into runtimeConfig.deviceID as a list",
    )
}

/// Multus sets both keys alike; a list, or text with commas as in a container's `PCIDEVICE_`, is several rails'.
pub(crate) fn given(request: &Request) -> Result<Vec<String>, Error> {
    let names = |config| Names { runtime_config: "deviceID", config, ..Names::default() };
    let setting = match request.list_setting::<String>(names("deviceID"))? {
        None => request.list_setting::<String>(names("pciBusID"))?,
        found => found,
    };
    Ok(setting.map(|setting| setting.value).unwrap_or_default())
}

/// The interface of the PF that a VF belongs to.
fn pf_of(device: &str) -> Option<String> {
    let pf = Root::system().pci(device.parse().ok()?).ok()?.physfn().ok()??;
    Some(pf.netdev().ok()??.name().to_owned())
}
