//! Neighbours.

use std::net::IpAddr;

use netlink::{HwAddr, Neighbour, NeighbourState};

use crate::world;

#[test]
fn permanent_entries_come_and_go() {
    let mut route = world::enter();
    let index = world::master(&mut route);
    let address: HwAddr = "02:00:5e:00:53:01".parse().unwrap();
    for ip in ["10.1.0.9", "fd00::9"] {
        let ip: IpAddr = ip.parse().unwrap();
        let entry = Neighbour { protocol: Some(211), ..Neighbour::permanent(index, ip, address) };
        route.add_neighbour(&entry).unwrap();
        assert!(route.neighbours(Some(index)).unwrap().contains(&entry));
        assert!(route.add_neighbour(&entry).unwrap_err().is_exists());
        let shown = world::ip(&format!("neigh show {ip}"));
        assert_eq!(shown.trim_end(), format!("{ip} dev m0 lladdr {address} PERMANENT proto 211"));

        let moved = Neighbour { address: Some("02:00:5e:00:53:02".parse().unwrap()), ..entry };
        route.replace_neighbour(&moved).unwrap();
        assert!(route.neighbours(Some(index)).unwrap().contains(&moved));
        route.delete_neighbour(index, ip).unwrap();
        let error = route.delete_neighbour(index, ip).unwrap_err();
        assert!(error.is_gone(), "{error}");
    }
}

#[test]
fn list_is_of_the_one_link() {
    let mut route = world::enter();
    let index = world::master(&mut route);
    world::ip("neigh add 10.1.0.9 lladdr 02:00:5e:00:53:01 dev m1 nud stale");
    let of = |neighbours: Vec<Neighbour>| {
        let v4 = neighbours.into_iter().filter(|neighbour| neighbour.ip.is_ipv4());
        v4.map(|neighbour| neighbour.state).collect::<Vec<_>>()
    };
    assert_eq!(of(route.neighbours(Some(index)).unwrap()), []);
    assert_eq!(of(route.neighbours(None).unwrap()), [NeighbourState::Stale]);
}
