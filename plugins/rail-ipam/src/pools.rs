//! The pools of this node, and those of them that a request may use.

use cni::Request;
use ipam::{Catalog, Error, Family, Grants, Namespace, Pool, PoolNames, Site, StoreError};
use serde_json::Value;
use state::{BootId, Dirs};

use crate::conf::{Conf, Source};
use crate::master;

/// Everything that a request may choose from: one list of pools for each address that it gets.
pub(crate) enum Pools {
    Catalog { catalog: Box<Catalog>, wanted: PoolNames, match_master: bool, grants: Grants },
    Ranges { sets: Vec<Vec<Pool>>, grants: Grants },
}

impl Pools {
    /// Reads and validates them, for a pod in `namespace`.
    pub(crate) fn load(
        request: &Request,
        conf: &Conf,
        dirs: &Dirs,
        namespace: Namespace<'_>,
    ) -> Result<Self, Error> {
        let grants = Grants::read(dirs)?;
        let mut catalog = Catalog::default();
        match &conf.source {
            Source::Ranges(sets) => {
                // Whose they are, and since when, is no matter: their subnets are the cluster's.
                let granted = grants.granted()?;
                catalog.add_granted(&grants.path().display().to_string(), granted.as_ref());
                add_directory(&mut catalog, dirs)?;
                log(&catalog);
                let mut sets = ranges(conf, sets)?;
                let site =
                    Site { node: &node_names(), namespace, network: &request.config.name, master: None };
                ipam::fence(&catalog.complete(), &mut sets, &site)?;
                Ok(Self::Ranges { sets, grants })
            }
            Source::Pools { wanted, inline, match_master } => {
                let (wanted, match_master) = (wanted.clone(), *match_master);
                add_granted(&mut catalog, &grants)?;
                add_directory(&mut catalog, dirs)?;
                let inline = add_inline(&mut catalog, inline);
                log(&catalog);
                let catalog = Box::new(catalog.complete());
                let wanted = if wanted.is_empty() { of_inline(&catalog, &inline)? } else { wanted };
                Ok(Self::Catalog { catalog, wanted, match_master, grants })
            }
        }
    }

    /// The lists for a pod, or for nobody in particular when `namespace` is [`Namespace::Any`].
    pub(crate) fn select(
        &self,
        request: &Request,
        namespace: Namespace<'_>,
    ) -> Result<Vec<Vec<&Pool>>, Error> {
        match self {
            Self::Ranges { sets, .. } => Ok(sets.iter().map(|set| set.iter().collect()).collect()),
            Self::Catalog { catalog, wanted, match_master, .. } => {
                let master = || master::addresses(request);
                let is_pod = namespace != Namespace::Any;
                let master: Option<&dyn Fn() -> _> =
                    if *match_master && is_pod { Some(&master) } else { None };
                let site = Site { node: &node_names(), namespace, network: &request.config.name, master };
                ipam::select(catalog, wanted, &site)
            }
        }
    }

    /// Whether the agent has not changed them since; with the lease store locked it does not.
    pub(crate) fn are_current(&self) -> Result<bool, StoreError> {
        match self {
            Self::Ranges { grants, .. } | Self::Catalog { grants, .. } => grants.is_current(),
        }
    }

    /// host-local leaves the default route to `routes`.
    pub(crate) fn have_default_route(&self) -> bool {
        matches!(self, Self::Catalog { .. })
    }
}

fn ranges(conf: &Conf, sets: &[(String, Vec<ipam::RangeSpec>)]) -> Result<Vec<Vec<Pool>>, Error> {
    let mut warnings = Vec::new();
    let mut sets = ipam::range_sets(sets, &mut warnings)?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    for pool in sets.iter_mut().flatten() {
        pool.rest = conf.rest.unwrap_or(pool.rest);
        pool.sticky = conf.sticky.unwrap_or(pool.sticky);
    }
    Ok(sets)
}

/// The pools that the node's administrator wrote.
fn add_directory(catalog: &mut Catalog, dirs: &Dirs) -> Result<(), StoreError> {
    catalog.add_directory(&dirs.config.path(&["pools.d"])?);
    Ok(())
}

/// The pools of the cluster come first: what a file of this node says against them is refused, not they.
fn add_granted(catalog: &mut Catalog, grants: &Grants) -> Result<(), StoreError> {
    let node = own_name();
    let granted = grants.granted_here(node.as_deref(), &BootId::current()?)?;
    catalog.add_granted(&grants.path().display().to_string(), granted.as_ref());
    Ok(())
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
        return Err(error.clone().into());
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

/// The node's name in Kubernetes, as far as somebody says it.
fn own_name() -> Option<String> {
    std::env::var("NODE_NAME").ok().filter(|name| !name.is_empty())
}

/// The same; its host name where nobody says otherwise.
pub fn node_names() -> Vec<String> {
    if let Some(name) = own_name() {
        return vec![name];
    }
    let host = nix::unistd::gethostname()
        .map(|name| name.to_string_lossy().to_ascii_lowercase())
        .unwrap_or_default();
    let short = host.split('.').next().unwrap_or_default().to_owned();
    if short == host { vec![host] } else { vec![host, short] }
}
