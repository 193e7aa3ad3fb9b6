//! The acts of the demo: pools and networks as in the guides, eight attachments, the proofs, and nothing left.

use std::ffi::OsString;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use cni::CniResult;
use ipnet::IpNet;
use runtime::{Driver, Network, RuntimeConf, records};
use state::Dirs;

use super::narrate::Narrator;
use super::stage::{self, RAILS, Stage, ip, netns_path};
use super::{privacy, proof};
use crate::output::{self, Table};
use crate::pod::container_id;

const POOLS: &str = include_str!("../../../../conf-examples/pools/rails-shared-subnet.yaml");
const NETWORKS: [&str; RAILS as usize] = [
    include_str!("../../../../conf-examples/macvlan/rail1.conflist"),
    include_str!("../../../../conf-examples/macvlan/rail2.conflist"),
    include_str!("../../../../conf-examples/macvlan/rail3.conflist"),
    include_str!("../../../../conf-examples/macvlan/rail4.conflist"),
    include_str!("../../../../conf-examples/macvlan/rail5.conflist"),
    include_str!("../../../../conf-examples/macvlan/rail6.conflist"),
    include_str!("../../../../conf-examples/macvlan/rail7.conflist"),
    include_str!("../../../../conf-examples/macvlan/rail8.conflist"),
];

/// One rail of the pod, and what the plugins answered.
#[derive(Debug)]
pub(crate) struct Rail {
    pub(crate) number: u8,
    pub(crate) address: Ipv4Addr,
    prefix: IpNet,
    gateway: IpAddr,
    table: u32,
    network: Network,
    runtime: RuntimeConf,
}

impl Rail {
    pub(crate) fn link(&self) -> &str {
        &self.runtime.ifname
    }

    fn new(number: u8, network: Network, runtime: RuntimeConf, result: &CniResult) -> Result<Self> {
        let ip = result.ips.first().context("the result has no address")?;
        let IpAddr::V4(address) = ip.address.addr() else { bail!("{} is no IPv4 address", ip.address) };
        let table = result.routes.iter().find_map(|route| route.table);
        Ok(Self {
            number,
            address,
            prefix: ip.address,
            gateway: ip.gateway.context("the result has no gateway")?,
            table: table
                .context("the result has no route in a table of the rail: was the coordinator run?")?,
            network,
            runtime,
        })
    }

    fn row(&self) -> [String; 6] {
        [
            self.number.to_string(),
            self.link().to_owned(),
            stage::master(self.number),
            self.prefix.to_string(),
            self.gateway.to_string(),
            self.table.to_string(),
        ]
    }
}

/// A stage that is set, with the calling thread in its host.
#[derive(Debug)]
pub(crate) struct Scene<'a> {
    stage: &'a Stage,
    narrator: Narrator,
    dirs: Dirs,
    driver: Driver,
    before: String,
    rails: Vec<Rail>,
}

impl<'a> Scene<'a> {
    /// Enters the host and puts pools and networks where an administrator would. The thread has mounts of its own.
    pub(crate) fn open(stage: &'a Stage, plugins: &Path, mut narrator: Narrator) -> Result<Self> {
        privacy::enter(&netns_path(&stage.host()))?;
        let folder = stage.folder();
        let dirs = Dirs::under(&folder);
        put(&folder.join("config/pools.d/rails.yaml"), POOLS)?;
        for (text, rail) in NETWORKS.into_iter().zip(1_u8..) {
            put(&folder.join(format!("net.d/rail{rail}.conflist")), text)?;
        }
        narrator.did("configs", "8 pools and 8 networks, as in conf-examples/");
        let mut driver = Driver::new(vec![plugins.to_owned()], &dirs, output::log);
        driver.env = variables(&dirs);
        Ok(Self { before: proof::kernel_state(stage)?, stage, narrator, dirs, driver, rails: Vec::new() })
    }

