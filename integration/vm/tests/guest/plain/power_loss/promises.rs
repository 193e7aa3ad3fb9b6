//! What was acknowledged, and whether it was kept.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use ipam::{Change, JournalStore, Leases, Store, StoreError};
use serde_json::{Value, json};
use state::Dirs;
use testkit::{Plugin, Space, World};

use super::disk::LoggedDisk;

const POOL: &str = "sticky";
const PODS: u8 = 4;
/// Owners whose addresses change in each round, so that the journal is tidied now and then.
const MOVERS: u8 = 24;

/// Owners with their addresses, and addresses that nobody gets.
#[derive(Clone, Debug, Default)]
struct Promised {
    owners: BTreeMap<String, IpAddr>,
    quarantined: BTreeSet<IpAddr>,
}

/// What was promised at each mark, from nothing on.
pub(super) struct History(Vec<Promised>);

/// A node at work, that notes what it was told is safe.
pub(super) struct Keeper<'a> {
    world: &'a World,
    disk: &'a LoggedDisk,
    pod: Space,
    store: JournalStore,
    history: Vec<Promised>,
}

impl<'a> Keeper<'a> {
    pub(super) fn new(world: &'a World, disk: &'a LoggedDisk) -> Self {
        let dirs = Dirs::under(world.dirs().state.parent().expect("a folder above"));
        let store = JournalStore::new(&dirs, Duration::from_secs(10)).expect("a store");
        Self { world, disk, pod: world.bare_pod("a"), store, history: vec![Promised::default()] }
    }

    /// Pods that come at once, by the binary; addresses in conflict; owners whose addresses change.
    pub(super) fn round(&mut self, round: u8) {
        let pods: Vec<_> = (0..PODS).map(|number| format!("pod-{round}-{number}")).collect();
        let plugins: Vec<_> = pods.iter().map(|pod| self.plugin(pod)).collect();
        let given: Vec<_> = std::thread::scope(|scope| {
            let runs: Vec<_> =
                plugins.iter().map(|plugin| scope.spawn(|| plugin.add(&config()).success())).collect();
            runs.into_iter().map(|run| address(&run.join().expect("a run"))).collect()
        });
        let owners = pods.iter().map(|pod| format!("default/{pod}/net1")).zip(given);
        self.promise(|promised| promised.owners.extend(owners));

        let ip = IpAddr::from(Ipv4Addr::new(10, 8, round, 1));
        self.keep(&[Change::Quarantine { ip, until: u64::MAX }]);
        self.promise(|promised| promised.quarantined.extend([ip]));

        let moved: Vec<_> = (0..MOVERS)
            .map(|number| (format!("mover-{number}"), IpAddr::from(Ipv4Addr::new(10, 9, round, number))))
            .collect();
        let stick = |(owner, ip): &(String, IpAddr)| Change::Stick {
            owner: owner.clone(),
            pool: POOL.into(),
            ip: *ip,
        };
        self.keep(&moved.iter().map(stick).collect::<Vec<_>>());
        self.promise(|promised| promised.owners.extend(moved));
    }

    pub(super) fn history(self) -> History {
        History(self.history)
    }

    fn plugin(&self, pod: &str) -> Plugin {
        let args = format!("K8S_POD_NAMESPACE=default;K8S_POD_NAME={pod}");
        self.world.plugin("rail-ipam").netns(self.pod.path()).container(pod).args(&args)
    }

    fn keep(&self, changes: &[Change]) {
        self.store.update(&mut |_| Ok(changes.to_vec())).expect("an update");
    }

    fn promise(&mut self, add: impl FnOnce(&mut Promised)) {
        let mut promised = self.history.last().cloned().unwrap_or_default();
        add(&mut promised);
        self.disk.mark(&format!("promise-{}", self.history.len()));
        self.history.push(promised);
    }
}

fn config() -> Value {
    let pool = json!({
        "apiVersion": "spiderpool.spidernet.io/v2beta1", "kind": "SpiderIPPool", "metadata": { "name": POOL },
        "spec": { "subnet": "10.7.0.0/16", "ips": ["10.7.0.1-10.7.255.254"], "sticky": true },
    });
    json!({ "cniVersion": "1.1.0", "name": "rail1", "type": "macvlan", "master": "rail1",
            "ipam": { "type": "rail-ipam", "lockTimeout": 60, "pools": [pool] } })
}

fn address(result: &Value) -> IpAddr {
    let text = result["ips"][0]["address"].as_str().unwrap_or_default();
    text.split('/').next().and_then(|ip| ip.parse().ok()).unwrap_or_else(|| panic!("no address in {result}"))
}

impl History {
    /// Of a mark that a promise made.
    pub(super) fn number(mark: &str) -> Option<usize> {
        mark.strip_prefix("promise-")?.parse().ok()
    }

    /// Everything up to `last`; of the promise that was being made, any part may be there already.
    #[track_caller]
    pub(super) fn assert_kept(&self, store: &JournalStore, last: Option<usize>, what: &str) {
        let promised = &self.0[last.unwrap_or(0)];
        let next = self.0.get(last.unwrap_or(0) + 1);
        let looked = store.view(&mut |leases| {
            for (owner, ip) in &promised.owners {
                let stuck = leases.sticky_binding(owner, POOL)?;
                let newer = next.and_then(|next| next.owners.get(owner));
                assert!(
                    stuck == Some(*ip) || (stuck.is_some() && stuck.as_ref() == newer),
                    "{what}: {owner} had {ip}, and has {stuck:?}"
                );
            }
            assert_eq!(
                missing(promised, leases)?,
                Vec::<&IpAddr>::new(),
                "{what}: not in quarantine any more"
            );
            Ok(())
        });
        looked.unwrap_or_else(|error| panic!("{what}: {error}"));
    }

    /// What is written over what was left holds, and takes nothing with it.
    #[track_caller]
    pub(super) fn assert_goes_on(&self, store: &JournalStore, last: Option<usize>, what: &str) {
        let ip = IpAddr::from(Ipv4Addr::new(10, 10, 0, 1));
        let next = Change::Stick { owner: "next".into(), pool: POOL.into(), ip };
        let quarantine = Change::Quarantine { ip, until: u64::MAX };
        let written = store.update(&mut |_| Ok(vec![next.clone(), quarantine.clone()]));
        written.unwrap_or_else(|error| panic!("{what}, and the next ADD: {error}"));
        let looked = store.view(&mut |leases| {
            assert_eq!(leases.sticky_binding("next", POOL)?, Some(ip), "{what}, and the next ADD");
            Ok(())
        });
        looked.unwrap_or_else(|error| panic!("{what}, and the next ADD: {error}"));
        self.assert_kept(store, last, &format!("{what}, and the next ADD"));
    }
}

fn missing<'p>(promised: &'p Promised, leases: &dyn Leases) -> Result<Vec<&'p IpAddr>, StoreError> {
    let quarantined = leases.quarantined(ipam::journal::now())?;
    Ok(promised.quarantined.iter().filter(|ip| !quarantined.contains(**ip)).collect())
}
