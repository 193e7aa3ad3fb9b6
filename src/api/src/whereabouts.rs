//! What whereabouts writes down, as far as it says which addresses are taken. Its CRDs are its own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Kind, Object};

/// The addresses of one range that pods have.
pub type WhereaboutsPool = Object<WhereaboutsPoolSpec, ()>;

/// An address, its name, that nobody may have again in another range.
pub type WhereaboutsReservation = Object<WhereaboutsHolder, ()>;

/// The addresses of one range that pods have.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct WhereaboutsPoolSpec {
    /// ADDRESS/LENGTH
    pub range: String,
    /// By the distance from the range's address, a decimal number.
    pub allocations: BTreeMap<String, WhereaboutsHolder>,
}

/// Who has an address.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct WhereaboutsHolder {
    /// NAMESPACE/NAME
    pub podref: String,
    /// The pod's interface.
    pub ifname: String,
}

impl Kind for WhereaboutsPool {
    const GROUP: &'static str = "whereabouts.cni.cncf.io";
    const VERSION: &'static str = "v1alpha1";
    const KIND: &'static str = "IPPool";
    const PLURAL: &'static str = "ippools";
    const SHORT: &'static [&'static str] = &[];
    const NAMESPACED: bool = true;
}

impl Kind for WhereaboutsReservation {
    const GROUP: &'static str = "whereabouts.cni.cncf.io";
    const VERSION: &'static str = "v1alpha1";
    const KIND: &'static str = "OverlappingRangeIPReservation";
    const PLURAL: &'static str = "overlappingrangeipreservations";
    const SHORT: &'static [&'static str] = &[];
    const NAMESPACED: bool = true;
}
