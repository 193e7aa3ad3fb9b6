//! What kubelet lists, by the numbers of its fields in `podresources/v1/api.proto`.

use crate::wire::{fields, text};

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct PodResources {
    pub(super) name: String,
    pub(super) namespace: String,
    /// Of all containers.
    pub(super) devices: Vec<Devices>,
}

/// What one container has of one resource.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Devices {
    pub(super) resource: String,
    pub(super) ids: Vec<String>,
}

/// `ListPodResourcesResponse`; none of what is none.
pub(super) fn parse(message: &[u8]) -> Option<Vec<PodResources>> {
    let pods = fields(message)?.into_iter().filter(|(number, _)| *number == 1);
    pods.map(|(_, pod)| one(pod)).collect()
}

fn one(message: &[u8]) -> Option<PodResources> {
    let mut pod = PodResources::default();
    for (number, value) in fields(message)? {
        match number {
            1 => pod.name = text(value),
            2 => pod.namespace = text(value),
            3 => pod.devices.extend(of_container(value)?),
            _ => (),
        }
    }
    Some(pod)
}

fn of_container(message: &[u8]) -> Option<Vec<Devices>> {
    let devices = fields(message)?.into_iter().filter(|(number, _)| *number == 2);
    devices.map(|(_, devices)| of_resource(devices)).collect()
}

fn of_resource(message: &[u8]) -> Option<Devices> {
    let mut devices = Devices::default();
    for (number, value) in fields(message)? {
        match number {
            1 => devices.resource = text(value),
            2 => devices.ids.push(text(value)),
            _ => (),
        }
    }
    Some(devices)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field with these bytes, all shorter than 128.
    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2, u8::try_from(bytes.len()).unwrap()], bytes].concat()
    }

    #[test]
    fn a_pod_has_what_its_containers_have() {
        let device = |id: &str| [field(1, b"x/a"), field(2, id.as_bytes())].concat();
        // With a NUMA node beside it, and CPUs beside the devices.
        let first =
            [field(1, b"c"), field(2, &[device("1"), field(3, b"\x0a\x00")].concat()), b"\x18\x07".to_vec()]
                .concat();
        let second = [field(1, b"d"), field(2, &device("2"))].concat();
        let pod = [field(1, b"p"), field(2, b"ns"), field(3, &first), field(3, &second)].concat();
        let both = [field(1, &pod), field(1, &field(1, b"other"))].concat();
        let devices = |id: &str| Devices { resource: "x/a".to_owned(), ids: vec![id.to_owned()] };
        let parsed = parse(&both).unwrap();
        assert_eq!((parsed.len(), parsed[1].name.as_str()), (2, "other"));
        assert_eq!((parsed[0].name.as_str(), parsed[0].namespace.as_str()), ("p", "ns"));
        assert_eq!(parsed[0].devices, [devices("1"), devices("2")]);
        assert_eq!(parse(&both[..both.len() - 1]), None);
        assert_eq!(parse(&field(1, &field(3, b"\x12"))), None);
    }
}
