//! A pod that owns its namespace, against all that only a guest can attach: VFs, `IPoIB` children, and links that build machines
//! lack. The deeds are dealt out to several tests, for a guest takes seconds for each; in a bounded run one way to attach has a share
//! of them, and the ways out take turns.

use std::time::Duration;

use netns_tests::hostile_pod::{DEEDS, Deed, Nested, while_pod_acts};
use serde_json::{Value, json};
use testkit::{Snapshot, Space, World, assert_same, eventually, in_part};
use vm::lab::{Pod, Vf, ip, modprobe, run, vf};

use crate::attachment::{Attachment, Way};
use crate::eth::sriov::call::pod;
use crate::eth::sriov::state::State;

/// What attaches the device of that number (0 to 2) to a pod for a container.
pub(crate) type Attach<'a> = (&'a str, Box<dyn Fn(usize, &Pod, &str) -> Attachment + 'a>);

/// Numbers of devices: that of the pod that acts, of the one beside it, and of one that asks for an address meanwhile.
const ACTS: usize = 0;
const BESIDE: usize = 1;
const ASKS: usize = 2;
/// The only one of its pool, so that it is free or it is not. Some of the deeds know it.
const ADDRESS: &str = "172.16.1.11";
/// What a namespace that ended gives back, it gives back later than it ends.
const SETTLES: Duration = Duration::from_secs(20);
/// What each link has of its own, and what carrier changes.
const VOLATILE: [&str; 7] =
    ["ifindex", "link_index", "link_netnsid", "address", "operstate", "flags", "addr_info"];

/// How the pod is taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WayOut {
    Del,
    /// By a runtime that knows of the pod beside only.
    Gc,
    /// DEL after its namespace has ended.
    Death,
    /// DEL; the pod has acted on each change that it saw, since before ADD.
    AtWork,
}

const WAYS_OUT: [WayOut; 4] = [WayOut::Del, WayOut::Gc, WayOut::Death, WayOut::AtWork];

/// The pool that the device of that number gets its address from.
pub(crate) fn ipam(number: usize) -> Value {
    let address = if number == BESIDE { "172.16.1.10" } else { ADDRESS };
    let range = json!({ "subnet": "172.16.1.0/24", "rangeStart": address, "rangeEnd": address,
                        "gateway": "172.16.1.254" });
    json!({ "ipam": { "type": "rail-ipam", "ranges": [[range]] } })
}

/// So many tests do all of the deeds.
pub(crate) const SHARES: usize = 6;

