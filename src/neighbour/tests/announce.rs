//! On a real kernel: what is announced on one of several links arrives at the far end of that one.

#![expect(clippy::unwrap_used, reason = "the functions between the tests are tests too")]

use neighbour::{Announcer, Error, Link, ROUNDS};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};
use testkit::{Capture, Frame, Rail, World, eventually};

const LIMIT: Duration = Duration::from_secs(5);

fn announcer(world: &World, rail: &Rail, addresses: &[IpAddr]) -> Announcer {
    let mac = [2, 0, 0, 0, 1, rail.number];
    let link = Link::ethernet(world.host().ifindex(&rail.master), &mac).unwrap();
    world.host().run(|| Announcer::new(link, addresses)).unwrap()
}

fn is_arp_for(frame: &Frame, address: Ipv4Addr) -> bool {
    frame.ethertype() == 0x0806 && frame.bytes.get(28..32) == Some(&address.octets())
}

fn is_advertisement_of(frame: &Frame, address: Ipv6Addr) -> bool {
    frame.bytes.get(54) == Some(&136) && frame.bytes.get(62..78) == Some(&address.octets())
}

fn arrival(capture: &Capture, wanted: impl Fn(&Frame) -> bool) -> Frame {
    capture.find(LIMIT, |frame| !frame.outgoing && wanted(frame)).expect("the announcement did not arrive")
}

#[test]
fn leaves_on_its_link_and_no_other_even_against_the_routes() {
    let world = World::new();
    let rails = [world.rail(1), world.rail(2), world.rail(3)];
    // Routing by address would choose rail 3.
    world.host().ip_do(&format!("addr add 10.7.0.1/24 dev {}", rails[2].master));
    let (v4, v6) = (Ipv4Addr::new(10, 7, 0, 9), Ipv6Addr::new(0xfd00, 7, 0, 0, 0, 0, 0, 9));
    let capture = world.switch().capture();
    announcer(&world, &rails[1], &[v4.into(), v6.into()]).announce().unwrap();
    // What was sent on a link before has arrived once the marker of that link has.
    for rail in &rails {
        announcer(&world, rail, &[rail.address4(200).into()]).announce().unwrap();
    }
    let mut markers: Vec<Ipv4Addr> = rails.iter().map(|rail| rail.address4(200)).collect();
    let mut ports = Vec::new();
    while !markers.is_empty() {
        let frame = arrival(&capture, |_| true);
        markers.retain(|marker| !is_arp_for(&frame, *marker));
        if is_arp_for(&frame, v4) || is_advertisement_of(&frame, v6) {
            ports.push(frame.ifname);
        }
    }
    assert_eq!(ports, ["port2", "port2"]);
}

#[test]
fn frames_have_the_addresses_of_the_link_layer() {
    let world = World::new();
    let rail = world.rail(4);
    let (v4, v6) = (rail.address4(9), rail.address6(9));
    let capture = world.switch().capture();
    announcer(&world, &rail, &[v4.into(), v6.into()]).announce().unwrap();
    let arp = arrival(&capture, |frame| is_arp_for(frame, v4));
    assert_eq!(arp.bytes[..14], [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 1, 4, 8, 6]);
    let advertisement = arrival(&capture, |frame| is_advertisement_of(frame, v6));
    assert_eq!(advertisement.bytes[..14], [0x33, 0x33, 0, 0, 0, 1, 2, 0, 0, 0, 1, 4, 0x86, 0xdd]);
}

/// The kernel is the judge: it checks lengths, hop limit and checksum before it changes an entry.
#[test]
fn a_neighbour_with_the_last_owner_in_its_table_learns_the_new_one() {
    let world = World::new();
    let rail = world.rail(5);
    let addresses: [IpAddr; 2] = [rail.address4(9).into(), rail.address6(9).into()];
    for address in addresses {
        world
            .switch()
            .ip_do(&format!("neigh add {address} lladdr 02:00:00:00:00:aa dev {} nud reachable", rail.port));
    }
    announcer(&world, &rail, &addresses).announce().unwrap();
    for address in addresses {
        let learnt = eventually(LIMIT, || {
            let entry = world.switch().ip(&["neigh", "show", &address.to_string(), "dev", &rail.port]);
            (entry[0]["lladdr"] == "02:00:00:00:01:05").then_some(())
        });
        assert!(learnt.is_some(), "{address} still belongs to the last owner");
    }
}

#[test]
fn repeats_three_times_the_first_at_once() {
    let world = World::new();
    let rail = world.rail(6);
    let v4 = rail.address4(9);
    let capture = world.switch().capture();
    let begin = Instant::now();
    announcer(&world, &rail, &[v4.into()]).announce_repeatedly(Duration::from_millis(20)).unwrap();
    assert!(begin.elapsed() >= Duration::from_millis(40));
    for _ in 0..ROUNDS {
        arrival(&capture, |frame| is_arp_for(frame, v4));
    }
    assert!(capture.drain().iter().all(|frame| !is_arp_for(frame, v4)), "more than {ROUNDS} announcements");
}

#[test]
fn tries_every_address_and_names_the_link_that_is_down() {
    let world = World::new();
    let rail = world.rail(7);
    let announcer = announcer(&world, &rail, &[rail.address4(9).into(), rail.address6(9).into()]);
    world.host().ip_do(&format!("link set {} down", rail.master));
    let error = announcer.announce().unwrap_err();
    let index = world.host().ifindex(&rail.master);
    assert_eq!(
        error.to_string(),
        format!("cannot announce 172.16.7.9 on link {index}: ENETDOWN: Network is down")
    );
    world.host().ip_do(&format!("link del {}", rail.master));
    assert!(matches!(announcer.announce(), Err(Error::Send { errno: nix::errno::Errno::ENXIO, .. })));
}

#[test]
fn bad_input_is_refused_before_anything_is_opened() {
    assert!(matches!(Link::ethernet(1, &[0; 20]), Err(Error::HardwareAddress { ifindex: 1, length: 20 })));
    assert!(matches!(Link::infiniband(1, &[0; 20], &[0; 6]), Err(Error::HardwareAddress { length: 6, .. })));
    let link = Link::ethernet(1, &[2; 6]).unwrap();
    for address in ["0.0.0.0", "224.0.0.1", "127.0.0.1", "::", "::1", "ff02::1"] {
        let address: IpAddr = address.parse().unwrap();
        assert!(
            matches!(Announcer::new(link.clone(), &[address]), Err(Error::NotUnicast(bad)) if bad == address)
        );
    }
}
