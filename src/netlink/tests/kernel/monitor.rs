//! Waiting for the kernel.

use std::time::{Duration, Instant};

use ipnet::IpNet;
use netlink::{Address, AddressFlags, Error, Event, Group, LinkChange, Monitor, Rtnetlink};

use crate::world;

fn within(millis: u64) -> Instant {
    Instant::now() + Duration::from_millis(millis)
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

/// Until no address of the link is tentative; those that are duplicates.
fn duplicates(
    route: &mut Rtnetlink,
    monitor: &mut Monitor,
    index: u32,
    deadline: Instant,
) -> Option<Vec<IpNet>> {
    let read = || -> Result<_, Error> {
        let addresses = route.addresses(Some(index))?;
        if addresses.iter().any(Address::is_tentative) {
            return Ok(None);
        }
        Ok(Some(addresses.into_iter().filter(Address::is_duplicate).map(|address| address.net).collect()))
    };
    monitor.wait_for(deadline, read).unwrap()
}

#[test]
fn carrier_is_waited_for() {
    let mut route = world::enter();
    let index = world::master(&mut route);
    route.set_link(index, &LinkChange::DOWN).unwrap();
    let mut monitor = Monitor::subscribe(&[Group::Link]).unwrap();
    route.set_up(index).unwrap();
    let found = monitor.wait(within(3000), |event| match event {
        Event::Link(link) if link.index == index && link.is_running() => Some(link),
        _ => None,
    });
    assert_eq!(found.unwrap().unwrap().name, "m0");
}

#[test]
fn events_carry_what_changed() {
    let mut route = world::enter();
    let index = world::master(&mut route);
    let groups = [Group::Link, Group::Ipv4Address, Group::Ipv6Address, Group::Ipv4Route, Group::Ipv6Route];
    let mut monitor = Monitor::subscribe(&groups).unwrap();
    let address = Address::new(index, net("10.1.0.2/24"));
    route.add_address(&address).unwrap();
    route.delete_address(&address).unwrap();
    route.delete_link(index).unwrap();
    let mut seen = Vec::new();
    monitor
        .wait(within(3000), |event| {
            let last = matches!(&event, Event::LinkGone(link) if link.index == index);
            seen.push(event);
            last.then_some(())
        })
        .unwrap()
        .expect("the link goes");
    let on = |event: &Event| match event {
        Event::Address(added) if added.net == address.net => "address",
        Event::AddressGone(gone) if gone.net == address.net => "address gone",
        Event::Route(added) if added.dst == net("10.1.0.0/24") => "route",
        Event::RouteGone(gone) if gone.dst == net("10.1.0.0/24") => "route gone",
        _ => "",
    };
    for wanted in ["address", "address gone", "route", "route gone"] {
        assert!(seen.iter().any(|event| on(event) == wanted), "{wanted}: {seen:?}");
    }
}

#[test]
fn deadline_passes() {
    world::enter();
    let mut monitor = Monitor::subscribe(&[Group::Link]).unwrap();
    let start = Instant::now();
    assert_eq!(monitor.wait(within(30), |_| Some(())).unwrap(), None);
    assert_eq!(monitor.wait_for(within(30), || Ok::<Option<()>, Error>(None)).unwrap(), None);
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(60) && took < Duration::from_secs(3), "{took:?}");
    assert_eq!(
        monitor.wait_for(start, || Ok::<_, Error>(Some(1))).unwrap(),
        Some(1),
        "read once even when late"
    );
}

#[test]
fn duplicate_address_detection_ends() {
    let mut route = world::enter();
    let index = world::master(&mut route);
    let mut monitor = Monitor::subscribe(&[Group::Ipv6Address]).unwrap();
    route.add_address(&Address::new(index, net("fd00::2/64"))).unwrap();
    assert!(route.addresses(Some(index)).unwrap().iter().any(Address::is_tentative));
    assert_eq!(duplicates(&mut route, &mut monitor, index, within(10_000)), Some(vec![]));
}

#[test]
fn duplicate_address_is_reported() {
    let mut route = world::enter();
    let index = world::master(&mut route);
    let pod = world::another();
    let m1 = route.link_by_name("m1").unwrap().unwrap().index;
    route.set_link(m1, &LinkChange { netns: Some(pod.fd()), ..LinkChange::default() }).unwrap();
    let mut other = Rtnetlink::open_in(&pod).unwrap();
    let taken = net("fd00::2/64");
    let m1 = other.link_by_name("m1").unwrap().unwrap().index;
    other
        .batch()
        .set_up(m1)
        .add_address(&Address { flags: AddressFlags::Nodad, ..Address::new(m1, taken) })
        .commit()
        .unwrap();

    let mut monitor = Monitor::subscribe(&[Group::Ipv6Address]).unwrap();
    route.add_address(&Address::new(index, taken)).unwrap();
    assert_eq!(duplicates(&mut route, &mut monitor, index, within(10_000)), Some(vec![taken]));
}

#[test]
fn lost_events_are_reported_and_survived() {
    let mut route = world::enter();
    let index = world::master(&mut route);
    let mut monitor = Monitor::subscribe(&[Group::Link]).unwrap();
    for mtu in (0..4000).map(|n| 1300 + n % 2) {
        route.set_link(index, &LinkChange { mtu: Some(mtu), ..LinkChange::default() }).unwrap();
    }
    let lost = monitor.wait(within(3000), |event| (event == Event::Lost).then_some(())).unwrap();
    assert_eq!(lost, Some(()));
    route.set_link(index, &LinkChange { group: Some(6), ..LinkChange::default() }).unwrap();
    let link = monitor.wait_for(within(3000), || {
        Ok::<_, Error>(route.link_by_index(index)?.filter(|link| link.group == 6))
    });
    assert!(link.unwrap().is_some());
}

#[test]
fn monitor_hears_only_its_namespace() {
    let mut route = world::enter();
    let index = world::master(&mut route);
    let mut monitor = Monitor::subscribe_in(&world::another(), &[Group::Link]).unwrap();
    route.set_link(index, &LinkChange::DOWN).unwrap();
    assert_eq!(monitor.wait(within(50), Some).unwrap(), None);
}
