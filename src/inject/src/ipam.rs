//! Spiderpool's IPAM annotations as `cni-args`, which Multus hands to the plugin: nobody has to ask an API server when a pod starts.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::error::Refusal;
use crate::namespace::Namespace;

/// Of an annotation.
const LONGEST: usize = 64 << 10;

const BY_INTERFACE: &str = "ipam.spidernet.io/ippools";
const FOR_ALL: &str = "ipam.spidernet.io/ippool";
const OF_NAMESPACE: [&str; 2] =
    ["ipam.spidernet.io/default-ipv4-ippool", "ipam.spidernet.io/default-ipv6-ippool"];
const DEFAULT_ROUTE: &str = "ipam.spidernet.io/default-route-nic";
const ROUTES: &str = "ipam.spidernet.io/routes";
const SUBNETS: [&str; 2] = ["ipam.spidernet.io/subnet", "ipam.spidernet.io/subnets"];

/// What the annotations say.
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    by_interface: Option<Vec<Item>>,
    for_all: Pools,
    default_route: Option<String>,
    pub(crate) notes: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Pools {
    ipv4: Vec<String>,
    ipv6: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Item {
    interface: Option<String>,
    ipv4: Vec<String>,
    ipv6: Vec<String>,
    cleangateway: bool,
}

impl Addresses {
    /// Of these sources the first that is there counts, alone: the pod's pools by interface, its pools for all, its namespace's.
    pub(crate) fn of(pod: &Value, namespace: &Namespace) -> Result<Self, Refusal> {
        let annotation = |key: &'static str| pod["metadata"]["annotations"][key].as_str();
        for key in SUBNETS {
            if let Some(text) = annotation(key) {
                let cure = "there are no SpiderSubnets here: name pools by ipam.spidernet.io/ippool";
                return Err(Refusal::annotation(key, text, cure));
            }
        }
        let default_route = annotation(DEFAULT_ROUTE).map(str::to_owned);
        let mut found = Self { default_route, ..Self::default() };
        if let Some(text) = annotation(ROUTES) {
            found.notes.push(format!("annotation {ROUTES} {text:?}: routes stand in the pool or in the network's config, not on a pod"));
        }
        if let Some(text) = annotation(BY_INTERFACE) {
            let wanted = "expected a list such as [{\"interface\": \"net1\", \"ipv4\": [\"pool1\"]}]";
            found.take_items(read(BY_INTERFACE, text, wanted)?, text)?;
        } else if let Some(text) = annotation(FOR_ALL) {
            found.for_all = read(FOR_ALL, text, "expected an object such as {\"ipv4\": [\"pool1\"]}")?;
        } else {
            let pools = |key: &'static str| match namespace.annotations.get(key) {
                Some(text) => read(key, text, "expected a list of pools such as [\"pool1\"]"),
                None => Ok(Vec::new()),
            };
            let [ipv4, ipv6] = OF_NAMESPACE;
            found.for_all = Pools { ipv4: pools(ipv4)?, ipv6: pools(ipv6)? };
        }
        Ok(found)
    }

    fn take_items(&mut self, items: Vec<Item>, text: &str) -> Result<(), Refusal> {
        let named = items.iter().filter(|item| item.interface.is_some()).count();
        if named != 0 && named != items.len() {
            let problem =
                "some entries name an interface and some do not: name all, or none (then the first is eth0)";
            return Err(Refusal::annotation(BY_INTERFACE, text, problem));
        }
        if items.iter().any(|item| item.cleangateway) {
            self.notes.push(format!("annotation {BY_INTERFACE}: cleangateway is a key of the network's config, `ipam.clean_gateway`, not of a pod"));
        }
        self.by_interface = Some(items);
        Ok(())
    }

    /// For the network at this place of the list, counted from 1, which makes so many interfaces.
    pub(crate) fn args(&self, place: usize, interfaces: usize) -> Result<Map<String, Value>, Refusal> {
        let mut args = Map::new();
        let pools = match &self.by_interface {
            None => Some(self.for_all.clone()),
            Some(items) => Self::of_interface(items, place, interfaces)?,
        };
        args.extend(
            pools.filter(|pools| !pools.is_empty()).map(|pools| ("ippools".to_owned(), pools.as_args())),
        );
        args.extend(
            self.default_route.iter().map(|nic| ("podDefaultRouteNic".to_owned(), nic.as_str().into())),
        );
        Ok(args)
    }

    fn of_interface(items: &[Item], place: usize, interfaces: usize) -> Result<Option<Pools>, Refusal> {
        let is_of = |(index, item): &(usize, &Item), place: usize| match &item.interface {
            Some(name) => *name == format!("net{place}"),
            None => *index == place,
        };
        let of_place = |place: usize| items.iter().enumerate().find(|entry| is_of(entry, place));
        let found = (place..place + interfaces).find_map(of_place);
        match found {
            Some(_) if interfaces > 1 => Err(Refusal::annotation(
                BY_INTERFACE,
                &format!("net{place}"),
                "is one of several interfaces of one network, which have their pools by rail: name pools for all by ipam.spidernet.io/ippool, or none",
            )),
            found => Ok(found.map(|(_, item)| Pools { ipv4: item.ipv4.clone(), ipv6: item.ipv6.clone() })),
        }
    }
}

impl Pools {
    fn is_empty(&self) -> bool {
        self.ipv4.is_empty() && self.ipv6.is_empty()
    }

    fn as_args(&self) -> Value {
        let families =
            [("ipv4", &self.ipv4), ("ipv6", &self.ipv6)].into_iter().filter(|(_, names)| !names.is_empty());
        families.map(|(family, names)| (family.to_owned(), json!(names))).collect::<Map<_, _>>().into()
    }
}

fn read<T: DeserializeOwned>(key: &'static str, text: &str, wanted: &str) -> Result<T, Refusal> {
    if text.len() > LONGEST {
        return Err(Refusal::annotation(key, text, format!("is longer than {} KiB", LONGEST >> 10)));
    }
    serde_json::from_str(text).map_err(|error| Refusal::annotation(key, text, format!("{error}; {wanted}")))
}