/// The tests of one boot: `$harms_nobody` does a share, one of `0..SHARES`.
macro_rules! shares {
    ($harms_nobody:expr) => {
        $crate::hostile_pod::shares! { @one [] $harms_nobody; the_first_share_harms_nobody 0 }
        $crate::hostile_pod::shares! { @rare $harms_nobody;
            the_second_share_harms_nobody 1
            the_third_share_harms_nobody 2
            the_fourth_share_harms_nobody 3
            the_fifth_share_harms_nobody 4
            the_sixth_share_harms_nobody 5
        }
    };
    (@rare $harms_nobody:expr; $($name:ident $share:literal)*) => {
        $($crate::hostile_pod::shares! {
            @one [#[ignore = "a minute in a guest with the others: make vm-test"]] $harms_nobody; $name $share
        })*
    };
    (@one [$(#[$attribute:meta])*] $harms_nobody:expr; $name:ident $share:literal) => {
        #[test]
        $(#[$attribute])*
        fn $name() {
            $harms_nobody($share);
        }
    };
}

pub(crate) use shares;

/// A share of the deeds, for the `ways` to attach a VF.
#[track_caller]
pub(crate) fn harms_nobody_by_a_vf(share: usize, ways: &[Way]) {
    let vfs = [ACTS, BESIDE, ASKS].map(|number| vf(6, number));
    let of = |(name, way): &Way| -> Attach<'_> {
        let (way, vfs) = (*way, &vfs);
        let attach = move |number: usize, pod: &Pod, container: &str| {
            let mut attachment = way(&vfs[number], pod, container);
            attachment.calls[0] = attachment.calls[0].clone().with(&ipam(number));
            attachment
        };
        (*name, Box::new(attach))
    };
    let ways: Vec<_> = ways.iter().map(of).collect();
    harms_nobody(share, &ways, &|| once_up(&vfs[ACTS]));
}

/// A VF that is down, after it has been up: what a link on it made it listen to, the kernel takes back only then
/// (`__dev_set_rx_mode`), and whoever uses it next brings it up.
#[track_caller]
fn once_up(vf: &Vf) -> String {
    let name = vf.ifname();
    ip(&format!("link set dev {name} up"));
    ip(&format!("link set dev {name} down"));
    format!("{:#?}", State::of(vf))
}

/// Whatever the pod does, each verb comes to its end; DEL succeeds, or it says why not and keeps the address. Then all that
/// `device` says of its device, the host and the pod beside are as before, and the next pod finds nothing of it.
#[track_caller]
pub(crate) fn harms_nobody(share: usize, ways: &[Attach<'_>], device: &dyn Fn() -> String) {
    // By itself it would come with a `bond0` of the host's, as soon as a pod makes a bond.
    modprobe("bonding max_bonds=0");
    let world = World::of_guest();
    let turns = turns(share);
    for (at, way) in ways.iter().enumerate() {
        if !in_part() || at == share % ways.len() {
            Scene { world: &world, way, device }.acts(&turns);
        }
    }
}

/// What is done in that share, and how the pod is taken away then.
fn turns(share: usize) -> Vec<(&'static Deed, WayOut)> {
    let deeds = DEEDS.iter().skip(share).step_by(SHARES).enumerate();
    let ways_out = |turn: usize| {
        if in_part() { vec![WAYS_OUT[(turn + share) % WAYS_OUT.len()]] } else { WAYS_OUT.to_vec() }
    };
    deeds.flat_map(|(turn, deed)| ways_out(turn).into_iter().map(move |way_out| (deed, way_out))).collect()
}

struct Scene<'a> {
    world: &'a World,
    way: &'a Attach<'a>,
    device: &'a dyn Fn() -> String,
}

impl Scene<'_> {
    /// Host and pod beside are looked at before the first deed and after the last: a look at all of a guest is dear.
    #[track_caller]
    fn acts(&self, turns: &[(&Deed, WayOut)]) {
        let neighbour = Pod::new();
        let mut beside = self.attach(BESIDE, &neighbour, "victim");
        beside.add();
        let clean = self.shown_to_the_next();
        let before = (inside(&neighbour), self.host());
        for (deed, way_out) in turns {
            self.act(deed, *way_out, &clean);
        }
        assert_eq!(self.shown_to_the_next(), clean, "{}: after the last deed", self.way.0);
        assert_eq!(inside(&neighbour), before.0, "{}: the pod beside", self.way.0);
        assert_same(&before.1, &self.host());
        beside.check();
        beside.del();
    }

    fn host(&self) -> Snapshot {
        self.world.snapshot().without("file ")
    }

    fn attach(&self, number: usize, pod: &Pod, container: &str) -> Attachment {
        (self.way.1)(number, pod, container)
    }

    /// What a pod that does nothing has.
    #[track_caller]
    fn shown_to_the_next(&self) -> Vec<Value> {
        let pod = pod();
        let mut next = self.attach(ACTS, &pod, "next");
        next.add();
        let shown = inside(&pod);
        next.del();
        shown
    }

    #[track_caller]
    fn act(&self, deed: &Deed, way_out: WayOut, clean: &[Value]) {
        let what = format!("the pod {}, attached by {}, {way_out:?}", deed.name, self.way.0);
        let (before, pod, nested) = ((self.device)(), pod(), Nested::new(self.world));
        let mut first = self.attach(ACTS, &pod, "first");
        let act = |space: &Space| deed.act(space, &nested);
        let failed = if way_out == WayOut::AtWork {
            let space = Space::at(&pod.path());
            while_pod_acts(&space, || act(&space), || first.live())
        } else {
            first.add();
            assert_eq!(inside(&pod), clean, "{what}: before it does");
            act(&Space::at(&pod.path()));
            first.try_check();
            if way_out == WayOut::Gc { first.try_gc("victim") } else { Vec::new() }
        };
        let pod = (way_out != WayOut::Death).then_some(pod);
        let ends = [WayOut::Del, WayOut::Death].contains(&way_out);
        let failed = if ends { first.try_del() } else { failed };
        if failed.is_empty() {
            let shown = pod.iter().map(|pod| pod.ip("addr")).chain(reachable(&nested.space));
            let answers: Vec<_> = shown.filter(|shown| shown.contains(ADDRESS)).collect();
            assert!(answers.is_empty(), "{what}: it is released, and answers yet: {answers:?}");
        } else {
            self.assert_kept(&failed, &what);
        }
        // What it has put elsewhere comes home with the end of that.
        drop(nested);
        first.del();
        let mut now = String::new();
        let same = eventually(SETTLES, || {
            now = (self.device)();
            (now == before).then_some(())
        });
        assert!(same.is_some(), "{what}: the device was\n{before}\nand is\n{now}");
    }

    /// The reason is told, and nobody gets the address of what may answer.
    #[track_caller]
    fn assert_kept(&self, failed: &[Value], what: &str) {
        let says = |error: &Value| error["msg"].as_str().is_some_and(|msg| !msg.is_empty());
        assert!(failed.iter().all(says), "{what}: {failed:?}");
        let pod = pod();
        let mut other = self.attach(ASKS, &pod, "other");
        let given = other.try_add();
        assert!(given.is_err(), "{what}: the address is given away by {failed:?}: {given:?}");
        other.del();
    }
}

/// The addresses of a namespace that somebody may reach: an address of `lo` answers nobody where there is no other link.
fn reachable(space: &Space) -> Option<String> {
    let addresses = space.ip(&["addr"]);
    let links = addresses.as_array().map_or(0, Vec::len);
    (links > 1).then(|| addresses.to_string())
}

/// `net1` as a pod has it, and what hangs on it.
#[track_caller]
fn inside(pod: &Pod) -> Vec<Value> {
    let mut link = pod.link("net1");
    if let Some(link) = link.as_object_mut() {
        link.retain(|key, _| !VOLATILE.contains(&key.as_str()) && !key.starts_with("stats"));
    }
    let queues = run(&["tc", "-n", pod.name(), "qdisc", "show", "dev", "net1"]);
    vec![link, json!(queues)]
}