    pub(crate) fn attach_and_prove(&mut self) -> Result<()> {
        for (text, number) in NETWORKS.into_iter().zip(1..) {
            self.rails.push(self.attach(text, number).with_context(|| format!("attach rail {number}"))?);
        }
        self.narrator.did("attach", "8 rails: macvlan -> rail-ipam -> coordinator");
        self.show()?;
        let asked = proof::gateways(self.stage, &self.rails)?;
        self.narrator.did(
            "gateways",
            &format!("{asked} of {asked} pings answered: every gateway from every rail, on that rail"),
        );
        let answers = proof::symmetry(self.stage, &self.rails)?;
        self.narrator.did("symmetry", "a request that comes in on rail N is answered on rail N");
        self.narrator.show("requests from addresses that no connected route covers", &answers);
        self.check()
    }

    pub(crate) fn detach_and_prove(&mut self) -> Result<()> {
        for rail in self.rails.iter().rev() {
            let detached = self.driver.del(&rail.network, &rail.runtime);
            detached.with_context(|| format!("detach rail {}", rail.number))?;
        }
        self.narrator.did("detach", "8 rails, the last first");
        proof::nothing_left(self.stage, &self.before, &self.dirs)?;
        self.narrator.did("clean", "links, rules and routes of host and pod as before; no lease, no record");
        Ok(())
    }

    pub(crate) fn end(&self) {
        self.narrator.end();
    }

    fn attach(&self, text: &str, number: u8) -> Result<Rail> {
        let network = Network::parse(text.as_bytes())?;
        let netns = netns_path(&self.stage.pod());
        let runtime = RuntimeConf {
            container_id: container_id(&netns),
            netns: netns.display().to_string(),
            ifname: format!("net{number}"),
            ..RuntimeConf::default()
        };
        let result = self.driver.add(&network, &runtime)?;
        Rail::new(number, network, runtime, &result)
    }

    fn show(&mut self) -> Result<()> {
        let mut table = Table::new(&["RAIL", "LINK", "MASTER", "ADDRESS", "GATEWAY", "TABLE"]);
        self.rails.iter().for_each(|rail| table.row(rail.row()));
        self.narrator.show("what the plugins answered", &table.render());
        let rail = self.rails.first().context("no rail is attached")?;
        let (own_table, from) = (rail.table.to_string(), rail.address.to_string());
        let foreign_host = stage::foreign_host(rail.number).to_string();
        self.ip(&["-4", "rule"])?;
        self.ip(&["route", "show", "table", &own_table])?;
        self.ip(&["route", "show", "table", "main"])?;
        self.ip(&["route", "get", &foreign_host, "from", &from])?;
        self.ip(&["route", "get", &foreign_host])
    }

    /// What ip(8) says in the pod.
    fn ip(&mut self, args: &[&str]) -> Result<()> {
        let output = ip(&[&["-n", &self.stage.pod()], args].concat())?;
        let output = output.replace("\n    cache", "");
        self.narrator.show(&format!("pod$ ip {}", args.join(" ")), &output);
        Ok(())
    }

    fn check(&mut self) -> Result<()> {
        for rail in &self.rails {
            self.driver
                .check(&rail.network, &rail.runtime)
                .with_context(|| format!("check rail {}", rail.number))?;
        }
        let records = records::attachments(&self.dirs)?.len();
        ensure!(
            records == self.rails.len(),
            "{records} attachments are on record, {} were made",
            self.rails.len()
        );
        self.narrator.did("check", "8 rails are as they were made (CHECK)");
        Ok(())
    }
}

fn put(path: &Path, text: &str) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    Ok(state::file::replace(path, text.as_bytes())?)
}

fn variables(dirs: &Dirs) -> Vec<(String, OsString)> {
    let roots = [
        ("RAILCNI_STATE_DIR", &dirs.state),
        ("RAILCNI_DURABLE_DIR", &dirs.durable),
        ("RAILCNI_PEER_DIR", &dirs.upstream),
        ("RAILCNI_CONFIG_DIR", &dirs.config),
    ];
    roots.map(|(name, root)| (name.to_owned(), root.as_path().into())).into()
}
