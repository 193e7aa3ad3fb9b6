//! From the document's fields to the plugins that do what it says, in their order.

use anyhow::{Context as _, Result, bail, ensure};
use cni::lenient::{from_value, member};
use cni::{Command, Config};
use serde::Deserialize;
use serde_json::{Value, json};

use super::spec::{self, Child, IbSriov, Ipoib, Spec, Sriov};

/// The plugins of a network.
#[derive(Debug, Default)]
pub(super) struct Chain {
    pub(super) plugins: Vec<Value>,
    /// What the device plugin calls its VFs.
    pub(super) resource: Option<String>,
    pub(super) warnings: Vec<String>,
}

pub(super) fn of(document: &Value, pools: &[&Value]) -> Result<Chain> {
    let spec = spec::read(document)?;
    let mut chain = Chain::default();
    let kind = spec.cni_type.as_deref().unwrap_or("custom");
    match kind {
        "macvlan" | "ipvlan" => chain.child(document, kind)?,
        "sriov" => chain.sriov(document)?,
        "ib-sriov" => chain.ib_sriov(document)?,
        "ipoib" => chain.ipoib(document)?,
        "custom" => return chain.custom(&spec),
        "vlan" | "ovs" => {
            bail!("cniType {kind} has no plugin here; a macvlan with vlanID does what vlan does")
        }
        other => {
            bail!("spec.cniType {other:?} is none of macvlan, ipvlan, sriov, ib-sriov, ipoib and custom")
        }
    }
    if !spec.disable_ipam {
        let ipam = chain.ipam(document, kind, pools)?;
        let link = chain.plugins.iter_mut().find(|plugin| plugin["type"] == kind);
        link.context("a chain has its link")?["ipam"] = ipam;
    }
    chain.others(&spec)?;
    Ok(chain)
}

impl Chain {
    fn child(&mut self, document: &Value, kind: &str) -> Result<()> {
        let (child, block) = spec::block::<Child>(document, kind)?;
        let of = format!("spec.{kind}");
        ensure!(
            !child.master.is_empty(),
            "{of}.master is missing: the interfaces of the rail, such as [\"ens1f0\"]"
        );
        let bond = child.bond.as_ref();
        let base = match (child.master.as_slice(), bond.map(|bond| bond["name"].as_str())) {
            ([master], _) => master.clone(),
            (_, Some(Some(name))) => name.to_owned(),
            _ => bail!(
                "{of}.master has {} entries: more than one need a {of}.bond with a name",
                child.master.len()
            ),
        };
        if child.vlan_id != 0 || child.master.len() > 1 {
            let mut ifacer = json!({ "type": "ifacer", "interfaces": child.master });
            if child.vlan_id != 0 {
                ifacer["vlanID"] = child.vlan_id.into();
            }
            if let Some(bond) = bond.filter(|_| child.master.len() > 1) {
                ifacer["bond"] = bond.clone();
            }
            self.plugins.push(ifacer);
        }
        let master = if child.vlan_id == 0 { base } else { format!("{base}.{}", child.vlan_id) };
        let mut plugin = json!({ "type": kind, "master": master });
        put(&mut plugin, "mtu", child.mtu);
        if rdma_is_meant(block)? {
            self.warn(format!(
                "{of}.enableRdma is no field, and not needed: RDMA is shared through the master"
            ));
        }
        self.plugins.push(plugin);
        Ok(())
    }

    fn sriov(&mut self, document: &Value) -> Result<()> {
        let (sriov, block) = spec::block::<Sriov>(document, "sriov")?;
        self.resource = Some(resource(sriov.resource_name, "spec.sriov")?);
        let (min, max) = (sriov.min_tx_rate_mbps, sriov.max_tx_rate_mbps);
        ensure!(
            min <= max || max == 0,
            "spec.sriov.minTxRateMbps {min} is more than spec.sriov.maxTxRateMbps {max}"
        );
        let mut plugin = json!({ "type": "sriov" });
        put(&mut plugin, "vlan", sriov.vlan_id.into());
        put(&mut plugin, "mtu", sriov.mtu);
        put(&mut plugin, "min_tx_rate", min);
        put(&mut plugin, "max_tx_rate", max);
        self.plugins.push(plugin);
        let meant = rdma_is_meant(block)?;
        if meant {
            self.warn("spec.sriov.enableRdma is no field; taken as rdmaIsolation".to_owned());
        }
        if sriov.rdma_isolation || meant {
            self.plugins.push(json!({ "type": "rdma" }));
        }
        Ok(())
    }

    fn ib_sriov(&mut self, document: &Value) -> Result<()> {
        let pkey = &document["ibsriov"]["pkey"];
        ensure!(
            !pkey.is_number(),
            "spec.ibsriov.pkey {pkey} is a number: write hexadecimal digits as a string, such as \"0x{pkey}\""
        );
        let (ib, _) = spec::block::<IbSriov>(document, "ibsriov")?;
        self.resource = Some(resource(ib.resource_name, "spec.ibsriov")?);
        let mut plugin = json!({
            "type": "ib-sriov",
            "link_state": ib.link_state.as_deref().unwrap_or("enable"),
            "rdmaIsolation": ib.rdma_isolation.unwrap_or(true),
        });
        if let Some(pkey) = ib.pkey.filter(|pkey| !pkey.is_empty()) {
            plugin["pkey"] = pkey.into();
        }
        if ib.enable_ib_kubernetes {
            plugin["ibKubernetesEnabled"] = true.into();
            plugin["capabilities"] = json!({ "infinibandGUID": true });
        }
        self.plugins.push(plugin);
        Ok(())
    }

