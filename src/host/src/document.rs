//! The file as people write it. A wrong key is refused with the one that was meant, and nothing half valid comes out.

mod verify;

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::str::FromStr;

use cni::{lenient, unknown};
use ipnet::IpNet;
use serde::Deserialize;
use serde_json::Value;

use crate::Error;
use crate::classes::{self, Memory, Shares};
use crate::roce::Roce;
use crate::settings::{LinkType, Nic, RdmaMode, Settings};

/// NICs that name no table have the free ones from here on, in their order, as Spiderpool's script counts them.
const FIRST_TABLE: u32 = 151;

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct File {
    rdma_mode: Option<String>,
    rdma_subnets: Vec<String>,
    nics: Vec<NicKeys>,
    roce: Option<RoceKeys>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct NicKeys {
    name: Option<String>,
    addresses: Vec<String>,
    gateways: Vec<String>,
    mtu: Option<u32>,
    policy_routing: Option<bool>,
    table: Option<u32>,
    rdma_route: bool,
    vfs: Option<u32>,
    vf_autoprobe: Option<bool>,
    leaf: Option<String>,
    pci: Option<String>,
    link_type: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RoceKeys {
    preset: Option<String>,
    priority: Option<u8>,
    dscp: Option<u8>,
    cnp_priority: Option<u8>,
    cnp_dscp: Option<u8>,
    ets: Option<EtsKeys>,
    buffers: Option<BufferKeys>,
}

/// Eight each: of priorities 0 to 7, and of traffic classes 0 to 7.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct EtsKeys {
    classes: Vec<u8>,
    scheduling: Vec<String>,
    bandwidth: Vec<u8>,
}

/// Eight each: of priorities 0 to 7, and of buffers 0 to 7.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct BufferKeys {
    priorities: Vec<u8>,
    sizes: Vec<u32>,
}

type Meant = &'static [(&'static str, &'static str)];

/// Spellings of the guides' scripts among them.
const FILE: Meant = &[
    ("interfaces", "nics"),
    ("rails", "nics"),
    ("rdma_cidr", "rdmaSubnets"),
    ("rdmaCidr", "rdmaSubnets"),
    ("rdma_subnet", "rdmaSubnets"),
    ("supernet", "rdmaSubnets"),
    ("netnsMode", "rdmaMode"),
    ("rdma", "rdmaMode"),
    ("qos", "roce"),
];
const NIC: Meant = &[
    ("interface", "name"),
    ("ifname", "name"),
    ("ipv4_ip", "addresses"),
    ("ipv6_ip", "addresses"),
    ("ip", "addresses"),
    ("ips", "addresses"),
    ("gateway", "gateways"),
    ("gw", "gateways"),
    ("ipv4_gateway", "gateways"),
    ("ipv6_gateway", "gateways"),
    ("enable_policy_route", "policyRouting"),
    ("policy_route_table", "table"),
    ("enable_rdma_default_route", "rdmaRoute"),
    ("numVfs", "vfs"),
    ("autoprobe", "vfAutoprobe"),
    ("switch", "leaf"),
    ("pciAddress", "pci"),
    ("bdf", "pci"),
    ("link_type", "linkType"),
];
const ROCE: Meant = &[
    ("gpu_rdma_priority", "priority"),
    ("gpu_cnp_priority", "cnpPriority"),
    ("gpu_rdma_qos", "dscp"),
    ("gpu_cnp_qos", "cnpDscp"),
    ("pfc", "priority"),
    ("buffer", "buffers"),
];
/// As dcb-ets(8) and dcb-buffer(8) call them.
const ETS: Meant =
    &[("prio-tc", "classes"), ("tc-tsa", "scheduling"), ("tc-bw", "bandwidth"), ("tsa", "scheduling")];
const BUFFERS: Meant = &[("prio-buffer", "priorities"), ("buffer-size", "sizes"), ("size", "sizes")];

/// People try the file that they plan from.
const OF_KUBERNETES: &str = "is no host file, which has no kind; railctl plan writes one for each node, nodes/NODE/host.yaml, of a Fabric with spec.host";

