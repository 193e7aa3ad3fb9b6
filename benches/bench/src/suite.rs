//! The two suites that are compared, and what each calls the same thing.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// One directory of plugins.
#[derive(Clone, Debug)]
pub(crate) struct Suite {
    pub(crate) dir: PathBuf,
    names: &'static Names,
}

#[derive(Debug)]
struct Names {
    version: &'static str,
    ipam: &'static str,
    routing: &'static str,
}

const RAILCNI: Names = Names { version: "1.1.0", ipam: "rail-ipam", routing: "coordinator" };
const REFERENCE: Names = Names { version: "1.0.0", ipam: "host-local", routing: "sbr" };

impl Suite {
    /// Told by the IPAM plugin that the directory holds.
    pub(crate) fn find(dir: &Path) -> Result<Self> {
        let holds = |names: &Names| dir.join(names.ipam).is_file();
        let names = [&RAILCNI, &REFERENCE].into_iter().find(|names| holds(names));
        let names =
            names.with_context(|| format!("{} holds neither rail-ipam nor host-local", dir.display()))?;
        let suite = Self { dir: dir.to_path_buf(), names };
        for plugin in suite.plugins() {
            if !suite.path(plugin).is_file() {
                bail!(
                    "{} lacks {plugin}: run `make build`, or install containernetworking-plugins",
                    dir.display()
                );
            }
        }
        Ok(suite)
    }

    /// Those of one rail, in the order of the chain, the IPAM plugin last.
    pub(crate) fn plugins(&self) -> [&'static str; 3] {
        ["macvlan", self.names.routing, self.names.ipam]
    }

    pub(crate) fn ipam(&self) -> &'static str {
        self.names.ipam
    }

    pub(crate) fn is_reference(&self) -> bool {
        self.names.ipam == REFERENCE.ipam
    }

    pub(crate) fn path(&self, plugin: &str) -> PathBuf {
        self.dir.join(plugin)
    }

    /// The chain of one rail, in its order, as a runtime sends it but for `prevResult`.
    pub(crate) fn chain(&self, number: u8) -> Vec<Value> {
        let mut macvlan = self.config("macvlan", &format!("rail-{number}"), &range(number));
        macvlan["master"] = json!(format!("rail{number}"));
        macvlan["mode"] = json!("bridge");
        vec![macvlan, self.header(self.names.routing, &format!("rail-{number}"))]
    }

    /// The first rails as one network of `rail`.
    pub(crate) fn rails(&self, count: u8) -> Value {
        let rail = |number: u8| json!({ "master": format!("rail{number}"), "ipam": { "type": self.names.ipam, "ranges": [[range(number)]] } });
        let mut config = self.header("rail", "rails");
        config["mode"] = json!("bridge");
        config["rails"] = (1..=count).map(rail).collect();
        config
    }

    /// What the IPAM plugin alone gets for one range.
    pub(crate) fn pool(&self, network: &str, range: &Value) -> Value {
        self.config("macvlan", network, range)
    }

    fn config(&self, plugin: &str, network: &str, range: &Value) -> Value {
        let mut config = self.header(plugin, network);
        config["ipam"] = json!({ "type": self.names.ipam, "ranges": [[range]] });
        config
    }

    fn header(&self, plugin: &str, network: &str) -> Value {
        json!({ "cniVersion": self.names.version, "name": network, "type": plugin })
    }
}

pub(crate) fn range(number: u8) -> Value {
    json!({
        "subnet": format!("172.16.{number}.0/24"),
        "rangeEnd": format!("172.16.{number}.250"),
        "gateway": format!("172.16.{number}.254"),
    })
}
