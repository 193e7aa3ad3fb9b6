//! Tests that run inside a guest. The first module names the configuration that is booted for them.

mod advertised;
mod attachment;
mod conformance;
mod disk;
mod eth;
mod hostile_pod;
mod ib;
mod identity;
mod igb;
mod ipoib;
mod many;
mod plain;
mod subject;
mod whole_function;