/// The settings of a text with one YAML or JSON document.
pub fn parse(text: &str) -> Result<Settings, Error> {
    let documents = yaml::documents(text).map_err(|error| Error::setting("file", None, error.to_string()))?;
    let [document] = &documents[..] else {
        let problem = format!("holds {} documents: one is wanted", documents.len());
        return Err(Error::setting("file", None, problem));
    };
    if !document.is_object() {
        return Err(Error::setting("file", None, "holds no mapping: write `nics:` with a list below it"));
    }
    if let Some(kind) = document["kind"].as_str() {
        return Err(Error::setting("kind", Some(kind), OF_KUBERNETES));
    }
    known(document)?;
    let file: File =
        lenient::from_value(document).map_err(|error| Error::setting("file", None, error.to_string()))?;
    settings(file)
}

/// All keys mean something.
fn known(document: &Value) -> Result<(), Error> {
    let mut places = vec![
        (String::new(), document, lenient::fields_of::<File>(), FILE),
        ("roce.".to_owned(), &document["roce"], lenient::fields_of::<RoceKeys>(), ROCE),
        ("roce.ets.".to_owned(), &document["roce"]["ets"], lenient::fields_of::<EtsKeys>(), ETS),
        (
            "roce.buffers.".to_owned(),
            &document["roce"]["buffers"],
            lenient::fields_of::<BufferKeys>(),
            BUFFERS,
        ),
    ];
    let nics = document["nics"].as_array().into_iter().flatten().enumerate();
    places.extend(nics.map(|(at, nic)| (format!("nics[{at}]."), nic, lenient::fields_of::<NicKeys>(), NIC)));
    for (path, value, fields, meant) in places {
        if let Some(key) = unknown::in_object(value, fields, meant).into_iter().next() {
            let problem = match key.meant {
                Some(meant) => format!("means nothing here; write {meant:?}"),
                None => format!("means nothing here; known are {}", fields.join(", ")),
            };
            return Err(Error::setting(format!("{path}{}", key.path), None, problem));
        }
    }
    Ok(())
}

fn settings(file: File) -> Result<Settings, Error> {
    let subnet = |(at, text): (usize, &String)| -> Result<IpNet, Error> {
        read(&format!("rdmaSubnets[{at}]"), text, "a subnet such as 172.16.0.0/16")
    };
    let named: Vec<u32> = file.nics.iter().filter_map(|keys| keys.table).collect();
    let mut free = (FIRST_TABLE..).filter(|table| !named.contains(table));
    let nic = |(at, keys): (usize, NicKeys)| nic(&format!("nics[{at}]"), keys, &mut free);
    let mut settings = Settings {
        rdma_mode: file.rdma_mode.as_deref().map(rdma_mode).transpose()?,
        rdma_subnets: file.rdma_subnets.iter().enumerate().map(subnet).collect::<Result<_, _>>()?,
        nics: file.nics.into_iter().enumerate().map(nic).collect::<Result<_, _>>()?,
        names: Vec::new(),
        roce: file.roce.as_ref().map(roce).transpose()?,
        ets: file.roce.as_ref().and_then(|roce| roce.ets.as_ref()).map(shares).transpose()?,
        buffers: file.roce.as_ref().and_then(|roce| roce.buffers.as_ref()).map(memory).transpose()?,
    };
    settings.names = settings.nics.iter().filter_map(|nic| Some((nic.pci?, nic.name.clone()))).collect();
    verify::whole(&settings)?;
    Ok(settings)
}

