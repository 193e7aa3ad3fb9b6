use netlink_packet_route::link::{LinkAttribute, LinkExtentMask, LinkMessage};
use netlink_sys::protocols::NETLINK_ROUTE;
use nix::libc::RTM_GETLINK;
use nix::sched::{CloneFlags, unshare};

use super::*;
use crate::link::{NewKind, VethPeer};
use crate::{Link, NewLink, Rtnetlink, link};

struct RouteProtocol;

impl Family for RouteProtocol {
    const PROTOCOL: isize = NETLINK_ROUTE;
    const NAME: &'static str = "NETLINK_ROUTE";
}

fn pair(number: u32) -> NewLink<'static> {
    let peer = VethPeer::new(format!("b{number}"));
    NewLink::new(format!("a{number}"), NewKind::Veth(peer))
}

/// A namespace whose list of links takes several reads, and another socket in it.
fn crowded() -> Rtnetlink {
    unshare(CloneFlags::CLONE_NEWNET).expect("the tests of this crate need root");
    let mut route = Rtnetlink::open().unwrap();
    for number in 0..20 {
        let made = route.create_link(&pair(number)).unwrap().unwrap();
        for alt in 0..30 {
            route.add_alt_name(made.index, &format!("{number}-{alt:0>100}")).unwrap();
        }
    }
    route
}

/// Lists the links, while `disturb` happens at the first link of each of the first `times` attempts.
fn list(times: u32, mut disturb: impl FnMut(u32)) -> Result<Vec<Link>, Error> {
    let mut socket = Socket::<RouteProtocol>::open().unwrap();
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
    let request = Request::new("list links", "here", RTM_GETLINK, 0, &message);
    let mut attempts = 0;
    socket.dump(&request, |message| {
        let link = link::decode(message)?;
        if link.name == "lo" {
            attempts += 1;
            if attempts <= times {
                disturb(attempts);
            }
        }
        Some(link)
    })
}

#[test]
fn dump_starts_again_when_the_table_changes() {
    let mut route = crowded();
    let links = list(2, |attempt| {
        route.create_link(&pair(100 + attempt)).unwrap();
    });
    let mut names: Vec<String> = links.unwrap().into_iter().map(|link| link.name).collect();
    names.sort();
    assert!(names.contains(&"a102".to_owned()));
    let count = names.len();
    names.dedup();
    assert_eq!((names.len(), count), (45, 45), "lo and 22 pairs, each once");
}

#[test]
fn dump_gives_up_after_five_attempts() {
    let mut route = crowded();
    let error = list(u32::MAX, |attempt| {
        route.create_link(&pair(100 + attempt)).unwrap();
    });
    let text = error.unwrap_err().to_string();
    assert_eq!(text, "cannot list links here: changed during each of 5 attempts to read it, try again later");
    assert_eq!(list(0, |_| {}).unwrap().len(), 51, "the socket is usable again");
}

#[test]
fn what_no_kernel_knows_is_refused() {
    let mut socket = Socket::<RouteProtocol>::open().unwrap();
    let request = Request::new("do", "this", 4711, 0, &LinkMessage::default());
    let error = socket.transact(&request, |_| {}).unwrap_err();
    assert!(error.is_unsupported(), "{error}");
}

/// A dump that finds no memory for the next message never ends; a request that finds none may be sent again.
#[test]
fn an_answer_that_nobody_has_memory_for_is_too_long_and_a_request_without_memory_is_not() {
    let request = Request::new("list links", "here", RTM_GETLINK, 0, &LinkMessage::default());
    let os = |errno: Errno| io::Error::from_raw_os_error(errno as i32);
    for (case, error, expected) in [
        ("longer than a read may be", too_long(LONGEST_READ + 1), true),
        ("a dump that overruns for ever", without_end(os(Errno::ENOBUFS)), true),
        ("a dump that failed otherwise", without_end(os(Errno::ENOMEM)), false),
        ("a request that found no memory", os(Errno::ENOBUFS), false),
    ] {
        let error = request.failed(error);
        assert_eq!(error.is_too_long(), expected, "{case}: {error}");
        assert!(error.to_string().contains("list links here"), "{case}: {error}");
    }
}
