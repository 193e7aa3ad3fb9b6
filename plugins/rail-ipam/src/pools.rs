//! The pools of this node, and those of them that a request may use.

use cni::{Error, Request};
use ipam::{Catalog, Family, Namespace, Pool, PoolNames, Site};
use serde_json::Value;
use state::Dirs;

use crate::conf::{Conf, Source};
use crate::{failure, master};

/// Everything that a request may choose from: one list of pools for each address that it gets.
pub(crate) enum Pools {
    Catalog { catalog: Box<Catalog>, wanted: PoolNames, match_master: bool },
    Ranges(Vec<Vec<Pool>>),
}

impl Pools {
    /// Reads and validates them.
    pub(crate) fn load(conf: &Conf, dirs: &Dirs) -> Result<Self, Error> {
        match &conf.source {
            Source::Ranges(sets) => ranges(conf, sets),
            Source::Pools { wanted, inline, match_master } => {
                let (wanted, match_master) = (wanted.clone(), *match_master);
                let mut catalog = Catalog::default();
                let path = dirs.config.path(&["pools.d"]).map_err(|error| failure::of_state(&error))?;
                catalog.add_directory(&path);
                let inline = add_inline(&mut catalog, inline);
                log(&catalog);
                let catalog = Box::new(catalog.complete());
                let wanted = if wanted.is_empty() { of_inline(&catalog, &inline)? } else { wanted };
                Ok(Self::Catalog { catalog, wanted, match_master })
            }
        }
    }

    /// The lists for a pod, or for nobody in particular when `namespace` is [`Namespace::Any`].
    pub(crate) fn select(
        &self,
        request: &Request,
        namespace: Namespace<'_>,
    ) -> Result<Vec<Vec<&Pool>>, ipam::Error> {
        match self {
            Self::Ranges(sets) => Ok(sets.iter().map(|set| set.iter().collect()).collect()),
            Self::Catalog { catalog, wanted, match_master } => {
                let master = || master::addresses(request);
                let is_pod = namespace != Namespace::Any;
                let master: Option<&dyn Fn() -> _> =
                    if *match_master && is_pod { Some(&master) } else { None };
                let site = Site { node: &node_names(), namespace, network: &request.config.name, master };
                ipam::select(catalog, wanted, &site)
            }
        }
    }

    /// host-local leaves the default route to `routes`.
    pub(crate) fn have_default_route(&self) -> bool {
        matches!(self, Self::Catalog { .. })
    }
}

fn ranges(conf: &Conf, sets: &[(String, Vec<ipam::RangeSpec>)]) -> Result<Pools, Error> {
    let mut warnings = Vec::new();
    let mut sets = ipam::range_sets(sets, &mut warnings).map_err(|error| failure::of(error.into()))?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    for pool in sets.iter_mut().flatten() {
        pool.rest = conf.rest.unwrap_or(pool.rest);
        pool.sticky = conf.sticky.unwrap_or(pool.sticky);
    }
    Ok(Pools::Ranges(sets))
}

/// Adds the pools of the config and says which those are.
fn add_inline(catalog: &mut Catalog, pools: &[Value]) -> Vec<String> {
    let before = catalog.names().len();
    for (index, pool) in pools.iter().enumerate() {
        catalog.add_inline(&format!("ipam.pools[{index}]"), pool);
    }
    catalog.names().into_iter().skip(before).collect()
}

/// A config that brings its pools and names none means those.
fn of_inline(catalog: &Catalog, names: &[String]) -> Result<PoolNames, Error> {
    let mine = |name: &String| names.contains(name);
    if let Some(error) =
        catalog.refused().find(|error| names.iter().any(|name| error.pool() == format!("pool {name:?}")))
    {
        return Err(failure::of(error.clone().into()));
    }
    let of = |family| {
        let pools = catalog.pools().filter(|pool| pool.family() == family && mine(&pool.name));
        pools.map(|pool| pool.name.clone()).collect()
    };
    Ok(PoolNames { ipv4: of(Family::V4), ipv6: of(Family::V6) })
}

fn log(catalog: &Catalog) {
    for warning in catalog.warnings() {
        tracing::warn!("{warning}");
    }
    for unreadable in catalog.unreadable() {
        tracing::warn!("{unreadable}");
    }
    for refused in catalog.refused() {
        tracing::warn!("{refused}");
    }
}

/// The node's name in Kubernetes; its host name where nobody says otherwise.
fn node_names() -> Vec<String> {
    if let Some(name) = std::env::var("NODE_NAME").ok().filter(|name| !name.is_empty()) {
        return vec![name];
    }
    let host = nix::unistd::gethostname()
        .map(|name| name.to_string_lossy().to_ascii_lowercase())
        .unwrap_or_default();
    let short = host.split('.').next().unwrap_or_default().to_owned();
    if short == host { vec![host] } else { vec![host, short] }
}
