//! The whole crate on trees in temporary directories, and once on the running kernel.

mod infiniband;
mod net;
mod pci;
mod tree;