    fn ipoib(&mut self, document: &Value) -> Result<()> {
        let (ipoib, _) = spec::block::<Ipoib>(document, "ipoib")?;
        let master = ipoib.master.context("spec.ipoib.master is missing: the parent, such as ibs5f0")?;
        self.plugins.push(json!({ "type": "ipoib", "master": master }));
        Ok(())
    }

    /// The text is a plugin's config or a list, and says all there is to say.
    fn custom(mut self, spec: &Spec) -> Result<Self> {
        let text = spec
            .custom
            .as_deref()
            .context("spec.customCNI is missing: cniType custom is nothing without it")?;
        let config: Value = serde_json::from_str(text).context("spec.customCNI is no JSON")?;
        self.plugins = match config.get("plugins").and_then(Value::as_array) {
            Some(plugins) => plugins.clone(),
            None => vec![config],
        };
        Ok(self)
    }

    /// Plugins that the document brings along, and the coordinator at the end.
    fn others(&mut self, spec: &Spec) -> Result<()> {
        for (index, text) in spec.chain.iter().enumerate() {
            let field = || format!("spec.chainCNIJsonData[{index}]");
            let plugin: Value =
                serde_json::from_str(text).with_context(|| format!("{} is no JSON", field()))?;
            ensure!(plugin["type"].is_string(), "{} has no \"type\": it names a plugin", field());
            self.plugins.push(plugin);
        }
        if spec.enable_coordinator == Some(false) {
            return Ok(());
        }
        let mut plugin = json!({ "type": "coordinator" });
        for (key, value) in spec.coordinator.iter().filter_map(Value::as_object).flatten() {
            // The one key that the document writes in another way than the plugin.
            let key = if key == "podDefaultRouteNIC" { "podDefaultRouteNic" } else { key };
            plugin[key] = value.clone();
        }
        require_valid(&plugin).context("spec.coordinator")?;
        self.plugins.push(plugin);
        Ok(())
    }

    fn ipam(&mut self, document: &Value, kind: &str, pools: &[&Value]) -> Result<Value> {
        #[derive(Default, Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        struct Pools {
            ipv4: Vec<String>,
            ipv6: Vec<String>,
            match_master_subnet: bool,
        }
        let name = if kind == "ib-sriov" { "ibsriov" } else { kind };
        let block = &document[name];
        let mut value = member(block, "ippools");
        if value.is_none() && member(document, "ippools").is_some() {
            value = member(document, "ippools");
            self.warn(format!("spec.ippools belongs into spec.{name}; taken from where it is"));
        }
        let path = format!("spec.{name}");
        let wanted: Pools =
            value.map_or(Ok(Pools::default()), from_value).map_err(|e| e.below("ippools").below(&path))?;
        let beside = member(block, "matchMasterSubnet").is_some_and(|value| *value == true);
        if beside {
            self.warn(format!(
                "{path}.matchMasterSubnet belongs into {path}.ippools; taken from where it is"
            ));
        }
        let mut ipam = json!({ "type": "rail-ipam" });
        for (family, names) in [("ipv4", wanted.ipv4), ("ipv6", wanted.ipv6)] {
            if !names.is_empty() {
                ipam["ippools"][family] = names.into();
            }
        }
        if wanted.match_master_subnet || beside {
            ipam["ippools"]["matchMasterSubnet"] = true.into();
        }
        if !pools.is_empty() {
            ipam["pools"] = pools.iter().map(|pool| (*pool).clone()).collect();
        }
        Ok(ipam)
    }

    fn warn(&mut self, warning: String) {
        self.warnings.push(warning);
    }
}

/// A number that means something: Spiderpool writes 0 for what nobody asked for.
fn put(plugin: &mut Value, key: &str, value: u32) {
    if value != 0 {
        plugin[key] = value.into();
    }
}

fn resource(name: Option<String>, block: &str) -> Result<String> {
    name.filter(|name| !name.is_empty()).with_context(|| {
        format!("{block}.resourceName is missing: what the SR-IOV device plugin calls the rail's VFs")
    })
}

fn rdma_is_meant(block: &Value) -> Result<bool> {
    match member(block, "enableRdma") {
        None => Ok(false),
        Some(Value::Bool(meant)) => Ok(*meant),
        Some(other) => bail!("enableRdma has the value {other}: expected true or false"),
    }
}

/// As the plugin would read it on any node: what it refuses is better said here than when a pod starts.
fn require_valid(coordinator: &Value) -> Result<()> {
    let mut config = coordinator.clone();
    (config["cniVersion"], config["name"]) = (json!("1.1.0"), json!("rendered"));
    let config = Config::parse(config.to_string().into_bytes(), Command::Status)?;
    Ok(routing::Settings::without_node(&config).map(drop)?)
}
