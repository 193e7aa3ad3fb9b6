//! Mode underlay: the pod's first NIC is a rail itself, and the pod speaks with its node by a veth pair.

mod first;
mod modes;
mod scene;
mod traffic;
mod undo;

pub(crate) use scene::Underlay;