fn nic(field: &str, keys: NicKeys, free: &mut impl Iterator<Item = u32>) -> Result<Nic, Error> {
    let address = |(at, text): (usize, &String)| -> Result<IpNet, Error> {
        let wanted = "an address with the length of its subnet, such as 172.16.0.10/24";
        read(&format!("{field}.addresses[{at}]"), text, wanted)
    };
    let gateway = |(at, text): (usize, &String)| -> Result<IpAddr, Error> {
        read(&format!("{field}.gateways[{at}]"), text, "an address such as 172.16.0.1")
    };
    let gateways: Vec<IpAddr> = keys.gateways.iter().enumerate().map(gateway).collect::<Result<_, _>>()?;
    let routed = keys.policy_routing.unwrap_or(!gateways.is_empty());
    if let (false, Some(table)) = (routed, keys.table) {
        let problem = "a table needs policy routing: leave policyRouting out, and give a gateway";
        return Err(Error::setting(format!("{field}.table"), Some(&table.to_string()), problem));
    }
    let name = keys
        .name
        .ok_or_else(|| Error::setting(format!("{field}.name"), None, "is missing: name the interface"))?;
    let pci = |text: &str| read(&format!("{field}.pci"), text, "a PCI address such as 0000:1a:00.0");
    let kind = |text: &str| link_type(&format!("{field}.linkType"), text);
    let nic = Nic {
        name,
        pci: keys.pci.as_deref().map(pci).transpose()?,
        link_type: keys.link_type.as_deref().map(kind).transpose()?,
        addresses: keys.addresses.iter().enumerate().map(address).collect::<Result<_, _>>()?,
        gateways,
        mtu: keys.mtu,
        table: if routed { keys.table.or_else(|| free.next()) } else { None },
        rdma_route: keys.rdma_route,
        vfs: keys.vfs,
        vf_autoprobe: keys.vf_autoprobe,
        leaf: keys.leaf,
    };
    verify::nic(field, &nic)?;
    Ok(nic)
}

fn read<T: FromStr>(field: &str, text: &str, wanted: &str) -> Result<T, Error> {
    text.parse().map_err(|_| Error::setting(field, Some(text), format!("{wanted} is wanted")))
}

fn rdma_mode(text: &str) -> Result<RdmaMode, Error> {
    match text {
        "exclusive" => Ok(RdmaMode::Exclusive),
        "shared" => Ok(RdmaMode::Shared),
        other => Err(Error::setting("rdmaMode", Some(other), "exclusive or shared is allowed")),
    }
}

fn link_type(field: &str, text: &str) -> Result<LinkType, Error> {
    match text {
        "ethernet" => Ok(LinkType::Ethernet),
        "infiniband" => Ok(LinkType::InfiniBand),
        other => Err(Error::setting(field, Some(other), "ethernet or infiniband is allowed")),
    }
}

fn shares(keys: &EtsKeys) -> Result<Shares, Error> {
    let numbers = |name: &String| {
        let number = classes::scheduling(name).filter(|number| Shares::is_written(*number));
        number.ok_or_else(|| Error::setting("roce.ets.scheduling", Some(name), "strict or ets is allowed"))
    };
    let scheduling: Vec<u8> = keys.scheduling.iter().map(numbers).collect::<Result<_, _>>()?;
    Shares {
        classes: eight("roce.ets.classes", &keys.classes)?,
        scheduling: eight("roce.ets.scheduling", &scheduling)?,
        bandwidth: eight("roce.ets.bandwidth", &keys.bandwidth)?,
    }
    .verified()
}

fn memory(keys: &BufferKeys) -> Result<Memory, Error> {
    Memory {
        priorities: eight("roce.buffers.priorities", &keys.priorities)?,
        sizes: eight("roce.buffers.sizes", &keys.sizes)?,
    }
    .verified()
}

fn eight<T: Copy>(field: &str, values: &[T]) -> Result<[T; 8], Error> {
    values.try_into().map_err(|_| {
        let problem = format!("holds {}: eight are wanted, the one of 0 first", values.len());
        Error::setting(field, None, problem)
    })
}

fn roce(keys: &RoceKeys) -> Result<Roce, Error> {
    let preset = match keys.preset.as_deref() {
        None | Some("spiderpool") => Roce::SPIDERPOOL,
        Some("nvidia") => Roce::NVIDIA,
        Some(other) => {
            let problem = "spiderpool (priority 5, CNP 6) or nvidia (3, 6) is allowed";
            return Err(Error::setting("roce.preset", Some(other), problem));
        }
    };
    // A priority of one's own has the DSCP of its class, unless that is given too.
    let class = |priority: Option<u8>, preset| priority.map_or(preset, |own: u8| own.saturating_mul(8));
    Roce {
        priority: keys.priority.unwrap_or(preset.priority),
        dscp: keys.dscp.unwrap_or(class(keys.priority, preset.dscp)),
        cnp_priority: keys.cnp_priority.unwrap_or(preset.cnp_priority),
        cnp_dscp: keys.cnp_dscp.unwrap_or(class(keys.cnp_priority, preset.cnp_dscp)),
    }
    .verified()
}
